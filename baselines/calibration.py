"""Whether scores mean what they say: observed precision against score, bin by bin.

A score is calibrated where, of the spans that carry a score near p, a share near p is right
(Guo et al. 2017, "On Calibration of Modern Neural Networks", ICML). Right means both ends and
the label.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from annotate.document import Document
from baselines.score import match_documents

BIN_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Finer where most scores lie; a bin holds its upper edge."""

ENOUGH = 50
"""Spans from which on a bin counts."""

TOLERANCE = 0.1
"""How far precision and mean score of a bin may lie apart."""


PRIOR_WEIGHT = 5
"""How many spans the precision of its label is worth against what was seen of a source."""


@dataclass(frozen=True, slots=True)
class SourceScores:
    """Observed precision by label, and by source smoothed towards its label; `counts` are the
    right and the wrong spans by label and source."""

    label: dict[str, float]
    source: dict[str, float]
    counts: dict[tuple[str, str], Counter[bool]]

    def rescore(self, document: Document) -> Document:
        """The document with these scores on its spans."""
        scores = [
            self.source.get(span.source or "", self.label.get(span.label, 0.5))
            for span in document.spans
        ]
        pairs = zip(document.spans, scores, strict=True)
        return document.with_spans(replace(span, score=score) for span, score in pairs)


def fit_source_scores(gold: Iterable[Document], predicted: Iterable[Document]) -> SourceScores:
    """Scores of sources: a source seen `n` times and right `k` times gets `(k + 5 p) / (n + 5)`,
    where `p` is the precision of its label. Raises DataError as `measure_calibration` does."""
    counts: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    by_label: dict[str, Counter[bool]] = defaultdict(Counter)
    for truth, found in match_documents(gold, predicted):
        keys = {span.key for span in truth.spans}
        for span in found.spans:
            counts[span.label, span.source or ""][span.key in keys] += 1
            by_label[span.label][span.key in keys] += 1
    prior = {label: hits[True] / hits.total() for label, hits in sorted(by_label.items())}
    source = {
        name: (hits[True] + PRIOR_WEIGHT * prior[label]) / (hits.total() + PRIOR_WEIGHT)
        for (label, name), hits in sorted(counts.items(), key=lambda item: item[0][1])
    }
    return SourceScores(prior, source, dict(counts))


def cross_validate_scores(
    gold: Sequence[Document], predicted: Sequence[Document], folds: int = 5
) -> "Calibration":
    """Calibration where the scores of each fold's spans were fitted on the other folds."""
    rescored: list[Document] = []
    for fold in range(folds):
        scores = fit_source_scores(
            [one for n, one in enumerate(gold) if n % folds != fold],
            [one for n, one in enumerate(predicted) if n % folds != fold],
        )
        rescored += [scores.rescore(one) for n, one in enumerate(predicted) if n % folds == fold]
    return measure_calibration(gold, rescored)


@dataclass(frozen=True, slots=True)
class Bin:
    """The spans with `low < score <= high`: how many, their mean score, how many are right."""

    low: float
    high: float
    spans: int
    mean_score: float
    right: int

    @property
    def precision(self) -> float:
        """Share of the spans that are right."""
        return self.right / self.spans

    @property
    def is_off(self) -> bool:
        """Whether the bin holds enough spans and its precision is too far from its score."""
        return self.spans >= ENOUGH and abs(self.precision - self.mean_score) > TOLERANCE


@dataclass(frozen=True, slots=True)
class Calibration:
    """The bins that hold a span, in order, and how many spans have no score.

    `error` is the expected calibration error: the mean distance of precision and score, each bin
    by its number of spans; None where nothing has a score.
    """

    bins: tuple[Bin, ...]
    unscored: int
    error: float | None


def measure_calibration(gold: Iterable[Document], predicted: Iterable[Document]) -> Calibration:
    """Observed precision of predicted spans by score. Raises DataError as `score_documents` does,
    where the two sides are not the same documents."""
    held: list[list[tuple[float, bool]]] = [[] for _ in BIN_EDGES[1:]]
    unscored = 0
    for truth, found in match_documents(gold, predicted):
        keys = {span.key for span in truth.spans}
        for span in found.spans:
            if span.score is None:
                unscored += 1
                continue
            number = next((n for n, edge in enumerate(BIN_EDGES[1:]) if span.score <= edge), -1)
            held[number].append((span.score, span.key in keys))
    bins = tuple(
        Bin(low, high, len(of), sum(s for s, _ in of) / len(of), sum(right for _, right in of))
        for low, high, of in zip(BIN_EDGES, BIN_EDGES[1:], held, strict=False)
        if of
    )
    total = sum(one.spans for one in bins)
    apart = sum(one.spans * abs(one.precision - one.mean_score) for one in bins)
    return Calibration(bins, unscored, apart / total if total else None)


def calibration_to_dict(calibration: Calibration) -> dict[str, Any]:
    """The calibration as JSON takes it."""
    return {
        "error": calibration.error,
        "unscored": calibration.unscored,
        "bins": [
            {**asdict(one), "precision": one.precision, "is_off": one.is_off}
            for one in calibration.bins
        ],
    }


def format_calibration(calibration: Calibration) -> str:
    """The bins as a table of 80 columns, with a bar for the precision and a mark at the score."""
    lines = [f"{'score':>11}{'spans':>8}{'mean':>8}{'right':>8}  0{'precision':^28}1"]
    for one in calibration.bins:
        bar = ["█" if (n + 0.5) / 30 <= one.precision else "·" for n in range(30)]
        bar[min(29, int(one.mean_score * 30))] = "|"
        verdict = " off" if one.is_off else ""
        lines.append(
            f"{one.low:>5.2f}-{one.high:<5.2f}{one.spans:>8}{one.mean_score:>8.3f}"
            f"{one.precision:>8.3f}  {''.join(bar)}{verdict}"
        )
    if calibration.unscored:
        lines.append(f"{calibration.unscored} spans have no score")
    error = "-" if calibration.error is None else f"{calibration.error:.3f}"
    off = sum(one.is_off for one in calibration.bins)
    lines.append(
        f"expected calibration error {error}; {off} bins of {ENOUGH} spans or more are "
        f"off by over {TOLERANCE}"
    )
    return "\n".join(lines) + "\n"
