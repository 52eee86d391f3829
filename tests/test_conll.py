"""Others' files in columns: reading them exactly, and the dataset made of them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.dataset.build import build_dataset
from annotate.dataset.conll import Columns, read_conll, write_conll
from annotate.dataset.exports import export_documents, read_export
from annotate.dataset.folder import read_manifest
from annotate.dataset.imports import import_conll, read_label_map
from annotate.dataset.load import has_split, load_documents
from annotate.dataset.sentences import (
    TokenSentence,
    find_tag_problem,
    join_tokens,
    label_set,
    load_sentences,
    load_token_data,
    tag_names,
)
from annotate.dataset.split import SPLITS
from annotate.document import (
    Document,
    Foreign,
    Span,
    document_from_dict,
    mentions,
    read_documents,
    split_layers,
    token_sentences,
)
from annotate.errors import DataError

WORDS = """Bệnh_nhân O
số O
91 B-PATIENT_ID
ở O
xã B-LOCATION
Sơn_Hà I-LOCATION

Ông O
Trần_Quốc_Minh B-NAME
"""
SYLLABLES = "Bệnh O\nnhân O\n91 B-PATIENT_ID\n\n"
VLSP = "Ông\tN\tB-NP\tO\tO\nTổng Bí thư\tN\tB-NP\tB-POS\tO\nĐảng\tN\tB-NP\tI-POS\tB-ORG\n\n"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sentences(tmp_path: Path, text: str | bytes, **columns: int) -> list[TokenSentence]:
    path = write(tmp_path / "file.conll", text)
    return read_conll(path, Columns(**columns) if columns else None)


# --- Reading ---------------------------------------------------------------------------------


def test_two_columns_with_words_joined(tmp_path: Path) -> None:
    first, second = sentences(tmp_path, WORDS)
    assert first.tokens == ("Bệnh_nhân", "số", "91", "ở", "xã", "Sơn_Hà")
    assert first.tags == ("O", "O", "B-PATIENT_ID", "O", "B-LOCATION", "I-LOCATION")
    assert second == TokenSentence(("Ông", "Trần_Quốc_Minh"), ("O", "B-NAME"))


def test_more_columns_by_number(tmp_path: Path) -> None:
    (sentence,) = sentences(tmp_path, VLSP, tag=4, inner=5)
    assert sentence.tokens == ("Ông", "Tổng Bí thư", "Đảng")
    assert sentence.tags == ("O", "B-POS", "I-POS")
    assert sentence.inner == ("O", "O", "B-ORG")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a O\r\nb O\r\n\r\nc O\r\n", [("a", "b"), ("c",)]),
        ("\n\n \t\na O\n\n\n  \nb O", [("a",), ("b",)]),
        ("\ufeffa O\n", [("a",)]),
        ("a  O\n", [("a",)]),
        (" a O \n", [("a",)]),
        ("# O\n", [("#",)]),
        ("a\u00a0b O\n\u00a0 O\n", [("a\u00a0b", "\u00a0")]),
        ("a\u0085b O\n\u2028 O\n", [("a\u0085b", "\u2028")]),
        ("a b\tO\n", [("a b",)]),
        ("Hoa\u0300 O\nHòa O\n", [("Hoa\u0300", "Hòa")]),
        ("-DOCSTART- O\n\na O\n-DOCSTART-\nb O\n", [("a",), ("b",)]),
        ("-DOCSTART-x O\n", [("-DOCSTART-x",)]),
    ],
)
def test_tokens_are_kept_exactly(tmp_path: Path, text: str, tokens: list[tuple[str, ...]]) -> None:
    assert [sentence.tokens for sentence in sentences(tmp_path, text)] == tokens


def test_documents_are_counted_where_the_file_marks_them(tmp_path: Path) -> None:
    found = sentences(tmp_path, "a O\n\n-DOCSTART- O\n\nb O\n\nc O\n\n-DOCSTART- O\n\nd O\n")
    assert [s.document for s in found] == [None, "file#1", "file#1", "file#2"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a O\nb\n", {}, r"file\.conll:2: has 1 column, two were wanted.*; mend the line"),
        ("a O\nb O O\n", {}, r"file\.conll:2: has 3 columns, two were wanted.*; mend the line"),
        (VLSP, {}, r"file\.conll:1: has 5 columns, two were wanted.*; name the column of the tag"),
        (VLSP, {"tag": 7}, r"file\.conll:1: has 5 columns, at least 7 were wanted"),
        ("a\tx\tO\nb\tO\n", {"tag": 3}, r"file\.conll:2: has 2 columns, at least 3 were wanted"),
        (
            "a\tO\tx\nb\tO\n",
            {"tag": 2},
            r"file\.conll:2: has 2 columns, the lines before it have 3",
        ),
        ("a O\nb\tO\n", {}, r"file\.conll:2: has a tab, but the lines before it are parted by sp"),
        ("a\tO\nb O\n", {}, r"file\.conll:2: has 1 column, two were wanted"),
        ("a\tO\n\tO\n", {}, r"file\.conll:2: the token is empty"),
        ("a O-ORG\n", {}, r"file\.conll:1: 'O-ORG' is no IOB2 tag"),
        ("a E-ORG\n", {}, r"file\.conll:1: 'E-ORG' is no IOB2 tag; wanted O, B-LABEL or I-LABEL"),
        ("a B-\n", {}, r"file\.conll:1: 'B-' is no IOB2 tag"),
        ("a\tB-A B\n", {}, r"file\.conll:1: 'B-A B' is no IOB2 tag"),
        ("a\tO\tORG\n", {"inner": 3}, r"file\.conll:1: 'ORG' is no IOB2 tag"),
        (b"a O\n\xff O\n", {}, r"file\.conll:2: not UTF-8 at byte 0"),
        ("", {}, r"file\.conll: holds no sentences"),
        ("\n-DOCSTART- O\n\n", {}, r"file\.conll: holds no sentences"),
        ("a O\n", {"token": 2}, "columns 2, 2: different columns, counted from 1, were wanted"),
        ("a O\n", {"tag": 0}, "columns 1, 0: different columns, counted from 1, were wanted"),
    ],
)
def test_bad_lines_are_named(
    tmp_path: Path, text: str | bytes, columns: dict[str, int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        sentences(tmp_path, text, **columns)


TOKENS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
LABELS = st.sampled_from(["PER", "LOC", "PATIENT-ID"])


@st.composite
def drawn_sentences(draw: st.DrawFn, inner: bool) -> TokenSentence:
    def usable(token: str) -> bool:
        return bool(token.strip(" ")) and not set(token) & set("\t\r\n\ufeff")

    tokens = draw(st.lists(TOKENS.filter(usable), min_size=1, max_size=8))

    def tags() -> tuple[str, ...]:
        made: list[str] = []
        for _ in tokens:
            goes_on = bool(made) and made[-1] != "O" and draw(st.booleans())
            begins = draw(st.booleans())
            if goes_on:
                made.append(f"I-{made[-1][2:]}")
            else:
                made.append(f"B-{draw(LABELS)}" if begins else "O")
        return tuple(made)

    return TokenSentence(tuple(tokens), tags(), tags() if inner else None)


@pytest.mark.parametrize("inner", [False, True])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_reads_back(tmp_path: Path, inner: bool, data: st.DataObject) -> None:
    written = data.draw(st.lists(drawn_sentences(inner), min_size=1, max_size=5))
    path = tmp_path / "out.conll"
    assert write_conll(path, written) == len(written)
    assert read_conll(path, Columns(inner=3) if inner else None) == written


@pytest.mark.parametrize("token", ["", " ", "a\tb", "a\nb", "a\rb", "-DOCSTART-", "\ufeffa"])
def test_what_columns_cannot_hold_is_not_written(tmp_path: Path, token: str) -> None:
    with pytest.raises(DataError, match=r"sentence 1 has the token .* columns cannot hold"):
        write_conll(tmp_path / "out", [TokenSentence((token,), ("O",))])
    with pytest.raises(DataError, match="sentence 1 has no tokens"):
        write_conll(tmp_path / "out", [TokenSentence((), ())])
    assert not list(tmp_path.iterdir())


# --- A dataset of them -----------------------------------------------------------------------


def test_an_imported_dataset_keeps_tokens_and_labels(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", WORDS)
    test = write(tmp_path / "test.conll", "Hoa\u0300 B-AGE\n")
    report = import_conll({"train": train, "test": test}, tmp_path / "out", licence="mit")
    assert (report.config, report.not_composed) == ("word", 1)
    assert report.labels == ("AGE", "LOCATION", "NAME", "PATIENT_ID")
    assert report.sentences == {"train": 2, "test": 1}
    assert report.tokens == {"train": 8, "test": 1}
    assert report.entities["train", "outer", "LOCATION"] == 1
    assert str(report).splitlines()[0] == (
        f"{tmp_path}/out: configuration word, 4 labels: AGE, LOCATION, NAME, PATIENT_ID"
    )
    assert load_sentences(tmp_path / "out") == [*read_conll(train), *read_conll(test)]
    assert load_sentences(tmp_path / "out", "test") == read_conll(test)
    assert load_token_data(tmp_path / "out", "test").labels == report.labels


def test_an_imported_dataset_loads_as_it_is(tmp_path: Path) -> None:
    from datasets import load_dataset

    train = write(tmp_path / "train.conll", WORDS)
    import_conll({"train": train}, tmp_path / "out")
    loaded: Any = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    names = loaded["train"].features["ner_tags"].feature.names
    assert names == tag_names(["LOCATION", "NAME", "PATIENT_ID"])
    assert [names[n] for n in loaded["train"][0]["ner_tags"]] == list(read_conll(train)[0].tags)
    assert loaded["train"][0]["tokens"][0] == "Bệnh_nhân"


def test_two_layers_come_in_and_back(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", VLSP)
    columns = Columns(tag=4, inner=5)
    report = import_conll({"train": train}, tmp_path / "out", columns=columns)
    assert report.labels == ("ORG", "POS")
    assert load_sentences(tmp_path / "out") == read_conll(train, columns)


def test_syllables_are_told_from_words(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", SYLLABLES + "_ O\nA_1 O\n")
    assert import_conll({"train": train}, tmp_path / "a").config == "syllable"
    assert import_conll({"train": train}, tmp_path / "b", config="word").config == "word"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", WORDS)
    for name in ("a", "b"):
        import_conll({"train": train}, tmp_path / name / "out", licence="mit")
    files = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
    ]
    assert len(files[0]) == 3
    assert files[0] == files[1]


def test_a_label_map_renames_and_leaves_out(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", WORDS)
    labels = write(
        tmp_path / "map.toml",
        '[labels]\nNAME = "PERSON"\nLOCATION = "PLACE"\nPATIENT_ID = false\nJOB = "POSITION"\n',
    )
    report = import_conll({"train": train}, tmp_path / "out", labels=read_label_map(labels))
    assert report.labels == ("PERSON", "PLACE")
    assert dict(report.dropped) == {"PATIENT_ID": 1}
    assert report.unused == ("JOB",)
    assert [s.tags for s in load_sentences(tmp_path / "out")] == [
        ("O", "O", "O", "O", "B-PLACE", "I-PLACE"),
        ("O", "B-PERSON"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[labels]\nPER = 3\n", "PER = 3: a label without white space, or false, was wanted"),
        ("[labels]\nPER = true\n", "PER = True: a label"),
        ('[labels]\nPER = "A B"\n', "PER = 'A B': a label"),
        ('[labels]\nPER = ""\n', "PER = '': a label"),
        ('PER = "PERSON"\n', r"a table \[labels\] and nothing else was wanted"),
        ("[labels]\n", r"a table \[labels\] and nothing else was wanted"),
        ("[labels\n", "cannot be read as TOML"),
    ],
)
def test_bad_label_maps_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_label_map(write(tmp_path / "map.toml", text))


def test_a_failed_import_changes_nothing(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", WORDS)
    bad = write(tmp_path / "bad.conll", "a B-\n")
    out = tmp_path / "out"
    import_conll({"train": train}, out)
    before = read_manifest(out)

    def refused(message: str, *args: Any, **settings: Any) -> None:
        with pytest.raises(DataError, match=message):
            import_conll(*args, **settings)
        assert read_manifest(out) == before
        assert len(load_sentences(out)) == 2

    refused("bad.conll:1: 'B-' is no IOB2 tag", {"train": train, "test": bad}, out)
    refused("no file to import", {}, out)
    refused("is given for train and test", {"train": train, "test": train}, out)
    refused("no such file", {"train": tmp_path / "none"}, out)
    refused(
        'the label PATIENT_ID is not in the label map; write PATIENT_ID = "PATIENT_ID" to keep it',
        {"train": train},
        out,
        labels={"NAME": "PER", "LOCATION": None},
    )
    everything: dict[str, str | None] = dict.fromkeys(("NAME", "LOCATION", "PATIENT_ID"))
    refused("no entity is left in any file", {"train": train}, out, labels=everything)
    (out / "notes.txt").write_text("mine")
    refused("holds notes.txt, which no build of a dataset wrote", {"train": train}, out)


def test_our_own_datasets_give_sentences_too(tmp_path: Path) -> None:
    gold = [
        Document(f"d{n}", f"Ông Trần Minh, Bí thư Huyện ủy {place}.", ()).with_spans(
            [
                Span(4, 13, "PERSON"),
                Span(15, 31 + len(place), "POSITION"),
                Span(22, 31 + len(place), "ORG"),
            ]
        )
        for n, place in enumerate(["Sơn Hà", "Bình Lộc", "Phú Lâm", "An Khê"])
    ]
    build_dataset(gold, tmp_path / "out")
    (sentence,) = load_sentences(tmp_path / "out", "test")
    assert sentence.tokens[:3] == ("Ông", "Trần", "Minh")
    assert sentence.tags[:5] == ("O", "B-PERSON", "I-PERSON", "O", "B-POSITION")
    assert sentence.inner is not None
    assert sentence.inner[6:8] == ("B-ORG", "I-ORG")
    assert sentence.document in {document.id for document in gold}
    words = load_sentences(tmp_path / "out", config="word")
    assert {token for s in words for token in s.tokens} & {"Trần Minh", "Bí thư"}
    assert label_set(words) == ("ORG", "PERSON", "POSITION")


def test_what_is_no_dataset_of_tokens_is_refused(tmp_path: Path) -> None:
    train = write(tmp_path / "train.conll", WORDS)
    import_conll({"train": train}, tmp_path / "out")
    with pytest.raises(DataError, match="no split 'test'; it has train"):
        load_sentences(tmp_path / "out", "test")
    with pytest.raises(DataError, match="has no configuration syllable; it has word"):
        load_sentences(tmp_path / "out", config="syllable")
    with pytest.raises(DataError, match="no such folder"):
        load_sentences(tmp_path / "none")
    shutil.rmtree(tmp_path / "out" / "word")
    with pytest.raises(DataError, match="not a dataset that vipol build or import wrote"):
        load_sentences(tmp_path / "out")


def test_what_people_wrote_into_the_card_of_an_import_survives(tmp_path: Path) -> None:
    path, card = write(tmp_path / "a.conll", WORDS), tmp_path / "out" / "README.md"
    import_conll({"train": path}, tmp_path / "out")
    text = card.read_text(encoding="utf-8").replace("Not given yet: the", "Minh (2026): the")
    card.write_text(text, encoding="utf-8")
    write(path, WORDS + WORDS)
    import_conll({"train": path}, tmp_path / "out")
    assert "train 3 sentences with 16 tokens" in card.read_text(encoding="utf-8")
    assert "Minh (2026): the paper of those" in card.read_text(encoding="utf-8")
    assert "Not described yet: whose data" in card.read_text(encoding="utf-8")


# --- As Documents ----------------------------------------------------------------------------


def test_documents_bring_their_labels_and_tokens(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.conll", WORDS), write(tmp_path / "b.conll", "Tôi O\n\n91 O\n")
    import_conll({"train": train, "test": test}, tmp_path / "out")
    first, second = load_documents(tmp_path / "out", "train")
    assert first == Document(
        "train-0",
        "Bệnh nhân số 91 ở xã Sơn Hà",
        (Span(13, 15, "PATIENT_ID"), Span(18, 27, "LOCATION")),
        {},
        Foreign(
            ("LOCATION", "NAME", "PATIENT_ID"),
            (((0, 9), (10, 12), (13, 15), (16, 17), (18, 20), (21, 27)),),
        ),
    )
    assert mentions(second) == ["Trần Quốc Minh"]
    assert token_sentences(second) == [[(0, 3), (4, 18)]]
    assert [d.id for d in load_documents(tmp_path / "out")] == [
        *("train-0", "train-1"),
        *("test-0", "test-1"),
    ]
    # The test split has no entity, and knows the label set of the dataset all the same.
    assert load_documents(tmp_path / "out", "test")[0].foreign == Foreign(
        ("LOCATION", "NAME", "PATIENT_ID"), (((0, 3),),)
    )
    assert [has_split(tmp_path / "out", split) for split in SPLITS] == [True, False, True]
    with pytest.raises(DataError, match="no split 'validation'; it has train, test"):
        load_documents(tmp_path / "out", "validation")


def test_tags_that_go_on_no_entity_are_kept_and_counted(tmp_path: Path) -> None:
    text = "a O\nb I-LOC\n\nc B-NAME\nd I-LOC\ne I-LOC\n"
    path = write(tmp_path / "file.conll", text)
    report = import_conll({"train": path}, tmp_path / "out")
    assert f"{path}: 2 runs of I- with no B-, kept; they are no entities" in str(report)
    assert load_sentences(tmp_path / "out") == read_conll(path)
    documents = load_documents(tmp_path / "out")
    assert [mentions(document) for document in documents] == [[], ["c"]]
    assert documents[0].foreign == Foreign(("LOC", "NAME"), (((0, 1), (2, 3)),))


def test_sentences_of_one_document_stay_together(tmp_path: Path) -> None:
    text = "-DOCSTART- O\n\nHa\u0300 B-NAME\n\nở O\nHuế B-LOC\n\n-DOCSTART- O\n\nc O\n"
    path = write(tmp_path / "file.conll", text)
    import_conll({"train": path}, tmp_path / "out")
    one, two = load_documents(tmp_path / "out")
    assert (one.id, one.text) == ("train#1", "Hà\nở Huế")
    assert [(span.label, one.text[span.start : span.end]) for span in one.spans] == [
        ("NAME", "Hà"),
        ("LOC", "Huế"),
    ]
    assert token_sentences(one) == [[(0, 2)], [(3, 4), (5, 8)]]
    assert (two.id, two.text) == ("train#2", "c")


def test_both_layers_of_others_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "file.conll", VLSP)
    import_conll({"train": path}, tmp_path / "out", columns=Columns(tag=4, inner=5))
    (document,) = load_documents(tmp_path / "out")
    assert split_layers(document.spans) == {
        "outer": (Span(4, 20, "POS"),),
        "inner": (Span(16, 20, "ORG"),),
    }


@pytest.mark.parametrize(
    "text",
    ["a\tB-ORG\tB-LOC\n", "a\tO\tB-LOC\n", "a\tB-ORG\tB-LOC\nb\tO\tI-LOC\n"],
    ids=["same place", "no outer", "crossing"],
)
def test_an_inner_entity_lies_inside_an_outer_one(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "file.conll", text)
    with pytest.raises(DataError, match=r"file\.conll \(sentence 1\): LOC 'a.*' of the inner"):
        import_conll({"train": path}, tmp_path / "out", columns=Columns(tag=2, inner=3))
    assert not (tmp_path / "out").exists()


def test_others_documents_survive_files_and_exports(tmp_path: Path) -> None:
    two = "-DOCSTART- O\n\nMinh B-NAME\n\nSơn_Hà B-LOC\nvề O\n"
    write(tmp_path / "a.conll", two)
    write(tmp_path / "b.conll", VLSP)
    import_conll({"train": tmp_path / "a.conll"}, tmp_path / "one")
    import_conll({"train": tmp_path / "b.conll"}, tmp_path / "two", columns=Columns(tag=4, inner=5))
    documents = [*load_documents(tmp_path / "one"), *load_documents(tmp_path / "two")]
    assert len(documents) == 2
    for format in ("jsonl", "conll", "spacy"):
        export_documents(documents, tmp_path / format, format)
        assert read_export(tmp_path / format, format) == documents, format
    tokens = [s.tokens for s in read_conll(tmp_path / "conll", Columns(inner=3))]
    assert tokens == [("Minh",), ("Sơn_Hà", "về"), ("Ông", "Tổng_Bí_thư", "Đảng")]
    with pytest.raises(DataError, match="has labels and tokens of others' data"):
        export_documents(documents, tmp_path / "tasks", "label-studio")
    with pytest.raises(DataError, match="has labels and tokens of others' data"):
        list(read_documents(tmp_path / "jsonl"))
    with pytest.raises(DataError, match="has labels and tokens of others' data"):
        build_dataset(documents, tmp_path / "built")


@pytest.mark.parametrize(
    ("foreign", "says"),
    [
        ({"labels": ["LOC"]}, "'foreign' must have 'labels', a list of strings, and 'tokens'"),
        ({"labels": [1], "tokens": []}, "'foreign' must have 'labels'"),
        ({"labels": ["LOC"], "tokens": [[[0]]]}, "'foreign' must have 'labels'"),
        ({"labels": ["LOC"], "tokens": [[[0, "1"]]]}, "'foreign' must have 'labels'"),
        ({"labels": [], "tokens": []}, "its label set in 'foreign' is empty"),
        ({"labels": ["A", "A"], "tokens": []}, "its label set in 'foreign' is empty or names"),
        ({"labels": ["A"], "tokens": [[[0, 9]]]}, r"its token 0-9 .* past the text \(7 char"),
        ({"labels": ["A"], "tokens": [[[0, 3], [2, 7]]]}, "its token 2-7 .* not behind"),
    ],
)
def test_bad_foreign_data_are_named(foreign: object, says: str) -> None:
    with pytest.raises(DataError, match=f"^here .document d.: .*{says}"):
        document_from_dict({"id": "d", "text": "Tôi nói", "foreign": foreign}, "here")


# --- Tags and texts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "before", "sound"),
    [
        ("O", "B-X", True),
        ("B-X", "I-X", True),
        ("I-X", "B-X", True),
        ("I-X", "I-X", True),
        ("I-X", "O", False),
        ("I-X", "B-Y", False),
        ("X", "O", False),
        ("o", "O", False),
        ("", "O", False),
    ],
)
def test_what_follows_in_iob2(tag: str, before: str, sound: bool) -> None:
    assert (find_tag_problem(tag, before) is None) == sound


def test_tokens_as_a_text() -> None:
    tokens = ["Sơn_Hà", "_", "a__b", "5_km", "."]
    text, offsets = join_tokens(tokens, "word")
    assert text == "Sơn Hà _ a__b 5 km ."
    assert [text[start:end] for start, end in offsets] == ["Sơn Hà", "_", "a__b", "5 km", "."]
