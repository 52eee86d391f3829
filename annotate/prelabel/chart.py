"""A text laid out for the rules: tokens, capitals and every lexicon entry found in it."""

import re
from dataclasses import dataclass, field

from annotate.prelabel.lexicon import Lexicon, has_case, load_lexicon
from annotate.text import fold
from annotate.tokens import SYLLABLE

_TOKEN = re.compile(SYLLABLE.pattern.replace(r"|\S", r"|\n|\S"))
_SENTENCE_END = frozenset({".", "!", "?", "…", "\n", ":", '"', "•", "*", "|", "-", "+"})
_PLACES = ("province", "city", "district", "country", "world-city", "region")
_BREAK = re.compile(r"(?:(?<=[^\W_])|(?<=,))\n(?=[^\W_])")
_HEAD = re.compile(
    r"^[^\W\d_]+(?: [^\W\d_]+){1,7}(\n)"
    r"(?:TỈNH|THÀNH PHỐ|HUYỆN|QUẬN|THỊ XÃ|THỊ TRẤN|XÃ|PHƯỜNG|ĐẶC KHU) (?!ỦY|UỶ)[^\n]+$",
    re.MULTILINE,
)
_SHORTEST_WRAPPED = 27
_MANY_WRAPS = 5
_KEEP_ALL = frozenset({"head.field", "field"})


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
    first: dict[int, int]
    after: dict[int, int]
    shouting: set[int] = field(default_factory=set)
    places: dict[int, int] = field(default_factory=dict)
    inside_places: set[int] = field(default_factory=set)
    bodies: dict[int, tuple[int, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.words)

    def at(self, label: str, i: int) -> int:
        """Token number after the longest entry of the class at token `i`; 0 for none."""
        return self.hits[label].get(i, 0)

    def word(self, i: int) -> str:
        """Folded token `i`; empty outside the text."""
        return self.words[i] if 0 <= i < len(self.words) else ""

    def is_capital(self, i: int) -> bool:
        """Whether token `i` begins with a capital letter."""
        return 0 <= i < len(self.capitals) and self.capitals[i]

    def is_upper(self, i: int) -> bool:
        """Whether token `i` is written in capitals all through."""
        return 0 <= i < len(self.words) and self.text[self.starts[i] : self.ends[i]].isupper()

    def is_name(self, i: int) -> bool:
        """Whether token `i` may be part of a proper name: letters and digits after a capital."""
        return 0 <= i < len(self.names) and self.names[i]

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
    folded = join_wrapped(text, fold(text))
    spans = [match.span() for match in _TOKEN.finditer(folded)]
    starts = [start for start, _ in spans]
    ends = [end for _, end in spans]
    words = [folded[start:end] for start, end in spans]
    first = {start: number for number, start in enumerate(starts)}
    after = {end: number for number, end in enumerate(ends, start=1)}
    hits: dict[str, dict[int, int]] = {label: {} for label in lexicon.classes}
    every: dict[str, dict[int, list[int]]] = {label: {} for label in _KEEP_ALL}
    for last, (length, found) in lexicon.automaton.iter(folded):
        i = first.get(last + 1 - length)
        j = after.get(last + 1)
        if i is None or j is None:
            continue
        for label, case, natural in found:
            if case == "any" or has_case(text, starts[i], last + 1, natural, case):
                table = hits[label]
                if table.get(i, 0) < j:
                    table[i] = j
                if label in _KEEP_ALL:
                    every[label].setdefault(i, []).append(j)
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
        every,
        capitals,
        names,
        numbers,
        first,
        after,
    )
    chart.shouting = _find_shouting(chart)
    for label in _PLACES:
        for i, j in hits[label].items():
            if chart.places.get(i, 0) < j:
                chart.places[i] = j
            if label != "region":
                chart.inside_places.update(range(i + 1, j))
    return chart


def join_wrapped(text: str, folded: str) -> str:
    """`folded` with a space for each line break of `text` that only wraps a line.

    Those are the breaks inside a sentence, behind a letter, digit or comma and before a small
    letter; the breaks before a capital at either end of a line that is wrapped so, or anywhere in a
    text that is; and in the head of an official document the break between a body and its place.
    """
    breaks = [match.start() for match in _BREAK.finditer(text)]
    small = {i for i in breaks if text[i + 1].islower()}
    wraps = {match.start(1) for match in _HEAD.finditer(text) if match.group().isupper()} | small
    if small:
        for i in breaks:
            start = text.rfind("\n", 0, i)
            if i - start > _SHORTEST_WRAPPED and (
                len(small) > _MANY_WRAPS or start in small or text.find("\n", i + 1) in small
            ):
                wraps.add(i)
    if not wraps:
        return folded
    pieces = list(folded)
    for i in wraps:
        pieces[i] = " "
    return "".join(pieces)


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
