"""The review project on a real Label Studio: versions go in by name, decisions come out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeProject
from studio_page import StudioPage
from test_cli import error_of, vipol

from annotate.document import Document, Span, read_documents, write_documents
from annotate.errors import ServiceError
from annotate.studio.annotators import Annotator, create_annotator
from annotate.studio.connection import Connection, connect
from annotate.studio.project import Project, find_project
from annotate.studio.pull import pull_annotations
from annotate.studio.push import push_documents
from annotate.studio.review import Review, find_review_project, pull_decisions, push_reviews
from annotate.studio.server import Server
from annotate.studio.stored import find_tasks
from annotate.studio.submit import skip_task, submit_annotation
from annotate.studio.task import regions_to_spans

pytestmark = pytest.mark.studio

TEXT = "Bí thư Huyện ủy Sơn Hà Trần Quốc Minh họp ngày 5/3/2019."
POSITION, ORG = Span(0, 22, "POSITION"), Span(7, 22, "ORG")
PERSON, SHORT = Span(23, 37, "PERSON"), Span(23, 33, "PERSON")
DATE, YEAR = Span(42, 55, "DATE"), Span(47, 55, "DATE")
GOLD = (POSITION, ORG, PERSON, DATE)


@pytest.fixture(scope="module")
def people(studio_server: Server) -> dict[str, Connection]:
    """Three annotators and two reviewers, by name."""
    return {
        name: connect(studio_server.url, create_annotator(studio_server, name).token)
        for name in ("An", "Binh", "Chi", "Lan", "Mai")
    }


def predictions_of(connection: Connection, project: Project, document: str) -> list[Any]:
    """Names and spans of the predictions of a review task, in the order that Label Studio shows."""
    task: Any = connection.client.tasks.get(str(find_tasks(connection, project)[document]))
    return [
        (one["model_version"], regions_to_spans(one["result"]).spans)
        for one in (p if isinstance(p, dict) else p.model_dump() for p in task.predictions)
    ]


def run_adjudicate(folder: Path, server: Server, *more: str) -> list[str]:
    """What the command says, line by line; `gold.jsonl` is in `folder` then."""
    run = vipol(
        "adjudicate",
        folder / "annotations.jsonl",
        "-o",
        folder / "gold.jsonl",
        "--folder",
        server.folder,
        *more,
    )
    assert run.returncode == 0, run.stderr
    return run.stderr.splitlines()


def test_from_three_annotators_over_a_review_to_gold(
    studio_server: Server,
    studio: Connection,
    people: dict[str, Connection],
    make_project: MakeProject,
    tmp_path: Path,
) -> None:
    project = make_project(per_task=3)
    ids = ("same", "two-of-three", "three-ways", "skipped", "alone", "late")
    push_documents(studio, project, [Document(id, TEXT, GOLD, {"title": id}) for id in ids])
    tasks = find_tasks(studio, project)
    an, binh, chi, lan, mai = people.values()

    def submit(id: str, *versions: Sequence[Span]) -> None:
        for person, spans in zip((an, binh, chi), versions, strict=False):
            submit_annotation(person, tasks[id], TEXT, spans)

    submit("same", GOLD, GOLD, GOLD)
    submit("two-of-three", GOLD, GOLD, (POSITION, ORG, SHORT))
    submit("three-ways", GOLD, (*GOLD[:3], YEAR), GOLD[:3])
    submit("skipped", GOLD, (POSITION, DATE))
    skip_task(chi, tasks["skipped"])
    submit("alone", GOLD)
    submit("late", GOLD, ())

    def pull() -> None:
        documents, _ = pull_annotations(studio, project)
        write_documents(tmp_path / "annotations.jsonl", documents)

    title = f"{project.title} review"[-50:]
    pull()
    said = run_adjudicate(tmp_path, studio_server, "--project", title)
    review = find_project(studio, title)
    assert review is not None
    assert said == [
        f"{project.task_url(tasks['alone'])} (document alone): only {an.user} annotated it; "
        "wait for a second annotator, or let a reviewer decide (--policy reviewer)",
        "adjudicated 6 documents by majority: 2 settled, 0 decided by a reviewer, 3 to review, "
        "1 open",
        f"review at {review.url}: open each task from the list, then run this again",
    ]
    gold = {document.id: document for document in read_documents(tmp_path / "gold.jsonl")}
    assert {id: document.spans for id, document in gold.items()} == {
        "same": GOLD,
        "two-of-three": GOLD,
    }
    # the reviewer sees what the majority drew, then each version under its annotator's name
    assert predictions_of(studio, review, "three-ways") == [
        ("majority", GOLD[:3]),
        (an.user, GOLD),
        (binh.user, (*GOLD[:3], YEAR)),
        (chi.user, GOLD[:3]),
    ]
    assert predictions_of(studio, review, "late") == [
        ("majority", ()),
        (an.user, GOLD),
        (binh.user, ()),
    ]
    stored = find_tasks(studio, review)
    shown = studio.client.tasks.get(str(stored["skipped"])).data
    assert shown["title"] == "skipped · khác nhau: “Huyện ủy Sơn Hà”, “Trần Quốc Minh”"

    # again: same state
    before = {id: predictions_of(studio, review, id) for id in stored}
    assert run_adjudicate(tmp_path, studio_server, "--project", title) == said
    assert find_tasks(studio, review) == stored
    assert {id: predictions_of(studio, review, id) for id in stored} == before

    # the reviewers work: one decision, one skip; a third version comes for what is not decided
    submit_annotation(lan, stored["three-ways"], TEXT, (*GOLD[:3], YEAR))
    skip_task(lan, stored["skipped"])
    submit_annotation(chi, tasks["late"], TEXT, (YEAR,))
    pull()
    said = run_adjudicate(tmp_path, studio_server, "--project", title)
    assert said[1:3] == [
        f"{project.task_url(tasks['alone'])} (document alone): only {an.user} annotated it; "
        "wait for a second annotator, or let a reviewer decide (--policy reviewer)",
        "adjudicated 6 documents by majority: 2 settled, 1 decided by a reviewer, 1 to review, "
        "2 open",
    ]
    assert said[0] == (
        f"{review.task_url(stored['skipped'])} (document skipped): {lan.user} skipped it in review"
    )
    decided = {d.id: d for d in read_documents(tmp_path / "gold.jsonl")}["three-ways"]
    assert decided.spans == (*GOLD[:3], YEAR)
    assert decided.meta.pop("decided_at").startswith("20")
    assert decided.meta == {
        "title": "three-ways",
        "guideline_version": "1.2",
        "annotators": [an.user, binh.user, chi.user],
        "decided_by": lan.user,
    }
    assert [name for name, _ in predictions_of(studio, review, "late")] == [
        "majority",
        an.user,
        binh.user,
        chi.user,
    ]
    assert find_tasks(studio, review) == stored

    # an annotator changes a version that is decided: the decision stays, nothing is sent anew
    second = studio.client.annotations.list(tasks["three-ways"])
    mine = next(a for a in second if a.completed_by == chi.client.users.whoami().id)
    studio.client.annotations.delete(mine.id)
    submit_annotation(mai, stored["late"], TEXT, (PERSON, DATE))
    pull()
    run_adjudicate(tmp_path, studio_server, "--project", title, "--policy", "all")
    gold = {document.id: document for document in read_documents(tmp_path / "gold.jsonl")}
    assert gold["three-ways"].spans == decided.spans
    assert gold["three-ways"].meta["decided_by"] == lan.user
    assert gold["late"].meta["decided_by"] == mai.user
    # the stricter policy sends to review what the majority had settled
    assert find_tasks(studio, review).keys() == {*stored, "two-of-three"}
    said = run_adjudicate(tmp_path, studio_server, "--project", title)
    assert said[-1] == "took 1 task out of the review that are settled now"
    assert find_tasks(studio, review) == stored

    # without the review project what was decided stays
    studio.client.projects.delete(review.id)
    run_adjudicate(tmp_path, studio_server)
    gold = {document.id: document for document in read_documents(tmp_path / "gold.jsonl")}
    assert {id: d.meta["decided_by"] for id, d in gold.items()} == {
        "same": "policy:majority",
        "two-of-three": "policy:majority",
        "three-ways": lan.user,
        "late": mai.user,
    }


def review_of(id: str, **versions: tuple[Span, ...]) -> Review:
    document = Document(id, TEXT, GOLD[:2], {"title": "Tin", "annotators": sorted(versions)})
    return Review(document, versions, ((42, 55),))


def test_work_that_is_begun_stays_and_decisions_come_back(
    studio: Connection, people: dict[str, Connection], make_project: MakeProject
) -> None:
    title = make_project().title
    reviews = {id: review_of(id, an=GOLD, binh=GOLD[:3]) for id in ("a", "b")}
    project, report = push_reviews(studio, title, reviews)
    assert report.created == 2
    tasks = find_tasks(studio, project)
    submit_annotation(people["Lan"], tasks["a"], TEXT, GOLD)
    changed = {id: review_of(id, an=GOLD, binh=GOLD[:2]) for id in ("a", "b")}
    _, report = push_reviews(studio, title, changed)
    assert (report.created, report.updated, report.unchanged) == (0, 1, 0)
    assert [left.document for left in report.kept] == ["a"]
    assert ("binh", GOLD[:3]) in predictions_of(studio, project, "a")
    assert ("binh", GOLD[:2]) in predictions_of(studio, project, "b")

    # two reviewers, and one of them draws what the scheme does not allow
    submit_annotation(people["Mai"], tasks["b"], TEXT, [POSITION, Span(7, 30, "ORG")])
    (decision,), problems = pull_decisions(studio, title)
    assert (decision.id, decision.spans) == ("a", GOLD)
    assert decision.meta["annotators"] == ["an", "binh"]
    assert decision.meta["annotator"] == people["Lan"].user
    assert [(p.document, p.annotator) for p in problems] == [("b", people["Mai"].user)]


def test_a_reviewer_decides_in_the_browser(
    studio: Connection,
    annotators: tuple[Annotator, Annotator],
    make_project: MakeProject,
    page: StudioPage,
) -> None:
    """Each version stands there by its name; what is submitted began as the majority's."""
    title = make_project().title
    project, _ = push_reviews(studio, title, {"a": review_of("a", an=GOLD, binh=GOLD[:3])})
    page.open_task(project.task_url(find_tasks(studio, project)["a"]), TEXT)
    for name in ("majority", "an", "binh"):
        page.page.get_by_text(name, exact=True).first.wait_for()
    page.page.get_by_text("Tin · khác nhau: “ngày 5/3/2019”").first.wait_for()
    page.draw("1", PERSON.start, PERSON.end)
    page.draw("5", DATE.start, DATE.end)
    page.submit()
    (decision,), problems = pull_decisions(studio, title)
    assert (decision.spans, problems) == (GOLD, [])
    assert decision.meta["annotator"] == annotators[0].email
    assert decision.meta["prelabels"] == {
        "kept": [list(span.key) for span in GOLD[:2]],
        "changed": [],
        "deleted": [],
        "added": [list(span.key) for span in GOLD[2:]],
    }


def test_there_are_no_decisions_before_there_is_a_project(studio: Connection) -> None:
    assert pull_decisions(studio, "no such project") == ([], [])


def test_the_annotators_own_project_is_refused_and_left_alone(
    studio: Connection, studio_server: Server, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(per_task=2)
    push_documents(studio, project, [Document("a", TEXT, GOLD)])
    with pytest.raises(ServiceError, match="holds 1 tasks that are no reviews"):
        push_reviews(studio, project.title, {"a": review_of("a", an=GOLD, binh=())})
    with pytest.raises(ServiceError, match="give the review project a title of its own"):
        find_review_project(studio, project.title)
    assert studio.client.projects.get(project.id).maximum_annotations == 2
    assert predictions_of(studio, project, "a") == [("vipol", GOLD)]
    write_documents(
        tmp_path / "a.jsonl", [Document("a", TEXT, (), {"annotator": name}) for name in "xy"]
    )
    run = vipol(
        *("adjudicate", tmp_path / "a.jsonl", "-o", tmp_path / "gold.jsonl"),
        *("--project", project.title, "--folder", studio_server.folder),
    )
    assert "are no reviews" in error_of(run)
    assert not (tmp_path / "gold.jsonl").exists()
