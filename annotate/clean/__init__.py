"""A raw page → the article's text, with what became of every line.

The text is composed to NFC and loses only what no reader sees (control and zero-width
characters, white space at the ends of lines) and whole lines of page furniture. A line of
the article is never cut, joined or reworded. After this step no character changes any more.

- `characters.py`: NFC, line ends, spaces;
- `furniture.py`: what a line alone says (`annotate/furniture.toml` holds the words);
- `dates.py`, `bylines.py`: lines that hold a date, lines that name who wrote;
- `page.py`: where the article begins and ends, and what of the rest is furniture.

In doubt a line stays: furniture that stays costs an annotator a second, a lost line is lost.
"""

from annotate.clean.characters import normalise
from annotate.clean.page import Cleaned, Removed, clean_page, clean_text

__all__ = ["Cleaned", "Removed", "clean_page", "clean_text", "normalise"]
