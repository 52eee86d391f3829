"""Pulling from a real Label Studio: what annotators did there is what arrives."""

import time
from typing import Any

import pytest
from conftest import MakeProject

from annotate.document import Document, Span, read_documents, write_documents
from annotate.errors import ServiceError
from annotate.studio.annotators import Annotator
from annotate.studio.connection import Connection
from annotate.studio.project import Project
from annotate.studio.pull import PullReport, pull_annotations, require_whole
from annotate.studio.push import push_documents
from annotate.studio.stored import find_tasks
from annotate.studio.submit import skip_task, submit_annotation, submit_documents
from annotate.studio.task import spans_to_regions

pytestmark = pytest.mark.studio

Connections = tuple[Connection, Connection]

TEXT = "Đồng chí Trần A, Bí thư Huyện ủy Sơn Hà, nói ngày 1/2."
PERSON, POSITION = Span(9, 15, "PERSON"), Span(17, 39, "POSITION")
ORG, DATE = Span(24, 39, "ORG"), Span(45, 53, "DATE")
DOCUMENT = Document("n-0", TEXT, (PERSON, POSITION, ORG, DATE), {"title": "Tin", "url": "x"})


def push_one(
    studio: Connection, make_project: MakeProject, document: Document = DOCUMENT
) -> tuple[Project, int]:
    project = make_project(per_task=2)
    push_documents(studio, project, [document])
    return project, find_tasks(studio, project)[document.id]


def submit_regions(connection: Connection, task: int, regions: list[dict[str, Any]]) -> int:
    """Submit regions that `submit_annotation` would not make."""
    request: Any = regions
    made = connection.client.annotations.create(task, result=request, was_cancelled=False)
    return int(made.id)


def test_a_deleted_region_is_missing_and_an_added_one_arrives(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    pushed = DOCUMENT.with_spans([PERSON, POSITION, DATE])
    project, task = push_one(studio, make_project, pushed)
    one, _ = annotator_connections
    moved = Span(50, 53, "DATE")
    regions = spans_to_regions(TEXT, [POSITION, moved])
    regions[1]["id"] = "45-53-DATE"  # the same region, its border moved
    by_hand = spans_to_regions(TEXT, [ORG])[0] | {"id": "Xy3kQ", "origin": "manual"}
    submit_regions(one, task, [*regions, by_hand])

    (document,), report = pull_annotations(studio, project)
    assert document.text == TEXT
    assert document.spans == (POSITION, ORG, moved)
    assert document.meta["prelabels"] == {
        "kept": [[17, 39, "POSITION"]],
        "changed": [[[45, 53, "DATE"], [50, 53, "DATE"]]],
        "deleted": [[9, 15, "PERSON"]],
        "added": [[24, 39, "ORG"]],
    }
    assert report == PullReport(tasks=1, annotations=1, documents=1)

    # deleted in Label Studio afterwards: the next pull has it no more
    annotation = document.meta["annotation_id"]
    request: Any = regions[:1]
    one.client.annotations.update(annotation, result=request)
    (document,), _ = pull_annotations(studio, project)
    assert document.spans == (POSITION,)


def test_two_annotators_are_two_users(
    studio: Connection,
    annotators: tuple[Annotator, Annotator],
    annotator_connections: Connections,
    make_project: MakeProject,
) -> None:
    project, task = push_one(studio, make_project)
    one, two = annotator_connections
    began = time.time()
    first = submit_annotation(one, task, TEXT, DOCUMENT.spans, lead_time=12.5)
    second = submit_annotation(two, task, TEXT, [PERSON])
    stored = studio.client.annotations.list(task)
    assert len({annotation.completed_by for annotation in stored}) == 2

    documents, report = pull_annotations(studio, project)
    assert [document.meta["annotator"] for document in documents] == [one.user, two.user]
    assert [one.user, two.user] == [annotator.email for annotator in annotators]
    assert [document.spans for document in documents] == [DOCUMENT.spans, (PERSON,)]
    assert report == PullReport(tasks=1, annotations=2, documents=2)
    meta = documents[0].meta
    created = meta.pop("created_at")
    assert meta.pop("updated_at")[:19] == created[:19]
    assert abs(time.mktime(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S")) - began) < 24 * 3600
    assert meta == {
        "title": "Tin",
        "url": "x",
        "annotator": one.user,
        "guideline_version": "1.2",
        "skipped": False,
        "lead_time": 12.5,
        "annotation_id": first,
        "task_id": task,
        "task_url": f"{project.url}?task={task}",
        "prelabels": {
            "kept": [list(span.key) for span in DOCUMENT.spans],
            "changed": [],
            "deleted": [],
            "added": [],
        },
    }
    assert documents[1].meta["annotation_id"] == second
    assert documents[1].meta["prelabels"] == {
        "kept": [[9, 15, "PERSON"]],
        "changed": [],
        "deleted": [[17, 39, "POSITION"], [24, 39, "ORG"], [45, 53, "DATE"]],
        "added": [],
    }


def test_what_is_pulled_can_be_written_and_read(
    studio: Connection,
    annotator_connections: Connections,
    make_project: MakeProject,
    tmp_path: Any,
) -> None:
    project, task = push_one(studio, make_project)
    for connection in annotator_connections:
        submit_annotation(connection, task, TEXT, DOCUMENT.spans)
    documents, _ = pull_annotations(studio, project)
    write_documents(tmp_path / "annotations.jsonl", documents)
    assert list(read_documents(tmp_path / "annotations.jsonl", annotations=True)) == documents


def test_ugly_texts_come_back_to_the_letter(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    texts = [
        "\n\n  Đầu dòng\r\ntab\t\tNBSP\u00a0 và  hai khoảng  ",
        "😀👩‍👩‍👧 cờ 🇻🇳 và dấu “ngoặc” & <b>thẻ</b> \\n $text",
        "x" * 50_000 + "\n" + "Ủy ban " * 5_000,
    ]
    documents = [
        Document(
            f"t-{n}",
            text,
            (
                Span(0, len(text), "POSITION"),
                *(Span(place, place + 1, "ORG") for place in range(1, len(text) - 1, 97)),
            ),
        )
        for n, text in enumerate(texts)
    ]
    project = make_project()
    push_documents(studio, project, documents)
    one, _ = annotator_connections
    assert submit_documents(one, find_tasks(studio, project), documents) == 3
    pulled, _ = pull_annotations(studio, project)
    assert [(one.id, one.text, one.spans) for one in pulled] == [
        (one.id, one.text, one.spans) for one in documents
    ]


def test_a_skipped_task_is_told_and_has_no_spans(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    one, two = annotator_connections
    skip_task(one, task, lead_time=3.0)
    submit_annotation(two, task, TEXT, ())  # looked at, and nothing there: not the same
    (skipped, empty), report = pull_annotations(studio, project)
    assert (skipped.spans, skipped.meta["skipped"], skipped.meta["lead_time"]) == ((), True, 3.0)
    assert not any(skipped.meta["prelabels"].values())  # nobody judged them
    assert (empty.spans, empty.meta["skipped"]) == ((), False)
    assert len(empty.meta["prelabels"]["deleted"]) == 4
    assert report == PullReport(tasks=1, annotations=2, documents=2, skipped=1)
    require_whole(report)


def test_tasks_without_annotations_are_not_pulled(
    studio: Connection, make_project: MakeProject
) -> None:
    project, _ = push_one(studio, make_project)
    assert pull_annotations(studio, project) == ([], PullReport())


@pytest.mark.parametrize(
    ("spans", "reasons"),
    [
        ([PERSON, Span(9, 15, "ORG")], ["PERSON 9-15 has the same place as ORG 9-15; keep one"]),
        ([Span(17, 29, "POSITION"), ORG], ["ORG 24-39 crosses POSITION 17-29"]),
        ([ORG, Span(33, 39, "PERSON")], ["PERSON 33-39 lies inside ORG 24-39, which may not"]),
        (
            [POSITION, ORG, Span(33, 39, "PERSON"), Span(40, 99, "DATE")],
            [
                "PERSON 33-39 is the third layer inside ORG 24-39",
                "DATE 40-99 ends past the text (54 characters)",
            ],
        ),
        ([Span(9, 15, "LOCATION")], ["'LOCATION' 9-15 has the unknown label 'LOCATION'"]),
        ([Span(15, 9, "ORG")], ["ORG 15-9 is empty, reversed or before the text"]),
    ],
)
def test_illegal_spans_are_told_and_keep_the_annotation_back(
    studio: Connection,
    annotator_connections: Connections,
    make_project: MakeProject,
    spans: list[Span],
    reasons: list[str],
) -> None:
    project, task = push_one(studio, make_project)
    one, two = annotator_connections
    submit_regions(
        one, task, [region for span in spans for region in spans_to_regions(TEXT, [span])]
    )
    submit_annotation(two, task, TEXT, [PERSON])
    (document,), report = pull_annotations(studio, project)
    assert document.meta["annotator"] == two.user  # the other's is given
    assert (report.annotations, report.documents) == (2, 1)
    for problem, reason in zip(report.problems, reasons, strict=True):
        assert problem.reason.startswith(reason)
        assert (problem.document, problem.annotator) == ("n-0", one.user)
        assert problem.task_url == f"{project.url}?task={task}"
        assert not problem.given
    with pytest.raises(ServiceError, match=r"keep 1 annotations back") as caught:
        require_whole(report)
    assert reasons[0] in str(caught.value)


def test_edges_and_doubles_are_told_and_mended_on_request(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    one, _ = annotator_connections
    wide = Span(8, 16, "PERSON")  # " Trần A,"
    regions = spans_to_regions(TEXT, [wide, DATE])
    again = regions[1] | {"id": "another"}
    submit_regions(one, task, [*regions, again])

    documents, report = pull_annotations(studio, project)
    assert documents == []
    assert [problem.reason for problem in report.problems] == [
        "DATE 45-53 stands twice; delete one",
        "PERSON 8-16 begins or ends with white space",
    ]
    (document,), report = pull_annotations(studio, project, mend=True)
    assert document.spans == (PERSON, DATE)
    assert [(problem.reason, problem.given) for problem in report.problems] == [
        ("DATE 45-53 stands twice; mended: once", True),
        ("PERSON 8-16: edges mended to 9-15", True),
    ]
    require_whole(report)


def test_a_span_that_a_mending_makes_another_stays_once(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    wide, wider = Span(9, 16, "PERSON"), Span(8, 16, "PERSON")
    regions = [*spans_to_regions(TEXT, [wider, PERSON]), *spans_to_regions(TEXT, [wide])]
    submit_regions(annotator_connections[0], task, regions)
    (document,), report = pull_annotations(studio, project, mend=True)
    assert document.spans == (PERSON,)
    assert [problem.reason for problem in report.problems] == [
        "PERSON 8-16: edges mended to 9-15",
        "PERSON 9-15 stands twice; mended: once",
        "PERSON 9-16: edges mended to 9-15",
        "PERSON 9-15 stands twice; mended: once",
    ]


def test_an_edge_alone_is_told_and_the_annotation_given(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    submit_annotation(annotator_connections[0], task, TEXT, [Span(9, 16, "PERSON")])
    (document,), report = pull_annotations(studio, project)
    assert document.spans == (Span(9, 16, "PERSON"),)
    (problem,) = report.problems
    assert problem.given
    assert problem.reason == "PERSON 9-16 begins or ends with punctuation: 'Trần A,'"


def test_regions_that_are_no_spans(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    two_labels = spans_to_regions(TEXT, [PERSON])[0]
    two_labels["value"]["labels"] = ["PERSON", "ORG"]
    submit_regions(annotator_connections[0], task, [two_labels])
    documents, report = pull_annotations(studio, project)
    assert documents == []
    assert [problem.reason for problem in report.problems] == [
        "the region 9-15 has the labels ['PERSON', 'ORG']; exactly one was wanted"
    ]


def test_two_annotations_by_one_person(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    one, two = annotator_connections
    first = submit_annotation(one, task, TEXT, [PERSON])
    submit_annotation(one, task, TEXT, [DATE])
    submit_annotation(two, task, TEXT, [ORG])
    (document,), report = pull_annotations(studio, project)
    assert document.meta["annotator"] == two.user
    assert (report.annotations, report.documents) == (3, 1)
    assert report.problems[0].reason == (
        f"annotation {first} is one of 2 by this annotator; delete all but one"
    )
    one.client.annotations.delete(first)
    documents, report = pull_annotations(studio, project)
    assert [document.spans for document in documents] == [(DATE,), (ORG,)]
    assert report.problems == []


def test_a_text_that_was_changed_on_the_server(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    submit_annotation(annotator_connections[0], task, TEXT, [PERSON])
    stored = studio.client.tasks.get(str(task))
    studio.client.tasks.update(str(task), data=stored.data | {"text": TEXT.replace("Trần", "Lê")})
    documents, report = pull_annotations(studio, project)
    assert documents == []
    assert "its text is not the one that was pushed" in report.problems[0].reason


def test_regions_that_were_drawn_over_another_text(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    """As when a text changes between an annotator's opening a task and submitting it."""
    project, task = push_one(studio, make_project)
    other = TEXT.replace("Trần A", "Lê Thị")
    submit_annotation(annotator_connections[0], task, other, [PERSON])
    documents, report = pull_annotations(studio, project)
    assert documents == []
    assert report.problems[0].reason == (
        "PERSON 9-15 was drawn over another text than the one pushed"
    )


def test_an_annotation_of_a_task_made_by_hand(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project = make_project()
    by_hand: list[Any] = [{"data": {"text": TEXT, "title": ""}}]
    imported = studio.client.projects.import_tasks(
        project.id, request=by_hand, return_task_ids=True
    )
    (task,) = imported.task_ids or []
    submit_annotation(annotator_connections[0], task, TEXT, [PERSON])
    documents, report = pull_annotations(studio, project)
    assert documents == []
    assert report.problems[0].document == f"task {task}"
    assert "was not pushed by vipol" in report.problems[0].reason


def test_work_that_is_begun_is_counted(
    studio: Connection, annotator_connections: Connections, make_project: MakeProject
) -> None:
    project, task = push_one(studio, make_project)
    one, two = annotator_connections
    begun = {"result": spans_to_regions(TEXT, [DATE])}
    answer = two.client._client_wrapper.httpx_client.request(
        f"api/tasks/{task}/drafts", method="POST", json=begun
    )
    assert answer.status_code == 201
    assert pull_annotations(studio, project) == ([], PullReport(unfinished=1))
    submit_annotation(one, task, TEXT, [PERSON])
    documents, report = pull_annotations(studio, project)
    assert [document.spans for document in documents] == [(PERSON,)]
    assert report == PullReport(tasks=1, annotations=1, documents=1, unfinished=1)
