"""How far annotators agree: measures over spans and tokens, and where they part.

An annotation is a Document with `meta.annotator`; the documents that at least two people
annotated are compared pair by pair. What the measures mean:

- strict F1: both ends and the label are the same. Symmetric, so no annotator is taken for
  the truth (Hripcsak & Rothschild 2005, JAMIA 12(3)).
- relaxed F1: the same label and at least one character in common, one span to one span.
- position F1: the same place whatever the label.
- Cohen's kappa (Cohen 1960, Educational and Psychological Measurement 20(1)) over syllable
  tokens; for more than two annotators the mean over their pairs (Light 1971).
- Krippendorff's alpha, nominal (Krippendorff 2011, "Computing Krippendorff's
  Alpha-Reliability"), over syllable tokens and any number of annotators.

A token's class is the pair of labels, outer and inner, of the spans that touch it. Intervals
are bootstrap percentiles over documents (Efron & Tibshirani 1993).
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from annotate.agreement.disputes import Dispute, DisputedPlace, find_disputed_places, rank_disputes
from annotate.document import Document, Span, sort_spans, split_layers
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LAYERS, Layer
from annotate.tags import OUTSIDE
from annotate.tokens import tokenize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 1000
_CHUNK = 100  # resamples at a time: bounds memory to _CHUNK x documents

_CLASSES = (OUTSIDE, *LABEL_NAMES)
_WIDTH = len(_CLASSES)
_VIEWS: tuple[str, ...] = ("all", *LABEL_NAMES, *LAYERS)
_MEASURES = ("strict", "relaxed", "position")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its 95 % interval; None where it is not defined (nothing to compare)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The measures for one selection of the data.

    `documents` were compared; `spans` are those of both annotators of every pair together.
    """

    documents: int
    spans: int
    strict: Estimate
    relaxed: Estimate
    position: Estimate
    kappa: Estimate
    alpha: Estimate


@dataclass(frozen=True, slots=True)
class Agreement:
    """What `measure_agreement` found.

    `confusion` counts pairs of spans by (label of the first annotator, label of the second),
    the annotators of a pair in alphabetical order, `O` where one has no span. `skipped`
    annotations were left out, and `single` documents that only one person annotated.
    """

    annotators: tuple[str, ...]
    annotations: int
    documents: int
    tokens: int
    skipped: int
    single: int
    overall: Scores
    by_pair: dict[tuple[str, str], Scores]
    by_label: dict[str, Scores]
    by_layer: dict[Layer, Scores]
    confusion: dict[tuple[str, str], int]
    disputes: tuple[Dispute, ...]
    resamples: int
    seed: int


def cohen_kappa(confusion: "Array") -> "Array":
    """Cohen's kappa of square confusion matrices, shape (…, k, k) → (…).

    NaN where chance agreement is perfect, so that kappa is not defined.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        share = confusion / confusion.sum((-2, -1), keepdims=True)
        observed = np.trace(share, axis1=-2, axis2=-1)
        expected = (share.sum(-1) * share.sum(-2)).sum(-1)
        kappa = np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)
    result: Array = kappa
    return result


def krippendorff_alpha(coincidences: "Array") -> "Array":
    """Nominal alpha of symmetric coincidence matrices, shape (…, k, k) → (…).

    NaN where all values are of one class, so that alpha is not defined.
    """
    import numpy as np

    values = coincidences.sum(-1)
    total = values.sum(-1)
    observed = total - np.trace(coincidences, axis1=-2, axis2=-1)
    expected = total**2 - (values**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = np.where(expected > 1e-9, 1 - (total - 1) * observed / expected, np.nan)
    result: Array = alpha
    return result


def measure_agreement(
    annotations: Iterable[Document],
    *,
    resamples: int = RESAMPLES,
    seed: int = 13,
    disputes: int = 50,
) -> Agreement:
    """Agreement of annotations, one Document each with `meta.annotator`.

    Annotations with `meta.skipped` true are left out and counted, and so are documents
    with one annotation. `disputes` is how many disputed strings are kept. A task's address
    is taken from `meta.task_url`.

    Raises DataError for an annotation without an annotator, two by one annotator, one id
    with different texts, and where no document has two annotators.
    """
    grouped, skipped = _group(annotations)
    compared = {key: versions for key, versions in grouped.items() if len(versions) > 1}
    if not compared:
        raise DataError(
            f"annotations: none of the {len(grouped)} documents was annotated by two people; "
            "agreement needs at least one (push with --per-task 2)"
        )
    annotators = tuple(sorted({name for versions in compared.values() for name in versions}))
    confusion: Counter[tuple[str, str]] = Counter()
    found: list[DisputedPlace] = []
    entries: list[_Entry] = []
    tokens = 0
    for number, versions in enumerate(compared.values()):
        text = next(iter(versions.values())).text
        offsets = tokenize(text)
        tokens += len(offsets)
        classes = {name: _classify(offsets, doc.spans) for name, doc in versions.items()}
        found += find_disputed_places(versions)
        for first, second in combinations(sorted(versions), 2):
            left, right = versions[first].spans, versions[second].spans
            confusion.update(_pair_labels(left, right))
            entries.append(
                _Entry(
                    number,
                    (first, second),
                    1 / (len(versions) - 1),
                    _count_matches(left, right),
                    Counter(zip(classes[first], classes[second], strict=True)),
                )
            )
    sums = _Sums(entries, len(compared))
    low_high = _bootstrap(sums, resamples, seed)
    point = {row: sums.measure(row, None) for row in sums.rows}
    scores = {row: _scores(sums, row, point[row], low_high[row]) for row in sums.rows}
    return Agreement(
        annotators=annotators,
        annotations=sum(len(versions) for versions in compared.values()),
        documents=len(compared),
        tokens=tokens,
        skipped=skipped,
        single=len(grouped) - len(compared),
        overall=scores["all", None],
        by_pair={pair: scores["all", pair] for pair in sums.pairs},
        by_label={label: scores[label, None] for label in LABEL_NAMES},
        by_layer={layer: scores[layer, None] for layer in LAYERS},
        confusion=dict(sorted(confusion.items())),
        disputes=rank_disputes(found)[:disputes],
        resamples=resamples if len(compared) > 1 else 0,
        seed=seed,
    )


def _group(annotations: Iterable[Document]) -> tuple[dict[str, dict[str, Document]], int]:
    """Annotations by document and annotator, and how many were skipped ones."""
    grouped: dict[str, dict[str, Document]] = {}
    skipped = 0
    for annotation in annotations:
        where = f"annotations (document {annotation.id})"
        annotator = annotation.meta.get("annotator")
        if not isinstance(annotator, str) or not annotator:
            raise DataError(
                f"{where}: no 'annotator' in 'meta'; give the file that vipol pull wrote"
            )
        if annotation.meta.get("skipped") is True:
            skipped += 1
            continue
        versions = grouped.setdefault(annotation.id, {})
        if annotator in versions:
            raise DataError(f"{where}: two annotations by {annotator}; keep one of them")
        for other, version in versions.items():
            if version.text != annotation.text:
                raise DataError(
                    f"{where}: {other} and {annotator} annotated different texts; "
                    "pull both from one project"
                )
        versions[annotator] = annotation
    return grouped, skipped


# --- One pair of annotations ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One document and one pair: `matches[view][measure]` (last: all spans), token classes."""

    document: int
    pair: tuple[str, str]
    weight: float
    matches: list[list[int]]
    classes: Counter[tuple[int, int]]


def _classify(offsets: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[int]:
    """A class for each token: outer label x inner label, from the first span touching it."""
    starts = [start for start, _ in offsets]
    ends = [end for _, end in offsets]
    layers = split_layers(spans)
    painted = {}
    for layer in LAYERS:
        row = [0] * len(offsets)
        for span in reversed(layers[layer]):
            code = _CLASSES.index(span.label)
            for number in range(bisect_right(ends, span.start), bisect_left(starts, span.end)):
                row[number] = code
        painted[layer] = row
    return [
        outer * _WIDTH + inner
        for outer, inner in zip(painted["outer"], painted["inner"], strict=True)
    ]


def _count_matches(left: Sequence[Span], right: Sequence[Span]) -> list[list[int]]:
    """For each view the spans of both sides that match by each measure, and all of them."""
    views: dict[str, list[int]] = {}
    layers = (split_layers(left), split_layers(right))
    for label in LABEL_NAMES:
        mine = [span for span in left if span.label == label]
        yours = [span for span in right if span.label == label]
        views[label] = _matches(mine, yours)
        # The other may have given the place another label: it counts as the same place.
        views[label][2] = _same_place(mine, right) + _same_place(yours, left)
    for layer in LAYERS:
        views[layer] = _matches(layers[0][layer], layers[1][layer])
    views["all"] = _matches(left, right)
    return [views[view] for view in _VIEWS]


def _matches(left: Sequence[Span], right: Sequence[Span]) -> list[int]:
    strict = 2 * len({span.key for span in left} & {span.key for span in right})
    relaxed = 2 * sum(
        _count_overlapping(
            [span for span in left if span.label == label],
            [span for span in right if span.label == label],
        )
        for label in LABEL_NAMES
    )
    position = _same_place(left, right) + _same_place(right, left)
    return [strict, relaxed, position, len(left) + len(right)]


def _same_place(spans: Iterable[Span], others: Iterable[Span]) -> int:
    places = {(span.start, span.end) for span in others}
    return sum((span.start, span.end) in places for span in spans)


def _count_overlapping(left: Sequence[Span], right: Sequence[Span]) -> int:
    """The most pairs of overlapping spans, each span in one pair.

    Spans of one label never overlap on one side, so taking the leftmost pair is the best.
    """
    count = i = j = 0
    while i < len(left) and j < len(right):
        if left[i].start < right[j].end and right[j].start < left[i].end:
            count, i, j = count + 1, i + 1, j + 1
        elif left[i].end <= right[j].start:
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


def _pair_labels(left: Sequence[Span], right: Sequence[Span]) -> Iterator[tuple[str, str]]:
    """Labels of the spans that stand for one another: first by place, then by overlap."""
    places = {(span.start, span.end): span for span in right}
    open_left: list[Span] = []
    for span in left:
        other = places.pop((span.start, span.end), None)
        if other is None:
            open_left.append(span)
        else:
            yield span.label, other.label
    open_right = sort_spans(places.values())
    ranked = sorted(
        _overlaps(open_left, open_right),
        key=lambda pair: (-_shared(*pair), pair[0].key, pair[1].key),
    )
    taken: set[tuple[int, tuple[int, int, str]]] = set()
    for mine, yours in ranked:
        if (0, mine.key) not in taken and (1, yours.key) not in taken:
            taken |= {(0, mine.key), (1, yours.key)}
            yield mine.label, yours.label
    yield from ((span.label, OUTSIDE) for span in open_left if (0, span.key) not in taken)
    yield from ((OUTSIDE, span.label) for span in open_right if (1, span.key) not in taken)


def _shared(left: Span, right: Span) -> float:
    """Characters in common over characters of either (Jaccard)."""
    common = min(left.end, right.end) - max(left.start, right.start)
    return common / (max(left.end, right.end) - min(left.start, right.start))


# --- Sums and intervals --------------------------------------------------------------------

_Row = tuple[str, tuple[str, str] | None]
"""A selection: a view (`all`, a label, a layer) and a pair of annotators (None: every pair)."""


class _Sums:
    """The counts of all entries as arrays, and the measures of weighted sums of them."""

    def __init__(self, entries: Sequence[_Entry], documents: int) -> None:
        import numpy as np

        self.documents = documents
        self.pairs = sorted({entry.pair for entry in entries})
        self.rows: list[_Row] = [(view, None) for view in _VIEWS]
        self.rows += [("all", pair) for pair in self.pairs]
        used = sorted({code for entry in entries for pair in entry.classes for code in pair})
        index = {code: number for number, code in enumerate(used)}
        self.to_view = {view: _view_matrix(view, used) for view in _VIEWS}
        self.numbers: dict[tuple[str, str], NDArray[np.int64]] = {}
        self.weights: dict[tuple[str, str], Array] = {}
        self.matches: dict[tuple[str, str], Array] = {}
        self.classes: dict[tuple[str, str], Array] = {}
        for pair in self.pairs:
            mine = [entry for entry in entries if entry.pair == pair]
            table = np.zeros((len(mine), len(used), len(used)))
            for number, entry in enumerate(mine):
                for (first, second), count in entry.classes.items():
                    table[number, index[first], index[second]] = count
            self.numbers[pair] = np.array([entry.document for entry in mine])
            self.weights[pair] = np.array([entry.weight for entry in mine])
            self.matches[pair] = np.array([entry.matches for entry in mine], dtype=float)
            self.classes[pair] = table

    def measure(self, row: _Row, weights: "Array | None") -> dict[str, "Array"]:
        """Measures of a row for `weights` (samples x documents; None: every document once)."""
        import numpy as np

        view, only = row
        pairs = self.pairs if only is None else [only]
        if weights is None:
            weights = np.ones((1, self.documents))
        counts = np.zeros((len(weights), len(_MEASURES) + 1))
        project = self.to_view[view]
        kappas = []
        coincidences = np.zeros((len(weights), project.shape[1], project.shape[1]))
        for pair in pairs:
            mine = weights[:, self.numbers[pair]]
            counts += mine @ self.matches[pair][:, _VIEWS.index(view)]
            table = self.classes[pair]
            flat = table.reshape(len(table), -1)
            shape = (len(weights), *table.shape[1:])
            kappas.append(cohen_kappa(project.T @ (mine @ flat).reshape(shape) @ project))
            # With a pair alone its two values are all that a token has, hence weight 1.
            scale = np.ones(len(table)) if only else self.weights[pair]
            both = project.T @ ((mine * scale) @ flat).reshape(shape) @ project
            coincidences += both + both.swapaxes(-1, -2)
        with np.errstate(divide="ignore", invalid="ignore"):
            measures = {
                name: counts[:, number] / counts[:, -1] for number, name in enumerate(_MEASURES)
            }
        measures["kappa"] = _mean(np.stack(kappas))
        measures["alpha"] = krippendorff_alpha(coincidences)
        return measures


def _view_matrix(view: str, used: Sequence[int]) -> "Array":
    """Which class of the view each used token class falls into, as a 0/1 matrix."""
    import numpy as np

    def target(code: int) -> int:
        outer, inner = divmod(code, _WIDTH)
        if view == "outer":
            return outer
        if view == "inner":
            return inner
        if view == "all":
            return used.index(code)
        return int(_CLASSES.index(view) in (outer, inner))

    matrix = np.zeros((len(used), max(len(used), _WIDTH)))
    for number, code in enumerate(used):
        matrix[number, target(code)] = 1
    return matrix


def _mean(values: "Array") -> "Array":
    """Mean over the first axis of what is defined; NaN where nothing is."""
    import numpy as np

    defined = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(defined, values, 0).sum(0) / defined.sum(0)
    return result


def _bootstrap(sums: _Sums, resamples: int, seed: int) -> dict[_Row, dict[str, "Array"]]:
    """Measures of `resamples` samples of documents drawn with replacement, by row."""
    import numpy as np

    if sums.documents < 2:
        return {row: {} for row in sums.rows}
    generator = np.random.default_rng(seed)
    even = np.full(sums.documents, 1 / sums.documents)
    parts: dict[_Row, list[dict[str, Array]]] = {row: [] for row in sums.rows}
    for first in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - first)
        weights = generator.multinomial(sums.documents, even, size=size).astype(float)
        for row in sums.rows:
            parts[row].append(sums.measure(row, weights))
    return {
        row: {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        if found
        else {}
        for row, found in parts.items()
    }


def _scores(
    sums: _Sums, row: _Row, point: dict[str, "Array"], samples: dict[str, "Array"]
) -> Scores:
    view, only = row
    pairs = sums.pairs if only is None else [only]
    spans = sum(int(sums.matches[pair][:, _VIEWS.index(view), -1].sum()) for pair in pairs)
    documents = len({int(number) for pair in pairs for number in sums.numbers[pair]})
    estimates = {name: _estimate(value, samples.get(name)) for name, value in point.items()}
    return Scores(documents, spans, **estimates)


def _estimate(point: "Array", samples: "Array | None") -> Estimate:
    import numpy as np

    value = float(point[0])
    if np.isnan(value):
        return Estimate(None)
    defined = samples[~np.isnan(samples)] if samples is not None else np.empty(0)
    if not len(defined):
        return Estimate(value)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(value, float(low), float(high))
