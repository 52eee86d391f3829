from xml.etree import ElementTree

import pytest
from conftest import MakeProject

from annotate.document import Document, Span
from annotate.errors import ServiceError
from annotate.guide import render_instruction
from annotate.scheme import LABEL_NAMES, LABELS, SCHEME_VERSION
from annotate.studio.connection import Connection
from annotate.studio.project import (
    default_instruction,
    ensure_project,
    find_project,
    labelling_configuration,
)
from annotate.studio.task import document_to_task


def test_the_configuration_holds_every_label_of_the_scheme_once() -> None:
    tags = ElementTree.fromstring(labelling_configuration()).findall(".//Label")
    shown = [(t.get("alias"), t.get("value"), t.get("hotkey"), t.get("background")) for t in tags]
    assert shown == [(one.name, one.vietnamese, one.hotkey, one.colour) for one in LABELS]


def test_the_configuration_shows_a_hint_for_every_label() -> None:
    headers = ElementTree.fromstring(labelling_configuration()).findall(".//Header")
    shown = {header.get("value") for header in headers}
    assert {one.hint for one in LABELS} <= shown
    assert {f"{one.hotkey} · {one.vietnamese} ({one.name})" for one in LABELS} <= shown


def test_label_studio_accepts_our_predictions_for_our_configuration() -> None:
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface(labelling_configuration())
    interface.validate()
    spans = tuple(Span(n, n + 1, name, score=0.5) for n, name in enumerate(LABEL_NAMES))
    task = document_to_task(Document("n", "abcdefgh", spans))
    assert interface.validate_prediction(task["predictions"][0], return_errors=True) == []
    task["predictions"][0]["result"][0]["value"]["labels"] = ["Người"]  # the name shown, not ours
    assert interface.validate_prediction(task["predictions"][0], return_errors=True) != []


def test_the_instruction_says_what_may_nest() -> None:
    assert "Chỉ Người, Tổ chức, Thời gian được nằm trong Chức vụ, Văn bản" in default_instruction()


@pytest.mark.studio
def test_a_project_is_made_once_and_brought_up_to_date(
    studio: Connection, make_project: MakeProject
) -> None:
    project = make_project()
    stored = studio.client.projects.get(project.id)
    assert stored.label_config == labelling_configuration()
    assert stored.maximum_annotations == 1
    assert stored.model_version == "vipol"
    assert stored.expert_instruction == default_instruction()

    again = ensure_project(studio, project.title, per_task=2, instruction="<p>Đọc kỹ</p>")
    assert again == project
    stored = studio.client.projects.get(project.id)
    assert stored.maximum_annotations == 2
    assert stored.expert_instruction == "<p>Đọc kỹ</p>"
    assert find_project(studio, project.title) == project


@pytest.mark.studio
def test_the_guidelines_come_through_as_they_are(
    studio: Connection, make_project: MakeProject
) -> None:
    """Label Studio cleans the HTML; were anything changed, each push would change it back."""
    project = make_project(instruction=render_instruction())
    stored = studio.client.projects.get(project.id).expert_instruction
    assert stored == render_instruction()
    assert f"phiên bản {SCHEME_VERSION}" in stored
    assert "POS-1 · Từ chữ đầu của chức vụ" in stored


@pytest.mark.studio
def test_overlap_and_order_stay_unless_asked_for(
    studio: Connection, make_project: MakeProject
) -> None:
    project = make_project()
    stored = studio.client.projects.get(project.id)
    assert (stored.maximum_annotations, stored.sampling) == (1, "Sequential sampling")
    ensure_project(studio, project.title, per_task=3, unsure_first=True)
    ensure_project(studio, project.title)
    stored = studio.client.projects.get(project.id)
    assert (stored.maximum_annotations, stored.sampling) == (3, "Uncertainty sampling")
    ensure_project(studio, project.title, unsure_first=False)
    assert studio.client.projects.get(project.id).sampling == "Sequential sampling"


@pytest.mark.studio
def test_a_title_is_found_whole(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    assert find_project(studio, project.title[:-2]) is None
    assert find_project(studio, project.title.upper()) is None


@pytest.mark.studio
def test_two_projects_of_one_title(studio: Connection, make_project: MakeProject) -> None:
    project = make_project()
    studio.client.projects.create(title=project.title)
    with pytest.raises(ServiceError, match=r"2 projects are called .*rename or delete all but one"):
        ensure_project(studio, project.title)
    with pytest.raises(ServiceError, match=r"2 projects are called"):
        find_project(studio, project.title)


@pytest.mark.studio
def test_a_project_of_another_kind_is_left_alone(studio: Connection) -> None:
    config = (
        '<View><Choices name="mood" toName="t"><Choice value="+"/></Choices>'
        '<Text name="t" value="$t"/></View>'
    )
    title = f"khác {id(config)}"
    other = studio.client.projects.create(title=title, label_config=config)
    with pytest.raises(ServiceError, match=r"has another labelling configuration"):
        ensure_project(studio, title)
    assert studio.client.projects.get(other.id).label_config == config


@pytest.mark.studio
def test_nobody_is_asked_of_fewer_than_one_annotator(studio: Connection) -> None:
    with pytest.raises(ServiceError, match=r"0 annotators a task; wanted 1 or more"):
        ensure_project(studio, "không ai", per_task=0)
