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

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from annotate.agreement.disputes import (
    Dispute,
    DisputedPlace,
    find_disputed_places,
    rank_disputes,
)
from annotate.agreement.matching import KINDS, Kind, find_tokens, kind_of, lay_out, pair_spans
from annotate.agreement.sums import Entry, Row, Sums, bootstrap, compare_versions
from annotate.document import Document, Span
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LAYERS, Layer
from annotate.tags import OUTSIDE

if TYPE_CHECKING:
    from annotate.agreement.sums import Array

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""


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
    the annotators of a pair in alphabetical order, `O` where one has no span; `kinds` how the
    two differ. `skipped`
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
    kinds: dict[Kind, int]
    disputes: tuple[Dispute, ...]
    resamples: int
    seed: int


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
        left_out = f" ({skipped} skipped annotations do not count)" if skipped else ""
        raise DataError(
            f"annotations: none of the {len(grouped)} documents was annotated by two "
            f"people{left_out}; agreement needs at least one (push with --per-task 2)"
        )
    annotators = tuple(sorted({name for versions in compared.values() for name in versions}))
    confusion: Counter[tuple[str, str]] = Counter()
    kinds: Counter[Kind] = Counter()
    found: list[DisputedPlace] = []
    entries: list[Entry] = []
    tokens = 0
    for number, versions in enumerate(compared.values()):
        places = find_tokens(next(iter(versions.values())).text)
        tokens += len(places)
        found += find_disputed_places(versions)
        laid_out = {name: lay_out(version, places) for name, version in versions.items()}
        for pair in combinations(sorted(versions), 2):
            left, right = laid_out[pair[0]], laid_out[pair[1]]
            for spans in pair_spans(left.spans, right.spans):
                confusion[_label(spans[0]), _label(spans[1])] += 1
                kinds[kind_of(spans)] += 1
            weight = 1 / (len(versions) - 1)
            entries.append(compare_versions(number, pair, weight, left, right))
    sums = Sums(entries, len(compared))
    samples = bootstrap(sums, resamples, seed)
    scores = {row: _scores(sums, row, value, samples[row]) for row, value in sums.measure().items()}
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
        kinds={kind: kinds[kind] for kind in KINDS},
        disputes=rank_disputes(found, disputes),
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


def _label(span: Span | None) -> str:
    return span.label if span else OUTSIDE


def _scores(sums: Sums, row: Row, point: dict[str, "Array"], samples: dict[str, "Array"]) -> Scores:
    estimates = {name: _estimate(value, samples.get(name)) for name, value in point.items()}
    return Scores(sums.compared(row), sums.spans(row), **estimates)


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
