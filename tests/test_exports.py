"""Documents out to other tools' formats and back, with the real spaCy where it is installed."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import documents as any_documents

from annotate.dataset.conll import Columns, read_conll
from annotate.dataset.exports import (
    EXPORT_FORMATS,
    ExportFormat,
    export_documents,
    read_export,
)
from annotate.dataset.sentences import TokenConfig
from annotate.document import Document, Foreign, Span
from annotate.errors import DataError

TEXT = "Đồng chí Trần Quốc Minh,  Bí thư Huyện uỷ Sơn_Hà,\nhọp ngày 5/3/2019."
META = {"licence": "cc-by-4.0", "annotators": ["an", "bình"], "note": "dòng 1\n\tdòng 2"}


def sample() -> Document:
    def find(label: str, mention: str, score: float | None = None) -> Span:
        start = TEXT.index(mention)
        return Span(start, start + len(mention), label, "rule" if score else None, score)

    spans = [
        find("PERSON", "Trần Quốc Minh", 0.5),
        find("POSITION", "Bí thư Huyện uỷ Sơn_Hà"),
        find("ORG", "Huyện uỷ Sơn_Hà"),
        find("DATE", "ngày 5/3/2019"),
    ]
    return Document("vn-1", TEXT, (), META).with_spans(spans)


def keys(documents: Sequence[Document]) -> list[tuple[str, str, object, list[object]]]:
    return [(d.id, d.text, d.meta, [span.key for span in d.spans]) for d in documents]


def skip_without_spacy(format: ExportFormat) -> None:
    if format == "spacy":
        pytest.importorskip("spacy", reason="spaCy is not installed: pip install spacy")


property_test = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("format", EXPORT_FORMATS)
@property_test
@given(gold=st.lists(any_documents(), min_size=1, max_size=3, unique_by=lambda d: d.id))
def test_every_format_reads_back_to_the_same_spans(
    tmp_path: Path, format: ExportFormat, gold: list[Document]
) -> None:
    skip_without_spacy(format)
    path = tmp_path / "out"
    try:
        assert export_documents(gold, path, format) == len(gold)
    except DataError:
        # Columns hold tokens: a span with white space at its edge is refused, not bent.
        mentions = [d.text[s.start : s.end] for d in gold for s in d.spans]
        assert format == "conll"
        assert any(mention != mention.strip() for mention in mentions)
        assume(False)
    assert keys(read_export(path, format)) == keys(gold)


@property_test
@given(gold=any_documents(clean_edges=True))
def test_columns_of_words_read_back_too(tmp_path: Path, gold: Document) -> None:
    export_documents([gold], tmp_path / "out", "conll", tokens="word")
    assert keys(read_export(tmp_path / "out", "conll")) == keys([gold])


@pytest.mark.parametrize("format", ["jsonl", "spacy"])
def test_source_and_score_stay_where_there_is_room(tmp_path: Path, format: ExportFormat) -> None:
    skip_without_spacy(format)
    export_documents([sample()], tmp_path / "out", format)
    assert read_export(tmp_path / "out", format) == [sample()]


@pytest.mark.parametrize(
    ("tokens", "lines"),
    [
        (
            "syllable",
            "Đồng|O|O chí|O|O Trần|B-PERSON|O Quốc|I-PERSON|O Minh|I-PERSON|O ,|O|O "
            "Bí|B-POSITION|O thư|I-POSITION|O Huyện|I-POSITION|B-ORG uỷ|I-POSITION|I-ORG "
            "Sơn_Hà|I-POSITION|I-ORG ,|O|O",
        ),
        (
            "word",
            "Đồng_chí|O|O Trần_Quốc_Minh|B-PERSON|O ,|O|O Bí_thư|B-POSITION|O "
            "Huyện_uỷ|I-POSITION|B-ORG Sơn_Hà|I-POSITION|I-ORG ,|O|O",
        ),
    ],
)
def test_columns_have_both_layers(tmp_path: Path, tokens: TokenConfig, lines: str) -> None:
    export_documents([sample()], tmp_path / "out", "conll", tokens=tokens)
    written = (tmp_path / "out").read_text(encoding="utf-8").split("\n")
    assert written[0] == '# document = "vn-1"'
    assert json.loads(written[1].removeprefix("# text = ")) == TEXT
    assert json.loads(written[2].removeprefix("# meta = ")) == META
    assert written[3 : written.index("")] == [line.replace("|", "\t") for line in lines.split(" ")]


def test_columns_are_what_the_import_of_columns_reads(tmp_path: Path) -> None:
    export_documents([sample(), Document("b", "Hết.")], tmp_path / "out.conll", "conll")
    first, second, last = read_conll(tmp_path / "out.conll", Columns(tag=2, inner=3))
    assert first.tokens[2:5] == ("Trần", "Quốc", "Minh")
    assert first.inner is not None
    assert first.inner[8:11] == ("B-ORG", "I-ORG", "I-ORG")
    assert [s.document for s in (first, second, last)] == ["out#1", "out#1", "out#2"]


def test_spacy_has_the_text_and_the_layers(tmp_path: Path) -> None:
    spacy_tokens = pytest.importorskip("spacy.tokens", reason="spaCy is not installed")
    vocab = pytest.importorskip("spacy.vocab").Vocab()
    export_documents([sample()], tmp_path / "out.spacy", "spacy")
    (doc,) = spacy_tokens.DocBin().from_disk(tmp_path / "out.spacy").get_docs(vocab)
    assert doc.text == TEXT
    assert [(span.text, span.label_) for span in doc.spans["outer"]] == [
        ("Trần Quốc Minh", "PERSON"),
        ("Bí thư Huyện uỷ Sơn_Hà", "POSITION"),
        ("ngày 5/3/2019", "DATE"),
    ]
    assert [(span.text, span.label_) for span in doc.spans["inner"]] == [("Huyện uỷ Sơn_Hà", "ORG")]
    assert len(doc.spans["sc"]) == 4


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_the_same_documents_give_the_same_bytes(tmp_path: Path, format: ExportFormat) -> None:
    skip_without_spacy(format)
    export_documents([sample()], tmp_path / "a", format)
    export_documents([sample()], tmp_path / "b", format)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Quốc\t", "Quấc\t"), r"out:7: the text has no 'Quấc' at 14; tokens may not change"),
        (("I-PERSON", "I-ORG"), r"out:7: I-ORG behind B-PERSON; in IOB2 an entity begins"),
        (("\tB-ORG", ""), r"out:12: token, outer tag and inner tag were wanted"),
        (("# text", "# titel"), r"out:2: "),
        (('"vn-1"', "vn-1"), r"out:1: JSON was wanted behind the ="),
        (("5/3/2019\tI-DATE\tO\n.\tO\tO\n", ""), r"out:18: the text goes on behind the last token"),
    ],
)
def test_changed_columns_are_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "out"
    export_documents([sample()], path, "conll")
    path.write_text(path.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_export(path, "conll")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "a list of tasks was wanted"),
        ("[", "not JSON"),
        ("[]", "holds no documents"),
        ('[{"data": {"text": "a"}}]', r"task 1\): data.document, data.text, meta"),
    ],
)
def test_other_json_is_no_label_studio_export(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_export(tmp_path / "x.json", "label-studio")


def test_several_annotations_of_a_task_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    export_documents([sample()], path, "label-studio")
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    task["annotations"] *= 2
    path.write_text(json.dumps([task]))
    with pytest.raises(DataError, match=r"task 1\): has 2 annotations, one was wanted"):
        read_export(path, "label-studio")


def test_other_bytes_are_no_spacy_export(tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed")
    (tmp_path / "x.spacy").write_bytes(b"no DocBin")
    with pytest.raises(DataError, match=r"x\.spacy: not a \.spacy file"):
        read_export(tmp_path / "x.spacy", "spacy")


def test_a_refused_export_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("earlier")
    bad = Document("b", "Bộ  họp", (Span(0, 3, "ORG"),))
    with pytest.raises(DataError, match="document b: ORG 0-3 'Bộ ' begins or ends where no token"):
        export_documents([sample(), bad], path, "conll")
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", [(4, 7), (0, 12)])  # inside a token; across a sentence's end
def test_conll_loses_no_span_of_others_data(tmp_path: Path, place: tuple[int, int]) -> None:
    tokens = (((0, 7), (7, 8)), (), ((9, 12), (13, 15)))
    document = Document(
        "a", "Ông Lan. Mai về", (Span(*place, "PER"),), {}, Foreign(("PER",), tokens)
    )
    with pytest.raises(DataError, match="1 of its 1 spans"):
        export_documents([document], tmp_path / "a.conll", "conll")
    assert not (tmp_path / "a.conll").exists()
    assert export_documents([document.with_spans([])], tmp_path / "a.conll", "conll") == 1
