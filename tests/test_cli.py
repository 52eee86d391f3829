"""The command line as a user meets it: a process, its exit code, stdout and stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "corpus"
TEXT = "Bí thư Huyện ủy Sơn Hà Trần Quốc Minh dự họp ngày 16-1."
LINE = json.dumps({"id": "d1", "text": TEXT, "entities": []}, ensure_ascii=False)
GOLD = json.dumps(
    {
        "id": "d1",
        "text": TEXT,
        "entities": [
            {"start": 0, "end": 22, "label": "POSITION"},
            {"start": 7, "end": 22, "label": "ORG"},
        ],
        "meta": {"genre": "test", "annotator": "a"},
    },
    ensure_ascii=False,
)


def vipol(
    *words: str | Path, cwd: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LABEL_STUDIO")}
    environment["COLUMNS"] = "80"
    return subprocess.run(
        [sys.executable, "-m", "annotate", *map(str, words)],
        capture_output=True,
        text=True,
        input=stdin,
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT)},
        check=False,
    )


def error_of(run: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line that the user reads; the run must have failed without a traceback."""
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    line = run.stderr.strip().splitlines()[-1]
    assert line.startswith("vipol: "), run.stderr
    return line.removeprefix("vipol: ")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    path = tmp_path / "docs.jsonl"
    path.write_text(GOLD + "\n")
    return path


COMMANDS = {
    *(
        "adjudicate",
        "compare",
        "agreement",
        "build",
        "clean",
        "demo",
        "explain",
        "export",
        "guide",
        "import",
        "predict",
        "prelabel",
    ),
    *("publish", "pull", "push", "quiz", "retrain", "rules", "score", "studio", "train"),
}


def test_help_lists_every_command_and_shows_an_example() -> None:
    page = vipol("--help")
    assert page.returncode == 0
    listed = {line.split()[0] for line in page.stdout.split("Commands:")[1].splitlines() if line}
    assert listed == COMMANDS
    for command in sorted(COMMANDS - {"studio", "train", "import"}):
        assert f"Example: vipol {command}" in vipol(command, "--help").stdout
    for words in (
        ("studio", "up"),
        ("studio", "down"),
        ("studio", "status"),
        ("train", "crf"),
        ("train", "bilstm"),
        ("train", "transformer"),
        ("import", "conll"),
    ):
        assert f"Example: vipol {' '.join(words)}" in vipol(*words, "--help").stdout


def test_the_command_line_imports_nothing_slow() -> None:
    code = (
        "import sys, annotate.cli; slow = {'datasets', 'torch', 'transformers', 'underthesea', "
        "'label_studio_sdk', 'seqeval', 'pandas', 'pyarrow', 'numpy', 'sklearn', 'pycrfsuite'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert run.stdout.strip() == "[]"


def test_wrong_usage_is_exit_2() -> None:
    assert vipol("prelabel").returncode == 2
    assert vipol("nonsense").returncode == 2
    assert vipol("prelabel", "x", "--nonsense").returncode == 2


READERS = [
    ("prelabel", "{}", "-o", "out"),
    ("predict", "rules", "{}", "-o", "out"),
    ("score", "{}", "{}"),
    ("adjudicate", "{}", "-o", "out"),
    ("agreement", "{}"),
    ("explain", "{}", "--document", "d1"),
    ("rules", "{}"),
    ("retrain", "{}", "-o", "out"),
    ("export", "{}", "--to", "jsonl", "-o", "out"),
    ("build", "{}", "-o", "out"),
    ("train", "crf", "{}", "-o", "out"),
    ("train", "bilstm", "{}", "-o", "out"),
    ("push", "{}", "--project", "Some project"),
]
BAD_FILES = [
    ("", "holds no documents"),
    ("nonsense", ":1: not JSON"),
    ('{"id": "d1", "entities": []}', ":1: the field 'text' is missing"),
    (GOLD.replace("22", "922", 1), ":1 (document d1): entity 0-922 ends past the text"),
    (GOLD.replace("22", "22.0", 1), ":1 (document d1): entity 0-22.0: offsets must be whole"),
    (GOLD.replace("POSITION", "TITLE"), ":1 (document d1): entity 0-22 has the unknown label"),
    (GOLD.replace('"end": 22', '"end": 12', 1), ":1 (document d1): entity 7-22 crosses POSITION"),
    (GOLD + "\n" + GOLD, ":2 (document d1): this id"),
    (GOLD.replace("ủ", "u\u0309"), ":1 (document d1): the text is not in NFC; run vipol clean"),
]


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0])
@pytest.mark.parametrize(("content", "says"), BAD_FILES, ids=[says for _, says in BAD_FILES])
def test_bad_input_is_one_line_and_leaves_no_output(
    tmp_path: Path, words: tuple[str, ...], content: str, says: str
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(content)
    message = error_of(vipol(*(w.format(bad) for w in words), cwd=tmp_path))
    assert message.startswith(str(bad))
    assert says in message
    assert [p.name for p in tmp_path.iterdir()] == ["bad.jsonl"]


@pytest.mark.parametrize("words", [*READERS, ("clean", "{}", "-o", "out")], ids=lambda w: w[0])
def test_a_missing_input_is_exit_1(tmp_path: Path, words: tuple[str, ...]) -> None:
    message = error_of(vipol(*(w.format("none.jsonl") for w in words), cwd=tmp_path))
    assert message == "none.jsonl: no such file; check the path"
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(tmp_path: Path, docs: Path) -> None:
    for words in (
        ("prelabel", docs, "-o", docs / "out.jsonl"),
        ("predict", "rules", docs, "-o", docs / "out.jsonl"),
        ("clean", docs.with_suffix(".txt"), "-o", docs / "out.jsonl"),
        ("train", "crf", docs, "-o", docs / "model"),
    ):
        docs.with_suffix(".txt").write_text(TEXT)
        assert "cannot be written" in error_of(vipol(*words)) or "is no folder" in error_of(
            vipol(*words)
        )
    assert docs.read_text() == GOLD + "\n"


def test_unknown_models_and_annotators(tmp_path: Path, docs: Path) -> None:
    assert "none" in error_of(vipol("predict", "none", docs, "-o", tmp_path / "out"))
    assert "no annotations by 'x'" in error_of(
        vipol("build", docs, "--annotator", "x", "-o", tmp_path / "out")
    )
    assert "--split needs a built dataset" in error_of(
        vipol("score", docs, docs, "--split", "test")
    )


def test_no_server(tmp_path: Path, docs: Path) -> None:
    folder = tmp_path / "studio"
    status = vipol("studio", "status", "--folder", folder)
    assert status.returncode == 1
    assert "no Label Studio runs here" in status.stderr
    for words in (("push", docs, "--project", "News"), ("pull", "--project", "News")):
        assert "no Label Studio runs here; start one with vipol studio up" in error_of(
            vipol(*words, "--folder", folder)
        )
        assert "no key for http://127.0.0.1:9" in error_of(
            vipol(*words, "--url", "http://127.0.0.1:9")
        )
    assert vipol("studio", "down", "--folder", folder).returncode == 0


def test_prelabel_puts_entities_aside_and_keeps_the_text(tmp_path: Path, docs: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert vipol("prelabel", docs, "-o", out).returncode == 0
    record = json.loads(out.read_text())
    assert record["id"] == "d1"
    assert record["text"] == TEXT
    assert record["meta"] == {"genre": "test", "annotator": "a"}
    assert all(e["source"] and 0 <= e["score"] <= 1 for e in record["entities"])
    assert {(e["start"], e["end"], e["label"]) for e in record["entities"]} == {
        (0, 22, "POSITION"),
        (7, 22, "ORG"),
        (23, 37, "PERSON"),
        (45, 54, "DATE"),
    }


def test_streams(docs: Path) -> None:
    run = vipol("prelabel", "-", stdin=GOLD + "\n")
    assert run.returncode == 0
    assert json.loads(run.stdout)["id"] == "d1"
    assert "labelled 1 document with rules: 4 spans" in run.stderr
    assert ("<stdin>:1: not JSON") in error_of(vipol("prelabel", "-", stdin="x"))


def test_score_of_a_file_with_itself(docs: Path) -> None:
    table = vipol("score", docs, docs)
    assert table.returncode == 0
    assert all(len(line) <= 80 for line in table.stdout.splitlines())
    scores = json.loads(vipol("score", docs, docs, "--json").stdout)
    assert scores["layers"]["outer"]["seqeval"]["micro"]["f1"] == 1.0
    assert scores["layers"]["inner"]["spans"]["micro"]["f1"] == 1.0


def test_clean_prints_what_it_took_out(tmp_path: Path) -> None:
    page = tmp_path / "a.txt"
    page.write_text("Trang chủ\nHuyện Sơn Hà họp bàn việc xây cầu mới\n" + TEXT * 2 + "\n")
    run = vipol("clean", page, "--show-removed")
    assert run.returncode == 0
    assert json.loads(run.stdout)["meta"]["title"] == "Huyện Sơn Hà họp bàn việc xây cầu mới"
    assert f"{page}:1: page words: Trang chủ" in run.stderr
    page.write_text("Trang chủ\n")
    run = vipol("clean", page, "-o", tmp_path / "out.jsonl")
    assert "no document has any article text" in error_of(run)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/corpus is not here")
def test_prelabel_and_score_on_real_text_keep_every_byte(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    assert vipol("prelabel", SHARED / "dev.jsonl", "-o", out).returncode == 0
    before = [json.loads(line) for line in (SHARED / "dev.jsonl").read_text().splitlines()]
    after = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["id"], r["text"], r["meta"]) for r in after] == [
        (r["id"], r["text"], r["meta"]) for r in before
    ]
    assert vipol("score", SHARED / "dev.jsonl", out).returncode == 0


@pytest.mark.parametrize("format", ["conll", "spacy", "label-studio", "jsonl"])
def test_an_export_comes_back_by_a_command(docs: Path, tmp_path: Path, format: str) -> None:
    if format == "spacy":
        pytest.importorskip("spacy", reason="spaCy is not installed: pip install spacy")
    run = vipol("export", docs, "--to", format, "-o", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    run = vipol("import", "documents", tmp_path / "out", "--from", format, "-o", tmp_path / "back")
    assert run.returncode == 0, run.stderr
    assert run.stderr == f"read 1 document from {format}\n"
    assert (tmp_path / "back").read_text() == docs.read_text()


def test_three_columns_need_the_column_of_the_tag(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Hà\tB-LOC\tO\nNội\tI-LOC\tO\n")
    command = ("import", "conll", "--train", tmp_path / "a.conll", "-o", tmp_path / "out")
    assert "a.conll:1: has 3 columns, two were wanted (token and tag)" in error_of(vipol(*command))
    run = vipol(*command, "--tag-column", "2")
    assert "1 sentences         2 tokens       1 entities" in run.stderr
    run = vipol("train", "crf", tmp_path / "out", "-o", tmp_path / "model")
    assert run.returncode == 0, run.stderr
    run = vipol("predict", tmp_path / "model", tmp_path / "out", "-o", tmp_path / "predicted")
    assert run.returncode == 0, run.stderr
    run = vipol("score", tmp_path / "out", tmp_path / "predicted")
    assert "LOC            1.0000 1.0000 1.0000" in run.stdout


def test_standard_output_on_a_full_disk(docs: Path) -> None:
    command = [sys.executable, "-m", "annotate", "prelabel", str(docs)]
    with open("/dev/full", "w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.strip().splitlines() == [
        "vipol: <stdout>: cannot be written (No space left on device)"
    ]
