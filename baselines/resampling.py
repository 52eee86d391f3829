"""Counts by document, and what resampling documents says of figures made from them.

Every figure of a comparison is made from sums of counts over documents, so drawing documents anew
needs no second look at them: a resample is a row of weights times the table of counts.

- Intervals are 95 % bootstrap percentiles over documents (Efron & Tibshirani 1993, "An
  Introduction to the Bootstrap", chapter 13).
- Two models are compared by approximate randomisation over documents (Noreen 1989; Yeh 2000,
  "More accurate tests for the statistical significance of result differences", COLING): the two
  models' counts of a document are swapped or not, by a coin; p is the share of such swaps whose
  difference is at least as large as the one observed, either way. Where there are no more ways to
  swap than shuffles asked for, all of them are taken and p is exact.
- Several tests are corrected by Holm's step-down method (Holm 1979, "A simple sequentially
  rejective multiple test procedure", Scandinavian Journal of Statistics 6(2)).
"""

from array import array
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[float, float]
Key = tuple[str, str, str]
"""View (`outer tokens`), row (a label) and what is counted (`gold`, `predicted`, `correct`)."""

RESAMPLES = 1000
SHUFFLES = 10_000
SEED = 13

_CELLS = 20_000_000
"""Most weights held at a time: bounds memory whatever the number of documents."""


class Tally:
    """Counts by document and key."""

    def __init__(self) -> None:
        self.documents = 0
        self._column: dict[Key, int] = {}
        self._rows, self._columns, self._amounts = array("q"), array("q"), array("q")

    def add_document(self, counts: Mapping[Key, int]) -> None:
        """Note the counts of the next document."""
        for key, amount in counts.items():
            self._columns.append(self._column.setdefault(key, len(self._column)))
            self._amounts.append(amount)
        self._rows.extend([self.documents] * len(counts))
        self.documents += 1

    def rows_of(self, view: str) -> list[str]:
        """The rows that were counted in a view, in the order in which they came."""
        return list(dict.fromkeys(row for seen, row, _ in self._column if seen == view))

    def table(self, keys: Sequence[Key]) -> Array:
        """The counts of some keys, documents x keys; what was never counted is 0."""
        wanted = np.full(len(self._column) + 1, -1)
        for number, key in enumerate(keys):
            wanted[self._column.get(key, -1)] = number if key in self._column else -1
        rows, columns, amounts = map(np.asarray, (self._rows, self._columns, self._amounts))
        places = wanted[columns] if len(columns) else columns
        table = np.zeros((self.documents, len(keys)))
        kept = places >= 0
        table[rows[kept], places[kept]] = amounts[kept]
        return table

    def keys(self) -> list[Key]:
        """Every key that was counted."""
        return list(self._column)


def resample(table: Array, resamples: int, seed: int) -> Array:
    """Sums over documents drawn with replacement, resamples x columns."""
    documents = len(table)
    chance = np.random.default_rng(seed)
    sums = np.zeros((resamples, table.shape[1]))
    counts = table.astype(np.float32)
    step = max(1, min(resamples, _CELLS // max(1, documents)))
    for first in range(0, resamples, step):
        weights = np.stack(
            [
                np.bincount(chance.integers(0, documents, documents), minlength=documents)
                for _ in range(min(step, resamples - first))
            ]
        )
        sums[first : first + step] = weights.astype(np.float32) @ counts
    return sums


def interval(values: Array) -> Interval | None:
    """The 95 % percentile interval of resampled values; None where most have no value."""
    known = values[~np.isnan(values)]
    if 2 * len(known) <= len(values):
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def swap_test(
    one: Array,
    other: Array,
    measure: Callable[[Array], Array],
    *,
    shuffles: int = SHUFFLES,
    seed: int = SEED,
) -> float:
    """Two-sided p that the measures of two models differ by chance.

    one, other: counts of the same documents, documents x columns. measure: from sums (… x columns)
    to one figure each; NaN counts as 0.
    """
    total, half = one.sum(0) + other.sum(0), (one - other) / 2
    half = half[(half != 0).any(1)]  # swapping equal counts changes nothing
    documents = len(half)

    def differences(signs: Array) -> Array:
        shift = signs @ half
        values: Array = np.nan_to_num(measure(total / 2 + shift)) - np.nan_to_num(
            measure(total / 2 - shift)
        )
        return np.abs(values)

    # A hair less, so that sums in another order still count as equal.
    observed = differences(np.ones((1, documents)))[0] - 1e-12
    if 2**documents <= shuffles:
        bits = np.arange(2**documents)[:, None] >> np.arange(documents) & 1
        return float(np.mean(differences(1.0 - 2.0 * bits) >= observed))
    chance = np.random.default_rng(seed)
    step = max(1, min(shuffles, _CELLS // documents))
    hits = 0
    for first in range(0, shuffles, step):
        bits = chance.integers(0, 2, (min(step, shuffles - first), documents), dtype=np.int8)
        hits += int((differences(1.0 - 2.0 * bits) >= observed).sum())
    return (hits + 1) / (shuffles + 1)


def correct_holm(chances: Sequence[float]) -> list[float]:
    """Holm's corrected p of each p, in the same order."""
    corrected = [0.0] * len(chances)
    most = 0.0
    for rank, number in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        most = max(most, min(1.0, (len(chances) - rank) * chances[number]))
        corrected[number] = most
    return corrected
