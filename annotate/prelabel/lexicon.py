"""Lexicons: named lists of strings, read from text files and matched in one pass.

A file holds comment lines (`#`), sections (`[class]`) and entries, one a line or between
semicolons. `{a|b|}` in an entry means one of these (the last of them: nothing). Entries are
matched through `annotate.text.fold`, so case, tone placement, i/y and dashes do not matter.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from annotate.errors import DataError
from annotate.text import fold, fold_look_alikes

FOLDER = Path(__file__).parent / "lexicons"

Case = Literal["any", "first", "name", "exact"]
"""What the text's capitals must be: no matter; a capital at the start; a capital at the start of
the first and the last word wherever the entry has one; exactly those of the entry."""

CASE_OF_CLASS: Mapping[str, Case] = {
    "province": "name",
    "city": "name",
    "district": "name",
    "country": "name",
    "world-city": "name",
    "region": "name",
    "known": "name",
    "body.capital": "first",
    "body.acronym": "exact",
    "treaty.acronym": "exact",
    "centre": "first",
    "title.acronym": "exact",
}

WORD_CLASSES = frozenset(
    {
        "stop",
        "surname",
        "surname.rare",
        "plural",
        "outside",
        "not-name",
        "opens-word",
        "byline.not-name",
        "compound",
        "doc.rarely-numbered",
        "generic.after",
        "given",
        "generic.before",
        "head.firm",
        "head.numbered",
        "head.open-small",
        "head.small",
        "law.not-name",
        "title.cue",
        "title.unique",
        "treaty.open",
        "treaty.subject",
        "unit.number",
        "verb.after-body",
    }
)
"""Classes of words that are looked up at a place already found, never searched for."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_SECTION = re.compile(r"\[([a-z][a-z.-]*)\]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One string of a lexicon with the class it belongs to and where it stands."""

    text: str
    label: str
    where: str


def expand_braces(pattern: str, where: str) -> Iterator[str]:
    """All strings that an entry with `{a|b}` stands for. Raises DataError for a lone brace."""
    parts = _BRACES.split(pattern)
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise DataError(f"{where}: a brace without its pair in {pattern!r}; write {{a|b}}")
    choices = [part.split("|") if n % 2 else [part] for n, part in enumerate(parts)]
    for chosen in itertools.product(*choices):
        yield " ".join("".join(chosen).split())


def read_lexicon(path: Path) -> list[Entry]:
    """The entries of one file. Raises DataError that names file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    entries: list[Entry] = []
    label = ""
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = _SECTION.fullmatch(line)
            if not section:
                raise DataError(f"{where}: {line!r} is no section; wanted [name] in small letters")
            label = section.group(1)
            continue
        if not label:
            raise DataError(f"{where}: an entry before any section; begin with a line [name]")
        for pattern in line.split(";"):
            if not pattern.strip():
                continue
            for text in expand_braces(pattern.strip(), where):
                if not fold(text):
                    raise DataError(f"{where}: an empty entry in {pattern.strip()!r}")
                entries.append(Entry(text, label, where))
    return entries


def read_lexicons(folder: Path = FOLDER) -> list[Entry]:
    """The entries of all `*.txt` of a folder. Raises DataError."""
    return [entry for path in sorted(folder.glob("*.txt")) for entry in read_lexicon(path)]


def has_case(text: str, start: int, end: int, entry: str, case: Case) -> bool:
    """Whether `text[start:end]` has the capitals that `case` wants of the entry."""
    if case == "any":
        return True
    if case == "exact":
        return fold_look_alikes(text[start:end]) == entry
    if case == "first":
        return text[start].isupper()
    last = text.rfind(" ", start, end) + 1
    return _same_case(text[start], entry[0]) and (
        last <= start or _same_case(text[last], entry[entry.rfind(" ") + 1])
    )


def _same_case(found: str, wanted: str) -> bool:
    return found.isupper() or not wanted.isupper()


class Lexicon:
    """All entries, compiled: an Aho-Corasick automaton over folded keys, and sets of words."""

    def __init__(self, entries: list[Entry]) -> None:
        import ahocorasick

        self.words: dict[str, frozenset[str]] = {}
        words: dict[str, set[str]] = {label: set() for label in WORD_CLASSES}
        keys: dict[str, dict[tuple[str, Case, str], None]] = {}
        for entry in entries:
            key = fold(entry.text)
            if entry.label in WORD_CLASSES:
                words[entry.label].add(key)
                continue
            case = CASE_OF_CLASS.get(entry.label, "any")
            natural = fold_look_alikes(entry.text) if case in ("exact", "name") else ""
            keys.setdefault(key, {})[entry.label, case, natural] = None
        self.words = {label: frozenset(group) for label, group in words.items()}
        self.classes = sorted({label for found in keys.values() for label, _, _ in found})
        self.automaton: Any = ahocorasick.Automaton()
        for key, found in keys.items():
            self.automaton.add_word(key, (len(key), tuple(found)))
        self.automaton.make_automaton()


@cache
def load_lexicon() -> Lexicon:
    """The lexicons that come with the package, read and compiled at first use."""
    return Lexicon(read_lexicons())
