"""Models against one gold: scores, paired tests, and what one finds and another misses.

Two models are told apart by their micro F1 of the outer layer (seqeval, strict, IOB2) with
approximate randomisation over documents, all pairs corrected together by Holm's method; the
interval of a difference draws the same documents for both (`baselines.resampling`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from annotate.document import Document, Span
from annotate.errors import DataError
from baselines.resampling import (
    RESAMPLES,
    SEED,
    Array,
    Interval,
    correct_holm,
    interval,
    resample,
    swap_test,
)
from baselines.score import Scores, match_documents, score_documents

SURE = 0.05
"""A corrected p below this counts as a difference."""

OUTER = "outer tokens"
"""What two models are told apart by."""


@dataclass(frozen=True, slots=True)
class PairTest:
    """Two models: F1 of the first less that of the second, and how sure it is that they differ.

    `p` is that of the two alone, `corrected` that of all pairs together.
    """

    one: str
    other: str
    difference: float
    interval: Interval | None
    p: float
    corrected: float

    @property
    def is_sure(self) -> bool:
        """Whether the models differ, with all pairs taken into account."""
        return self.corrected < SURE


Place = tuple[str, Span]
"""Id of a document and a gold span in it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models in the order in which they came, and all pairs of them, the better model first.

    pairs: gold and predicted documents of each model.
    """

    models: Mapping[str, Scores]
    tests: tuple[PairTest, ...]
    pairs: Mapping[str, Sequence[tuple[Document, Document]]] = field(repr=False)

    @property
    def ranking(self) -> list[str]:
        """The models by F1, the best first; see `rank_models`."""
        return rank_models(self.models)

    def only_found(self, one: str, other: str) -> list[Place]:
        """The gold spans that the first model finds and the second misses (strict, both layers)."""
        found = []
        for (gold, mine), (_, yours) in zip(self.pairs[one], self.pairs[other], strict=True):
            has = {span.key for span in mine.spans} - {span.key for span in yours.spans}
            found += [(gold.id, span) for span in gold.spans if span.key in has]
        return found


def rank_models(models: Mapping[str, Scores]) -> list[str]:
    """Models by F1 of the outer layer, then of both; equal ones stay in their order."""
    return sorted(
        models, key=lambda name: (-headline(models[name]), -(models[name].nested.micro.f1 or 0.0))
    )


def headline(scores: Scores) -> float:
    """F1 of the outer layer; 0 where nothing was asked."""
    return scores.layers["outer"].seqeval.micro.f1 or 0.0


def compare_documents(
    gold: Sequence[Document],
    predictions: Mapping[str, Iterable[Document]],
    *,
    split: str | None = None,
    train: Sequence[Document] | None = None,
    seed: int = SEED,
) -> Comparison:
    """Score each model's predictions against gold, and test each pair of models.

    Raises DataError, naming the model, as `score_documents` does.
    """
    models: dict[str, Scores] = {}
    pairs: dict[str, list[tuple[Document, Document]]] = {}
    for name, documents in predictions.items():
        predicted = list(documents)
        try:
            pairs[name] = match_documents(gold, predicted)
            models[name] = score_documents(gold, predicted, split=split, train=train, seed=seed)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
    return Comparison(models, _test_pairs(models, seed), pairs)


def _test_pairs(models: Mapping[str, Scores], seed: int) -> tuple[PairTest, ...]:
    couples = list(combinations(rank_models(models), 2))
    tests = [measure_pair(models, one, other, seed=seed) for one, other in couples]
    corrected = correct_holm([test.p for test in tests])
    return tuple(replace(test, corrected=p) for test, p in zip(tests, corrected, strict=True))


def measure_pair(
    models: Mapping[str, Scores], one: str, other: str, *, view: str = OUTER, seed: int = SEED
) -> PairTest:
    """One pair by itself, by micro F1 of a view of the tallies of its scores."""
    counts = [_counts(models[name], view) for name in (one, other)]
    ends = None
    if len(counts[0]) > 1:
        sums = resample(np.hstack(counts), RESAMPLES, seed)
        ends = interval(_f1(sums[:, :3]) - _f1(sums[:, 3:]))
    ours, theirs = (float(np.nan_to_num(_f1(of.sum(0)))) for of in counts)
    p = swap_test(counts[0], counts[1], _f1, seed=seed)
    return PairTest(one, other, ours - theirs, ends, p, p)


def _counts(scores: Scores, view: str) -> Array:
    """Gold, predicted and correct spans by document, all labels together."""
    rows = scores.tally.rows_of(view)
    columns = [
        scores.tally.table([(view, row, what) for row in rows]).sum(1)
        for what in ("gold", "predicted", "correct")
    ]
    return np.stack(columns, axis=1)


def _f1(sums: Array) -> Array:
    spans = sums[..., 0] + sums[..., 1]
    result: Array = np.where(spans > 0, 2 * sums[..., 2] / np.where(spans > 0, spans, 1.0), np.nan)
    return result
