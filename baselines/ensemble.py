"""Rules and a CRF as one labeller, in two steps.

The CRF reads what the rules say: their spans, both layers, are features of each token and its
neighbours beside those of the plain CRF (Cohen & Carvalho 2005, "Stacked sequential learning",
IJCAI). So it learns from gold where the rules are right, in context, and what they leave out.

Then each span that rules or CRF propose gets a chance of being right from who proposes it and how
surely, and the legal set of spans with the best sum of chances is taken. The chance is a logistic
regression on what the parts say of a span. A part says `yes` (it has the span), `relabel` (it has
another label there), `rival` (it has another span that cannot stand beside it) or `none`.
Features are the parts' stances together, each stance with the label, and for each part the
log-odds of the score of its span or rival, told apart by the stances. The weights are fitted on
spans of documents that the CRF has not seen (stacking: Wolpert 1992, "Stacked generalization",
Neural Networks 5(2)), so that where gold is scarce and the rules are good the rules prevail. They
belong to the CRF and texts that they were fitted on.

Chosen by 5-fold cross-validation on 16 and on 50 documents of the sample (strict F1, both layers):
rules 0.950 and 0.956; plain CRF 0.859 and 0.919; rules and plain CRF in the regression 0.950 and
0.955; CRF that reads the rules 0.953 and 0.961; the rules and that CRF in the regression 0.955 and
0.960. On eleven documents that the rules were written with in view they have 0.996, the CRF that
reads them 0.975, the regression 0.996: it never falls far behind the better part. With rules of
0.9805 on 52 sample documents held out from CRFs of 102: plain CRF 0.954, in the regression 0.980;
CRF that reads the rules 0.9824, in the regression 0.982.

The set is found by dynamic programming over span ends (weighted interval scheduling), in both
layers: a host counts with its best guests. A span counts as its chance less THRESHOLD, which is
where one span more stops to raise F1 (Lipton, Elkan & Naryanaswamy 2014, "Optimal thresholding
of classifiers to maximize F1 measure": half the F1 that is reached).
"""

import json
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from annotate.document import Document, Span, sort_spans
from annotate.errors import DataError
from annotate.files import replace_folder
from annotate.scheme import HOSTS, SCHEME_VERSION, may_contain
from baselines import Labeller
from baselines.compare import Comparison, PairTest, compare_documents, measure_pair
from baselines.crf import CrfModel, CrfSettings, load_crf, train_crf
from baselines.score import NESTED
from baselines.score_table import figures_to_dict, format_interval, format_rate

KIND = "vipol-ensemble"
FORMAT = 2
CARD_NAME = "model.json"
CRF_FOLDER = "crf"

THRESHOLD = 0.48
PENALTY = 3.0
"""L2 penalty of the regression, on every weight but the first."""

FOLDS = 5
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
        start, end, _ = key
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
    features = {"": 1.0, together: 1.0}
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

    Each span's score is its chance, its source joins those of the parts that have it
    (`rule:org.named+crf`).
    """
    sources: dict[Key, list[str]] = {}
    for name, spans in proposals.items():
        for span in spans:
            sources.setdefault(span.key, []).append(span.source or name)
    spans = [
        Span(*key, "+".join(sources[key]), round(_chance(features, weights), 4))
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
    outer = _schedule([(host, _worth(host) + sum(map(_worth, inner[host]))) for host in ordered])
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


# --- a trained ensemble ----------------------------------------------------------------------


@dataclass(frozen=True)
class Ensemble:
    """Parts by name, each a labeller, and the weights that combine them."""

    parts: Mapping[str, Labeller]
    weights: Mapping[str, float]

    def label_document(self, document: Document) -> tuple[Span, ...]:
        """Legal nested spans with the chance of each as its score; the document's own spans
        are put aside."""
        return combine({name: label(document) for name, label in self.parts.items()}, self.weights)


@dataclass(frozen=True)
class Retraining:
    """Rules and a CRF trained on gold documents, combined, and what cross-validation says.

    held_out: `rules`, `crf` (which reads the rules) and `ensemble` on documents that neither the
    CRF nor the weights saw.
    gain: F1 of the ensemble less that of the rules, strict spans of both layers.
    """

    crf: CrfModel
    weights: Mapping[str, float]
    documents: int
    folds: int
    seed: int
    held_out: Comparison
    gain: PairTest
    rules: Labeller = field(repr=False)

    @property
    def ensemble(self) -> Ensemble:
        """The labeller that was trained."""
        return Ensemble({"rules": self.rules, "crf": self.crf.label_document}, self.weights)

    def save(self, folder: str | Path) -> None:
        """Write the ensemble as a folder, whole or not at all; one that is there is replaced.

        Raises DataError where the folder holds something else or cannot be written.
        """
        _save(self, Path(folder))


def retrain(
    gold: Sequence[Document],
    *,
    seed: int = 13,
    folds: int = FOLDS,
    settings: CrfSettings | None = None,
    rules: Labeller | None = None,
    on_fold: Callable[[int], None] = lambda fold: None,
) -> Retraining:
    """Train a CRF on gold documents, fit how it and the rules combine, and measure the gain.

    The weights are fitted on what CRFs trained without each fold say of that fold (see
    `cross_validate`, which also gives the figures). `rules` are the built-in ones unless given;
    `on_fold` is called as each training ends.

    Raises DataError for too few documents and as `train_crf` does.
    """
    rules = rules or _own_rules()
    crossed = cross_validate(
        gold, seed=seed, folds=folds, settings=settings, rules=rules, on_fold=on_fold
    )
    crf = train_crf(gold, seed=seed, settings=settings, hints=rules)
    on_fold(folds + 1)
    held_out = compare_documents(gold, crossed.answers, seed=seed)
    return Retraining(
        crf=crf,
        weights=crossed.weights,
        documents=len(gold),
        folds=folds,
        seed=seed,
        held_out=held_out,
        gain=measure_pair(held_out.models, "ensemble", "rules", view=NESTED, seed=seed),
        rules=rules,
    )


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What `rules`, `crf` and `ensemble` say of documents that were held out, and the weights that
    all of them together give."""

    answers: Mapping[str, Sequence[Document]]
    weights: Mapping[str, float]


def cross_validate(
    gold: Sequence[Document],
    *,
    seed: int = 13,
    folds: int = FOLDS,
    settings: CrfSettings | None = None,
    rules: Labeller | None = None,
    on_fold: Callable[[int], None] = lambda fold: None,
) -> CrossValidation:
    """Train a CRF without each fold of the documents and combine it with the rules there.

    The weights of a fold come from the other folds. Raises DataError for too few documents and as
    `train_crf` does.
    """
    if len(gold) < FEWEST_DOCUMENTS:
        raise DataError(
            f"{len(gold)} gold documents; at least {FEWEST_DOCUMENTS} are wanted to train on and "
            "to measure the gain, and about 50 to gain much"
        )
    rules = rules or _own_rules()
    parts = split_folds(gold, folds, seed)
    proposals: dict[str, Proposals] = {}
    for fold, (seen, held_out) in enumerate(parts):
        model = train_crf(seen, seed=seed, settings=settings, hints=rules)
        for one in held_out:
            proposals[one.id] = {"rules": rules(one), "crf": model.label_document(one)}
        on_fold(fold + 1)
    answers: dict[str, list[Document]] = {"rules": [], "crf": [], "ensemble": []}
    for seen, held_out in parts:
        weights = fit_weights(_examples(seen, proposals))
        for one in held_out:
            of = proposals[one.id]
            for name, spans in {**of, "ensemble": combine(of, weights)}.items():
                answers[name].append(one.with_spans(spans))
    return CrossValidation(answers, fit_weights(_examples(gold, proposals)))


def split_folds(
    gold: Sequence[Document], folds: int = FOLDS, seed: int = 13
) -> list[tuple[list[Document], list[Document]]]:
    """For each fold the documents that are seen and those that are held out."""
    order = random.Random(seed).sample(range(len(gold)), len(gold))
    parts = [[gold[number] for number in order[fold::folds]] for fold in range(folds)]
    return [
        ([one for other in parts if other is not part for one in other], part) for part in parts
    ]


def _own_rules() -> Labeller:
    from annotate.prelabel import label_document

    return label_document


def retraining_to_dict(report: Retraining) -> dict[str, Any]:
    """The report as JSON takes it."""
    return {
        "documents": report.documents,
        "folds": report.folds,
        "seed": report.seed,
        "gain": {
            "f1": report.gain.difference,
            "interval": report.gain.interval,
            "p": report.gain.p,
            "sure": report.gain.is_sure,
        },
        "held_out": {
            name: {
                **figures_to_dict(scores.nested.micro),
                "labels": {
                    label: figures_to_dict(of) for label, of in scores.nested.labels.items()
                },
            }
            for name, scores in report.held_out.models.items()
        },
    }


def format_retraining(report: Retraining) -> str:
    """The report within 80 columns: F1 before and after by label, on held-out documents."""
    tables = {name: scores.nested for name, scores in report.held_out.models.items()}
    lines = [
        f"trained on {report.documents:,} documents; strict F1 on held-out documents, both layers",
        f"({report.folds}-fold cross-validation, seed {report.seed})",
        "",
        f"{'':14}" + "".join(f"{name:>15}" for name in tables) + f"{'gain':>9}{'spans':>9}",
    ]
    for label in (*tables["rules"].labels, "all"):
        figures = [of.micro if label == "all" else of.labels[label] for of in tables.values()]
        before, _, after = (of.f1 or 0.0 for of in figures)
        cells = "".join(f"{format_rate(of.f1):>15}" for of in figures)
        lines.append(f"{label:14}{cells}{after - before:>+9.4f}{figures[0].support:>9,}")
    ends = [format_interval(of.micro.intervals.get("f1")) for of in tables.values()]
    lines += [f"{'95 % interval':14}" + "".join(f"{one:>15}" for one in ends), ""]
    gain = report.gain
    low, high = gain.interval or (gain.difference, gain.difference)
    lines.append(
        f"gain over the rules: {gain.difference:+.4f} F1 "
        f"(95 % {low:+.4f} to {high:+.4f}, p {gain.p:.4f})"
    )
    if gain.difference <= 0:
        lines.append("the rules alone are as good: keep them, and label more documents")
    elif gain.is_sure:
        lines.append("the next batch will be better pre-labelled with the ensemble")
    else:
        lines.append("it may be chance: use the ensemble, and label more documents to be sure")
    return "\n".join(lines)


# --- the ensemble's folder -------------------------------------------------------------------


def is_ensemble_folder(folder: str | Path) -> bool:
    """Whether the folder says of itself that it is an ensemble."""
    try:
        card = json.loads(Path(folder, CARD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("kind") == KIND


def check_ensemble_output(folder: Path) -> None:
    """Raise DataError unless an ensemble may be written to `folder`: it does not exist, is empty,
    or holds an ensemble."""
    occupied = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if occupied and not is_ensemble_folder(folder):
        raise DataError(f"{folder}: exists and is no ensemble; name a new folder, or empty it")


def _save(report: Retraining, folder: Path) -> None:
    check_ensemble_output(folder)
    card = {
        "kind": KIND,
        "format": FORMAT,
        "scheme_version": SCHEME_VERSION,
        "parts": ["rules", "crf"],
        "weights": dict(report.weights),
        "report": retraining_to_dict(report),
    }
    with replace_folder(folder) as new:
        report.crf.save(new / CRF_FOLDER)
        text = json.dumps(card, ensure_ascii=False, indent=2) + "\n"
        (new / CARD_NAME).write_text(text, encoding="utf-8")


def load_ensemble(folder: str, *, rules: Labeller | None = None) -> Labeller:
    """The labeller of the ensemble that `Retraining.save` wrote.

    `rules` are the built-in ones unless given. Raises DataError for anything else.
    """
    if not is_ensemble_folder(folder):
        raise DataError(f"{folder}: no ensemble; the folder that vipol retrain wrote was wanted")
    card = json.loads(Path(folder, CARD_NAME).read_text(encoding="utf-8"))
    if card.get("format") != FORMAT or not isinstance(card.get("weights"), dict):
        raise DataError(f"{folder}: an ensemble of another format (wanted {FORMAT}); retrain it")
    rules = rules or _own_rules()
    crf = load_crf(Path(folder, CRF_FOLDER), hints=rules)
    return Ensemble({"rules": rules, "crf": crf.label_document}, card["weights"]).label_document
