"""Annotating in Debian's Chromium: what is drawn with the mouse is what a pull gives."""

import unicodedata

import pytest
from conftest import MakeProject
from studio_page import StudioPage

from annotate.clean import clean_text
from annotate.document import Document
from annotate.markup import parse_markup
from annotate.studio.connection import Connection
from annotate.studio.project import Project
from annotate.studio.pull import PullReport, pull_annotations
from annotate.studio.push import push_documents
from annotate.studio.stored import find_tasks

pytestmark = pytest.mark.studio

PUSHED = (
    "[Bí thư Huyện ủy Sơn Hà]{POSITION} [Trần Quốc]{PERSON} Minh ký [Quyết định số 12-QĐ/HU]"
    "{DOCUMENT_REF} [hôm]{DATE} qua ở [xã Đồng Mai]{ORG}."
)
DRAWN = (
    "[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION} [Trần Quốc Minh]{PERSON} ký [Quyết định số 12-QĐ/HU]"
    "{DOCUMENT_REF} hôm qua ở xã [Đồng Mai]{ORG}."
)
"""PUSHED as an annotator corrects it: an inner span drawn, two borders moved, one span deleted."""

LONG = "\n".join(
    f"Kỳ {number}: [Sở Tư pháp]{{ORG}} họp [ngày {number % 28 + 1}/6]{{DATE}} về việc chung 😀."
    for number in range(100)
)
FILLER = "Cuộc họp kéo dài hai giờ và không có ai vắng mặt. " * 120
TEXTS = {
    "plain": ("@", " "),
    "emoji": ("😀👩‍👩‍👧 cờ 🇻🇳 @ 😀 hết 🏛️", " 😀 "),
    "spaces": ("Hai  khoảng   liền @  rồi  thôi", "  "),
    "tabs": ("\tcột\t\tmột @\tcột hai", "\t"),
    "lines": ("Tít\n\n\nDòng trên\n@\n\nDòng dưới\n", "\n"),
    "decomposed": ("Tin Sơn Hà\n\n@ Ủy ban họp về việc ấy.", " "),
    "long": (f"{LONG}\n@\n{FILLER}", " "),
}
"""What stands around the sentence (`@`), and between two words of the span that is drawn."""


def corrected(page: StudioPage, text: str) -> None:
    """Make of PUSHED, standing somewhere in the text of the open task, what DRAWN says."""
    at = text.index("Bí thư")
    place = {word: text.index(word, at) for word in ("Huyện", " Hà", "Quốc", "Minh", "hôm", "xã")}
    page.draw("3", place["Huyện"], place[" Hà"] + 3)
    page.move_end(place["Quốc"], place["Minh"] + 4)
    page.delete(place["hôm"])
    page.move_start(place["xã"], place["xã"] + 3)


def documents(source: str) -> list[Document]:
    """One document for each of TEXTS, with `source` in it."""
    return [
        Document(name, *parse_markup(frame.replace("@", source.replace("n ủy", f"n{between}ủy"))))
        for name, (frame, between) in TEXTS.items()
    ]


def decomposed(text: str) -> str:
    """What `vipol clean` makes of the same text in a file whose letters are decomposed."""
    raw = unicodedata.normalize("NFD", text)
    assert len(raw) > len(text)
    return clean_text(raw).text


def push(studio: Connection, project: Project, pushed: list[Document]) -> dict[str, str]:
    """Push; the address of each document's task."""
    push_documents(studio, project, pushed)
    return {name: project.task_url(task) for name, task in find_tasks(studio, project).items()}


def test_what_is_drawn_in_the_browser_is_pulled_to_the_code_point(
    studio: Connection, make_project: MakeProject, page: StudioPage
) -> None:
    pushed, wanted = documents(PUSHED), documents(DRAWN)
    assert decomposed(pushed[-2].text) == pushed[-2].text
    assert len(pushed[-1].text) > 10_000
    project = make_project()
    addresses = push(studio, project, pushed)
    for document in pushed:
        page.open_task(addresses[document.id], document.text)
        corrected(page, document.text)
        page.submit()

    pulled, report = pull_annotations(studio, project)
    assert report == PullReport(tasks=len(TEXTS), annotations=len(TEXTS), documents=len(TEXTS))
    for document, expected in zip(pulled, wanted, strict=True):
        assert (document.id, document.text) == (expected.id, expected.text)
        assert [span.key for span in document.spans] == [span.key for span in expected.spans]
        kept = len(expected.spans) - 3
        fates = {fate: len(spans) for fate, spans in document.meta["prelabels"].items()}
        assert fates == {"kept": kept, "changed": 2, "deleted": 1, "added": 1}


EDGES = "Sở họp ở UBND TP. theo 07-KH/TW, ngày 16-1.\nT.Ư Đảng ở TP.HCM và TP."


def test_a_mention_is_drawn_whole_by_a_hasty_hand_and_to_the_sign_by_a_careful_one(
    studio: Connection, make_project: MakeProject, page: StudioPage
) -> None:
    """Selections snap to words, yet signs at the edges and parts of symbols can be drawn."""
    careful = ["UBND TP.", "07-KH/TW", "07", "KH/TW", "16-1", "T.Ư Đảng", "TP.HCM", "Sở"]
    hasty = {"ở họ": "Sở họp", "BND T": "UBND TP", "7-KH/T": "07-KH/TW", "ản": "Đảng", "C": "HCM"}
    project = make_project()
    address = push(studio, project, [Document("edges", EDGES)])["edges"]
    page.open_task(address, EDGES)
    drawn = [*zip(careful, careful, strict=True), *hasty.items()]
    for under_the_mouse, _ in drawn:
        start = EDGES.index(under_the_mouse)
        page.draw("3", start, start + len(under_the_mouse))
    last = len(EDGES) - 3
    page.draw("3", last, len(EDGES))
    page.submit(button=True)
    (annotation,) = studio.client.annotations.list(find_tasks(studio, project)["edges"])
    found = [(r["value"]["start"], r["value"]["end"]) for r in annotation.result or ()]
    assert [EDGES[start:end] for start, end in found] == [wanted for _, wanted in drawn] + ["TP."]
    assert found[-1] == (last, len(EDGES))
