"""Document ↔ Label Studio task: pure functions.

A task holds the document's id, title and text as `data` (what annotators see) and its text's
hash, meta and scheme version as `meta`; the document's spans are one prediction. A span is a
region of the one text; its place is `start` and `end` in code points, end exclusive, which is
Label Studio's own convention. The text of a region is never read as data: what a browser
writes there has its white space changed.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotate.document import Document, Span, sort_spans
from annotate.scheme import SCHEME_VERSION

LABELS_NAME = "label"
"""Name of the control that holds the labels; it may not change once tasks are annotated."""

TEXT_NAME = "text"
"""Name of the text in the configuration, and of its field in `data`."""

MODEL_VERSION = "vipol"
"""Name of the pre-labels that annotators are shown."""

Task = dict[str, Any]
Region = dict[str, Any]
SpanKey = tuple[int, int, str]


def document_to_task(document: Document, model_version: str = MODEL_VERSION) -> Task:
    """The task of a document, as Label Studio imports it; its spans become one prediction.

    A document without spans has no prediction.
    """
    predictions = [prediction_of(document, model_version)] if document.spans else []
    return {
        "data": {
            "document": document.id,
            "title": str(document.meta.get("title") or document.id),
            TEXT_NAME: document.text,
        },
        "meta": {
            "document": document.id,
            "sha256": hash_text(document.text),
            "scheme": SCHEME_VERSION,
            "meta": document.meta,
        },
        "predictions": predictions,
    }


def task_to_document(task: Task) -> Document:
    """The document that a task was made of, its spans from the first prediction: the inverse
    of `document_to_task`, but for the spans' `source`."""
    predictions = task.get("predictions") or []
    spans = regions_to_spans(predictions[0]["result"]).spans if predictions else ()
    return Document(task["data"]["document"], task["data"][TEXT_NAME], spans, task["meta"]["meta"])


def prediction_of(document: Document, model_version: str) -> dict[str, Any]:
    """A document's spans as a prediction; its score is the mean of theirs, None without any."""
    scores = [span.score for span in document.spans if span.score is not None]
    return {
        "model_version": model_version,
        "score": sum(scores) / len(scores) if scores else None,
        "result": spans_to_regions(document.text, document.spans),
    }


def hash_text(text: str) -> str:
    """SHA-256 of the text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def spans_to_regions(text: str, spans: Iterable[Span]) -> list[Region]:
    """Regions of spans, the outer before the inner so that the inner is drawn on top.

    Ids are made of place and label: unique where the spans are, and the same each time.
    """
    return [_span_to_region(text, span) for span in sort_spans(spans)]


def _span_to_region(text: str, span: Span) -> Region:
    region: Region = {
        "id": f"{span.start}-{span.end}-{span.label}",
        "from_name": LABELS_NAME,
        "to_name": TEXT_NAME,
        "type": "labels",
        "value": {
            "start": span.start,
            "end": span.end,
            "text": text[span.start : span.end],
            "labels": [span.label],
        },
    }
    if span.score is not None:
        region["score"] = span.score
    return region


@dataclass(frozen=True, slots=True)
class ReadRegions:
    """Spans read from regions, and the region of each by `Span.key`; spans that a second region
    says again; and what could not be read."""

    spans: tuple[Span, ...]
    regions: Mapping[SpanKey, Region]
    twice: tuple[Span, ...]
    problems: tuple[str, ...]


def regions_to_spans(regions: Sequence[Region]) -> ReadRegions:
    """Spans by place from the regions of an annotation or prediction.

    Nothing is checked against text or scheme here. A region that is no labelled place (no
    whole offsets, not exactly one label, a relation, …) becomes a problem.
    """
    read: dict[SpanKey, Region] = {}
    spans: list[Span] = []
    twice: list[Span] = []
    problems: list[str] = []
    for region in regions:
        key = _region_to_key(region)
        if isinstance(key, str):
            problems.append(key)
            continue
        score = region.get("score")
        span = Span(*key, score=score if isinstance(score, int | float) else None)
        if key in read:
            twice.append(span)
        else:
            read[key] = region
            spans.append(span)
    return ReadRegions(sort_spans(spans), read, tuple(twice), tuple(problems))


def _region_to_key(region: Region) -> SpanKey | str:
    """Place and label of a region, or why it has none."""
    value = region.get("value")
    if region.get("type") != "labels" or not isinstance(value, dict):
        return f"a {region.get('type')!r} was drawn; only labelled places were wanted"
    start, end, labels = value.get("start"), value.get("end"), value.get("labels")
    if type(start) is not int or type(end) is not int:
        return f"a region at {start}-{end} has no whole offsets"
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        return f"the region {start}-{end} has the labels {labels}; exactly one was wanted"
    return (start, end, labels[0])


_WHITE_SPACE = re.compile(r"(?:\s|\\n|\\r|\\t)+")


def shows_other_text(text: str, span: Span, region: Region) -> bool:
    """Whether a region was drawn over other words than the text now has at its place.

    White space is left out of the comparison: browsers write a line break as a backslash
    and an n, and runs of spaces as one.
    """
    shown = region["value"].get("text")
    mention = text[span.start : span.end]
    if not isinstance(shown, str) or shown == mention:
        return False
    return _WHITE_SPACE.sub("", shown) != _WHITE_SPACE.sub("", mention)


@dataclass(frozen=True, slots=True)
class Fates:
    """What an annotator did to the pre-labels, each by place and label, in their order.

    changed: the pre-label, and what it was made into. added: by place.
    """

    kept: tuple[SpanKey, ...] = ()
    changed: tuple[tuple[SpanKey, SpanKey], ...] = ()
    deleted: tuple[SpanKey, ...] = ()
    added: tuple[SpanKey, ...] = ()


def compare_regions(before: Sequence[Region], after: ReadRegions) -> Fates:
    """What became of the pre-labels `before` in the annotation read as `after`.

    Same place and label is kept, whichever region says it; then the same region with another
    place or label is changed; the rest is deleted or added.
    """
    new = after.regions
    old: dict[SpanKey, Region] = {}
    for region in before:
        key = _region_to_key(region)
        if not isinstance(key, str):
            old[key] = region
    kept = tuple(key for key in old if key in new)
    added = [span.key for span in after.spans if span.key not in old]
    by_region = {new[key]["id"]: key for key in added if new[key].get("id")}
    changed: list[tuple[SpanKey, SpanKey]] = []
    deleted: list[SpanKey] = []
    for key, region in old.items():
        if key in new:
            continue
        moved = by_region.pop(region.get("id"), None)
        if moved is None:
            deleted.append(key)
        else:
            changed.append((key, moved))
            added.remove(moved)
    return Fates(kept, tuple(changed), tuple(deleted), tuple(added))
