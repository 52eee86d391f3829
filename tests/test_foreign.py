"""Labellers by name; underthesea's NER leaves the text alone, however ugly."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.dataset.exports import export_documents
from annotate.dataset.imports import import_conll
from annotate.dataset.load import load_documents
from annotate.dataset.sentences import TokenConfig
from annotate.document import Document, find_illegal
from annotate.errors import DataError
from annotate.markup import parse_markup
from annotate.text import fold
from annotate.tokens import tokenize
from baselines import Labeller
from baselines.crf import train_crf
from baselines.foreign import load_batch_labeller, load_labeller, load_underthesea, read_predictions
from baselines.workers import label_stream


@pytest.fixture(scope="module")
def underthesea() -> Labeller:
    return load_underthesea()


HOA, THUY = "Nguyễn Văn Hoà", "Trần Thị Thúy"

UGLY = [
    ("tabs", f"Ông\t{HOA}\t\tgặp bà {THUY} .", [HOA, THUY]),
    ("lines", f"\n\nÔng {HOA}\ngặp bà {THUY}.\n", [HOA, THUY]),
    ("emoji", f"😀 Ông {HOA} 👍🏽 gặp bà {THUY}.", [HOA, THUY]),
    ("both tones", "Nguyễn Văn Hòa gặp Trần Thị Thuý.", ["Nguyễn Văn Hòa", "Trần Thị Thuý"]),
    ("spelling that it corrects", f"Các nghành đều khen. Ông {HOA} nghành y.", [HOA]),
    ("Icelandic letter", "Ông Nguyễn Ðình Hoà đến.", ["Nguyễn Ðình Hoà"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "persons"), [c[1:] for c in UGLY], ids=[c[0] for c in UGLY])
def test_mentions_are_verbatim(underthesea: Labeller, text: str, persons: list[str]):
    assert unicodedata.is_normalized("NFC", text)
    spans = underthesea(Document("x", text))
    assert [text[s.start : s.end] for s in spans if s.label == "PER"] == persons
    assert all(span.source == "underthesea" and span.score is None for span in spans)


def test_places_are_dropped_unless_asked_for():
    text = "Ông Putin ca ngợi những thành tựu của Liên Xô"
    document = Document("x", text)
    assert [span.label for span in load_labeller("underthesea")(document)] == ["PERSON"]
    wanted = {"LOC": "ORG", "PER": None, "MISC": None}
    mapped = load_labeller("underthesea", label_map=wanted)(document)
    assert [(text[s.start : s.end], s.label) for s in mapped] == [("Liên Xô", "ORG")]


CHARACTERS = st.one_of(
    st.sampled_from(["Uỷ", "Ủy ban", "Hoà", "hòa", "nghành", "Ông", "TP.", "\t", "\n", " ", "Ð"]),
    st.sampled_from(["12/3/2020", "10:20", "0912 345 678", "a@b.vn", "…", "<3", ":D", "1.600m"]),
    st.characters(codec="utf-8", exclude_characters="\0"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHARACTERS, min_size=1, max_size=12).map("".join))
def test_any_text_gives_legal_spans(underthesea: Labeller, text: str):
    text = unicodedata.normalize("NFC", text)
    spans = underthesea(Document("x", text))
    assert find_illegal(text, spans, ["PER", "ORG", "LOC", "MISC"]) is None
    for span in spans:
        mention = text[span.start : span.end]
        assert mention == mention.strip() and fold(mention)


def test_a_model_folder_is_a_labeller(tmp_path: Path):
    text, spans = parse_markup("Ông [Đỗ Văn Kha]{PERSON} đến [ngày 14/10]{DATE}.")
    document = Document("x", text, spans)
    train_crf([document]).save(tmp_path / "model")
    labelled = load_labeller(str(tmp_path / "model"))(document)
    assert [span.key for span in labelled] == [span.key for span in spans]


def test_the_rules_are_a_labeller():
    document = Document("x", "Ngày 14/10, ông Đỗ Văn Kha đến dự.")
    spans = load_labeller("rules")(document)
    assert find_illegal(document.text, spans) is None


def test_names_nobody_knows(tmp_path: Path):
    with pytest.raises(DataError, match="known: rules, underthesea, or the folder"):
        load_labeller("phobert")
    with pytest.raises(DataError, match="no vipol-crf model"):
        load_labeller(str(tmp_path))


# --- predictions in columns -----------------------------------------------------------------

COLUMNS = [
    Document(
        "a",
        *parse_markup(
            "Ông [Đỗ Văn Kha]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}, đến.\nXong_rồi 😀"
        ),
    ),
    Document("b", *parse_markup("Họp ở [Bộ Tư pháp]{ORG}\t[ngày 14/10]{DATE}.")),
]


@pytest.mark.parametrize("tokens", ["syllable", "word"])
def test_predictions_in_columns_come_back(tokens: TokenConfig, tmp_path: Path):
    """What our own export writes, and the same in the two columns of others."""
    export_documents(COLUMNS, str(tmp_path / "p.conll"), "conll", tokens=tokens)
    bare = [one.with_spans([]) for one in COLUMNS]
    found = list(read_predictions(tmp_path / "p.conll", bare))
    assert [[s.key for s in one.spans] for one in found] == [
        [s.key for s in one.spans] for one in COLUMNS
    ]
    assert {span.source for one in found for span in one.spans} == {"conll"}
    lines = (tmp_path / "p.conll").read_text(encoding="utf-8").splitlines()
    rows = [" ".join(line.split("\t")[:2]) for line in lines if not line.startswith("# ")]
    (tmp_path / "two.conll").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = list(read_predictions(tmp_path / "two.conll", bare, {"DATE": None, "ORG": "PERSON"}))
    assert [[(s.start, s.end, s.label) for s in one.spans] for one in found] == [
        [COLUMNS[0].spans[0].key, COLUMNS[0].spans[1].key],
        [(COLUMNS[1].spans[0].start, COLUMNS[1].spans[0].end, "PERSON")],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Họp O\nở O\nHuế B-ORG\n", r"document b goes on with 'Bộ Tư pháp.*the file with 'Huế'"),
        ("Họp O\nở O\n", "the file with no more tokens"),
        (
            "Họp O\nở O\nBộ_Tư_pháp O\nngày I-DATE\n",
            r"p\.conll: sentence 1, token 'ngày': I-DATE behind O",
        ),
        (
            "Họp O\nở O\nBộ_Tư_pháp O\nngày O\n14/10 O\n. O\nHết O\n",
            "more tokens than the documents, from 'Hết' on",
        ),
        ("", "holds no sentences"),
    ],
)
def test_columns_that_are_not_of_the_documents(content: str, message: str, tmp_path: Path):
    (tmp_path / "p.conll").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_predictions(tmp_path / "p.conll", COLUMNS[1:]))


# --- label sets of others -------------------------------------------------------------------


def others_data(folder: Path) -> Path:
    """An imported dataset of words with labels of its own."""
    lines = [
        f"Bệnh_nhân O\n{number} B-ID\nở O\n{place} B-LOC\nlà O\n{job} B-JOB\nnghỉ_hưu I-JOB\n. O\n"
        for number, place, job in zip(
            range(21, 33),
            ["Sơn_Hà", "Phú_Lộc", "Bắc_Lý"] * 4,
            ["giáo_viên", "bộ_đội", "y_tá", "công_nhân"] * 3,
            strict=True,
        )
    ]
    (folder / "t.conll").write_text("\n".join(lines), encoding="utf-8")
    (folder / "u.conll").write_text("\n".join(lines[:3]), encoding="utf-8")
    import_conll({"train": folder / "t.conll", "test": folder / "u.conll"}, folder / "theirs")
    return folder / "theirs"


def sentences_of_syllables(documents: list[Document]) -> list[Document]:
    """Documents of others whose tokens are syllables."""
    return [
        replace(one, foreign=replace(one.foreign, tokens=(tuple(tokenize(one.text)),)))
        for one in documents
        if one.foreign
    ]


def test_others_labels_and_tokens_are_learned_and_kept(tmp_path: Path):
    data = others_data(tmp_path)
    model = train_crf(load_documents(data, "train"), output=tmp_path / "m")
    assert model.labels.outer == ("ID", "JOB", "LOC")
    assert model.training.words
    test = load_documents(data, "test")
    found = list(label_stream(str(tmp_path / "m"), [one.with_spans([]) for one in test]))
    assert [[s.key for s in one.spans] for one in found] == [
        [s.key for s in one.spans] for one in test
    ]
    assert [one.foreign for one in found] == [one.foreign for one in test]

    with pytest.raises(DataError, match="another label set; it has ID, JOB, LOC, wanted are"):
        list(label_stream(str(tmp_path / "m"), COLUMNS))
    with pytest.raises(DataError, match="another label set; it has DATE, DOCUMENT_REF"):
        list(label_stream("rules", test))
    ours = {"ID": None, "JOB": "POSITION", "LOC": "ORG"}
    with pytest.raises(DataError, match="document a: its tokens are syllables, the model was"):
        list(label_stream(str(tmp_path / "m"), COLUMNS, label_map=ours))
    split = sentences_of_syllables(test) * 20
    with pytest.raises(DataError, match="document test-0: its tokens are syllables, the model"):
        load_batch_labeller(str(tmp_path / "m"), labels=test[0].foreign.labels)(split)
    with pytest.raises(DataError, match="label documents of one label set at a time"):
        list(label_stream(str(tmp_path / "m"), [*test, *COLUMNS]))
    with pytest.raises(DataError, match="have several label sets: train-0 has ID, JOB, LOC; a has"):
        train_crf([*load_documents(data, "train"), *COLUMNS])
    with pytest.raises(DataError, match="to train and validate on have several label sets"):
        train_crf(load_documents(data, "train"), validation=COLUMNS)
