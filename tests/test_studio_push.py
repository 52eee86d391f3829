"""Pushing to a real Label Studio: what the server holds afterwards is what counts."""

from dataclasses import replace
from typing import Any

import pytest
from conftest import MakeProject

from annotate.document import Document, Foreign, Span
from annotate.errors import DataError, ServiceError
from annotate.studio.connection import Connection, connect
from annotate.studio.project import Project
from annotate.studio.push import PushReport, push_documents
from annotate.studio.server import Server
from annotate.studio.stored import find_tasks
from annotate.studio.submit import skip_task, submit_annotation
from annotate.studio.task import document_to_task, task_to_document

pytestmark = pytest.mark.studio

TEXT = "Đồng chí Trần A, Bí thư Huyện ủy Sơn Hà, nói ngày 1/2."
SPANS = (
    Span(9, 15, "PERSON", score=0.75),
    Span(17, 39, "POSITION", score=0.5),
    Span(24, 39, "ORG", score=0.5),
    Span(45, 53, "DATE", score=0.25),
)


def some(count: int, prefix: str = "n") -> list[Document]:
    return [
        Document(f"{prefix}-{n}", TEXT, SPANS[: n % 5], {"title": f"Bài {n}"}) for n in range(count)
    ]


def state(connection: Connection, project: Project) -> dict[str, Any]:
    """Everything that the server holds of the tasks, by id, but for the times."""
    listed = connection.client.tasks.list(project=project.id, fields="all")
    return {
        task["id"]: (
            task["data"],
            task["meta"],
            [(p["model_version"], p["score"], p["result"]) for p in task["predictions"]],
            len(task["annotations"]),
        )
        for task in (one.model_dump() for one in listed)
    }


def documents_of(connection: Connection, project: Project) -> list[Document]:
    tasks = connection.client.tasks.list(project=project.id, fields="all")
    return [task_to_document(task.model_dump()) for task in tasks]


def test_what_is_pushed_is_there(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    documents = some(12)
    told: list[int] = []
    report = push_documents(studio, project, documents, batch=5, progress=told.append)
    assert report == PushReport(created=12)
    assert told == [5, 5, 2]
    assert documents_of(studio, project) == documents
    assert find_tasks(studio, project).keys() == {document.id for document in documents}


def test_texts_come_through_to_the_letter(studio: Connection, make_project: MakeProject) -> None:
    texts = [
        "\n\n  Đầu dòng\r\ntab\t\tNBSP\u00a0 và  hai khoảng  ",
        "😀👩‍👩‍👧 cờ 🇻🇳 và dấu “ngoặc” & <b>thẻ</b> \\n $text {{x}}",
        "x" * 50_000 + "\n" + "Ủy ban " * 5_000,
        "\u200b\ufeff\u2028\x0b\x0c\x85\x7f vô hình",
        "'; DROP TABLE task; --",
    ]
    documents = [
        Document(f"t/{n} “{n}”", text, (Span(3, 7, "ORG"),)) for n, text in enumerate(texts)
    ]
    project = make_project()
    push_documents(studio, project, documents)
    assert documents_of(studio, project) == documents
    assert push_documents(studio, project, documents) == PushReport(unchanged=5)


def test_pushing_twice_leaves_the_same_state(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    push_documents(studio, project, some(7))
    before = state(studio, project)
    assert push_documents(studio, project, some(7)) == PushReport(unchanged=7)
    assert state(studio, project) == before
    # more documents: the earlier ones stay as they are, also when they are not pushed again
    more = some(3, prefix="later")
    assert push_documents(studio, project, more) == PushReport(created=3)
    assert push_documents(studio, project, [*some(7), *more]) == PushReport(unchanged=10)


def test_annotators_are_shown_the_prelabels(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    push_documents(studio, project, some(2), model_version="crf-1")
    assert studio.client.projects.get(project.id).model_version == "crf-1"
    assert push_documents(studio, project, some(2), model_version="crf-2").updated == 1
    assert studio.client.projects.get(project.id).model_version == "crf-2"


def test_changes_reach_tasks_that_nobody_worked_on(
    studio: Connection, make_project: MakeProject
) -> None:
    project = make_project()
    documents = some(5)
    push_documents(studio, project, documents)
    tasks = find_tasks(studio, project)
    changed = [
        documents[0],
        documents[1].with_spans([Span(9, 15, "ORG", score=0.75)]),  # another label
        replace(documents[2], text="Mới: " + TEXT, spans=()),
        replace(documents[3], meta={"title": "Tên khác"}),
        documents[4].with_spans([replace(span, score=0.9) for span in documents[4].spans]),
    ]
    assert push_documents(studio, project, changed) == PushReport(updated=4, unchanged=1)
    assert documents_of(studio, project) == changed
    assert find_tasks(studio, project) == tasks
    assert push_documents(studio, project, changed) == PushReport(unchanged=5)


def test_work_is_never_lost(
    studio: Connection,
    annotator_connections: tuple[Connection, Connection],
    make_project: MakeProject,
) -> None:
    """Annotated, skipped and begun tasks keep their text and pre-labels; meta may change."""
    project = make_project(per_task=2)
    documents = [Document(f"n-{n}", TEXT, SPANS, {"title": "Bài"}) for n in range(4)]
    push_documents(studio, project, documents)
    tasks = find_tasks(studio, project)
    one, _ = annotator_connections
    submit_annotation(one, tasks["n-0"], TEXT, SPANS)
    skip_task(one, tasks["n-1"])
    begun = {"result": document_to_task(documents[2])["predictions"][0]["result"]}
    with one.asking("to begin a task"):
        answer = one.client._client_wrapper.httpx_client.request(
            f"api/tasks/{tasks['n-2']}/drafts", method="POST", json=begun
        )
    assert answer.status_code == 201

    before = state(studio, project)
    relabelled = [document.with_spans(SPANS[:1]) for document in documents]
    report = push_documents(studio, project, relabelled)
    assert (report.updated, report.unchanged, len(report.refused)) == (1, 0, 0)
    assert [left.document for left in report.kept] == ["n-0", "n-1", "n-2"]
    assert report.kept[0].task_url == f"{project.url}?task={tasks['n-0']}"
    after = state(studio, project)
    for name in ("n-0", "n-1", "n-2"):
        assert after[tasks[name]] == before[tasks[name]]

    rewritten = [replace(document, text=TEXT + " Hết.") for document in documents]
    report = push_documents(studio, project, rewritten)
    assert [left.document for left in report.refused] == ["n-0", "n-1", "n-2"]
    assert "its text differs from the one that was annotated" in report.refused[0].reason
    assert report.updated == 1
    assert state(studio, project)[tasks["n-0"]] == before[tasks["n-0"]]

    renamed = [replace(document, meta={"title": "Bài đã sửa"}) for document in documents[:3]]
    assert push_documents(studio, project, renamed) == PushReport(updated=3)
    data, meta, predictions, annotations = state(studio, project)[tasks["n-0"]]
    assert data["title"] == "Bài đã sửa"
    assert meta["meta"] == {"title": "Bài đã sửa"}
    assert (data["text"], len(predictions), annotations) == (TEXT, 1, 1)


def test_surplus_copies_go_where_nobody_worked_on_them(
    studio: Connection, make_project: MakeProject
) -> None:
    """As a lost answer and an old client would leave them: each document twice or thrice."""
    project = make_project()
    documents = some(3)
    requests: list[Any] = [document_to_task(document) for document in documents]
    for batch in (requests, requests, requests[:1]):
        studio.client.projects.import_tasks(project.id, request=batch)
    copies = sorted(state(studio, project))
    submit_annotation(studio, copies[4], TEXT, SPANS)  # the second copy of n-1
    report = push_documents(studio, project, documents)
    assert (report.copies, report.created) == (4, 0)
    assert find_tasks(studio, project) == {"n-0": copies[0], "n-1": copies[4], "n-2": copies[2]}
    assert push_documents(studio, project, documents).copies == 0


def test_work_on_two_copies_is_refused(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    (document,) = some(1)
    request: list[Any] = [document_to_task(document)]
    for _ in range(2):
        studio.client.projects.import_tasks(project.id, request=request)
    for task in state(studio, project):
        submit_annotation(studio, task, TEXT, ())
    before = state(studio, project)
    report = push_documents(studio, project, [document])
    assert [left.document for left in report.refused] == ["n-0"]
    assert "stands in the project 2 times, each with work on it" in report.refused[0].reason
    assert state(studio, project) == before


def test_prelabels_that_somebody_removed_come_back(
    studio: Connection, make_project: MakeProject
) -> None:
    """Also the state of a push that was cut off between the old pre-labels and the new."""
    project = make_project()
    documents = some(3)
    push_documents(studio, project, documents)
    for prediction in studio.client.predictions.list(project=project.id):
        studio.client.predictions.delete(prediction.id)
    assert push_documents(studio, project, documents) == PushReport(updated=2, unchanged=1)
    assert documents_of(studio, project) == documents


def test_tasks_that_were_made_by_hand_are_left_alone(
    studio: Connection, make_project: MakeProject
) -> None:
    project = make_project()
    by_hand: list[Any] = [{"data": {"text": "của người khác", "title": ""}}]
    studio.client.projects.import_tasks(project.id, request=by_hand)
    before = state(studio, project)
    assert push_documents(studio, project, some(1)) == PushReport(created=1)
    assert state(studio, project).items() >= before.items()


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ([*some(2), *some(1)], "document n-0: this id comes twice"),
        ([Document("a", "abc", (Span(0, 4, "ORG"),))], "entity 0-4 ends past the text"),
        ([Document("a", "abc", (Span(0, 2, "XYZ"),))], "unknown label 'XYZ'"),
        ([Document("a", "abc", (Span(0, 2, "ORG"), Span(1, 3, "ORG")))], "crosses ORG 0-2"),
        ([Document("a", "abc", (Span(0, 3, "ORG"), Span(1, 3, "DATE")))], "may not hold DATE"),
        ([Document("a", "abc", (Span(0, 3, "ORG"), Span(0, 3, "ORG")))], "the same place"),
        ([Document("a", "abc", (Span(0, 2, "ORG", score=1.7),))], "score 1.7; wanted 0 to 1"),
        (
            [Document("a", "abc", (Span(0, 3, "PER"),), foreign=Foreign(("PER",), (((0, 3),),)))],
            r"its labels are another scheme's \(PER\)",
        ),
        ([Document("a", "abc", (Span(0, 2, "ORG", score=-0.1),))], "wanted 0 to 1"),
        ([Document("a", "u\u0309y")], "is not in NFC"),
        ([Document("a", "a\0b")], "holds a NUL"),
    ],
)
def test_nothing_is_sent_of_a_push_with_a_fault(
    studio: Connection, make_project: MakeProject, documents: list[Document], reason: str
) -> None:
    project = make_project()
    with pytest.raises(DataError, match=reason):
        push_documents(studio, project, [*some(2, prefix="good"), *documents])
    assert state(studio, project) == {}


def test_a_project_that_is_deleted_under_way(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()

    def delete(count: int) -> None:
        studio.client.projects.delete(project.id)

    with pytest.raises(ServiceError, match=r"404 Not Found"):
        push_documents(studio, project, some(10), batch=5, progress=delete)


def test_an_annotator_may_push_too(
    studio_server: Server,
    make_project: MakeProject,
    annotator_connections: tuple[Connection, Connection],
) -> None:
    """The open-source edition has no roles; two users push one after the other, one state."""
    project = make_project()
    first = connect(studio_server.url, studio_server.token)
    assert push_documents(first, project, some(3)) == PushReport(created=3)
    assert push_documents(annotator_connections[0], project, some(3)) == PushReport(unchanged=3)
