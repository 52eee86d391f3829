"""Syllable tokens and sentences, each as offsets into the text.

A token is the first of these that matches (`SYLLABLE`):

1. a compound that begins with a digit: `13/10/2011`, `2020-2025`, `43/2014/TT-BGDĐT`,
   `215-QĐ/TW`, `2.439`, `18:59`; a full stop, comma or colon joins only digits;
2. a run of letters and digits, with `&` inside: `Hội`, `QH13`, `TT&TT`;
3. any other single character that is no white space.

So every character but white space is in exactly one token, and no text is changed.
"""

import re
from functools import cache
from typing import Any, NamedTuple

Offsets = tuple[int, int]
"""Start and end in code points, end exclusive."""

SYLLABLE = re.compile(
    r"\d\w*(?:(?:[-‐‑–/&]|(?<=\d)[.,:](?=\d))\w+)*"
    r"|\w+(?:&\w+)*"
    r"|\S"
)


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Offsets]:
    """Offsets of the syllable tokens of `text[start:end]`, in order, into the whole text."""
    stop = len(text) if end is None else end
    return [match.span() for match in SYLLABLE.finditer(text, start, stop)]


class Syllables(NamedTuple):
    """The syllable tokens of a text and its line breaks, as lists with one item a token, but
    `numbers`: which tokens begin with a digit."""

    words: list[str]
    starts: list[int]
    ends: list[int]
    capitals: list[bool]
    numbers: list[int]


# What may join two runs of letters and digits to one token, between them.
_JOINT = re.compile(r"[-‐‑–/&.,:](?=\w)(?<=\w.)")
_INK, _WORD, _CAPITAL, _DIGIT = 1, 2, 4, 8


def _kind_of(character: str) -> int:
    return (
        _INK * (not character.isspace() or character == "\n")
        + _WORD * (character.isalnum() or character == "_")
        + _CAPITAL * character.isupper()
        + _DIGIT * bool(re.match(r"\d", character))
    )


@cache
def _kinds() -> Any:
    """What each code point up to the end of the alphabets is: an array to index by code points."""
    import numpy as np

    return np.array([_kind_of(chr(code)) for code in range(0x3000)], dtype=np.uint8)


def read_syllables(text: str, folded: str) -> Syllables:
    """The tokens of `tokenize(folded)`, and line breaks, of a text and its folded form.

    Where a token begins is worked out for all characters at once, in arrays: three times as
    fast as a regular expression that is asked for one token after the other.
    """
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    known = _kinds()
    kinds = known.take(codes, mode="clip")
    if text and codes.max() >= len(known):
        for k in np.flatnonzero(codes >= len(known)).tolist():
            kinds[k] = _kind_of(text[k])
    word = np.zeros(len(kinds) + 2, dtype=bool)
    word[1:-1] = kinds & _WORD
    other = (kinds & (_INK | _WORD)) == _INK
    begins = other | (word[1:-1] & ~word[:-2])
    stops = other | (word[1:-1] & ~word[2:])
    (first,), (last,) = begins.nonzero(), stops.nonzero()
    places = [match.start() for match in _JOINT.finditer(folded)]
    if places:
        numbers = first.searchsorted(places)
        heads = first[numbers - 1]
        joined = _find_joined(folded, places, numbers.tolist(), heads.tolist())
        keeps = np.ones(len(first) + 1, dtype=bool)
        keeps[joined] = False
        first, last = first[keeps[:-1]], last[keeps[1:]]
    of_first = kinds[first]
    starts: list[int] = first.tolist()
    ends: list[int] = (last + 1).tolist()
    return Syllables(
        [folded[start:end] for start, end in zip(starts, ends, strict=True)],
        starts,
        ends,
        ((of_first & _CAPITAL) != 0).tolist(),
        (of_first & _DIGIT).nonzero()[0].tolist(),
    )


def _find_joined(folded: str, places: list[int], numbers: list[int], heads: list[int]) -> list[int]:
    """Numbers of the runs and single characters that belong to the token before them.

    places: where characters that may join two runs stand; numbers: which of the runs and single
    characters they are; heads: where the runs before them begin.
    """
    joined: list[int] = []
    head = 0
    for place, number, run in zip(places, numbers, heads, strict=True):
        if not joined or joined[-1] != number - 1:
            head = run  # the run before is no part of a token that was joined already
        mark = folded[place]
        between_digits = folded[place - 1].isdecimal() and folded[place + 1].isdecimal()
        if mark == "&" or (folded[head].isdecimal() and (mark not in ".,:" or between_digits)):
            joined += (number, number + 1)
    return joined


# A sentence ends at a line break, or at . ! ? … (with closing quotes and brackets) before
# white space and a capital, digit or opening quote. No end: after an abbreviation
# of a title or place (TP. Huế, GS. Minh), after an initial (T.Ư, H. Y), after the number of an
# article or item (Điều 5. Hiệu lực).
_BREAK = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[]*[^\W_])|\n+")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(/.,\"“])(?:TP|Tp|TX|Tx|TT|Q|P|H|X|T|GS|PGS|TS|ThS|Ths|BS|KS|LS|CN|Th|Tr|[Đđ]/c|Ông|St|Mr|Mrs|Dr|[^\W\d_])\.$"
)
_GOES_ON = re.compile(
    r"\s+[a-zàáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ]"
)
_NUMBERED = re.compile(
    r"(?:Điều|Khoản|Mục|Chương|Phần|Bài|Câu)\s+[\dIVXLC]+[a-zđ]?\.$|(?:^|\n)\s*(?:\d+|[IVXLC]+|[a-zđ])\.$"
)


def split_sentences(text: str) -> list[Offsets]:
    """Offsets of the sentences of a text, in order, without white space at their edges.

    Everything but white space lies in exactly one sentence.
    """
    sentences: list[Offsets] = []
    start = 0

    def close(end: int) -> None:
        nonlocal start
        sentence = text[start:end]
        left = len(sentence) - len(sentence.lstrip())
        right = len(sentence.rstrip())
        if right:
            sentences.append((start + left, start + right))
        start = end

    for match in _BREAK.finditer(text):
        end = match.end()
        if text[match.start()] in ".…":
            before = text[max(start, end - 16) : end]
            if _GOES_ON.match(text, end) or _ABBREVIATED.search(before) or _NUMBERED.search(before):
                continue
        close(end)
    close(len(text))
    return sentences
