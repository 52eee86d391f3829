"""Pulling annotations: one Document for each annotation, and everything that is wrong with any.

The text is the one that was pushed, checked by its hash; spans come from the offsets alone.
Nothing is dropped in silence: an annotation that cannot be a legal Document is a problem with
its task's address and its annotator.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotate.cycles import no_cycle_search
from annotate.document import (
    EDGE_PUNCTUATION,
    Document,
    Span,
    find_edge_problem,
    find_illegal,
    find_text_problem,
    sort_spans,
)
from annotate.errors import ServiceError
from annotate.scheme import LABEL_NAMES
from annotate.studio.connection import Connection
from annotate.studio.project import Project
from annotate.studio.stored import list_begun
from annotate.studio.task import (
    TEXT_NAME,
    Fates,
    ReadRegions,
    SpanKey,
    compare_regions,
    hash_text,
    regions_to_spans,
    shows_other_text,
)

ANNOTATION_META = frozenset(
    {
        *("annotator", "guideline_version", "skipped", "lead_time", "created_at", "updated_at"),
        *("annotation_id", "task_id", "task_url", "prelabels"),
    }
)
"""Keys of `meta` that a pull adds: they are about the annotation, not about the document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with an annotation.

    given: whether the annotation is among the documents all the same (its spans are legal, or
    were mended); if not, it waits for its annotator.
    """

    document: str
    annotator: str
    task_url: str
    reason: str
    given: bool


@dataclass(slots=True)
class PullReport:
    """What a pull found. `annotations` counts all; `documents` those given, skipped ones too."""

    tasks: int = 0
    annotations: int = 0
    documents: int = 0
    skipped: int = 0
    unfinished: int = 0
    problems: list[Problem] = field(default_factory=list)


@no_cycle_search()
def pull_annotations(
    connection: Connection, project: Project, mend: bool = False
) -> tuple[list[Document], PullReport]:
    """Every annotation of a project as a Document, by task and annotation, with a report.

    `meta` is the pushed document's, and: annotator (email), guideline_version (of the scheme
    when pushed), skipped, lead_time (seconds), created_at, updated_at, annotation_id, task_id,
    task_url, prelabels (which were `kept`, `changed` and `deleted`, and what was `added`: each a
    list of places with their label, `[start, end, label]`; a change is a pair of them).
    A skipped task gives a Document without spans with `skipped` true, and says of no pre-label
    what became of it.

    With `mend`, what has one right mending only is mended and reported: white space, commas,
    semicolons and colons at the edge of a span go, and a span that stands twice stays once.

    Raises ServiceError.
    """
    report = PullReport()
    emails = _emails(connection)
    documents: list[Document] = []
    begun = set(list_begun(connection, project))  # the export lacks tasks that have only drafts
    for task in _export(connection, project):
        begun.discard(task["id"])
        report.tasks += 1
        report.unfinished += len(task.get("drafts") or ())
        url = project.task_url(task["id"])
        annotations = sorted(task["annotations"], key=lambda annotation: annotation["id"])
        report.annotations += len(annotations)
        times = Counter(_annotator(annotation, emails) for annotation in annotations)
        origin = _read_task(task)
        for annotation in annotations:
            annotator = _annotator(annotation, emails)
            identity = f"task {task['id']}" if isinstance(origin, str) else origin.id
            if isinstance(origin, str):
                problems = [Problem(identity, annotator, url, origin, given=False)]
                document = None
            elif times[annotator] > 1:
                reason = (
                    f"annotation {annotation['id']} is one of {times[annotator]} by this "
                    "annotator; delete all but one"
                )
                problems = [Problem(identity, annotator, url, reason, given=False)]
                document = None
            else:
                read = regions_to_spans(annotation["result"] or [])
                meta = _meta(task, annotation, read, annotator, url)
                document, reasons = _read_annotation(origin, meta, read, mend)
                given = document is not None
                problems = [Problem(identity, annotator, url, why, given) for why in reasons]
            report.problems += problems
            if document is not None:
                report.documents += 1
                report.skipped += bool(annotation["was_cancelled"])
                documents.append(document)
    report.unfinished += len(begun)
    documents.sort(key=lambda document: (document.meta["task_id"], document.meta["annotation_id"]))
    return documents, report


def _export(connection: Connection, project: Project) -> Iterator[dict[str, Any]]:
    """Tasks with at least one annotation, in the form of Label Studio's own JSON export."""
    return connection.stream(
        f"/api/projects/{project.id}/export",
        {"exportType": "JSON", "download_all_tasks": "false"},
        f"to export the annotations of {project.title!r}",
    )


def _emails(connection: Connection) -> dict[int, str]:
    with connection.asking("to list the users"):
        return {user.id: user.email or user.username for user in connection.client.users.list()}


def _annotator(annotation: Mapping[str, Any], emails: Mapping[int, str]) -> str:
    by = annotation["completed_by"]
    number = by["id"] if isinstance(by, dict) else by
    return emails.get(number, f"user {number}")


def _read_task(task: Mapping[str, Any]) -> Document | str:
    """The document that was pushed as this task, without spans; a reason where it is none."""
    data, meta = task["data"], task.get("meta") or {}
    text, document = data.get(TEXT_NAME), meta.get("document")
    if not isinstance(text, str) or not isinstance(document, str):
        return "was not pushed by vipol, so its document is unknown; push its text instead"
    if hash_text(text) != meta.get("sha256"):
        return "its text is not the one that was pushed; push the document under a new id"
    if problem := find_text_problem(text):
        return problem
    return Document(document, text, (), meta.get("meta") or {})


def _meta(
    task: Mapping[str, Any],
    annotation: Mapping[str, Any],
    read: ReadRegions,
    annotator: str,
    url: str,
) -> dict[str, Any]:
    skipped = bool(annotation["was_cancelled"])
    # The export holds the pre-labels that this annotator was shown, as they were then.
    shown = (annotation.get("prediction") or {}).get("result") or []
    fates = Fates() if skipped else compare_regions(shown, read)
    return {
        "annotator": annotator,
        "guideline_version": (task.get("meta") or {}).get("scheme"),
        "skipped": skipped,
        "lead_time": annotation["lead_time"],
        "created_at": annotation["created_at"],
        "updated_at": annotation["updated_at"],
        "annotation_id": annotation["id"],
        "task_id": task["id"],
        "task_url": url,
        "prelabels": {
            "kept": [list(key) for key in fates.kept],
            "changed": [[list(old), list(new)] for old, new in fates.changed],
            "deleted": [list(key) for key in fates.deleted],
            "added": [list(key) for key in fates.added],
        },
    }


def _read_annotation(
    origin: Document, meta: dict[str, Any], read: ReadRegions, mend: bool
) -> tuple[Document | None, list[str]]:
    """The Document of one annotation (None where it is not legal) and what is wrong with it."""
    meta = origin.meta | meta
    if meta["skipped"]:
        return Document(origin.id, origin.text, (), meta), []
    blocking = list(read.problems)
    remarks: list[str] = []
    if mend:
        remarks += [f"{_place(span)} stands twice; mended: once" for span in read.twice]
    else:
        blocking += [f"{_place(span)} stands twice; delete one" for span in read.twice]
    text = origin.text
    spans: dict[SpanKey, Span] = {}
    for span in read.spans:
        key = span.key
        if 0 <= span.start < span.end <= len(text):
            if shows_other_text(text, span, read.regions[key]):
                blocking.append(f"{_place(span)} was drawn over another text than the one pushed")
            problem = find_edge_problem(text, span)
            if problem and mend and (trimmed := _trim(text, span)) != span:
                remarks.append(f"{_place(span)}: edges mended to {trimmed.start}-{trimmed.end}")
                if trimmed.key in read.regions or trimmed.key in spans:
                    remarks.append(f"{_place(trimmed)} stands twice; mended: once")
                    continue
                key, span = trimmed.key, trimmed
                problem = find_edge_problem(text, span)
            if problem:
                remarks.append(f"{_place(span)} {problem}")
        spans[key] = span if span.score is None else Span(*key)
    ordered = sort_spans(spans.values())
    blocking += _find_all_illegal(text, ordered)
    if blocking:
        return None, blocking + remarks
    return Document(origin.id, text, ordered, meta), remarks


def _find_all_illegal(text: str, spans: Sequence[Span]) -> list[str]:
    """What the scheme does not allow: each span taken out once it is named, to find the next."""
    reasons: list[str] = []
    while illegal := find_illegal(text, spans):
        span, reason = illegal
        reasons.append(f"{_place(span)} {reason}")
        spans = [other for other in spans if other is not span]
    return reasons


def _place(span: Span) -> str:
    label = span.label if span.label in LABEL_NAMES else repr(span.label)
    return f"{label} {span.start}-{span.end}"


def _trim(text: str, span: Span) -> Span:
    """The span without white space, commas, semicolons and colons at its edges; the span itself
    if nothing would be left. A final full stop may belong to an abbreviation and stays."""
    start, end = span.start, span.end
    while start < end and (text[start].isspace() or text[start] in EDGE_PUNCTUATION):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in EDGE_PUNCTUATION - {"."}):
        end -= 1
    return Span(start, end, span.label) if start < end else span


def require_whole(report: PullReport) -> None:
    """Raise ServiceError unless every annotation of the project became a Document."""
    left = [problem for problem in report.problems if not problem.given]
    if left:
        first = left[0]
        raise ServiceError(
            f"{first.task_url} (document {first.document}, {first.annotator}): {first.reason}; "
            f"{len(left)} problems keep {report.annotations - report.documents} annotations back"
        )
