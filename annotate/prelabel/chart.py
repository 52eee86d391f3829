"""A text laid out for the rules: tokens, capitals and every lexicon entry found in it."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from itertools import compress, count
from typing import TypeVar

from annotate.prelabel.lexicon import Lexicon, Match, has_capitals, load_lexicon
from annotate.text import fold
from annotate.tokens import read_syllables

R = TypeVar("R")

_SENTENCE_END = frozenset({".", "!", "?", "…", "\n", ":", '"', "•", "*", "|", "-", "+"})
_PLACES = ("province", "city", "district", "country", "world-city", "region")
_BREAK = re.compile(r"\n(?=[^\W_])(?<=[^\W_]\n|,\n)")
_PLACED = re.compile(
    r"\n(?=(?:TỈNH|THÀNH PHỐ|HUYỆN|QUẬN|THỊ XÃ|THỊ TRẤN|XÃ|PHƯỜNG|ĐẶC KHU) (?!ỦY|UỶ))"
)
_SHORTEST_WRAPPED = 27
_MANY_WRAPS = 5
_KEEP_ALL = "head.field"
_MARGIN = 64
_watched: set[str] = set()
"""Words that rules asked charts for."""


class Borders:
    """Token numbers by offset: like a dict, but looked up in the sorted offsets themselves."""

    def __init__(self, offsets: list[int], first_number: int) -> None:
        self._offsets = offsets
        self._first_number = first_number

    def get(self, offset: int) -> int | None:
        """The token number, or None where no token has its border at the offset."""
        k = bisect_left(self._offsets, offset)
        if k < len(self._offsets) and self._offsets[k] == offset:
            return k + self._first_number
        return None

    def __getitem__(self, offset: int) -> int:
        number = self.get(offset)
        if number is None:
            raise KeyError(offset)
        return number


@dataclass(slots=True)
class Chart:
    """Tokens of a text by number, and for each lexicon class where its entries begin and end.

    `sizes[label][i]` is how many tokens the longest entry of that class has that begins at token
    `i`; `begun[label]` are the tokens where one begins, some of them twice. `capitals` says which
    tokens begin with a capital, `names` which of these are words; `capital_numbers` and `numbers`
    are the tokens that begin with a capital and with a digit. `first` gives the token that begins
    at an offset, `after` the token number after the token that ends at one. Tokens are those of
    `annotate.tokens` over the folded text, and line breaks.
    """

    text: str
    folded: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    sizes: dict[str, bytearray]
    begun: dict[str, list[int]]
    lexicon: Lexicon
    every: dict[str, dict[int, list[int]]]
    capitals: list[bool]
    capital_numbers: list[int]
    names: list[bool]
    numbers: list[int]
    first: Borders
    after: Borders
    watched: frozenset[str]
    marked: list[tuple[int, str]]
    shouting: set[int] = field(default_factory=set)
    places: dict[int, int] = field(default_factory=dict)
    inside_places: set[int] = field(default_factory=set)
    bodies: dict[int, tuple[int, str]] = field(default_factory=dict)
    word: Callable[[int], str] = field(init=False)
    """Folded token `i`; empty outside the text."""
    is_capital: Callable[[int], bool] = field(init=False)
    """Whether token `i` begins with a capital letter."""
    is_name: Callable[[int], bool] = field(init=False)
    """Whether token `i` may be part of a proper name: letters and digits after a capital."""

    def __post_init__(self) -> None:
        # Rules ask for tokens a little before and behind the text too. With a margin at the end,
        # which a negative number also finds, a list answers by itself: three times as fast as a
        # method that looks at the bounds.
        self.word = [*self.words, *[""] * _MARGIN].__getitem__
        self.is_capital = [*self.capitals, *[False] * _MARGIN].__getitem__
        self.is_name = [*self.names, *[False] * _MARGIN].__getitem__

    def __len__(self) -> int:
        return len(self.words)

    def where(self, words: Set[str]) -> list[int]:
        """Numbers of the tokens that are one of these folded words.

        What was asked for once is looked for in all later charts in one scan (`marked`).
        """
        if not words <= self.watched:
            _watched.update(words)
            return list(compress(count(), map(words.__contains__, self.words)))
        return [i for i, word in self.marked if word in words]

    def by_token(self, readers: Sequence[tuple[R, Sequence[str]]]) -> dict[int, list[R]]:
        """By token, the readers of which a class has an entry that begins there, in their order.

        `readers` are pairs of a reader and its classes.
        """
        table: dict[int, list[R]] = {}
        for reader, labels in readers:
            for label in labels:
                for i in self.begun[label]:
                    known = table.setdefault(i, [])
                    if not known or known[-1] != reader:
                        known.append(reader)
        return table

    def at(self, label: str, i: int) -> int:
        """Token number after the longest entry of the class at token `i`; 0 for none."""
        size = self.sizes[label][i]
        return i + size if size else 0

    def hits(self, label: str) -> list[tuple[int, int]]:
        """Token numbers of the start and behind the end of the longest entries of a class."""
        sizes = self.sizes[label]
        return [(i, i + sizes[i]) for i in dict.fromkeys(self.begun[label])]

    def is_upper(self, i: int) -> bool:
        """Whether token `i` is written in capitals all through."""
        return 0 <= i < len(self.words) and self.text[self.starts[i] : self.ends[i]].isupper()

    def is_joined(self, i: int) -> bool:
        """Whether nothing stands between token `i - 1` and token `i`."""
        return 0 < i < len(self.words) and self.ends[i - 1] == self.starts[i]

    def opens_sentence(self, i: int) -> bool:
        """Whether token `i` is the first of a line or stands behind the end of a sentence."""
        return i == 0 or self.words[i - 1] in _SENTENCE_END

    def in_class(self, label: str, i: int) -> bool:
        """Whether token `i` is a word of a word class."""
        return self.word(i) in self.lexicon.words[label]

    def is_phrase(self, label: str, i: int, j: int) -> bool:
        """Whether tokens `i` to `j` (exclusive), or a shorter run from `i`, are in a word class."""
        if self.word(i) not in self.lexicon.first_words[label]:
            return False
        known = self.lexicon.words[label]
        return i >= 0 and any(" ".join(self.words[i:end]) in known for end in range(j, i, -1))

    def place_end(self, i: int) -> int:
        """Token number after the longest named place at token `i`; 0 for none."""
        return self.places.get(i, 0)

    def slice(self, i: int, j: int) -> tuple[int, int]:
        """Start and end, in code points, of tokens `i` to `j` (exclusive)."""
        return self.starts[i], self.ends[j - 1]


def folded_words(words: str) -> frozenset[str]:
    """The folded words of a string: how rules name the tokens they look for."""
    return frozenset(fold(words).split())


def build_chart(text: str, lexicon: Lexicon | None = None) -> Chart:
    """The chart of a text. Linear in the length of the text but for nested entries."""
    lexicon = lexicon or load_lexicon()
    joined = join_wrapped(text)
    folded = fold(joined)
    words, starts, ends, capitals, numbers = read_syllables(joined, folded)
    none = bytes(len(words) + _MARGIN)
    sizes = {label: bytearray(none) for label in lexicon.classes}
    begun: dict[str, list[int]] = {label: [] for label in lexicon.classes}
    every: dict[int, list[int]] = {}
    j = 0
    last: int
    match: Match
    for last, match in lexicon.automaton.iter(folded):  # in the order of their ends
        length, tokens, plain, cased = match
        while ends[j] <= last:
            j += 1
        if ends[j] != last + 1:
            continue
        after = j + 1
        i = after - tokens
        start = last + 1 - length
        if i < 0 or starts[i] != start:
            continue
        for label in plain:
            sizes[label][i] = tokens
            begun[label].append(i)
        for wanted in cased:
            if has_capitals(text, start, wanted):
                sizes[wanted[0]][i] = tokens
                begun[wanted[0]].append(i)
        if _KEEP_ALL in plain:
            every.setdefault(i, []).append(after)
    capital_numbers = list(compress(count(), capitals))
    names = [False] * len(words)
    for i in capital_numbers:
        names[i] = words[i].isalnum()
    chart = Chart(
        text,
        folded,
        words,
        starts,
        ends,
        sizes,
        begun,
        lexicon,
        {_KEEP_ALL: every},
        capitals,
        capital_numbers,
        names,
        numbers,
        Borders(starts, 0),
        Borders(ends, 1),
        watched := frozenset(_watched),
        list(compress(enumerate(words), map(watched.__contains__, words))),
    )
    chart.shouting = _find_shouting(chart)
    _find_places(chart)
    return chart


def join_wrapped(text: str) -> str:
    """The text with a space for each line break that only wraps a line.

    Those are the breaks inside a sentence, behind a letter, digit or comma and before a small
    letter; the breaks before a capital at either end of a line that is wrapped so, or anywhere in a
    text that is; and in the head of an official document the break between a body and its place.
    """
    breaks = [match.start() for match in _BREAK.finditer(text)]
    small = {i for i in breaks if text[i + 1].islower()}
    wraps = set(small)
    if small:
        for i in breaks:
            start = text.rfind("\n", 0, i)
            if i - start > _SHORTEST_WRAPPED and (
                len(small) > _MANY_WRAPS or start in small or text.find("\n", i + 1) in small
            ):
                wraps.add(i)
    for match in _PLACED.finditer(text):
        i = match.start()
        end = text.find("\n", i + 1)
        body = text[text.rfind("\n", 0, i) + 1 : i]
        place = text[i + 1 : end if end > 0 else len(text)]
        if " " in body.strip() and body[-1].isalpha() and (body + place).isupper():
            wraps.add(i)
    if not wraps:
        return text
    pieces: list[str] = []
    start = 0
    for i in sorted(wraps):
        pieces += (text[start:i], " ")
        start = i + 1
    return "".join([*pieces, text[start:]])


def _find_places(chart: Chart) -> None:
    places, inside = chart.places, chart.inside_places
    for label in _PLACES:
        for i, j in chart.hits(label):
            if places.get(i, 0) < j:
                places[i] = j
            if j > i + 1 and label != "region":
                inside.update(range(i + 1, j))


def _find_shouting(chart: Chart) -> set[int]:
    """Numbers of the tokens that stand in a line without any small letter."""
    shouting: set[int] = set()
    offset = 0
    for line in chart.text.split("\n"):
        end = offset + len(line)
        if line.isupper() and " " in line.strip():
            first = bisect_left(chart.starts, offset)
            shouting.update(range(first, bisect_left(chart.starts, end, first)))
        offset = end + 1
    return shouting
