"""Syllable tokens and sentences, each as offsets into the text.

A token is the first of these that matches (`SYLLABLE`):

1. a compound that begins with a digit: `13/10/2011`, `2020-2025`, `43/2014/TT-BGDĐT`,
   `215-QĐ/TW`, `2.439`, `18:59`; a full stop, comma or colon joins only digits;
2. a run of letters and digits, with `&` inside: `Hội`, `QH13`, `TT&TT`;
3. any other single character that is no white space.

So every character but white space is in exactly one token, and no text is changed.
"""

import re

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
