"""The characters of a raw page: NFC, `\\n` line ends, plain spaces, nothing invisible."""

import re
import unicodedata

_NEWLINES = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")
_SPACES = re.compile("[\u00a0\u2007\u2009\u202f\u3000]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f"  # control characters but tab and the line ends
    "\u00ad\u200b-\u200f\u2060\ufeff\ufffc"  # soft hyphens, zero width, marks, placeholders
    "\ud800-\udfff]"  # lone halves of characters, which no file can hold
)

# A tone typed before the mark of its vowel (a + acute + circumflex, as some PDF files have it):
# Unicode keeps the order of these marks, so NFC alone leaves a letter in pieces.
_LOOSE = re.compile("[\u0302\u0306]")
_TONE_FIRST = re.compile("([\u0300\u0301\u0303\u0309])([\u0302\u0306])")


def normalise(raw: str) -> str:
    """NFC text with `\\n` line ends, plain spaces and no invisible characters."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", _NEWLINES.sub("\n", raw)))
    composed = unicodedata.normalize("NFC", text)
    if not _LOOSE.search(composed):
        return composed
    parts = _TONE_FIRST.sub(r"\2\1", unicodedata.normalize("NFD", composed))
    return unicodedata.normalize("NFC", parts)
