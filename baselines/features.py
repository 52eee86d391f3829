"""Features of syllable tokens for the CRF: what a token looks like and what stands around it.

A feature is a string; a token has the list of the strings that hold of it. Most of them depend
on the surface form of one token alone, or on the lexicon classes of one token alone, its own or
a neighbour's: these are made once for each form and kept (`Form`), since a text repeats its
forms. The others are made anew for each token (`context_rows`). `FEATURE_VERSION` changes with any
change here, so that a model is never fed features that it was not trained on.

For a token with the folded form `w` (`annotate.text.fold`):

- itself: `w`, `w` with its shape, shape, prefixes and suffixes of 1 to 4 letters; of a word of
  several syllables (others' datasets) each of them, and which is first and last;
- its neighbours up to two places away: folded form and shape;
- n-grams: pairs of folded forms from two before to two after, pairs and triples of shapes, shape
  with the form next to it;
- the lexicon entries it lies in, its own and those of its neighbours: which class, and whether
  it is first, inside, last or all of the entry; the pairs of these with the next token's;
- place: first or last of its sentence, a sentence in capitals;
- the run of capitalised tokens it stands in: how long, where in it, its first and last form, what
  stands before and after;
- repetition: whether the pair of capitalised forms comes again in the document, and whether the
  form stands behind an honorific anywhere in the document.

The lists are not taken from training entities: a lexicon of those is learned by heart and then
trusted too much. What was chosen by cross-validation, and how, stands in `baselines.crf`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from annotate.document import Span, split_layers
from annotate.prelabel.lexicon import Lexicon
from annotate.text import fold
from annotate.tokens import Offsets

FEATURE_VERSION = 2

NEIGHBOURS = (-2, -1, 1, 2)
"""Distances, in tokens, at which the form of a neighbour is a feature."""

MOST_FORMS = 200_000
"""Forms that are kept before starting again, to bound memory."""

_HONORIFICS = frozenset({"ông", "bà", "chí", "anh", "chị", "cụ", "bác", "đ/c", "c"})
"""Folded tokens before a person's name; `chí` ends `đồng chí`, `c` ends `đ/c` in two tokens."""

_NAME_LENGTH = 4
"""Most syllables of a Vietnamese name: family name, one or two middle names, given name."""

_CAPITALS_SHARE = 0.8
"""Share of words in capitals from which a sentence counts as written in capitals."""


class Form:
    """What one token contributes to its own features and to those of its neighbours."""

    __slots__ = ("around", "key", "own")

    def __init__(self, key: str, own: list[str], around: dict[int, list[str]]) -> None:
        self.key = key
        self.own = own
        self.around = around


class Word(Form):
    """A surface form, and the clusters that it is in."""

    __slots__ = ("capitalised", "folded", "in_capitals", "is_word", "shape")

    def __init__(self, surface: str, clusters: Sequence[str] = ()) -> None:
        folded = fold(surface)
        shape = shape_of(surface)
        self.folded = folded
        self.shape = shape
        self.is_word = surface[0].isalnum()
        self.capitalised = shape.startswith("X")
        self.in_capitals = surface.isupper()
        own = [f"w={folded}", f"c={folded}|{shape}", f"s={shape}"]
        if self.is_word:
            for length in range(1, 5):
                if length < len(folded) or length < 3:
                    own += [f"p={folded[:length]}", f"f={folded[-length:]}"]
        around = {d: [f"{d}w={folded}", f"{d}s={shape}"] for d in NEIGHBOURS}
        syllables = folded.split()
        if len(syllables) > 1:
            own += [f"v={syllable}" for syllable in syllables]
            own += [f"v1={syllables[0]}", f"v0={syllables[-1]}", f"v#={min(len(syllables), 5)}"]
        for number, cluster in enumerate(clusters):
            own.append(f"k{number}={cluster}")
            for distance in NEIGHBOURS:
                around[distance].append(f"{distance}k{number}={cluster}")
        super().__init__(surface, own, around)


def shape_of(word: str) -> str:
    """`Xx` for `Minh`, `XX` for `UBND`, `X` for `A`, `d/d/d` for `13/10/2011`: runs of capitals,
    small letters and digits as one sign each, other characters as they are; at most 12 long."""
    signs: list[str] = []
    for character in word:
        if character.isdigit():
            sign = "d"
        elif character.isupper():
            sign = "X"
        elif character.islower():
            sign = "x"
        else:
            sign = character
        if not signs or signs[-1] != sign:
            signs.append(sign)
    if signs == ["X"] and len(word) > 1:
        return "XX"
    return "".join(signs)[:12]


def _listing(classes: str) -> Form:
    """The form of a token's lexicon classes, joined by spaces (may be empty)."""
    names = classes.split()
    return Form(
        classes,
        [f"x={name}" for name in names],
        {distance: [f"{distance}x={name}" for name in names] for distance in NEIGHBOURS},
    )


class Tokens:
    """The tokens of a text with their forms; all sequences have one item a token."""

    __slots__ = ("listings", "named", "offsets", "repeated", "words")

    def __init__(self, offsets: list[Offsets], words: list[Word], listings: list[Form]) -> None:
        self.offsets = offsets
        self.words = words
        self.listings = listings
        pairs = Counter(
            (one.folded, other.folded)
            for one, other in pairwise(words)
            if one.capitalised and other.capitalised
        )
        self.repeated = {pair for pair, count in pairs.items() if count > 1}
        self.named = _behind_honorifics(words)


def _behind_honorifics(words: Sequence[Word]) -> set[str]:
    """Folded forms of the capitalised tokens that follow an honorific somewhere."""
    named: set[str] = set()
    for number, word in enumerate(words):
        if word.folded in _HONORIFICS and not word.capitalised:
            for follower in words[number + 1 : number + 1 + _NAME_LENGTH]:
                if not follower.capitalised:
                    break
                named.add(follower.folded)
    return named


class TokenReader:
    """Reads texts into tokens with their forms; keeps the forms that it has met.

    clusters: names of the clusters that a folded form is in, the same number for each.
    """

    def __init__(self, lexicon: Lexicon, clusters: Mapping[str, Sequence[str]] = {}) -> None:
        self._lexicon = lexicon
        self._clusters = clusters
        self._words: dict[str, Word] = {}
        self._listings: dict[str, Form] = {}

    def read(self, text: str, offsets: list[Offsets], hints: Iterable[Span] = ()) -> Tokens:
        """The tokens at these places of a text, with their forms.

        hints: nested spans that another labeller gave the text; they stand beside the classes of
        the lexicon, as `B-outer.ORG E-inner.ORG`.
        """
        if len(self._words) > MOST_FORMS:
            self._words.clear()
        words: list[Word] = []
        for start, end in offsets:
            surface = text[start:end]
            word = self._words.get(surface)
            if word is None:
                word = Word(surface, self._clusters.get(fold(surface), ()))
                self._words[surface] = word
            words.append(word)
        listings: list[Form] = []
        for classes in _add_hints(self._classes(text, offsets, words), offsets, hints):
            listing = self._listings.get(classes)
            if listing is None:
                listing = self._listings[classes] = _listing(classes)
            listings.append(listing)
        return Tokens(offsets, words, listings)

    def _classes(self, text: str, offsets: Sequence[Offsets], words: Sequence[Word]) -> list[str]:
        """The lexicon classes of each token, as `B-title E-city`.

        Within a class the leftmost, longest entry wins; classes may overlap.
        """
        first = {start: number for number, (start, _) in enumerate(offsets)}
        last = {end: number for number, (_, end) in enumerate(offsets)}
        found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        matches: Any = self._lexicon.automaton.iter(fold(text))
        for place, match in matches:
            end = place + 1
            start = end - match.length
            if start in first and end in last:
                for name in match.classes(text, start):
                    found[name].append((first[start], -last[end]))
        classes: list[list[str]] = [[] for _ in offsets]
        for name in sorted(found):
            reach = -1
            for begin, negative in sorted(found[name]):
                finish = -negative
                if begin <= reach:
                    continue
                reach = finish
                if begin == finish:
                    classes[begin].append(f"S-{name}")
                    continue
                classes[begin].append(f"B-{name}")
                for number in range(begin + 1, finish):
                    classes[number].append(f"I-{name}")
                classes[finish].append(f"E-{name}")
        lists = self._lexicon.words
        for word, names in zip(words, classes, strict=True):
            if word.folded in lists["stop"]:
                names.append("stop")
            if word.capitalised:
                names += [
                    name for name in ("surname", "surname.rare") if word.folded in lists[name]
                ]
        return [" ".join(names) for names in classes]


def _add_hints(
    classes: list[str], offsets: Sequence[Offsets], hints: Iterable[Span]
) -> Iterable[str]:
    """The classes of the tokens with those of the hints behind them. A hint that begins or ends
    inside a token is passed over."""
    layers = split_layers(hints)
    if not any(layers.values()):
        return classes
    first = {start: number for number, (start, _) in enumerate(offsets)}
    last = {end: number for number, (_, end) in enumerate(offsets)}
    names = [[one] if one else [] for one in classes]
    for layer, spans in layers.items():
        for span in spans:
            if span.start not in first or span.end not in last:
                continue
            begin, finish = first[span.start], last[span.end]
            for number in range(begin, finish + 1):
                ends = (number == begin, number == finish)
                place = "S" if all(ends) else "B" if ends[0] else "E" if ends[1] else "I"
                names[number].append(f"{place}-{layer}.{span.label}")
    return [" ".join(of) for of in names]


def context_rows(tokens: Tokens, first: int, last: int) -> list[list[str]]:
    """The features of the tokens `first` to `last` (exclusive), one sentence, beside those that
    their forms and their neighbours' forms contribute."""
    words = tokens.words[first:last]
    folded = ["<", *(word.folded for word in words), ">"]
    shapes = ["<", *(word.shape for word in words), ">"]
    classes = ["<", *(listing.key for listing in tokens.listings[first:last]), ">"]
    # pairs[i + 2] are token i and the next
    pairs = [_pair_features(*pair) for pair in pairwise(["<", *folded, ">"])]
    starts, ends = _capitalised_runs(words)
    capitals = [f"caps={shape}" for shape in shapes] if _in_capitals(words) else None
    rows: list[list[str]] = []
    for i, word in enumerate(words):
        left, _, right = folded[i : i + 3]
        shape = shapes[i + 1]
        row = [
            pairs[i][0],
            pairs[i + 1][1],
            pairs[i + 2][2],
            pairs[i + 3][3],
            *_shape_features(shapes[i], shape, shapes[i + 2]),
            *_class_features(classes[i], classes[i + 1], classes[i + 2]),
            *_side_features(left, shape, right),
        ]
        if word.capitalised:
            row += _run_features(folded, starts[i], ends[i], i)
            here = word.folded
            row.append(f"r={(left, here) in tokens.repeated}|{(here, right) in tokens.repeated}")
            if here in tokens.named:
                row.append("named")
        if capitals:
            row += ("caps", capitals[i + 1])
        rows.append(row)
    if rows:
        rows[0].append("first")
        rows[-1].append("last")
    return rows


# These are made again and again of the same parts: keeping them saves making and hashing strings.


@lru_cache(maxsize=2**17)
def _pair_features(left: str, right: str) -> tuple[str, str, str, str]:
    """What a pair of folded forms is to the token two behind its first, to that behind its first
    (its second), to its first and to the one before."""
    pair = f"{left}|{right}"
    return f"d={pair}", f"a={pair}", f"b={pair}", f"e={pair}"


@lru_cache(maxsize=2**16)
def _shape_features(before: str, shape: str, behind: str) -> tuple[str, str, str]:
    return f"g={before}|{shape}", f"h={shape}|{behind}", f"i={before}|{shape}|{behind}"


@lru_cache(maxsize=2**16)
def _class_features(before: str, classes: str, behind: str) -> tuple[str, str]:
    return f"y={before}|{classes}", f"z={classes}|{behind}"


@lru_cache(maxsize=2**17)
def _side_features(left: str, shape: str, right: str) -> tuple[str, str]:
    return f"j={shape}|{right}", f"k={left}|{shape}"


def _run_features(folded: Sequence[str], start: int, end: int, place: int) -> tuple[str, ...]:
    """The run from `start` to `end` (exclusive) around `place`; `folded` has a border in front."""
    return (
        f"l={min(end - start, 6)}",
        f"m={min(place - start, 4)}|{min(end - 1 - place, 4)}",
        f"n={folded[start]}",
        f"o={folded[end + 1]}",
        f"q={folded[start + 1]}",
        f"t={folded[start - 1] if start else '<'}|{folded[start]}",
        f"u={folded[end]}",
    )


def host_rows(count: int, label: str) -> list[list[str]]:
    """What the `count` tokens of a host span have beside their features in the sentence: the label
    of the host and how far its edges are."""
    return [
        [
            f"host={label}",
            f"from={min(place, 4)}|{label}",
            f"to={min(count - 1 - place, 4)}|{label}",
        ]
        for place in range(count)
    ]


def full_rows(tokens: Tokens, first: int, last: int) -> list[list[str]]:
    """All features of the tokens `first` to `last` (exclusive), one sentence: what training is
    given. In tagging `baselines.chain.Weights` adds up the same features."""
    full: list[list[str]] = []
    for number, row in enumerate(context_rows(tokens, first, last), start=first):
        features = [*tokens.words[number].own, *tokens.listings[number].own]
        for distance in NEIGHBOURS:
            if first <= number + distance < last:
                features += tokens.words[number + distance].around[distance]
                features += tokens.listings[number + distance].around[distance]
        full.append([*features, *row])
    return full


def _capitalised_runs(words: Sequence[Word]) -> tuple[list[int], list[int]]:
    """For each token the first and the one past the last of its run of capitalised tokens."""
    starts, ends = [0] * len(words), [0] * len(words)
    start = 0
    while start < len(words):
        if not words[start].capitalised:
            start += 1
            continue
        end = start + 1
        while end < len(words) and words[end].capitalised:
            end += 1
        starts[start:end] = [start] * (end - start)
        ends[start:end] = [end] * (end - start)
        start = end
    return starts, ends


def _in_capitals(words: Sequence[Word]) -> bool:
    count = sum(word.is_word for word in words)
    capitals = sum(word.in_capitals for word in words if word.is_word)
    return count >= 3 and capitals >= _CAPITALS_SHARE * count
