"""Agreement as text for a terminal and as what JSON can hold."""

from dataclasses import asdict
from typing import Any

from annotate.agreement.measure import Agreement, Estimate, Scores
from annotate.scheme import LABEL_NAMES
from annotate.tags import OUTSIDE


def agreement_to_dict(agreement: Agreement) -> dict[str, Any]:
    """Everything in `agreement` as what JSON can hold; pairs and confusion become lists."""
    record = asdict(agreement)
    record["by_pair"] = [
        {"annotators": list(pair), **asdict(scores)} for pair, scores in agreement.by_pair.items()
    ]
    record["confusion"] = [
        {"first": first, "second": second, "spans": count}
        for (first, second), count in agreement.confusion.items()
    ]
    record["annotators"] = list(agreement.annotators)
    record["disputes"] = [
        {**asdict(dispute), "places": [asdict(place) for place in dispute.places]}
        for dispute in agreement.disputes
    ]
    return record


_NAMES = {
    "strict": "strict span F1 (both ends and label)",
    "relaxed": "relaxed span F1 (overlap, same label)",
    "position": "position F1 (both ends, any label)",
    "kappa": "Cohen's kappa over tokens",
    "alpha": "Krippendorff's alpha over tokens",
}


def format_agreement(agreement: Agreement, *, disputes: int = 10) -> str:
    """A text of at most 80 columns: the answer first, then tables, then the disputes."""
    overall = agreement.overall
    people = len(agreement.annotators)
    lines = [
        f"Agreement {_number(overall.strict.value)} (strict span F1): {people} annotators, "
        f"{agreement.documents} documents, {agreement.tokens} tokens",
    ]
    left_out = []
    if agreement.skipped:
        left_out.append(f"{agreement.skipped} skipped annotations")
    if agreement.single:
        left_out.append(f"{agreement.single} documents with one annotator")
    if left_out:
        lines.append(f"left out: {', '.join(left_out)}")
    lines += ["", f"{'overall':40}{'value':>7}  95 % interval"]
    for name, title in _NAMES.items():
        estimate: Estimate = getattr(overall, name)
        lines.append(f"{title:40}{_number(estimate.value):>7}  {_interval(estimate)}")
    if not agreement.resamples:
        lines.append("no intervals: they need at least two documents")
    tables: list[tuple[str, dict[str, Scores]]] = [
        ("by label", agreement.by_label),
        ("by layer", {str(layer): scores for layer, scores in agreement.by_layer.items()}),
    ]
    if len(agreement.by_pair) > 1:
        pairs = {_join(pair): scores for pair, scores in agreement.by_pair.items()}
        tables.append(("by pair", pairs))
    for title, rows in tables:
        lines += ["", _row(title, "spans", "strict", "95 %", "relax", "place", "kappa", "alpha")]
        for name, scores in rows.items():
            values = (scores.relaxed, scores.position, scores.kappa, scores.alpha)
            lines.append(
                _row(
                    name,
                    str(scores.spans),
                    _number(scores.strict.value),
                    _interval(scores.strict),
                    *(_number(estimate.value) for estimate in values),
                )
            )
    lines += ["", *_format_confusion(agreement)]
    if agreement.disputes and disputes:
        lines += ["", "most disputed"]
        for dispute in agreement.disputes[:disputes]:
            lines.append(_clip(f"{dispute.count:4} x {dispute.mention}", 80))
            for reading, count in dispute.readings.items():
                lines.append(_clip(f"       {count:4} read it {reading}", 80))
            place = dispute.places[0]
            lines.append(_clip(f"            {place.url or f'{place.document} {place.start}'}", 80))
    return "\n".join(lines)


def _format_confusion(agreement: Agreement) -> list[str]:
    """Rows: the first annotator of a pair (by name), columns: the second."""
    classes = (*LABEL_NAMES, OUTSIDE)
    if len(agreement.annotators) == 2:
        title = "spans, rows {}, columns {}".format(*(_clip(n, 20) for n in agreement.annotators))
    else:
        title = "spans, rows and columns: the two of a pair by name"
    width = 9
    lines = [title, f"{'':14}" + "".join(f"{_clip(name, width - 1):>{width}}" for name in classes)]
    for first in classes:
        counts = [agreement.confusion.get((first, second), 0) for second in classes]
        lines.append(f"{first:14}" + "".join(f"{count or '.':>{width}}" for count in counts))
    return lines


def _row(name: str, spans: str, strict: str, interval: str, *rest: str) -> str:
    cells = "".join(f"{cell:>7}" for cell in rest)
    return f"{_clip(name, 20):20}{spans:>7}{strict:>8}  {interval:13}{cells}"


def _join(pair: tuple[str, str]) -> str:
    return " / ".join(_clip(name, 8) for name in pair)


def _clip(text: str, width: int) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= width else text[: width - 1] + "…"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:.3f}-{estimate.high:.3f}"
