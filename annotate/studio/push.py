"""Pushing documents as tasks, safely: run again at any time, it ends in the same state.

The key of a task is its document's id; the server is asked what it holds and gets only what
differs. Nothing is sent twice by itself: a request whose answer was lost may have been carried
out, so after a failure we look, and the user runs the same push again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from annotate.document import Document, check_document
from annotate.errors import DataError, ServiceError
from annotate.studio.connection import Connection, write_once
from annotate.studio.project import Project, show_prelabels
from annotate.studio.stored import (
    StoredTask,
    StoredTasks,
    list_predictions,
    list_tasks,
    prediction_key,
)
from annotate.studio.task import MODEL_VERSION, Task, document_to_task

BATCH = 250
"""Tasks in one request: larger is hardly faster, and more is lost by a failure."""

_BATCH_CHARACTERS = 5_000_000

Progress = Callable[[int], None]
"""Called with the number of documents that are done since the last call."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that was left as it is on the server, and why."""

    document: str
    task_url: str
    reason: str


@dataclass(slots=True)
class PushReport:
    """What a push did, in documents. `refused` and `kept` say which and why.

    kept: annotated documents whose pre-labels differ now; what annotators saw stays.
    copies: surplus tasks of one document that were removed; none of them was annotated.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    copies: int = 0
    kept: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def push_documents(
    connection: Connection,
    project: Project,
    documents: Iterable[Document],
    batch: int = BATCH,
    model_version: str = MODEL_VERSION,
    progress: Progress | None = None,
    to_task: Callable[[Document], Task] | None = None,
) -> PushReport:
    """Make the project hold a task for each document, with its spans as the pre-labels.

    `to_task` makes the tasks where they are to be others than those of `document_to_task`;
    `model_version` names the predictions that annotators see first.

    A new document gets a task. A changed text, meta or pre-labels reach only tasks that nobody
    has worked on; on others changed pre-labels are `kept` out and a changed text is `refused`.
    Documents of the project that are not pushed are left alone.

    Raises DataError, before anything is sent, for two documents of one id, for spans that
    text or scheme do not allow, labels of another scheme and scores outside 0 to 1;
    ServiceError for a failure under way: what was sent stays, and the same push run again finishes.
    """
    wanted = _checked(documents)
    report = PushReport()
    tell = progress or (lambda count: None)
    make = to_task or (lambda document: document_to_task(document, model_version))
    listed = list_tasks(connection, project)
    stored = _without_copies(connection, project, listed, wanted.keys(), report)
    new: list[Document] = []
    known: list[tuple[Document, StoredTask]] = []
    for document in wanted.values():
        copies = stored.get(document.id, [])
        if not copies:
            new.append(document)
        elif len(copies) == 1:
            known.append((document, copies[0]))
    _bring_up_to_date(connection, project, known, make, batch, report, tell)
    _create(connection, project, new, make, batch, report, tell)
    total = show_prelabels(connection, project, model_version)
    if total != listed.total - report.copies + report.created:
        # Somebody else pushed at the same time, perhaps the same documents.
        listed = list_tasks(connection, project)
        _without_copies(connection, project, listed, wanted.keys(), report)
    return report


def _checked(documents: Iterable[Document]) -> dict[str, Document]:
    wanted: dict[str, Document] = {}
    for document in documents:
        where = f"document {document.id}"
        if document.id in wanted:
            raise DataError(f"{where}: this id comes twice; ids must be unique to be pushed")
        check_document(document, where)
        if document.foreign:
            raise DataError(
                f"{where}: its labels are another scheme's ({', '.join(document.foreign.labels)}); "
                "only documents of this project's scheme can be annotated"
            )
        for span in document.spans:
            if span.score is not None and not 0 <= span.score <= 1:
                raise DataError(
                    f"{where}: entity {span.start}-{span.end} has the score {span.score}; "
                    "wanted 0 to 1"
                )
        wanted[document.id] = document
    return wanted


def _without_copies(
    connection: Connection,
    project: Project,
    listed: StoredTasks,
    ids: Iterable[str],
    report: PushReport,
) -> dict[str, Sequence[StoredTask]]:
    """Remove surplus tasks of the documents pushed, where no work is lost by it.

    Kept is the task that was worked on, or else the oldest, so that two pushes that clear up
    at once keep the same one. A document with work on two tasks is refused.
    """
    surplus: list[int] = []
    remaining = dict(listed.by_document)
    for document in ids:
        copies = remaining.get(document, [])
        if len(copies) < 2:
            continue
        touched = [task for task in copies if task.touched]
        keep = touched or copies[:1]
        surplus += [task.id for task in copies if task not in keep]
        remaining[document] = keep
        if len(touched) > 1:
            urls = " and ".join(project.task_url(task.id) for task in touched)
            report.refused.append(
                Refusal(
                    document,
                    project.task_url(touched[0].id),
                    f"stands in the project {len(touched)} times, each with work on it ({urls}); "
                    "pull, then delete all but one",
                )
            )
    if surplus:
        delete_tasks(connection, project, surplus, "to remove surplus copies of tasks")
        report.copies += len(surplus)
    return remaining


def _bring_up_to_date(
    connection: Connection,
    project: Project,
    known: Sequence[tuple[Document, StoredTask]],
    make: Callable[[Document], Task],
    batch: int,
    report: PushReport,
    tell: Progress,
) -> None:
    """Change the tasks that differ from their documents, as far as `push_documents` may."""
    predictions = list_predictions(connection, project, (task.id for _, task in known))
    outdated: list[tuple[StoredTask, Task]] = []
    for document, stored in known:
        task = make(document)
        prelabels = Counter(
            prediction_key(one["model_version"], one["result"]) for one in task["predictions"]
        )
        same_prelabels = Counter(predictions[stored.id]) == prelabels
        if stored.meta == task["meta"] and same_prelabels:
            report.unchanged += 1
        elif not stored.touched:
            outdated.append((stored, task))
            continue
        else:
            _leave(connection, project, stored, task, same_prelabels, report)
        tell(1)
    for some in _batches(outdated, batch):
        _replace(connection, project, some)
        report.updated += len(some)
        tell(len(some))


def _leave(
    connection: Connection,
    project: Project,
    stored: StoredTask,
    task: Task,
    same_prelabels: bool,
    report: PushReport,
) -> None:
    """Deal with a task that was worked on and differs: only its meta may change."""
    url = project.task_url(stored.id)
    if stored.meta.get("sha256") != task["meta"]["sha256"]:
        report.refused.append(
            Refusal(
                stored.document,
                url,
                "its text differs from the one that was annotated; give it a new id",
            )
        )
        return
    # The scheme version stays what it was when the annotators worked.
    meta = task["meta"] | {"scheme": stored.meta.get("scheme")}
    if stored.meta != meta:
        with connection.asking(f"to update task {stored.id}"):
            connection.client.tasks.update(
                str(stored.id), meta=meta, data=task["data"], request_options=write_once()
            )
        report.updated += 1
    elif same_prelabels:
        report.unchanged += 1
    if not same_prelabels:
        report.kept.append(
            Refusal(stored.document, url, "its pre-labels differ now, but it was worked on already")
        )


def _replace(
    connection: Connection,
    project: Project,
    outdated: Sequence[tuple[StoredTask, Task]],
) -> None:
    """Give untouched tasks their new text, meta and pre-labels.

    The old pre-labels go first and the new ones come last: cut off in between, a task lacks
    pre-labels and the next push sees it.
    """
    ids = [stored.id for stored, _ in outdated]
    _act(connection, project, "delete_tasks_predictions", ids, "to remove outdated pre-labels")
    for stored, task in outdated:
        if stored.meta != task["meta"]:
            with connection.asking(f"to update task {stored.id}"):
                connection.client.tasks.update(
                    str(stored.id),
                    data=task["data"],
                    meta=task["meta"],
                    request_options=write_once(),
                )
    request = [
        {"task": stored.id, **prediction}
        for stored, task in outdated
        for prediction in task["predictions"]
    ]
    if request:
        connection.change(
            f"/api/projects/{project.id}/import/predictions", request, "to send changed pre-labels"
        )


def _create(
    connection: Connection,
    project: Project,
    documents: Sequence[Document],
    make: Callable[[Document], Task],
    batch: int,
    report: PushReport,
    tell: Progress,
) -> None:
    batches = _batches(documents, batch, lambda document: len(document.text))
    for some, tasks in _made_ahead(batches, make):
        try:
            connection.change(
                f"/api/projects/{project.id}/import",
                tasks,
                f"to send {len(tasks)} tasks to {project.title!r}",
            )
        except ServiceError as error:
            _require_arrived(connection, project, some, error, report.created)
        report.created += len(some)
        tell(len(some))


def _made_ahead(
    batches: Iterable[list[Document]], make: Callable[[Document], Task]
) -> Iterator[tuple[list[Document], list[Task]]]:
    """Batches with their tasks, each made while the server still stores the one before."""

    def make_all(some: list[Document]) -> list[Task]:
        return [make(document) for document in some]

    with ThreadPoolExecutor(max_workers=1) as ahead:
        waiting: tuple[list[Document], Future[list[Task]]] | None = None
        for some in batches:
            following = (some, ahead.submit(make_all, some))
            if waiting:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting:
            yield waiting[0], waiting[1].result()


def _require_arrived(
    connection: Connection,
    project: Project,
    sent: Sequence[Document],
    error: ServiceError,
    before: int,
) -> None:
    """After a failed import: go on if the tasks are there all the same, else raise `error`
    with what the user needs to know. An import is stored whole or not at all."""
    try:
        stored = list_tasks(connection, project).by_document
    except ServiceError:
        stored = {}
    if all(document.id in stored for document in sent):
        return
    raise ServiceError(
        f"{error}; {before} new documents were stored before; "
        "run the same push again, it goes on from there"
    ) from None


def delete_tasks(
    connection: Connection, project: Project, tasks: list[int], what: str = "to remove tasks"
) -> None:
    """Delete tasks, with all that is on them. Raises ServiceError."""
    _act(connection, project, "delete_tasks", tasks, what)


def _act(
    connection: Connection, project: Project, action: Any, tasks: list[int], what: str
) -> None:
    with connection.asking(what):
        connection.client.actions.create(
            id=action,
            project=project.id,
            selected_items={"all": False, "included": tasks},
            request_options=write_once(),
        )


Item = TypeVar("Item")


def _batches(
    items: Iterable[Item], size: int, characters: Callable[[Item], int] = lambda item: 0
) -> Iterator[list[Item]]:
    """Runs of at most `size` items and about `_BATCH_CHARACTERS` characters, at least one item."""
    some: list[Item] = []
    weight = 0
    for item in items:
        if some and (len(some) >= size or weight + characters(item) > _BATCH_CHARACTERS):
            yield some
            some, weight = [], 0
        some.append(item)
        weight += characters(item)
    if some:
        yield some
