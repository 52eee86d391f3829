"""The review project: documents that await a reviewer, each annotator's version a prediction.

A review task shows first what more than half of the annotators drew, under the name `majority`,
and each version under its annotator's name. What the reviewer submits there is the decision.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from annotate.document import Document, Span
from annotate.errors import ServiceError
from annotate.studio.connection import Connection
from annotate.studio.project import Project, default_instruction, ensure_project, find_project
from annotate.studio.pull import Problem, pull_annotations
from annotate.studio.push import PushReport, delete_tasks, push_documents
from annotate.studio.stored import list_tasks
from annotate.studio.task import Task, document_to_task, prediction_of

MAJORITY = "majority"
"""Name of the prediction that the reviewer sees first."""

_MARK = "review"
_LONGEST_TITLE = 300  # characters
_SHOWN = 3  # disputed strings of a document in the terminal

_INSTRUCTION = (
    "<p><b>Duyệt khác biệt.</b> Mở từng bài trong danh sách, không bấm Label All Tasks. Tiêu đề "
    "nêu những chỗ người gán nhãn còn khác nhau. Bản <b>majority</b> gồm những nhãn mà hơn nửa số "
    "người đã gán; mỗi bản khác mang tên một người. Bắt đầu từ bản gần đúng nhất, sửa cho đúng "
    "rồi gửi: bản được gửi là quyết định.</p><br>"
)


@dataclass(frozen=True, slots=True)
class Review:
    """A document for the reviewer.

    document: its spans are those that more than half of the annotators drew. versions: the spans
    of each annotator. stretches: where they differ. url: of a task that annotators had.
    """

    document: Document
    versions: Mapping[str, tuple[Span, ...]]
    stretches: tuple[tuple[int, int], ...]
    url: str | None = None

    def __str__(self) -> str:
        name = f"document {self.document.id}"
        where = f"{self.url} ({name})" if self.url else name
        shown = ", ".join(f"“{mention}”" for mention in self.mentions[:_SHOWN])
        more = f" and {len(self.mentions) - _SHOWN} more" if len(self.mentions) > _SHOWN else ""
        return f"{where}: {f'disputed: {shown}{more}' if shown else 'nothing disputed'}"

    @property
    def mentions(self) -> list[str]:
        """The disputed strings, each once, in the order of the text."""
        text = self.document.text
        found = (" ".join(text[start:end].split()) for start, end in self.stretches)
        return list(dict.fromkeys(found))


def review_to_task(review: Review) -> Task:
    """The task of a review: a prediction for the majority and one for each annotator; its title
    also says what is disputed."""
    document = review.document
    task = document_to_task(document)
    if review.mentions:
        disputed = ", ".join(f"“{mention}”" for mention in review.mentions)
        title = f"{task['data']['title']} · khác nhau: {disputed}"
        task["data"]["title"] = title if len(title) <= _LONGEST_TITLE else title[:299] + "…"
    task["meta"][_MARK] = {"annotators": sorted(review.versions), "disputed": review.mentions}
    task["predictions"] = [prediction_of(document, MAJORITY)] + [
        prediction_of(document.with_spans(spans), annotator)
        for annotator, spans in sorted(review.versions.items())
    ]
    return task


def find_review_project(connection: Connection, title: str) -> Project | None:
    """The review project of this title, or None. Raises ServiceError where the project holds
    other tasks: the annotators' own project must not become the reviewer's."""
    project = find_project(connection, title)
    if project is None:
        return None
    listed = list_tasks(connection, project)
    copies = [task for tasks in listed.by_document.values() for task in tasks]
    ours = sum(_MARK in task.meta for task in copies)
    if ours != listed.total:
        raise ServiceError(
            f"{project.url}: the project {title!r} holds {listed.total - ours} tasks that are no "
            "reviews; give the review project a title of its own"
        )
    return project


def push_reviews(
    connection: Connection, title: str, reviews: Mapping[str, Review]
) -> tuple[Project, PushReport]:
    """Make the review project hold these reviews (by document id); run again, nothing doubles.

    A task that a reviewer has worked on stays as it is. Raises ServiceError.
    """
    find_review_project(connection, title)
    project = ensure_project(
        connection, title, instruction=_INSTRUCTION + default_instruction(), model_version=MAJORITY
    )
    report = push_documents(
        connection,
        project,
        [review.document for review in reviews.values()],
        model_version=MAJORITY,
        to_task=lambda document: review_to_task(reviews[document.id]),
    )
    return project, report


def withdraw_reviews(connection: Connection, title: str, documents: Iterable[str]) -> int:
    """Take documents that need no review any more out of the review project, where no reviewer
    has worked on them; how many. Raises ServiceError."""
    project = find_review_project(connection, title)
    if project is None:
        return 0
    stored = list_tasks(connection, project).by_document
    needless = [task.id for name in documents for task in stored.get(name, ()) if not task.touched]
    if needless:
        delete_tasks(connection, project, needless, "to withdraw reviews that are not needed")
    return len(needless)


def pull_decisions(connection: Connection, title: str) -> tuple[list[Document], list[Problem]]:
    """What reviewers submitted, as `pull_annotations` gives it (`meta.annotator` is the reviewer,
    `meta.annotators` are those whose versions the reviewer saw), and what keeps a decision back.

    Nothing where no such project exists yet. Raises ServiceError.
    """
    project = find_review_project(connection, title)
    if project is None:
        return [], []
    documents, report = pull_annotations(connection, project)
    return documents, [problem for problem in report.problems if not problem.given]
