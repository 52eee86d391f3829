import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from strategies import documents

from annotate.document import (
    Document,
    Span,
    _SeenKeys,
    document_from_dict,
    document_to_line,
    find_edge_problem,
    find_illegal,
    read_documents,
    split_layers,
    write_documents,
)
from annotate.errors import DataError

TEXT = "Bí thư Huyện ủy Sơn Hà nói."
POSITION, ORG = Span(0, 22, "POSITION"), Span(7, 22, "ORG")


def line(**changes: object) -> str:
    record: dict[str, object] = {"id": "d1", "text": TEXT, "entities": [], "meta": {}}
    record |= changes
    return json.dumps({key: value for key, value in record.items() if value is not ...})


def entity(start: object, end: object, label: object = "ORG", **more: object) -> dict[str, object]:
    return {"start": start, "end": end, "label": label, **more}


def read_error(tmp_path: Path, content: str | bytes, **options: bool) -> str:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        list(read_documents(path, **options))
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert "\n" not in message
    return message.removeprefix(str(path))


@given(documents())
def test_a_document_survives_its_line(document: Document) -> None:
    assert document_from_dict(json.loads(document_to_line(document)), "here") == document


def test_source_and_score_survive(tmp_path: Path) -> None:
    document = Document("d", TEXT, (Span(0, 22, "POSITION", "rule:x", 0.5), ORG), {"k": [1]})
    assert write_documents(tmp_path / "out.jsonl", [document]) == 1
    assert list(read_documents(tmp_path / "out.jsonl")) == [document]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", ": holds no documents"),
        ("\n\n", ": holds no documents"),
        ("nonsense\n", ":1: not JSON at column 1"),
        (line() + "\n{", ":2: not JSON at column 2"),
        ("[1]", ":1: a JSON object was wanted, found list"),
        (line(id=...), ":1: the field 'id' is missing"),
        (line(id=7), ":1: 'id' must be a string"),
        (line(text=...), ":1: the field 'text' is missing"),
        (line(text=5), ":1 (document d1): 'text' must be a string"),
        (line(text=""), ":1 (document d1): the text is empty"),
        (line(text="u\u0309y"), ":1 (document d1): the text is not in NFC; run vipol clean"),
        (line(text="a\0b"), ":1 (document d1): the text holds a NUL character"),
        (line(text="a\ud800"), ":1 (document d1): the text holds half a character"),
        (line(entities={}), ":1 (document d1): 'entities' must be a list"),
        (line(meta=[]), ":1 (document d1): 'meta' must be an object"),
        (line(meta={"title": "a\ud800"}), ":1 (document d1): its id, meta or entities hold half"),
        (line(label=1), ":1 (document d1): unknown field 'label'"),
        (line(entities=[3]), ":1 (document d1): an entity must be an object"),
        (line(entities=[{"start": 0, "end": 2}]), ":1 (document d1): an entity lacks 'label'"),
        (line(entities=[entity(0, 2, x=1)]), ":1 (document d1): unknown field 'x' in an entity"),
        (line(entities=[entity(0.0, 2)]), ":1 (document d1): entity 0.0-2: offsets must be whole"),
        (
            line(entities=[entity(True, 2)]),
            ":1 (document d1): entity True-2: offsets must be whole",
        ),
        (line(entities=[entity(0, 28)]), ":1 (document d1): entity 0-28 ends past the text (27"),
        (line(entities=[entity(-1, 2)]), ":1 (document d1): entity -1-2 is empty, reversed"),
        (line(entities=[entity(2, 2)]), ":1 (document d1): entity 2-2 is empty, reversed"),
        (
            line(entities=[entity(0, 2, "LOC")]),
            ":1 (document d1): entity 0-2 has the unknown label",
        ),
        (line(entities=[entity(0, 2, 5)]), ":1 (document d1): entity 0-2: the label must be"),
        (line(entities=[entity(0, 2, score="x")]), ":1 (document d1): entity 0-2: 'score' must be"),
        (
            line(entities=[entity(0, 6), entity(3, 9)]),
            ":1 (document d1): entity 3-9 crosses ORG 0-6; spans may nest, not cross",
        ),
        (line(entities=[entity(0, 6), entity(0, 6)]), ":1 (document d1): entity 0-6 has the same"),
        (
            line(entities=[entity(0, 6), entity(3, 6)]),
            ":1 (document d1): entity 3-6 lies inside ORG",
        ),
        (
            line(entities=[entity(0, 9, "POSITION"), entity(1, 9), entity(2, 9, "DATE")]),
            ":1 (document d1): entity 2-9 is the third layer",
        ),
        (
            line() + "\n" + line(meta={"annotator": "b", "annotation_id": 2}),
            ":2 (document d1): this id stood already in line 1; ids must be unique; these are "
            "annotations by several: take one's with --annotator, or adjudicate them",
        ),
        (line() + "\n" + line(), ":2 (document d1): this id stood already in line 1"),
        ('{"id": "d1", "text": "x", "meta": {"a": NaN}}', ":1: NaN is not JSON"),
        (line().encode() + b"\n\xff", ":2: not UTF-8 at byte 0"),
    ],
)
def test_bad_lines_name_file_line_and_document(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    assert read_error(tmp_path, content).startswith(says)


def test_gold_needs_entities(tmp_path: Path) -> None:
    assert read_error(tmp_path, line(entities=...), labelled=True) == (
        ":1: the field 'entities' is missing"
    )


def test_annotations_are_unique_by_id_and_annotator(tmp_path: Path) -> None:
    one, two = line(meta={"annotator": "a"}), line(meta={"annotator": "b"})
    path = tmp_path / "annotations.jsonl"
    path.write_text(f"{one}\n{two}\n")
    assert len(list(read_documents(path, annotations=True))) == 2
    assert "this id and annotator stood already in line 1" in read_error(
        tmp_path, f"{one}\n{two}\n{one}\n", annotations=True
    )
    assert ":1 (document d1): 'meta' does not name the 'annotator'" in read_error(
        tmp_path, line(), annotations=True
    )


def test_a_missing_file_a_folder(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "no", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(DataError, match=says):
            list(read_documents(path))


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text("\ufeff" + line() + "\n\n" + line(id="d2") + "\n\n")
    assert [d.id for d in read_documents(path)] == ["d1", "d2"]


def test_output_is_whole_or_absent(tmp_path: Path) -> None:
    def broken() -> object:
        yield Document("d1", TEXT)
        raise DataError("stop")

    target = tmp_path / "out.jsonl"
    target.write_text("before")
    with pytest.raises(DataError, match="stop"):
        write_documents(target, broken())  # type: ignore[arg-type]
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]
    crossing = Document("d2", TEXT, (Span(0, 6, "ORG"), Span(3, 9, "ORG")))
    with pytest.raises(DataError, match=r"out.jsonl \(document d2\): entity 3-9 crosses"):
        write_documents(target, [crossing])
    assert target.read_text() == "before"


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_documents(tmp_path / "file" / "out.jsonl", [Document("d1", TEXT)])
    with pytest.raises(DataError, match="is a folder"):
        write_documents(tmp_path, [Document("d1", TEXT)])


def test_seen_ids_take_under_100_bytes_each() -> None:
    number = 300_000
    tracemalloc.start()
    seen = _SeenKeys()
    for n in range(number):
        assert not seen.add((f"a document with quite a long id {n}",))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / number < 100
    assert seen.add(("a document with quite a long id 7",))


def test_layers() -> None:
    spans = (ORG, Span(23, 26, "DATE"), POSITION)
    assert split_layers(spans) == {"outer": (POSITION, Span(23, 26, "DATE")), "inner": (ORG,)}


def test_a_legal_nesting_is_found_legal() -> None:
    assert find_illegal(TEXT, (POSITION, ORG)) is None


@pytest.mark.parametrize(
    ("mention", "good"),
    [
        ("Huyện ủy", True),
        ("TP.", True),
        ("H.Y", True),
        ("cuốn sách “Một”", True),
        ("Nghị quyết Trung ương 4 (khóa XII)", True),
        (" Huyện", False),
        ("Huyện\n", False),
        ("Huyện,", False),
        (";Huyện", False),
        (".Huyện", False),
        ("Huyện ủy Sơn Hà nói.", False),
        ("(Huyện", False),
        ("Huyện)", False),
        ("“Huyện", False),
        ('Huyện"', False),
    ],
)
def test_edges(mention: str, good: bool) -> None:
    problem = find_edge_problem(mention, Span(0, len(mention), "ORG"))
    assert (problem is None) is good, problem


def test_a_pipe_is_written_to_and_a_link_stays(tmp_path: Path) -> None:
    import os
    import threading

    from annotate.files import open_output

    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with open_output(pipe) as stream:
        stream.write("x")
    reader.join(10)
    assert got == ["x"]
    assert pipe.is_fifo()

    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_output(tmp_path / "link") as stream:
        stream.write("y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "y"
