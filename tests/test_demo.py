"""The whole line through a real Label Studio: that nothing in it is faked."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import copy_studio

from annotate.agreement import measure_agreement
from annotate.dataset.build import build_dataset
from annotate.dataset.load import load_documents
from annotate.demo import FIRST, REVIEWER, SECOND, make_slips, run_demo
from annotate.document import Document, Span, find_illegal, read_documents
from annotate.errors import DataError, ServiceError
from annotate.markup import parse_markup
from annotate.studio.annotators import create_annotator
from annotate.studio.connection import Connection, connect
from annotate.studio.pull import pull_annotations
from annotate.studio.push import push_documents
from annotate.studio.server import Server, find_server
from annotate.studio.stored import find_tasks
from annotate.studio.submit import submit_annotation
from annotate.studio.task import spans_to_regions

SOURCES = {
    "n1": "[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION} [Trần Quốc Minh]{PERSON} họp [16-1]{DATE}.",
    "n2": "[UBND xã Đồng Mai]{ORG} ban hành [Quyết định số 12/QĐ-UBND]{DOCUMENT_REF} về cấp nước.",
    "n3": "[Lê Tố Nam]{PERSON} làm [Chủ tịch [HĐND huyện]{ORG}]{POSITION} từ [năm 2019]{DATE}.",
}
DOCUMENTS = [
    Document(identity, *parse_markup(source), {"licence": "cc-by-4.0"})
    for identity, source in SOURCES.items()
]
BY_ID = {document.id: document for document in DOCUMENTS}


@pytest.mark.studio
def test_what_people_do_in_label_studio_decides_what_is_built(
    studio: Connection,
    annotator_connections: tuple[Connection, Connection],
    make_project: object,
    tmp_path: Path,
) -> None:
    """A region deleted there is missing in the dataset, one added by hand arrives, and the two
    annotators are two users of the server."""
    project = make_project(per_task=2)  # type: ignore[operator]
    push_documents(studio, project, DOCUMENTS)
    tasks = find_tasks(studio, project)
    one, two = annotator_connections
    ours = {}
    for identity, task in tasks.items():
        document = BY_ID[identity]
        ours[identity] = submit_annotation(one, task, document.text, document.spans)
        submit_annotation(two, task, document.text, document.spans)

    # Someone opens the first task and deletes the date, and adds a person that nobody labelled.
    kept = [span for span in BY_ID["n1"].spans if span.label != "DATE"]
    regions = spans_to_regions(BY_ID["n1"].text, kept)
    studio.client.annotations.update(ours["n1"], result=regions)
    assert BY_ID["n2"].text[17:25] == "ban hành"
    by_hand = [*BY_ID["n2"].spans, Span(17, 25, "DATE")]
    studio.client.annotations.update(ours["n2"], result=spans_to_regions(BY_ID["n2"].text, by_hand))

    pulled, report = pull_annotations(studio, project)
    assert (report.tasks, report.annotations, report.problems) == (3, 6, [])
    names = {document.meta["annotator"] for document in pulled}
    assert names == {one.user, two.user}
    assert len(names) == 2
    assert measure_agreement(pulled).documents == 3

    build_dataset([d for d in pulled if d.meta["annotator"] == one.user], tmp_path / "dataset")
    built = {document.id: document for document in load_documents(tmp_path / "dataset")}
    assert {span.key for span in built["n1"].spans} == {span.key for span in kept}
    assert {span.key for span in built["n2"].spans} == {span.key for span in by_hand}
    assert {span.key for span in built["n3"].spans} == {span.key for span in BY_ID["n3"].spans}
    assert all(built[identity].text == BY_ID[identity].text for identity in BY_ID)


@pytest.mark.studio
def test_two_annotators_are_two_users(studio_server: Server) -> None:
    one, two = (create_annotator(studio_server, name) for name in (FIRST, SECOND))
    ids = {
        connect(studio_server.url, person.token).client.users.whoami().id for person in (one, two)
    }
    assert len(ids) == 2


def test_slips_are_few_legal_and_the_same_each_time() -> None:
    text, spans = parse_markup(" ".join(SOURCES.values()) + " " + " ".join(SOURCES.values()))
    document = Document("d", text, spans)
    slipped = make_slips(document)
    assert slipped == make_slips(document)
    assert find_illegal(text, slipped.spans) is None
    changed = {s.key for s in slipped.spans} ^ {s.key for s in spans}
    assert 0 < len(changed) <= 0.3 * len(spans)


@pytest.mark.studio
def test_the_demo_stops_with_a_clear_error_when_the_server_does_not_answer(
    studio_server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if line.split()[1:2] == ["prelabel"]:
            copy_studio(studio_server, folder / "studio")  # so that it starts in seconds
        if line.split()[1:2] == ["push"]:
            server = find_server(folder / "studio")
            assert server is not None
            os.killpg(server.pid, signal.SIGKILL)

    with pytest.raises(ServiceError) as caught:
        run_demo(folder, show=show)
    assert str(caught.value).startswith("demo stopped at step 6 (annotate): http://127.0.0.1:")
    assert [line.split()[1] for line in lines] == ["clean", "gold", "prelabel", "studio", "push"]
    assert find_server(folder / "studio") is None
    assert not (folder / "dataset").exists()


@pytest.mark.studio
def test_the_demo_from_raw_article_to_scored_baseline(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "annotate", "demo", "--output", "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    out = tmp_path / "out"
    steps = re.findall(r"^ ?\d+  (\w+)", run.stdout, re.MULTILINE)
    assert steps == [
        "clean", "gold", "prelabel", "studio", "push", "annotate", "pull", "agree",
        "adjudicate", "review", "build", "load", "train", "predict", "score", "stop",
    ]  # fmt: skip
    assert "nobody is at the keyboard" in run.stdout
    assert "seqeval:1.2.2|mode:strict|scheme:IOB2" in run.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert find_server(out / "studio") is None
    annotations = list(read_documents(out / "annotations.jsonl", annotations=True))
    assert len({a.meta["annotator"] for a in annotations}) == 2
    assert len(annotations) == 2 * len(list(read_documents(out / "documents.jsonl")))
    gold = {d.id: d for d in read_documents(out / "gold.jsonl", labelled=True)}
    assert {identity: d.spans for identity, d in gold.items()} == {
        a.id: a.spans for a in annotations if a.meta["annotator"].startswith(FIRST)
    }
    deciders = Counter(d.meta["decided_by"] for d in gold.values())
    assert deciders == {"policy:majority": 28, f"{REVIEWER}@vipol.example": 15}
    built = {d.id: d for d in load_documents(out / "dataset")}
    assert {identity: d.spans for identity, d in built.items()} == {
        identity: d.spans for identity, d in gold.items()
    }
    assert "Decided by policy:majority: 28 documents" in (out / "dataset/README.md").read_text()
    assert (out / "agreement.html").read_text().startswith("<!doctype html>")
    scores = json.loads((out / "report" / "report.json").read_text())
    assert scores["scores"]["layers"]["outer"]["seqeval"]["micro"]["f1"] > 0.5
    assert (out / "report" / "report.html").exists()


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="holds files that no demo wrote"):
        run_demo(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
