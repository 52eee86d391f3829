"""Features of syllable tokens for the CRF: what a token looks like and what stands around it.

A feature is a string; a token has the list of the strings that hold of it. What depends on the
syllable alone is made once for each form and kept, since a text repeats its forms: that is
where the speed comes from. `FEATURE_VERSION` changes with any change here, so that a model is
never fed features that it was not trained on.

For a token with the folded form `w` (`annotate.text.fold`):

- itself: `w`, `w` with its shape, shape, prefixes and suffixes of 1 to 4 letters;
- its neighbours up to `WINDOW` places away: folded form, and shape of the nearer two;
- n-grams: pairs of folded forms from two before to two after, pairs and triples of shapes;
- place: first or last of its sentence, a line in capitals;
- the run of capitalised tokens it stands in: how long, where in it, what stands before and after;
- the chunk it stands in, from the last comma or function word on: its first two forms, by
  which a long title is known to go on;
- repetition: whether the pair of capitalised forms comes again in the document, whether the form
  stands behind an honorific anywhere in the document.
"""

from collections import Counter
from collections.abc import Sequence

from annotate.text import fold

FEATURE_VERSION = 1

WINDOW = 3

_HONORIFICS = frozenset("ông bà chí anh chị cụ bác đ/c".split())
"""Words before a person's name (folded); `chí` is the second half of `đồng chí`."""

_NAME_LENGTH = 4
"""Most syllables of a Vietnamese name: family name, one or two middle names, given name."""

_CHUNK_BORDERS = frozenset(
    ', . ; : ( ) " - ! ? /'.split()
    + "của và thuộc do là được đã cùng với tại cho theo về trong để kiêm từ đến sẽ".split()
)
"""Folded forms that a title or the name of a body seldom goes on after."""

_CAPITALS_SHARE = 0.8
"""Share of words in capitals from which a sentence counts as written in capitals."""


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


class Form:
    """One surface form with all the features that depend on it alone."""

    __slots__ = ("around", "capitalised", "folded", "in_capitals", "is_word", "own", "shape")

    def __init__(self, word: str) -> None:
        self.folded = folded = fold(word)
        self.shape = shape = shape_of(word)
        self.is_word = word[0].isalnum()
        self.capitalised = shape.startswith("X")
        self.in_capitals = word.isupper()
        self.own = [f"w={folded}", f"c={folded}|{shape}", f"s={shape}"]
        if self.is_word:
            for length in range(1, 5):
                if length < len(folded) or length < 3:
                    self.own += [f"p={folded[:length]}", f"f={folded[-length:]}"]
        self.around = {
            distance: [f"{distance}w={folded}"]
            + ([f"{distance}s={shape}"] if abs(distance) < 3 else [])
            for distance in range(-WINDOW, WINDOW + 1)
            if distance
        }


class DocumentNotes:
    """What the features of a token need to know of the whole document."""

    __slots__ = ("named", "repeated")

    def __init__(self, forms: Sequence[Form]) -> None:
        pairs = Counter(
            (one.folded, other.folded)
            for one, other in zip(forms, forms[1:], strict=False)
            if one.capitalised and other.capitalised
        )
        self.repeated = {pair for pair, count in pairs.items() if count > 1}
        self.named = _behind_honorifics(forms)


def _behind_honorifics(forms: Sequence[Form]) -> set[str]:
    """Folded forms of the capitalised tokens that follow an honorific somewhere."""
    named: set[str] = set()
    for number, form in enumerate(forms):
        if form.folded in _HONORIFICS and not form.capitalised:
            for follower in forms[number + 1 : number + 1 + _NAME_LENGTH]:
                if not follower.capitalised:
                    break
                named.add(follower.folded)
    return named


class FeatureMaker:
    """Makes features; keeps the forms that it has met."""

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}

    def form(self, word: str) -> Form:
        """The form of a word, made once."""
        form = self._forms.get(word)
        if form is None:
            form = self._forms[word] = Form(word)
        return form

    def sentence_features(self, forms: Sequence[Form], notes: DocumentNotes) -> list[list[str]]:
        """The features of each token of one sentence."""
        count = len(forms)
        folded = ["<", "<", *(form.folded for form in forms), ">", ">", ">"]
        shapes = ["<", "<", *(form.shape for form in forms), ">", ">", ">"]
        run_starts, run_ends = _capitalised_runs(forms)
        in_capitals = _in_capitals(forms)
        chunk = 0
        rows: list[list[str]] = []
        for i, form in enumerate(forms):
            row = form.own.copy()
            for distance in range(max(-WINDOW, -i), min(WINDOW, count - 1 - i) + 1):
                if distance:
                    row += forms[i + distance].around[distance]
            w2, w1, w, v1, v2 = folded[i : i + 5]
            s1, s, t1 = shapes[i + 1 : i + 4]
            row += (
                f"a={w1}|{w}",
                f"b={w}|{v1}",
                f"d={w2}|{w1}",
                f"e={v1}|{v2}",
                f"g={s1}|{s}",
                f"h={s}|{t1}",
                f"i={s1}|{s}|{t1}",
                f"j={s}|{v1}",
                f"k={w1}|{s}",
            )
            if i == 0:
                row.append("first")
            if i == count - 1:
                row.append("last")
            if in_capitals:
                row.append(f"caps={s}")
            if form.capitalised:
                start, end = run_starts[i], run_ends[i]
                row += (
                    f"l={min(end - start, 6)}",
                    f"m={min(i - start, 4)}|{min(end - 1 - i, 4)}",
                    f"n={folded[start + 1]}",
                    f"o={folded[end + 2]}",
                )
                row.append(f"r={(w1, w) in notes.repeated}|{(w, v1) in notes.repeated}")
                if w in notes.named:
                    row.append("named")
            if w in _CHUNK_BORDERS:
                chunk = i + 1
            elif i > chunk:
                row.append(f"q={folded[chunk + 2]}")
                if i > chunk + 1:
                    row.append(f"u={folded[chunk + 2]}|{folded[chunk + 3]}")
            rows.append(row)
        return rows


def _capitalised_runs(forms: Sequence[Form]) -> tuple[list[int], list[int]]:
    """For each token the first and the one past the last of its run of capitalised tokens."""
    starts, ends = [0] * len(forms), [0] * len(forms)
    start = 0
    while start < len(forms):
        if not forms[start].capitalised:
            start += 1
            continue
        end = start + 1
        while end < len(forms) and forms[end].capitalised:
            end += 1
        starts[start:end] = [start] * (end - start)
        ends[start:end] = [end] * (end - start)
        start = end
    return starts, ends


def _in_capitals(forms: Sequence[Form]) -> bool:
    words = [form for form in forms if form.is_word]
    capitals = sum(form.in_capitals for form in words)
    return len(words) >= 3 and capitals >= _CAPITALS_SHARE * len(words)


def host_features(rows: Sequence[list[str]], label: str) -> list[list[str]]:
    """Features of the tokens of one host span: their own in the sentence (`rows` of the span),
    the label of the host and how far its edges are."""
    last = len(rows) - 1
    return [
        [
            *row,
            f"host={label}",
            f"from={min(place, 4)}|{label}",
            f"to={min(last - place, 4)}|{label}",
        ]
        for place, row in enumerate(rows)
    ]
