"""Scores of predicted documents against gold: seqeval over tokens, strict spans beside it.

Two figures for one thing, since each has a blind spot. seqeval (strict mode, IOB2) scores tags
over syllable tokens: the figure that papers compare, but a span whose edge lies inside a token
has no tags and is not seen. Span F1 compares places in the text: a span is right when a span
of the other side has the same start, end and label; it needs no tokens. Where all edges lie on
token borders the two are equal; `Scores.inexpressible` lists every span that makes them differ.

    precision = correct / predicted    recall = correct / gold    F1 = 2PR / (P + R)

Micro sums the counts over labels, macro is the mean of the figures of the labels that occur in
gold or predictions (both as seqeval 1.2.2 has them).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotate.document import Document, Span, split_layers
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LAYERS, Layer
from annotate.tags import OUTSIDE, spans_to_tags
from annotate.tokens import Offsets, tokenize

NAMED_IN_ERRORS = 5
"""How many documents an error message names before it says how many more there are."""

EXAMPLES_SHOWN = 5
EXAMPLES_IN_DICT = 20

_CHUNK = 200
"""Least tokens of a piece of tags given to seqeval; see `_cut_outside`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one label or average, between 0 and 1.

    They are None where gold and predictions are both without the label: nothing was asked and
    nothing answered, which is neither right nor wrong. `support` counts gold spans.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int
    correct: int


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

    `nested` counts the spans of both layers together, whichever layer they came to lie in.
    """

    documents: int
    tokens: int
    layers: Mapping[Layer, LayerScores]
    nested: Table
    inexpressible: tuple[Inexpressible, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Gold, predicted and correct spans by label: what every figure is made from."""

    gold: Counter[str]
    predicted: Counter[str]
    correct: Counter[str]


def match_documents(
    gold: Iterable[Document], predicted: Iterable[Document]
) -> list[tuple[Document, Document]]:
    """Pairs of gold and predicted document of one id, in the order of gold.

    Raises DataError naming the documents where an id comes twice, where one side lacks a
    document that the other has, where the texts differ, and for no documents at all.
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
    return pairs


def score_documents(gold: Iterable[Document], predicted: Iterable[Document]) -> Scores:
    """Figures of `predicted` against `gold`, matched by id in any order.

    Raises DataError where the two sides are not the same documents and texts (see
    `match_documents`) and where the spans of a document overlap within a layer.
    """
    from importlib.metadata import version

    pairs = match_documents(gold, predicted)
    tags: dict[Layer, tuple[list[list[str]], list[list[str]]]] = {
        layer: ([], []) for layer in LAYERS
    }
    span_counts = {layer: _no_counts() for layer in LAYERS}
    token_counts = {layer: _no_counts() for layer in LAYERS}
    nested = _no_counts()
    lost: list[Inexpressible] = []
    token_total = 0
    for gold_document, predicted_document in pairs:
        tokens = tokenize(gold_document.text)
        token_total += len(tokens)
        gold_layers = split_layers(gold_document.spans)
        predicted_layers = split_layers(predicted_document.spans)
        add_counts(nested, gold_document.spans, predicted_document.spans)
        for layer in LAYERS:
            sides = (gold_layers[layer], predicted_layers[layer])
            add_counts(span_counts[layer], *sides)
            gold_tags, gold_lost = _tag(gold_document, tokens, sides[0], "gold")
            predicted_tags, predicted_lost = _tag(predicted_document, tokens, sides[1], "predicted")
            add_counts(
                token_counts[layer],
                [span for span in sides[0] if span not in gold_lost],
                [span for span in sides[1] if span not in predicted_lost],
            )
            for side, spans in (("gold", gold_lost), ("predicted", predicted_lost)):
                lost.extend(_explain(gold_document, tokens, side, layer, spans))
            for gold_piece, predicted_piece in _cut_outside(gold_tags, predicted_tags):
                tags[layer][0].append(gold_piece)
                tags[layer][1].append(predicted_piece)
    return Scores(
        documents=len(pairs),
        tokens=token_total,
        layers={
            layer: LayerScores(
                seqeval=_seqeval_table(*tags[layer], token_counts[layer]),
                spans=table_of_counts(span_counts[layer]),
            )
            for layer in LAYERS
        },
        nested=table_of_counts(nested),
        inexpressible=tuple(lost),
        signature=f"seqeval:{version('seqeval')}|mode:strict|scheme:IOB2|tokens:syllable",
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


def _no_counts() -> Counts:
    return Counts(Counter(), Counter(), Counter())


def add_counts(counts: Counts, gold: Iterable[Span], predicted: Iterable[Span]) -> None:
    """Add the spans of one document: right is what has the same place and label."""
    gold_keys = {span.key for span in gold}
    predicted_keys = {span.key for span in predicted}
    counts.gold.update(label for _, _, label in gold_keys)
    counts.predicted.update(label for _, _, label in predicted_keys)
    counts.correct.update(label for _, _, label in gold_keys & predicted_keys)


def _figures(support: int, predicted: int, correct: int) -> Figures:
    if not support and not predicted:
        return Figures(None, None, None, 0, 0, 0)
    return Figures(
        precision=correct / predicted if predicted else 0.0,
        recall=correct / support if support else 0.0,
        f1=2 * correct / (support + predicted),
        support=support,
        predicted=predicted,
        correct=correct,
    )


def order_labels(labels: Iterable[str]) -> list[str]:
    """The scheme's labels in its order, whether they occur or not, then any others by name."""
    return [*LABEL_NAMES, *sorted(set(labels).difference(LABEL_NAMES))]


def table_of_counts(counts: Counts) -> Table:
    """Figures of counts: by label, micro and macro."""
    labels = {
        label: _figures(counts.gold[label], counts.predicted[label], counts.correct[label])
        for label in _labels_shown(counts)
    }
    micro = _figures(counts.gold.total(), counts.predicted.total(), counts.correct.total())
    return Table(micro, _macro(labels.values(), micro), labels)


def _labels_shown(counts: Counts) -> list[str]:
    """All labels of the scheme, unless the data have none of them (another label set)."""
    found = counts.gold.keys() | counts.predicted.keys()
    return order_labels(found) if not found or found & set(LABEL_NAMES) else sorted(found)


def _macro(labels: Iterable[Figures], micro: Figures) -> Figures:
    seen = [figures for figures in labels if figures.f1 is not None]
    if not seen:
        return micro

    def mean(values: Iterable[float | None]) -> float:
        return sum(value for value in values if value is not None) / len(seen)

    return Figures(
        precision=mean(figures.precision for figures in seen),
        recall=mean(figures.recall for figures in seen),
        f1=mean(figures.f1 for figures in seen),
        support=micro.support,
        predicted=micro.predicted,
        correct=micro.correct,
    )


def _tag(
    document: Document, tokens: Sequence[Offsets], spans: Sequence[Span], side: str
) -> tuple[list[str], list[Span]]:
    try:
        return spans_to_tags(tokens, spans)
    except ValueError as error:
        raise DataError(
            f"document {document.id} ({side}): {error}; spans may nest to depth two, not cross"
        ) from None


def _cut_outside(
    gold: Sequence[str], predicted: Sequence[str]
) -> Iterator[tuple[list[str], list[str]]]:
    """The tags of a document in pieces, cut where both sides are outside any span.

    The entities of the pieces are those of the whole, so the figures are the same. seqeval 1.2.2
    copies the rest of a sequence for each entity that it finds, which makes a long document
    quadratic.
    """
    start = 0
    for place, (one, other) in enumerate(zip(gold, predicted, strict=True)):
        if one == other == OUTSIDE and place - start >= _CHUNK:
            yield list(gold[start:place]), list(predicted[start:place])
            start = place
    yield list(gold[start:]), list(predicted[start:])


def _seqeval_table(gold: list[list[str]], predicted: list[list[str]], counts: Counts) -> Table:
    """The table with precision, recall, F1 and support from seqeval's own report.

    Without `scheme` seqeval falls back to its default mode in silence: both are given. The
    counts of predicted and correct spans, which seqeval does not return, are ours.
    """
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    ours = table_of_counts(counts)
    if not counts.gold and not counts.predicted:
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
    spans: Iterable[Span],
) -> Iterator[Inexpressible]:
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


# --- the scores as dict and text --------------------------------------------------------


def scores_to_dict(scores: Scores) -> dict[str, Any]:
    """What `vipol score --json` prints; keys are stable, undefined figures are null."""
    sides = Counter(item.side for item in scores.inexpressible)
    return {
        "signature": scores.signature,
        "documents": scores.documents,
        "tokens": scores.tokens,
        "layers": {
            layer: {"seqeval": _table_to_dict(of.seqeval), "spans": _table_to_dict(of.spans)}
            for layer, of in scores.layers.items()
        },
        "nested": {"spans": _table_to_dict(scores.nested)},
        "inexpressible": {
            "gold": sides["gold"],
            "predicted": sides["predicted"],
            "examples": [
                {
                    "document": item.document,
                    "side": item.side,
                    "layer": item.layer,
                    "start": item.span.start,
                    "end": item.span.end,
                    "label": item.span.label,
                    "mention": item.mention,
                    "reason": item.reason,
                }
                for item in scores.inexpressible[:EXAMPLES_IN_DICT]
            ],
        },
    }


def _table_to_dict(table: Table) -> dict[str, Any]:
    return {
        "micro": _figures_to_dict(table.micro),
        "macro": _figures_to_dict(table.macro),
        "labels": {label: _figures_to_dict(figures) for label, figures in table.labels.items()},
    }


def _figures_to_dict(figures: Figures) -> dict[str, Any]:
    return {
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": figures.f1,
        "support": figures.support,
        "predicted": figures.predicted,
        "correct": figures.correct,
    }


def format_scores(scores: Scores) -> str:
    """The scores as plain text of at most 80 columns, the headline first."""
    headline = scores.layers["outer"].seqeval.micro
    lines = [
        f"F1 {_cell(headline.f1)}  outer layer, micro, seqeval strict IOB2 "
        f"({scores.documents} documents)",
    ]
    for layer, of in scores.layers.items():
        title = "Outer layer" if layer == "outer" else "Inner layer"
        lines += ["", *_format_layer(title, of)]
    lines += ["", *_format_nested(scores.nested), "", *_format_inexpressible(scores)]
    lines += ["", scores.signature]
    return "\n".join(lines)


_LABEL_WIDTH = 14


def _format_layer(title: str, scores: LayerScores) -> list[str]:
    head = "".join(f"{name:>7}" for name in ("prec.", "recall", "F1")) + f"{'support':>9}"
    width = len(head)
    lines = [
        f"{title:<{_LABEL_WIDTH}}{'seqeval strict, tokens':>{width}}  "
        f"{'strict spans, characters':>{width}}",
        f"{'':<{_LABEL_WIDTH}}{head}  {head}",
    ]
    rows = [
        *((label, figures, scores.spans.labels.get(label)) for label, figures in _rows(scores)),
        ("micro", scores.seqeval.micro, scores.spans.micro),
        ("macro", scores.seqeval.macro, scores.spans.macro),
    ]
    lines += [
        f"{name[:_LABEL_WIDTH]:<{_LABEL_WIDTH}}{_format_figures(one)}  {_format_figures(other)}"
        for name, one, other in rows
    ]
    return [line.rstrip() for line in lines]


def _rows(scores: LayerScores) -> Iterator[tuple[str, Figures]]:
    """Every label of either table: one whose spans are all inexpressible has no tags."""
    nothing = _figures(0, 0, 0)
    for label in dict.fromkeys([*scores.spans.labels, *scores.seqeval.labels]):
        yield label, scores.seqeval.labels.get(label, nothing)


def _format_nested(nested: Table) -> list[str]:
    return [
        f"{'Both layers':<{_LABEL_WIDTH}}{'':30}  {_format_figures(nested.micro)}".rstrip(),
    ]


def _format_figures(figures: Figures | None) -> str:
    if figures is None or figures.f1 is None:
        return f"{'-':>7}{'-':>7}{'-':>7}{'-':>9}"
    cells = "".join(f"{_cell(v):>7}" for v in (figures.precision, figures.recall, figures.f1))
    return f"{cells}{figures.support:>9}"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _format_inexpressible(scores: Scores) -> list[str]:
    if not scores.inexpressible:
        return ["Every span begins and ends at a token border: the two counts agree."]
    sides = Counter(item.side for item in scores.inexpressible)
    lines = [
        f"{sides['gold']} gold and {sides['predicted']} predicted spans begin or end inside a "
        "token. No tag can",
        "express them: seqeval does not see them, the span figures count them.",
    ]
    for item in scores.inexpressible[:EXAMPLES_SHOWN]:
        lines += [
            _shorten(
                f"  {item.document} {item.span.start}-{item.span.end} "
                f"{item.span.label} ({item.side}): {item.mention}"
            ),
            _shorten(f"    {item.reason}"),
        ]
    more = len(scores.inexpressible) - EXAMPLES_SHOWN
    return [*lines, *([f"  … and {more} more"] if more > 0 else [])]


def _shorten(line: str, width: int = 80) -> str:
    line = line.replace("\n", "⏎")
    return line if len(line) <= width else line[: width - 1] + "…"
