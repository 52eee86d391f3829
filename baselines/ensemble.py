"""Several labellers as one: each span that any part proposes gets a chance of being right from who
proposes it and how surely, and the legal set of spans with the best sum of chances is taken.

The chance is a logistic regression on what the parts say of a span. A part says `yes` (it has the
span), `rival` (it has another span there) or `none` (it has nothing there). Features are the
parts' stances together, by label, and for each part the log-odds of the score of its span or rival.
The weights are fitted on spans of documents that the trained parts have not seen (stacking:
Wolpert 1992, "Stacked generalization", Neural Networks 5(2)).

The set is found by dynamic programming over span ends (weighted interval scheduling), in both
layers: a host counts with its best guests. A span counts as its chance less THRESHOLD, which is
where one span more stops to raise F1 (Lipton, Elkan & Naryanaswamy 2014, "Optimal thresholding
of classifiers to maximize F1 measure": half the F1 that is reached).
"""

import json
import math
import random
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from annotate.document import Document, Span, sort_spans
from annotate.errors import DataError
from annotate.scheme import HOSTS, SCHEME_VERSION, may_contain
from baselines import Labeller
from baselines.crf import CrfModel, CrfSettings, load_crf, train_crf
from baselines.score import Figures, add_counts, order_labels, table_of_counts

SOURCE = "ensemble"
KIND = "vipol-ensemble"
FORMAT = 1
CARD_NAME = "model.json"
CRF_FOLDER = "crf"

THRESHOLD = 0.48
PENALTY = 1.0
"""L2 penalty of the regression, on every weight but the first."""

FOLDS = 4
FEWEST_DOCUMENTS = 8
"""Below this many, folds are too small to tell anything."""

Key = tuple[int, int, str]
Proposals = Mapping[str, Sequence[Span]]
"""The spans of each part, by the part's name (`rules`, `crf`, `underthesea`)."""


# --- what the parts say of a span ------------------------------------------------------------


class _Part:
    """The spans of one part, ready to be asked what it says of any span."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._by_key = {span.key: span for span in spans}
        self._spans = sort_spans(spans)
        self._starts = [span.start for span in self._spans]
        self._longest = max((span.end - span.start for span in spans), default=0)

    def stance(self, key: Key) -> tuple[str, Span | None]:
        """`yes`, `rival`, `relabel` (the same place, another label) or `none`, and the span meant.

        A span that may hold the other or lie in it is no rival.
        """
        start, end, label = key
        if span := self._by_key.get(key):
            return "yes", span
        low = bisect_left(self._starts, start - self._longest)
        best: Span | None = None
        for other in self._spans[low : bisect_left(self._starts, end)]:
            if other.end <= start or _may_both_stand(key, other.key):
                continue
            if (other.start, other.end) == (start, end):
                return "relabel", other
            if best is None or _log_odds(other) > _log_odds(best):
                best = other
        return ("rival", best) if best else ("none", None)


def _may_both_stand(one: Key, other: Key) -> bool:
    """Whether the scheme allows both of two spans, which overlap."""
    if one[:2] == other[:2]:
        return False
    if one[0] <= other[0] and other[1] <= one[1]:
        return may_contain(one[2], other[2])
    if other[0] <= one[0] and one[1] <= other[1]:
        return may_contain(other[2], one[2])
    return False


def _log_odds(span: Span) -> float:
    score = min(max(0.9 if span.score is None else span.score, 0.01), 0.99)
    return math.log(score / (1 - score))


def _describe(proposals: Proposals) -> dict[Key, dict[str, float]]:
    """The features of each span that any part has."""
    parts = {name: _Part(spans) for name, spans in proposals.items()}
    keys = dict.fromkeys(span.key for spans in proposals.values() for span in spans)
    return {key: _features(key, parts) for key in keys}


def _features(key: Key, parts: Mapping[str, _Part]) -> dict[str, float]:
    stances = {name: part.stance(key) for name, part in parts.items()}
    together = " ".join(f"{name}={stance}" for name, (stance, _) in stances.items())
    features = {"": 1.0, together: 1.0, f"{together} {key[2]}": 1.0}
    for name, (stance, span) in stances.items():
        features[f"{name}={stance} {key[2]}"] = 1.0
        if span is not None:
            features[f"{together} {name} score"] = _log_odds(span)
    return features


# --- the regression --------------------------------------------------------------------------


def fit_weights(examples: Iterable[tuple[Mapping[str, float], bool]]) -> dict[str, float]:
    """Weights by feature of a logistic regression with an L2 penalty, by Newton's method.

    Raises DataError for no examples.
    """
    rows = list(examples)
    if not rows:
        raise DataError("no part found any span; there is nothing to combine")
    names = sorted({name for features, _ in rows for name in features})
    column = {name: number for number, name in enumerate(names)}
    x = np.zeros((len(rows), len(names)))
    for number, (features, _) in enumerate(rows):
        for name, value in features.items():
            x[number, column[name]] = value
    y = np.array([float(right) for _, right in rows])
    penalty = np.full(len(names), PENALTY)
    penalty[column[""]] = 1e-6
    weights = np.zeros(len(names))
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (chance - y) + penalty * weights
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if float(np.abs(step).max()) < 1e-6:
            break
    return {name: round(float(weights[column[name]]), 4) for name in names}


def _chance(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    total = sum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))


def _examples(
    documents: Iterable[Document], proposals: Mapping[str, Proposals]
) -> Iterator[tuple[dict[str, float], bool]]:
    for document in documents:
        gold = {span.key for span in document.spans}
        for key, features in _describe(proposals[document.id]).items():
            yield features, key in gold


# --- the best legal set ----------------------------------------------------------------------


def combine(proposals: Proposals, weights: Mapping[str, float]) -> tuple[Span, ...]:
    """The legal set of spans with the best sum of chances less THRESHOLD, sorted by place.

    Each span's score is its chance, its source names the parts that have it.
    """
    sources: dict[Key, list[str]] = {}
    for name, spans in proposals.items():
        for span in spans:
            sources.setdefault(span.key, []).append(name)
    spans = [
        Span(*key, f"{SOURCE}:{'+'.join(sources[key])}", round(_chance(features, weights), 4))
        for key, features in _describe(proposals).items()
    ]
    return sort_spans(choose_spans([s for s in spans if _worth(s) > 0]))


def _worth(span: Span) -> float:
    return (span.score or 0.0) - THRESHOLD


def choose_spans(spans: Sequence[Span]) -> list[Span]:
    """The legal subset of scored spans with the greatest sum of `score - THRESHOLD`."""
    ordered = sort_spans(spans)
    starts = [span.start for span in ordered]

    def guests(host: Span) -> list[Span]:
        if host.label not in HOSTS:
            return []
        inside = ordered[bisect_left(starts, host.start) : bisect_left(starts, host.end)]
        legal = [
            span
            for span in inside
            if span.end <= host.end
            and span.end - span.start < host.end - host.start
            and may_contain(host.label, span.label)
        ]
        return _schedule([(span, _worth(span)) for span in legal])

    inner = {host: guests(host) for host in ordered}
    outer = _schedule(
        [(host, _worth(host) + sum(map(_worth, inner[host]))) for host in ordered]
    )
    return [span for host in outer for span in (host, *inner[host])]


def _schedule(valued: Sequence[tuple[Span, float]]) -> list[Span]:
    """The spans without overlap that have the greatest sum of values."""
    ordered = sorted(valued, key=lambda one: (one[0].end, one[0].start, one[0].label))
    ends = [span.end for span, _ in ordered]
    best = [0.0]
    before = [bisect_right(ends, span.start, 0, n) for n, (span, _) in enumerate(ordered)]
    for number, (_, value) in enumerate(ordered):
        best.append(max(best[number], best[before[number]] + value))
    chosen = []
    number = len(ordered)
    while number:
        if best[number] == best[number - 1]:
            number -= 1
        else:
            chosen.append(ordered[number - 1][0])
            number = before[number - 1]
    return chosen[::-1]
