"""What the server holds of a project: its tasks and their pre-labels, compared with ours."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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


def list_tasks(connection: Connection, project: Project) -> dict[str, list[StoredTask]]:
    """All tasks of a project by document id, the oldest first.

    Tasks that were not pushed by us have no document id and are left out. Raises ServiceError.
    """
    with connection.asking(f"to list the tasks of {project.title!r}"):
        drafts = _ids_with_drafts(connection, project)
        tasks: Iterable[Any] = connection.client.tasks.list(
            project=project.id, fields="task_only", include=_FIELDS, page_size=_PAGE
        )
        by_document: dict[str, list[StoredTask]] = defaultdict(list)
        for task in tasks:
            meta = task.meta if isinstance(task.meta, dict) else {}
            document = meta.get("document")
            if isinstance(document, str):
                by_document[document].append(
                    StoredTask(
                        task.id,
                        document,
                        meta,
                        (task.total_annotations or 0) + (task.cancelled_annotations or 0),
                        task.total_predictions or 0,
                        task.id in drafts,
                    )
                )
    for copies in by_document.values():
        copies.sort(key=lambda task: task.id)
    return dict(by_document)


def find_tasks(connection: Connection, project: Project) -> dict[str, int]:
    """The task of each document id of a project. Raises ServiceError."""
    return {document: copies[0].id for document, copies in list_tasks(connection, project).items()}


def _ids_with_drafts(connection: Connection, project: Project) -> frozenset[int]:
    """Tasks that anybody has begun and not submitted; the field `drafts` shows only our own."""
    unfinished = {
        "filter": "filter:tasks:draft_exists",
        "operator": "equal",
        "type": "Boolean",
        "value": True,
    }
    query = {"filters": {"conjunction": "and", "items": [unfinished]}}
    tasks: Iterable[Any] = connection.client.tasks.list(
        project=project.id,
        fields="task_only",
        include="id",
        page_size=_PAGE,
        query=json.dumps(query),
    )
    return frozenset(task.id for task in tasks)


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
    with connection.asking(f"to read the pre-labels of {project.title!r}"):
        for prediction in connection.client.predictions.list(project=project.id):
            if prediction.task in wanted:
                regions: Any = prediction.result
                found[prediction.task].append(
                    prediction_key(prediction.model_version, regions or [])
                )
    return found
