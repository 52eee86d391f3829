"""Two annotations of one text compared: spans that match, spans that stand for one another, and
the class of each token."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from annotate.document import Document, Span, sort_spans, split_layers
from annotate.scheme import LABEL_NAMES, LAYERS, Layer
from annotate.tags import OUTSIDE
from annotate.tokens import tokenize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Place = tuple[int, int]
"""Start and end in code points, end exclusive."""

VIEWS: tuple[str, ...] = ("all", *LABEL_NAMES, *LAYERS)
"""Which spans and tokens a measure looks at."""

SPAN_MEASURES = ("strict", "relaxed", "position")

_CLASSES = (OUTSIDE, *LABEL_NAMES)
_WIDTH = len(_CLASSES)
CLASS_COUNT = _WIDTH * _WIDTH
"""A token's class is `outer * len(labels and O) + inner`, so there are this many."""


def class_in_view(code: int, view: str) -> int:
    """What the class of a token is in a view: itself, the label of a layer, or has-the-label."""
    outer, inner = divmod(code, _WIDTH)
    if view == "all":
        return code
    if view in LAYERS:
        return outer if view == "outer" else inner
    return int(_CLASSES.index(view) in (outer, inner))


@dataclass(frozen=True, slots=True)
class Version:
    """One annotation laid out for comparing. `classes` has the class of each token."""

    spans: Sequence[Span]
    labels: dict[Place, str]
    layers: dict[Place, Layer]
    by_label: dict[str, list[Place]]
    by_layer: dict[tuple[Layer, str], list[Place]]
    classes: "NDArray[np.intp]"


def find_tokens(text: str) -> "NDArray[np.intp]":
    """The places of the syllable tokens of a text, shape (tokens, 2)."""
    import numpy as np

    return np.array(tokenize(text), dtype=np.intp).reshape(-1, 2)


def lay_out(document: Document, tokens: "NDArray[np.intp]") -> Version:
    """The Version of an annotation; `tokens` are the places of its text's tokens."""
    layers = split_layers(document.spans)
    by_label: dict[str, list[Place]] = defaultdict(list)
    by_layer: dict[tuple[Layer, str], list[Place]] = defaultdict(list)
    for layer, spans in layers.items():
        for span in spans:
            by_layer[layer, span.label].append((span.start, span.end))
    for span in document.spans:
        by_label[span.label].append((span.start, span.end))
    return Version(
        document.spans,
        {(span.start, span.end): span.label for span in document.spans},
        {(span.start, span.end): layer for layer, spans in layers.items() for span in spans},
        by_label,
        by_layer,
        _classify(tokens, layers),
    )


def _classify(
    tokens: "NDArray[np.intp]", layers: dict[Layer, tuple[Span, ...]]
) -> "NDArray[np.intp]":
    """A class for each token: outer label x inner label, from the first span touching it."""
    import numpy as np

    painted = {}
    for layer in LAYERS:
        spans = layers[layer]
        row = np.zeros(len(tokens), dtype=np.intp)
        firsts = np.searchsorted(tokens[:, 1], [span.start for span in spans], side="right")
        ends = np.searchsorted(tokens[:, 0], [span.end for span in spans], side="left")
        for number in reversed(range(len(spans))):
            row[firsts[number] : ends[number]] = _CLASSES.index(spans[number].label)
        painted[layer] = row
    return painted["outer"] * _WIDTH + painted["inner"]


def count_matches(left: Version, right: Version) -> list[list[int]]:
    """For each view: the spans of both sides that match by each measure, and all of them."""
    strict, relaxed, position, total = (dict.fromkeys(VIEWS, 0) for _ in range(4))
    for place in left.labels.keys() & right.labels.keys():
        mine, yours = left.labels[place], right.labels[place]
        same_layer = left.layers[place] == right.layers[place]
        # The other may have given the place another label: it counts as the same place.
        position[mine] += 1
        position[yours] += 1
        position["all"] += 2
        if same_layer:
            position[left.layers[place]] += 2
        if mine == yours:
            strict[mine] += 2
            strict["all"] += 2
            if same_layer:
                strict[left.layers[place]] += 2
    for label in LABEL_NAMES:
        matched = 2 * count_overlapping(left.by_label.get(label, ()), right.by_label.get(label, ()))
        relaxed[label] = matched
        relaxed["all"] += matched
        for layer in LAYERS:
            key = (layer, label)
            matched = count_overlapping(left.by_layer.get(key, ()), right.by_layer.get(key, ()))
            relaxed[layer] += 2 * matched
    for version in (left, right):
        total["all"] += len(version.spans)
        for (layer, label), places in version.by_layer.items():
            total[layer] += len(places)
            total[label] += len(places)
    return [[measure[view] for measure in (strict, relaxed, position, total)] for view in VIEWS]


def count_overlapping(left: Sequence[Place], right: Sequence[Place]) -> int:
    """The most pairs of overlapping places, each place in one pair; both sides sorted.

    Places of one label never overlap on one side, so taking the leftmost pair is the best.
    """
    count = i = j = 0
    while i < len(left) and j < len(right):
        if left[i][0] < right[j][1] and right[j][0] < left[i][1]:
            count, i, j = count + 1, i + 1, j + 1
        elif left[i][1] <= right[j][0]:
            i += 1
        else:
            j += 1
    return count


def _overlaps(left: Sequence[Span], right: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs of spans with a character in common; both sides sorted by start."""
    active: list[Span] = []
    position = 0
    for mine in left:
        while position < len(right) and right[position].start < mine.end:
            active.append(right[position])
            position += 1
        active = [yours for yours in active if yours.end > mine.start]
        yield from ((mine, yours) for yours in active if yours.start < mine.end)


SpanPair = tuple[Span | None, Span | None]
"""A span of each side that stand for one another; None where a side has none."""


def pair_spans(left: Sequence[Span], right: Sequence[Span]) -> Iterator[SpanPair]:
    """Spans that stand for one another: first by place, then by overlap, the closest first."""
    places = {(span.start, span.end): span for span in right}
    open_left: list[Span] = []
    for span in left:
        other = places.pop((span.start, span.end), None)
        if other is None:
            open_left.append(span)
        else:
            yield span, other
    open_right = sort_spans(places.values())
    ranked = sorted(
        _overlaps(open_left, open_right),
        key=lambda pair: (-_shared(*pair), pair[0].key, pair[1].key),
    )
    taken: set[tuple[int, tuple[int, int, str]]] = set()
    for mine, yours in ranked:
        if (0, mine.key) not in taken and (1, yours.key) not in taken:
            taken |= {(0, mine.key), (1, yours.key)}
            yield mine, yours
    yield from ((span, None) for span in open_left if (0, span.key) not in taken)
    yield from ((None, span) for span in open_right if (1, span.key) not in taken)


Kind = Literal["same", "label", "border", "both", "missing"]
KINDS: dict[Kind, str] = {
    "same": "same place, same label",
    "label": "same place, another label",
    "border": "same label, another border",
    "both": "overlapping, another border and another label",
    "missing": "only one of the two has it",
}
"""How two spans that stand for one another differ."""


def kind_of(pair: SpanPair) -> Kind:
    """How the spans of a pair differ."""
    left, right = pair
    if left is None or right is None:
        return "missing"
    same_place = (left.start, left.end) == (right.start, right.end)
    if left.label == right.label:
        return "same" if same_place else "border"
    return "label" if same_place else "both"


def _shared(left: Span, right: Span) -> float:
    """Characters in common over characters of either (Jaccard)."""
    common = min(left.end, right.end) - max(left.start, right.start)
    return common / (max(left.end, right.end) - min(left.start, right.start))
