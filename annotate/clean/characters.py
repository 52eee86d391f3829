"""The characters of a raw page: NFC, `\\n` line ends, plain spaces, nothing invisible."""

import re
import unicodedata

_CONTROLS = (*range(0x00, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F)
_ZERO_WIDTH = (0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xFFFC)
_HALF_CHARACTERS = range(0xD800, 0xE000)  # lone surrogates, which no file can hold
_INVISIBLE = dict.fromkeys((*_CONTROLS, *_ZERO_WIDTH, *_HALF_CHARACTERS))
_SPACES = {0xA0: " ", 0x2007: " ", 0x202F: " ", 0x2009: " ", 0x3000: " "}
_NEWLINES = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")


def normalise(raw: str) -> str:
    """NFC text with `\\n` line ends, plain spaces and no invisible characters."""
    text = _NEWLINES.sub("\n", raw).translate(_SPACES).translate(_INVISIBLE)
    return unicodedata.normalize("NFC", text)
