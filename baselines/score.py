"""Scores of predicted documents against gold: seqeval over tokens, and what stands beside it.

The headline is seqeval (strict mode, IOB2) over tags of tokens, layer by layer: the figure that
papers compare, but a span whose edge lies inside a token has no tags and is not seen. Strict span
F1 compares places in the text: a span is right when a span of the other side has the same start,
end and label; it needs no tokens. Where all edges lie on token borders the two are equal;
`Scores.inexpressible` lists every span that makes them differ.

    precision = correct / predicted    recall = correct / gold    F1 = 2PR / (P + R)

Micro sums the counts over labels, macro is the mean of the figures of the labels that occur in
gold or predictions (both as seqeval 1.2.2 has them). Beside them: both layers together
(`nested`), partial matches (`baselines.partial`), kinds of spans (`baselines.slices`), and 95 %
intervals over documents (`baselines.resampling`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from annotate.document import Document, Span, hash_gold, labels_of, split_layers
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LAYERS, Layer
from annotate.tags import OUTSIDE, spans_to_tags
from annotate.tokens import Offsets, tokenize
from baselines.partial import OUTCOMES, SCHEMES, Outcome, Scheme, count_outcomes
from baselines.resampling import RESAMPLES, SEED, Array, Interval, Key, Tally, interval, resample
from baselines.slices import (
    BINS,
    GENRE,
    NO_GENRE,
    Mentions,
    Slice,
    bin_capitals,
    bin_genre,
    bin_length,
    collect_mentions,
    make_seen_bin,
)

NAMED_IN_ERRORS = 5
"""How many documents an error message names before it says how many more there are."""

_CHUNK = 200
"""Least tokens of a piece of tags given to seqeval; see `_pieces`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one label or average, between 0 and 1.

    They are None where gold and predictions are both without the label: nothing was asked and
    nothing answered, which is neither right nor wrong. `support` counts gold spans. `intervals`
    are those of `precision`, `recall` and `f1`, where there are documents enough to draw from.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int
    correct: int
    intervals: Mapping[str, Interval] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one layer by one way of counting; `labels` has the scheme's order."""

    micro: Figures
    macro: Figures
    labels: Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class LayerScores:
    """One layer, counted over tokens by seqeval and over characters."""

    seqeval: Table
    spans: Table


@dataclass(frozen=True, slots=True)
class PartialFigures:
    """Outcomes of one way of partial matching, both layers together, and figures from them."""

    outcomes: Mapping[Outcome, int]
    precision: float | None
    recall: float | None
    f1: float | None
    interval: Interval | None = field(default=None, compare=False)
    """Of F1."""


@dataclass(frozen=True, slots=True)
class Inexpressible:
    """A span that no tags over tokens can express, and why."""

    document: str
    side: str
    """`gold` or `predicted`."""
    layer: Layer
    span: Span
    mention: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scores:
    """All figures of one comparison. The headline is `layers["outer"].seqeval.micro.f1`.

    nested: the spans of both layers together, whichever layer they came to lie in.
    partial: by way of matching, all labels together (`all`) and each by itself.
    slices: strict spans of both layers by kind of span. tally: the counts that figures come from.
    """

    documents: int
    tokens: int
    layers: Mapping[Layer, LayerScores]
    nested: Table
    partial: Mapping[Scheme, Mapping[str, PartialFigures]]
    slices: Mapping[Slice, Mapping[str, Figures]]
    inexpressible: tuple[Inexpressible, ...]
    signature: str
    resamples: int
    """How many resamples the intervals are from; 0 for a single document, which has none."""
    tally: Tally = field(compare=False, repr=False)


def match_documents(
    gold: Iterable[Document], predicted: Iterable[Document]
) -> list[tuple[Document, Document]]:
    """Pairs of gold and predicted document of one id, in the order of gold.

    Raises DataError naming the documents where an id comes twice, where one side lacks a
    document that the other has, where texts or tokens differ, where the predictions have labels
    that gold does not know, and for no documents at all.
    """
    gold_by_id = _by_id(gold, "the gold documents")
    predicted_by_id = _by_id(predicted, "the predictions")
    if not gold_by_id:
        raise DataError("no gold documents; nothing can be scored")
    if missing := [id for id in gold_by_id if id not in predicted_by_id]:
        raise DataError(
            f"the predictions lack {_count(missing)} of the {len(gold_by_id)} gold documents: "
            f"{_name(missing)}; predict the whole gold file"
        )
    if extra := [id for id in predicted_by_id if id not in gold_by_id]:
        raise DataError(
            f"the predictions hold {_count(extra)} that gold lacks: {_name(extra)}; "
            "predict the gold file itself"
        )
    pairs = [(document, predicted_by_id[id]) for id, document in gold_by_id.items()]
    if changed := [one for one, other in pairs if one.text != other.text]:
        first = changed[0]
        place = _first_difference(first.text, predicted_by_id[first.id].text)
        raise DataError(
            f"the predictions have another text than gold in {_name([d.id for d in changed])} "
            f"({first.id} differs from character {place}); predict the gold file itself"
        )
    for one, other in pairs:
        if unknown := {span.label for span in other.spans}.difference(labels_of(one)):
            raise DataError(
                f"the predictions have the label {min(unknown)} in {one.id}; gold knows "
                f"{', '.join(labels_of(one))}: predict with a model of these labels"
            )
        if other.foreign and _tokens_of(other) != _tokens_of(one):
            raise DataError(
                f"the predictions have other tokens than gold in {one.id}; predict the gold itself"
            )
    return pairs


def score_documents(
    gold: Iterable[Document],
    predicted: Iterable[Document],
    *,
    split: str | None = None,
    train: Iterable[Document] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Scores:
    """Figures of `predicted` against `gold`, matched by id in any order.

    split: of which split gold is, for the signature. train: the documents of the training, so that
    mentions seen and unseen are told apart. Documents of others are scored over their own tokens.

    Raises DataError where the two sides are not the same documents, texts and labels (see
    `match_documents`) and where the spans of a document overlap within a layer.
    """
    pairs = match_documents(gold, predicted)
    mentions = None if train is None else collect_mentions(train)
    counter = _Counter(mentions)
    for gold_document, predicted_document in pairs:
        counter.add(gold_document, predicted_document)
    if len(pairs) < 2:
        resamples = 0
    sums = _Sums(counter.tally, resamples, seed)
    return Scores(
        documents=len(pairs),
        tokens=counter.tokens,
        layers={
            layer: LayerScores(
                seqeval=_seqeval_table(*counter.tags[layer], sums.table(f"{layer} tokens")),
                spans=sums.table(f"{layer} spans"),
            )
            for layer in LAYERS
        },
        nested=sums.table(NESTED),
        partial={scheme: sums.partial(scheme) for scheme in SCHEMES},
        slices=sums.slices(seen=mentions is not None),
        inexpressible=tuple(counter.lost),
        signature=_sign(split, [one for one, _ in pairs]),
        resamples=resamples,
        tally=counter.tally,
    )


def _sign(split: str | None, gold: Sequence[Document]) -> str:
    from importlib.metadata import version

    return (
        f"seqeval:{version('seqeval')}|mode:strict|scheme:IOB2|"
        f"tokens:{'own' if any(one.foreign for one in gold) else 'syllable'}|"
        f"split:{split or 'all'}|data:{hash_gold(gold)[:8]}"
    )


# --- matching ---------------------------------------------------------------------------


def _by_id(documents: Iterable[Document], what: str) -> dict[str, Document]:
    by_id: dict[str, Document] = {}
    for document in documents:
        if document.id in by_id:
            raise DataError(
                f"{what} hold the document {document.id} twice; ids must be unique to score"
            )
        by_id[document.id] = document
    return by_id


def _count(ids: Sequence[str]) -> str:
    return f"{len(ids)} document" + ("s" if len(ids) != 1 else "")


def _name(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:NAMED_IN_ERRORS])
    more = len(ids) - NAMED_IN_ERRORS
    return f"{shown} and {more} more" if more > 0 else shown


def _first_difference(one: str, other: str) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


# --- counting ---------------------------------------------------------------------------

NESTED = "both spans"
"""The view of the spans of both layers together."""

ALL = "all"
_SIDES = ("gold", "predicted", "correct")


class _Counter:
    """Counts the pairs of documents that are added, one by one, into a tally."""

    def __init__(self, mentions: Mentions | None) -> None:
        self.tally = Tally()
        self.tokens = 0
        self.lost: list[Inexpressible] = []
        self.tags: dict[Layer, tuple[list[list[str]], list[list[str]]]] = {
            layer: ([], []) for layer in LAYERS
        }
        self._bin_seen = None if mentions is None else make_seen_bin(mentions)

    def add(self, gold: Document, predicted: Document) -> None:
        """Count one pair."""
        counts: Counter[Key] = Counter()
        tokens = _tokens_of(gold)
        self.tokens += len(tokens)
        gold_layers, predicted_layers = split_layers(gold.spans), split_layers(predicted.spans)
        for layer in LAYERS:
            sides = (gold_layers[layer], predicted_layers[layer])
            if not any(sides):
                continue
            gold_tags, gold_lost = _tag(gold, tokens, sides[0], "gold")
            predicted_tags, predicted_lost = _tag(predicted, tokens, sides[1], "predicted")
            self._count_keys(counts, f"{layer} spans", *map(_keys, sides))
            self._count_keys(
                counts,
                f"{layer} tokens",
                _keys(sides[0]) - _keys(gold_lost),
                _keys(sides[1]) - _keys(predicted_lost),
            )
            self._count_partial(counts, *sides)
            for side, spans in (("gold", gold_lost), ("predicted", predicted_lost)):
                self.lost.extend(_explain(gold, tokens, side, layer, spans))
            for gold_piece, predicted_piece in _pieces(gold_tags, predicted_tags):
                self.tags[layer][0].append(gold_piece)
                self.tags[layer][1].append(predicted_piece)
        wanted, given = _keys(gold.spans), _keys(predicted.spans)
        self._count_keys(counts, NESTED, wanted, given)
        self._count_slices(counts, gold, tokens, wanted, given)
        self.tally.add_document(counts)

    @staticmethod
    def _count_keys(
        counts: Counter[Key],
        view: str,
        gold: set[tuple[int, int, str]],
        predicted: set[tuple[int, int, str]],
    ) -> None:
        for what, keys in zip(_SIDES, (gold, predicted, gold & predicted), strict=True):
            for _, _, label in keys:
                counts[view, label, what] += 1

    @staticmethod
    def _count_partial(
        counts: Counter[Key], gold: Sequence[Span], predicted: Sequence[Span]
    ) -> None:
        labels = {span.label for span in (*gold, *predicted)}
        for row in (ALL, *labels):
            one, other = (
                side if row == ALL else [span for span in side if span.label == row]
                for side in (gold, predicted)
            )
            for (scheme, outcome), number in count_outcomes(one, other).items():
                counts[scheme, row, outcome] += number

    def _count_slices(
        self,
        counts: Counter[Key],
        document: Document,
        tokens: Sequence[Offsets],
        gold: set[tuple[int, int, str]],
        predicted: set[tuple[int, int, str]],
    ) -> None:
        genre = bin_genre(document.meta)
        starts = np.array([start for start, _ in tokens])
        ends = np.array([end for _, end in tokens])
        keys = [*(gold | predicted)]
        first = np.searchsorted(ends, [start for start, _, _ in keys], "right")
        behind = np.searchsorted(starts, [end for _, end, _ in keys], "left")
        for key, length in zip(keys, (behind - first).tolist(), strict=True):
            start, end, label = key
            mention = document.text[start:end]
            bins = [
                ("length in tokens", bin_length(length)),
                ("capitals", bin_capitals(mention)),
                (GENRE, genre),
            ]
            if self._bin_seen:
                bins.append(("in training", self._bin_seen(label, mention)))
            sides = [key in gold, key in predicted, key in gold and key in predicted]
            for name, row in bins:
                for what, holds in zip(_SIDES, sides, strict=True):
                    if holds:
                        counts[name, row, what] += 1


def _tokens_of(document: Document) -> list[Offsets]:
    if document.foreign is None:
        return tokenize(document.text)
    return [token for sentence in document.foreign.tokens for token in sentence]


def _keys(spans: Iterable[Span]) -> set[tuple[int, int, str]]:
    return {span.key for span in spans}


class _Sums:
    """Figures of a tally, each with its interval."""

    def __init__(self, tally: Tally, resamples: int, seed: int) -> None:
        self._tally = tally
        keys = tally.keys()
        table = tally.table(keys)
        sums: Array = table.sum(0)[None]
        if resamples:
            sums = np.concatenate([sums, resample(table, resamples, seed)])
        self._column = {key: sums[:, number] for number, key in enumerate(keys)}
        self._documents = dict(zip(keys, (table > 0).sum(0).tolist(), strict=True))
        self._nothing = np.zeros(len(sums))

    def _of(self, view: str, row: str, what: str) -> Array:
        return self._column.get((view, row, what), self._nothing)

    def table(self, view: str) -> Table:
        """The table of a view: by label, micro and macro."""
        rows = self._tally.rows_of(view)
        labels = {label: self._figures(view, [label]) for label in labels_shown(rows)}
        macro = micro = self._figures(view, rows)
        if rows:
            rates = [_rates(*self._counts(view, [row])) for row in rows]
            macro = _figures_of(self._counts(view, rows), _mean(rates))
        return Table(micro, macro, labels)

    def _counts(self, view: str, rows: Sequence[str]) -> tuple[Array, Array, Array]:
        def total(what: str) -> Array:
            return sum((self._of(view, row, what) for row in rows), start=self._nothing)

        return total("gold"), total("predicted"), total("correct")

    def _figures(self, view: str, rows: Sequence[str]) -> Figures:
        """Figures of rows together. What stands in one document alone has no interval: it does
        not vary with the documents that are drawn."""
        counts = self._counts(view, rows)
        documents = [self._documents.get((view, row, what), 0) for row in rows for what in _SIDES]
        return _figures_of(counts, is_varied=max(documents, default=0) > 1)

    def partial(self, scheme: Scheme) -> dict[str, PartialFigures]:
        """Outcomes and figures of a scheme: all labels together, then each by itself."""
        labels = [row for row in self._tally.rows_of(scheme) if row != ALL]
        return {row: self._partial(scheme, row) for row in (ALL, *labels_shown(labels))}

    def _partial(self, scheme: Scheme, row: str) -> PartialFigures:
        of = {outcome: self._of(scheme, row, outcome) for outcome in OUTCOMES}
        right = of["correct"] + of["partial"] / 2
        met = of["correct"] + of["incorrect"] + of["partial"]
        rates = _rates(met + of["missing"], met + of["spurious"], right)
        figures = _figures_of((met + of["missing"], met + of["spurious"], right), rates)
        return PartialFigures(
            {outcome: int(values[0]) for outcome, values in of.items()},
            figures.precision,
            figures.recall,
            figures.f1,
            figures.intervals.get("f1"),
        )

    def slices(self, *, seen: bool) -> dict[Slice, dict[str, Figures]]:
        """Figures by slice and bin; `in training` where it is known what was `seen`, genres where
        a document has one."""
        genres = self._tally.rows_of(GENRE)
        bins: dict[Slice, Sequence[str]] = {
            name: rows for name, rows in BINS.items() if seen or name != "in training"
        }
        if set(genres) - {NO_GENRE}:
            bins[GENRE] = sorted(genres, key=lambda genre: (genre == NO_GENRE, genre))
        return {
            name: {row: self._figures(name, [row]) for row in rows} for name, rows in bins.items()
        }


Rates = Mapping[str, Array]


def _rates(gold: Array, predicted: Array, correct: Array) -> Rates:
    """Precision, recall and F1 of sums; NaN where there are neither gold nor predicted spans."""
    known = gold + predicted > 0

    def share(number: Array, of: Array) -> Array:
        of_one: Array = np.where(of > 0, of, 1.0)
        return np.where(known, number / of_one, np.nan)

    return {
        "precision": share(correct, predicted),
        "recall": share(correct, gold),
        "f1": share(2 * correct, gold + predicted),
    }


def _mean(rates: Sequence[Rates]) -> Rates:
    """The mean of each rate over those that have a value."""
    means: dict[str, Array] = {}
    for name in ("precision", "recall", "f1"):
        values = np.stack([of[name] for of in rates])
        known = ~np.isnan(values)
        total, number = np.where(known, values, 0.0).sum(0), known.sum(0)
        means[name] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return means


def _figures_of(
    counts: tuple[Array, Array, Array], rates: Rates | None = None, *, is_varied: bool = True
) -> Figures:
    """Figures of sums, the first of which is what was observed, the others resamples of it."""
    gold, predicted, correct = (int(values[0]) for values in counts)
    if not gold and not predicted:
        return Figures(None, None, None, 0, 0, 0)
    rates = rates or _rates(*counts)
    found = {
        name: interval(values[1:])
        for name, values in rates.items()
        if is_varied and len(values) > 1
    }
    return Figures(
        float(rates["precision"][0]),
        float(rates["recall"][0]),
        float(rates["f1"][0]),
        gold,
        predicted,
        correct,
        {name: one for name, one in found.items() if one},
    )


def order_labels(labels: Iterable[str]) -> list[str]:
    """The scheme's labels in its order, whether they occur or not, then any others by name."""
    return [*LABEL_NAMES, *sorted(set(labels).difference(LABEL_NAMES))]


def labels_shown(labels: Iterable[str]) -> list[str]:
    """All labels of the scheme, unless the data have none of them (another label set)."""
    found = set(labels)
    return order_labels(found) if not found or found & set(LABEL_NAMES) else sorted(found)


def _tag(
    document: Document, tokens: Sequence[Offsets], spans: Sequence[Span], side: str
) -> tuple[list[str], list[Span]]:
    try:
        return spans_to_tags(tokens, spans)
    except ValueError as error:
        raise DataError(
            f"document {document.id} ({side}): {error}; spans may nest to depth two, not cross"
        ) from None


def _pieces(gold: Sequence[str], predicted: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The tags of a document without tokens that are outside on both sides, in pieces.

    Each run of such tokens becomes one. The entities that seqeval finds are as many and as equal
    as before, so the figures are the same. seqeval 1.2.2 makes an object of each token, and copies
    the rest of a sequence for each entity that it finds, which makes a long document quadratic.
    """
    one: list[str] = []
    other: list[str] = []
    for left, right in zip(gold, predicted, strict=True):
        if left == right == OUTSIDE:
            if not one or one[-1] == other[-1] == OUTSIDE:
                continue
            if len(one) >= _CHUNK:
                yield one, other
                one, other = [], []
                continue
        one.append(left)
        other.append(right)
    if one:
        yield one, other


def _seqeval_table(gold: list[list[str]], predicted: list[list[str]], ours: Table) -> Table:
    """The table with precision, recall, F1 and support from seqeval's own report.

    Without `scheme` seqeval falls back to its default mode in silence: both are given. The
    counts of predicted and correct spans and the intervals, which seqeval does not have, are ours.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    if ours.micro.f1 is None:
        return ours  # seqeval has no report for data without an entity
    report = classification_report(
        gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )

    def from_report(name: str, figures: Figures) -> Figures:
        row = report.get(name)
        if row is None:
            return figures
        return Figures(
            precision=float(row["precision"]),
            recall=float(row["recall"]),
            f1=float(row["f1-score"]),
            support=int(row["support"]),
            predicted=figures.predicted,
            correct=figures.correct,
            intervals=figures.intervals,
        )

    return Table(
        micro=from_report("micro avg", ours.micro),
        macro=from_report("macro avg", ours.macro),
        labels={label: from_report(label, figures) for label, figures in ours.labels.items()},
    )


def _explain(
    document: Document,
    tokens: Sequence[Offsets],
    side: str,
    layer: Layer,
    spans: Sequence[Span],
) -> Iterator[Inexpressible]:
    if not spans:
        return
    starts = {start for start, _ in tokens}
    ends = {end for _, end in tokens}
    for span in spans:
        problems = [
            f"{verb} inside the token {_token_around(document.text, tokens, place)!r}"
            for verb, place, borders in (
                ("begins", span.start, starts),
                ("ends", span.end, ends),
            )
            if place not in borders
        ]
        mention = document.text[span.start : span.end]
        yield Inexpressible(document.id, side, layer, span, mention, " and ".join(problems))


def _token_around(text: str, tokens: Sequence[Offsets], place: int) -> str:
    """The token that holds the border `place`, or the white space there."""
    for start, end in tokens:
        if start < place < end:
            return text[start:end]
    return text[max(0, place - 1) : place + 1]
