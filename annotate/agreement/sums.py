"""Counts of many documents summed, the measures of the sums, and bootstrap samples of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotate.agreement.matching import (
    CLASS_COUNT,
    SPAN_MEASURES,
    VIEWS,
    Version,
    class_in_view,
    count_matches,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_CHUNK = 100  # resamples at a time: bounds memory to _CHUNK x documents

Pair = tuple[str, str]
"""Two annotators, by name."""

Row = tuple[str, Pair | None]
"""A selection: a view (`all`, a label, a layer) and a pair of annotators (None: every pair)."""


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One document and one pair. `weight` is what each pair of values counts in alpha, `matches`
    are those of `count_matches`, `classes` and `counts` say how often which pair of classes (as
    one number) stands at a token."""

    document: int
    pair: Pair
    weight: float
    matches: list[list[int]]
    classes: "NDArray[np.intp]"
    counts: "NDArray[np.intp]"


def compare_versions(
    document: int, pair: Pair, weight: float, left: Version, right: Version
) -> Entry:
    """The entry of two annotations of a document."""
    import numpy as np

    both = left.classes * CLASS_COUNT + right.classes
    classes, counts = np.unique(both, return_counts=True)
    return Entry(document, pair, weight, count_matches(left, right), classes, counts)


@dataclass(frozen=True, slots=True)
class _PairCounts:
    """The entries of a pair as arrays, a row each."""

    numbers: "NDArray[np.intp]"
    weights: "Array"
    matches: "Array"
    classes: "Array"


@dataclass(frozen=True, slots=True)
class _PairSums:
    """What a pair has in each sample: `matches` (samples x views x measures), and how often the
    classes stand at a token, as it is and weighted for alpha (samples x classes x classes)."""

    matches: "Array"
    classes: "Array"
    weighted: "Array"


class Sums:
    """The counts of all entries as arrays, and the measures of weighted sums of them."""

    def __init__(self, entries: Sequence[Entry], documents: int) -> None:
        import numpy as np

        self.documents = documents
        self.pairs = sorted({entry.pair for entry in entries})
        self.rows: list[Row] = [(view, None) for view in VIEWS]
        self.rows += [("all", pair) for pair in self.pairs]
        # Of the many pairs of classes few ever occur: columns only for those.
        self._columns = np.unique(np.concatenate([entry.classes for entry in entries]))
        used = np.unique(np.concatenate(np.divmod(self._columns, CLASS_COUNT)))
        self._left, self._right = (
            np.searchsorted(used, side) for side in np.divmod(self._columns, CLASS_COUNT)
        )
        self._used = [int(code) for code in used]
        self._views = {view: _view_matrix(view, self._used) for view in VIEWS}
        self._counts = {
            pair: self._of_pair([entry for entry in entries if entry.pair == pair])
            for pair in self.pairs
        }

    def _of_pair(self, entries: Sequence[Entry]) -> _PairCounts:
        import numpy as np

        classes = np.zeros((len(entries), len(self._columns)))
        for number, entry in enumerate(entries):
            classes[number, np.searchsorted(self._columns, entry.classes)] = entry.counts
        return _PairCounts(
            np.array([entry.document for entry in entries]),
            np.array([entry.weight for entry in entries]),
            np.array([entry.matches for entry in entries], dtype=float),
            classes,
        )

    def spans(self, row: Row) -> int:
        """The spans of both annotators of every pair of a row together."""
        view, only = row
        pairs = self.pairs if only is None else [only]
        number = VIEWS.index(view)
        return sum(int(self._counts[pair].matches[:, number, -1].sum()) for pair in pairs)

    def compared(self, row: Row) -> int:
        """The documents that a row compares."""
        pairs = self.pairs if row[1] is None else [row[1]]
        return len({int(number) for pair in pairs for number in self._counts[pair].numbers})

    def measure(self, weights: "Array | None" = None) -> dict[Row, dict[str, "Array"]]:
        """Each measure of each row for `weights` (samples x documents; None: each document
        once). NaN where a measure is not defined."""
        import numpy as np

        if weights is None:
            weights = np.ones((1, self.documents))
        sums = {pair: self._sum(pair, weights) for pair in self.pairs}
        return {row: self._measure(row, sums) for row in self.rows}

    def _sum(self, pair: Pair, weights: "Array") -> _PairSums:
        counts = self._counts[pair]
        mine = weights[:, counts.numbers]
        flat = counts.matches.reshape(len(counts.matches), -1)
        return _PairSums(
            (mine @ flat).reshape(len(weights), *counts.matches.shape[1:]),
            self._square(mine @ counts.classes),
            self._square((mine * counts.weights) @ counts.classes),
        )

    def _square(self, columns: "Array") -> "Array":
        import numpy as np

        table = np.zeros((len(columns), len(self._used), len(self._used)))
        table[:, self._left, self._right] = columns
        return table

    def _measure(self, row: Row, sums: dict[Pair, _PairSums]) -> dict[str, "Array"]:
        import numpy as np

        view, only = row
        chosen = list(sums.values()) if only is None else [sums[only]]
        number, project = VIEWS.index(view), self._views[view]
        matches = np.sum([each.matches[:, number] for each in chosen], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            measures = {
                name: matches[:, place] / matches[:, -1] for place, name in enumerate(SPAN_MEASURES)
            }
        kappas = [cohen_kappa(project.T @ each.classes @ project) for each in chosen]
        measures["kappa"] = _mean(np.stack(kappas))
        # With a pair alone its two values are all that a token has, hence no weight.
        tables = [each.classes if only else each.weighted for each in chosen]
        both = project.T @ np.sum(tables, axis=0) @ project
        measures["alpha"] = krippendorff_alpha(both + both.swapaxes(-1, -2))
        return measures


def _view_matrix(view: str, used: Sequence[int]) -> "Array":
    """Which class of the view each used token class falls into, as a 0/1 matrix."""
    import numpy as np

    targets = [class_in_view(code, view) for code in used]
    matrix = np.zeros((len(used), len(set(targets))))
    matrix[range(len(used)), np.unique(targets, return_inverse=True)[1]] = 1
    return matrix


def _mean(values: "Array") -> "Array":
    """Mean over the first axis of what is defined; NaN where nothing is."""
    import numpy as np

    defined = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(defined, values, 0).sum(0) / defined.sum(0)
    return result


def bootstrap(sums: Sums, resamples: int, seed: int) -> dict[Row, dict[str, "Array"]]:
    """The measures of `resamples` samples of documents drawn with replacement, by row; nothing
    for a single document."""
    import numpy as np

    if sums.documents < 2 or not resamples:
        return {row: {} for row in sums.rows}
    parts = [sums.measure(weights) for weights in _draw(sums.documents, resamples, seed)]
    return {
        row: {name: np.concatenate([part[row][name] for part in parts]) for name in parts[0][row]}
        for row in sums.rows
    }


def _draw(documents: int, resamples: int, seed: int) -> Iterator["Array"]:
    """How often each document is drawn in each sample, some samples at a time."""
    import numpy as np

    generator = np.random.default_rng(seed)
    even = np.full(documents, 1 / documents)
    for first in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - first)
        yield generator.multinomial(documents, even, size=size).astype(float)
