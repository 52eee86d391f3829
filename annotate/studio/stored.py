"""What the server holds of a project: its tasks and their pre-labels, compared with ours."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from annotate.studio.connection import Connection
from annotate.studio.project import Project
from annotate.studio.task import Region, regions_to_spans

_PAGE = 1000
_FIELDS = "id,meta,total_annotations,cancelled_annotations,total_predictions"


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as the server holds it, without its text (`meta` has the text's hash)."""

    id: int
    document: str
    meta: Mapping[str, Any]
    annotations: int
    predictions: int
    has_draft: bool

    @property
    def touched(self) -> bool:
        """Whether a person has worked on it: annotated, skipped or begun."""
        return self.annotations > 0 or self.has_draft


@dataclass(frozen=True, slots=True)
class StoredTasks:
    """The tasks of a project. `total` also counts those that were not pushed by us, which have
    no document id; `by_document` has the others, the oldest copy of a document first."""

    total: int
    by_document: Mapping[str, Sequence[StoredTask]]


def list_tasks(connection: Connection, project: Project) -> StoredTasks:
    """All tasks of a project. Raises ServiceError."""
    what = f"to list the tasks of {project.title!r}"
    tasks = _list(connection, project, what, _FIELDS, [])
    begun = list_begun(connection, project)
    by_document: dict[str, list[StoredTask]] = defaultdict(list)
    for task in tasks:
        meta = task["meta"] or {}
        document = meta.get("document")
        if isinstance(document, str):
            by_document[document].append(
                StoredTask(
                    task["id"],
                    document,
                    meta,
                    task["total_annotations"] + task["cancelled_annotations"],
                    task["total_predictions"],
                    task["id"] in begun,
                )
            )
    for copies in by_document.values():
        copies.sort(key=lambda task: task.id)
    return StoredTasks(len(tasks), by_document)


def list_begun(connection: Connection, project: Project) -> frozenset[int]:
    """Tasks with a draft of anybody, begun and not submitted. Raises ServiceError."""
    what = f"to list the drafts of {project.title!r}"
    return frozenset(task["id"] for task in _list(connection, project, what, "id", [_BEGUN]))


def find_tasks(connection: Connection, project: Project) -> dict[str, int]:
    """The task of each document id of a project. Raises ServiceError."""
    stored = list_tasks(connection, project)
    return {document: copies[0].id for document, copies in stored.by_document.items()}


# Tasks that anybody has begun and not submitted; the field `drafts` shows only one's own.
_BEGUN = {
    "filter": "filter:tasks:draft_exists",
    "operator": "equal",
    "type": "Boolean",
    "value": True,
}


def _list(
    connection: Connection,
    project: Project,
    what: str,
    fields: str,
    conditions: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Tasks with the fields named that meet the conditions, page by page, by id."""
    query = {
        "filters": {"conjunction": "and", "items": conditions},
        "ordering": ["tasks:id"],
    }
    parameters = {
        "project": project.id,
        "fields": "task_only",
        "include": fields,
        "page_size": _PAGE,
        "query": json.dumps(query),
    }
    found: list[dict[str, Any]] = []
    for page in count(1):
        answer = connection.read("/api/tasks", parameters | {"page": page}, what)
        found += answer["tasks"]
        if len(found) >= answer["total"] or not answer["tasks"]:
            break
    return found


PredictionKey = tuple[str, frozenset[tuple[int, int, str, float | None]], bool]
"""What makes two predictions the same: name, spans with scores, and whether all were read."""


def prediction_key(model_version: str | None, regions: Sequence[Region]) -> PredictionKey:
    """See `PredictionKey`."""
    read = regions_to_spans(regions)
    spans = frozenset((*span.key, span.score) for span in read.spans)
    return (model_version or "", spans, not read.problems and not read.twice)


def list_predictions(
    connection: Connection, project: Project, tasks: Iterable[int]
) -> dict[int, list[PredictionKey]]:
    """The predictions of these tasks. Raises ServiceError."""
    wanted = frozenset(tasks)
    found: dict[int, list[PredictionKey]] = {task: [] for task in wanted}
    if not wanted:
        return found
    stored = connection.stream(
        "/api/predictions/",
        {"project": project.id},
        f"to read the pre-labels of {project.title!r}",
    )
    for prediction in stored:
        if prediction["task"] in wanted:
            found[prediction["task"]].append(
                prediction_key(prediction["model_version"], prediction["result"] or [])
            )
    return found
