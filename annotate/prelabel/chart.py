"""A text laid out for the rules: tokens, capitals and every lexicon entry found in it."""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from annotate.prelabel.lexicon import Lexicon, Match, has_capitals, load_lexicon
from annotate.text import fold
from annotate.tokens import SYLLABLE

_TOKEN = re.compile("(" + SYLLABLE.pattern.replace(r"|\S", r"|\n|\S") + ")")
_SENTENCE_END = frozenset({".", "!", "?", "…", "\n", ":", '"', "•", "*", "|", "-", "+"})
_PLACES = ("province", "city", "district", "country", "world-city", "region")
_KEEP_ALL = "head.field"
_MARGIN = 64


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

    `hits[label][i]` is the token number after the longest entry of that class that begins at
    token `i`. `first` gives the token that begins at an offset, `after` the token number after
    the token that ends at one. Tokens are those of `annotate.tokens` over the folded text, and
    line breaks.
    """

    text: str
    folded: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    hits: dict[str, dict[int, int]]
    lexicon: Lexicon
    every: dict[str, dict[int, list[int]]]
    capitals: list[bool]
    names: list[bool]
    numbers: list[int]
    first: Borders
    after: Borders
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

    def at(self, label: str, i: int) -> int:
        """Token number after the longest entry of the class at token `i`; 0 for none."""
        return self.hits[label].get(i, 0)

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
        known = self.lexicon.words[label]
        if i < 0:
            return False
        return any(" ".join(self.words[i:end]) in known for end in range(j, i, -1))

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
    folded = fold(text)
    pieces = _TOKEN.split(folded)  # gap, token, gap, token, …, gap
    borders = list(accumulate(map(len, pieces)))
    words = pieces[1::2]
    starts = borders[:-1:2]
    ends = borders[1::2]
    hits: dict[str, dict[int, int]] = {label: {} for label in lexicon.classes}
    every: dict[int, list[int]] = {}
    j = 0
    last: int
    match: Match
    for last, match in lexicon.automaton.iter(folded):  # in the order of their ends
        length, tokens, plain, cased = match
        while ends[j] <= last:
            j += 1
        start = last + 1 - length
        i = j + 1 - tokens
        if ends[j] != last + 1 or i < 0 or starts[i] != start:
            continue
        for label in plain:
            hits[label][i] = j + 1
            if label == _KEEP_ALL:
                every.setdefault(i, []).append(j + 1)
        for wanted in cased:
            if has_capitals(text, start, wanted):
                hits[wanted[0]][i] = j + 1
    capitals = [text[start].isupper() for start in starts]
    names = [capital and word.isalnum() for capital, word in zip(capitals, words, strict=True)]
    numbers = [i for i, word in enumerate(words) if word[0].isdigit()]
    chart = Chart(
        text,
        folded,
        words,
        starts,
        ends,
        hits,
        lexicon,
        {_KEEP_ALL: every},
        capitals,
        names,
        numbers,
        Borders(starts, 0),
        Borders(ends, 1),
    )
    chart.shouting = _find_shouting(chart)
    _find_places(chart)
    return chart


def _find_places(chart: Chart) -> None:
    places, inside = chart.places, chart.inside_places
    for label in _PLACES:
        for i, j in chart.hits[label].items():
            if places.get(i, 0) < j:
                places[i] = j
            if j > i + 1 and label != "region":
                inside.update(range(i + 1, j))


def _find_shouting(chart: Chart) -> set[int]:
    """Numbers of the tokens that stand in a line without any small letter."""
    shouting: set[int] = set()
    offset = 0
    token = 0
    for line in chart.text.split("\n"):
        end = offset + len(line)
        if line.isupper() and " " in line.strip():
            while token < len(chart) and chart.starts[token] < offset:
                token += 1
            while token < len(chart) and chart.starts[token] < end:
                shouting.add(token)
                token += 1
        offset = end + 1
    return shouting
