"""Agreement as text for a terminal and as what JSON can hold."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from annotate.agreement.disputes import Dispute
from annotate.agreement.matching import KINDS
from annotate.agreement.measure import Agreement, Estimate, Scores
from annotate.scheme import LABEL_NAMES
from annotate.tags import OUTSIDE

MEASURES = {
    "strict": "strict span F1 (both ends and label)",
    "relaxed": "relaxed span F1 (overlap, same label)",
    "position": "position F1 (both ends, any label)",
    "kappa": "Cohen's kappa over tokens",
    "alpha": "Krippendorff's alpha over tokens",
}
"""The measures of `Scores` by field, as people read them."""

_COLUMNS = 80
_NAME = 20  # columns for the name of a row


def agreement_to_dict(agreement: Agreement) -> dict[str, Any]:
    """Everything in `agreement` as what JSON can hold; pairs and confusion become lists."""
    record = asdict(agreement)
    record["by_pair"] = [
        {"annotators": list(pair), **asdict(scores)} for pair, scores in agreement.by_pair.items()
    ]
    record["confusion"] = [
        {"first": first, "second": second, "spans": times}
        for (first, second), times in agreement.confusion.items()
    ]
    record["annotators"] = list(agreement.annotators)
    record["disputes"] = [_dispute_to_dict(dispute) for dispute in agreement.disputes]
    return record


def _dispute_to_dict(dispute: Dispute) -> dict[str, Any]:
    """Places have code points of the document, each annotator's spans too."""
    places = [
        {
            "document": place.document,
            "start": place.start,
            "end": place.end,
            "url": place.url,
            "spans": {
                name: [
                    {
                        "start": place.start + span.start,
                        "end": place.start + span.end,
                        "label": span.label,
                    }
                    for span in spans
                ]
                for name, spans in place.readings.items()
            },
        }
        for place in dispute.places
    ]
    return {
        "mention": dispute.mention,
        "count": dispute.count,
        "readings": dict(dispute.readings),
        "places": places,
    }


def format_agreement(agreement: Agreement, *, disputes: int = 10) -> str:
    """A text of at most 80 columns (addresses may be longer): the answer first, then tables,
    then the disputes."""
    return "\n".join(_lines(agreement, disputes))


def _lines(agreement: Agreement, disputes: int) -> Iterator[str]:
    overall = agreement.overall
    yield (
        f"Agreement {number(overall.strict.value)} (strict span F1): "
        f"{len(agreement.annotators)} annotators, {count(agreement.documents, 'document')}, "
        f"{count(agreement.tokens, 'token')}"
    )
    if left := left_out(agreement):
        yield f"left out: {left}"
    yield from ("", f"{'overall':40}{'value':>7}  95 % interval")
    for name, title in MEASURES.items():
        estimate: Estimate = getattr(overall, name)
        yield f"{title:40}{number(estimate.value):>7}  {_interval(estimate)}"
    if not agreement.resamples:
        yield "no intervals: they need at least two documents"
    yield from _table("by label", agreement.by_label)
    yield from _table("by layer", {str(name): each for name, each in agreement.by_layer.items()})
    if len(agreement.by_pair) > 1:
        short = shorten(agreement.annotators)
        pairs = {
            f"{short[one]} / {short[other]}": scores
            for (one, other), scores in agreement.by_pair.items()
        }
        yield from _table("by pair", pairs)
    yield from ("", f"{'how the two of a pair differ':46}{'spans':>7}")
    for kind, meaning in KINDS.items():
        yield f"{meaning:46}{agreement.kinds[kind]:7}"
    yield ""
    yield from _confusion(agreement)
    if agreement.disputes and disputes:
        yield from ("", "most disputed")
        for dispute in agreement.disputes[:disputes]:
            yield from _dispute(dispute)


def _table(title: str, rows: dict[str, Scores]) -> Iterator[str]:
    yield ""
    yield _row(title, "spans", "strict", "95 %", "relax", "place", "kappa", "alpha")
    for name, scores in rows.items():
        values = (scores.relaxed, scores.position, scores.kappa, scores.alpha)
        if len(name) > _NAME:
            yield _clip(name)
            name = ""
        yield _row(
            name,
            str(scores.spans),
            number(scores.strict.value),
            _interval(scores.strict),
            *(number(estimate.value) for estimate in values),
        )


def _row(name: str, spans: str, strict: str, interval: str, *rest: str) -> str:
    cells = "".join(f"{cell:>7}" for cell in rest)
    return f"{name:{_NAME}}{spans:>7}{strict:>8}  {interval:13}{cells}"


def _confusion(agreement: Agreement) -> Iterator[str]:
    """Rows: the first annotator of a pair (by name), columns: the second."""
    classes = (*LABEL_NAMES, OUTSIDE)
    if len(agreement.annotators) == 2:
        short = shorten(agreement.annotators)
        yield "labels, rows {}, columns {}".format(*(_clip(name, 24) for name in short.values()))
    else:
        yield "labels, rows and columns: the two of a pair by name"
    width = 9
    yield f"{'':14}" + "".join(f"{_clip(name, width - 1):>{width}}" for name in classes)
    for first in classes:
        counts = [agreement.confusion.get((first, second), 0) for second in classes]
        yield f"{first:14}" + "".join(f"{times or '.':>{width}}" for times in counts)


def _dispute(dispute: Dispute) -> Iterator[str]:
    yield _clip(f"{dispute.count:4} x {dispute.mention}")
    for reading, times in dispute.readings.items():
        yield _clip(f"       {times:4} read it {reading}")
    place = dispute.places[0]
    where = f"{place.document} {place.start}-{place.end}"
    # An address that is cut leads nowhere.
    yield f"            {place.url}" if place.url else _clip(f"            {where}")


def count(number: int, thing: str) -> str:
    """`1 document`, `2,000 documents`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def left_out(agreement: Agreement) -> str:
    """What could not be compared; empty where everything was."""
    parts = []
    if agreement.skipped:
        parts.append(count(agreement.skipped, "skipped annotation"))
    if agreement.single:
        parts.append(count(agreement.single, "document") + " by one annotator only")
    return ", ".join(parts)


def shorten(annotators: tuple[str, ...]) -> dict[str, str]:
    """Each annotator without the domain of the address, where that still tells them apart."""
    short = {name: name.partition("@")[0] or name for name in annotators}
    if len(set(short.values())) < len(annotators):
        return {name: name for name in annotators}
    return short


def number(value: float | None) -> str:
    """Three decimals; `-` where a measure is not defined."""
    return "-" if value is None else f"{value:.3f}"


def _clip(text: str, width: int = _COLUMNS) -> str:
    text = " ".join(text.split("\n"))
    return text if len(text) <= width else text[: width - 1] + "…"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:.3f}-{estimate.high:.3f}"
