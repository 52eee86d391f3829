"""Submitting annotations through Label Studio's API, as the user whose connection it is."""

from collections.abc import Iterable

from annotate.document import Document, Span
from annotate.studio.connection import Connection, write_once
from annotate.studio.task import spans_to_regions


def submit_annotation(
    connection: Connection,
    task: int,
    text: str,
    spans: Iterable[Span],
    lead_time: float | None = None,
) -> int:
    """Submit `spans` as the annotation of a task by the connection's user; its id.

    `lead_time` is in seconds. Spans are sent as they are, legal or not, as a person may.
    Raises ServiceError.
    """
    with connection.asking(f"to submit an annotation of task {task}"):
        made = connection.client.annotations.create(
            task,
            result=spans_to_regions(text, spans),
            lead_time=lead_time,
            was_cancelled=False,
            request_options=write_once(),
        )
    return int(made.id)


def submit_documents(
    connection: Connection, tasks: dict[str, int], documents: Iterable[Document]
) -> int:
    """Submit each document's spans as the annotation of its task; how many.

    `tasks` gives the task of a document's id, as `find_tasks` does. Raises ServiceError.
    """
    count = 0
    for document in documents:
        submit_annotation(connection, tasks[document.id], document.text, document.spans)
        count += 1
    return count


def skip_task(connection: Connection, task: int, lead_time: float | None = None) -> int:
    """Skip a task as the connection's user; the id of the cancelled annotation."""
    with connection.asking(f"to skip task {task}"):
        made = connection.client.annotations.create(
            task,
            result=[],
            lead_time=lead_time,
            was_cancelled=True,
            request_options=write_once(),
        )
    return int(made.id)
