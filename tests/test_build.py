"""Building a dataset and reading it back, with the real `datasets` and underthesea."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import documents as any_documents

from annotate.agreement import measure_agreement
from annotate.dataset.build import build_dataset, format_build
from annotate.dataset.card import read_sections
from annotate.dataset.describe import (
    About,
    BaselineScore,
    Benchmark,
    read_description,
)
from annotate.dataset.duplicates import SIMILAR, find_clusters
from annotate.dataset.folder import read_manifest, replace_dataset
from annotate.dataset.load import load_documents
from annotate.dataset.people import replace_addresses
from annotate.dataset.plots import draw_shares
from annotate.dataset.publishable import check_folder
from annotate.dataset.rows import (
    CONFIGS,
    TAG_NAMES,
    TOKEN_CONFIGS,
    bound_sentences,
    cut_tokens,
    document_to_row,
    row_to_document,
    rows_to_spans,
)
from annotate.dataset.split import SPLITS, SplitBy, assign_splits
from annotate.dataset.tables import CHUNK, make_all_tables
from annotate.dataset.words import segment_words
from annotate.document import Document, Span, hash_gold
from annotate.errors import DataError
from annotate.markup import read_source_folder
from annotate.tokens import split_sentences

PLACES = ["Sơn Hà", "Bình Lộc", "Phú Lâm", "An Khê", "Tân Mỹ", "Long Điền", "Yên Thuỷ", "Hoà Bắc"]
PEOPLE = ["Trần Quốc Minh", "Lê Thị Ánh", "Phạm Hoà", "Đỗ Gia Uy", "Vũ Kỳ", "Ngô Thuý Lan"]


def article(number: int, **meta: Any) -> Document:
    """A short article with entities of four labels in both layers; each number its own text."""
    place, person = PLACES[number % len(PLACES)], PEOPLE[number % len(PEOPLE)]
    text = f"Sáng ngày {number % 28 + 1}/3/2019, đồng chí {person}, Bí thư Huyện ủy {place}, đã"
    text += f" họp.\nÔng nêu Nghị quyết số {number}-NQ/TW và trao {number} nhà cho dân."

    def find(label: str, mention: str) -> Span:
        start = text.index(mention)
        return Span(start, start + len(mention), label)

    spans = [
        find("DATE", f"ngày {number % 28 + 1}/3/2019"),
        find("PERSON", person),
        find("POSITION", f"Bí thư Huyện ủy {place}"),
        find("ORG", f"Huyện ủy {place}"),
        find("DOCUMENT_REF", f"Nghị quyết số {number}-NQ/TW"),
    ]
    known = {"title": f"Tin {number}", "licence": "cc-by-4.0", "annotator": "an", **meta}
    return Document(f"vn-{number:03}", text, (), known).with_spans(spans)


def articles(count: int) -> list[Document]:
    return [article(number) for number in range(count)]


def load(folder: Path, config: str, cache: Path) -> Any:
    from datasets import load_dataset

    return load_dataset(str(folder), config, cache_dir=str(cache))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def by_id(documents: Sequence[Document]) -> dict[str, Document]:
    return {document.id: document for document in documents}


# --- What is built loads ---------------------------------------------------------------------


def test_a_built_dataset_loads_as_it_is(tmp_path: Path) -> None:
    gold = articles(20)
    report = build_dataset(gold, tmp_path / "out")
    documents = load(tmp_path / "out", "documents", tmp_path / "cache")
    assert set(documents) == set(SPLITS)
    assert {split: documents[split].num_rows for split in SPLITS} == report.documents
    assert report.documents == {"train": 16, "validation": 2, "test": 2}
    row = documents["train"][0]
    assert row["entities"][0] == {"start": 5, "end": 18, "label": "DATE", "layer": "outer"}
    assert {entity["layer"] for entity in row["entities"]} == {"outer", "inner"}
    assert row["licence"] == "cc-by-4.0"
    assert row["annotator"] == "an"
    found = [row_to_document(row) for split in SPLITS for row in documents[split]]
    assert by_id(found) == by_id(gold)


@pytest.mark.parametrize("config", TOKEN_CONFIGS)
def test_token_rows_hold_slices_of_the_text_and_every_entity(tmp_path: Path, config: str) -> None:
    gold = by_id(articles(9))
    build_dataset(list(gold.values()), tmp_path / "out")
    dataset = load(tmp_path / "out", config, tmp_path / "cache")
    rows: dict[str, list[dict[str, Any]]] = {}
    for split in SPLITS:
        for column in ("ner_tags", "ner_tags_inner"):
            assert dataset[split].features[column].feature.names == list(TAG_NAMES)
        for row in dataset[split]:
            rows.setdefault(row["document_id"], []).append(row)
    assert rows.keys() == gold.keys()
    for id, document in gold.items():
        assert rows_to_spans(rows[id]) == {span.key for span in document.spans}
        assert [row["sentence"] for row in rows[id]] == list(range(len(rows[id])))
        for row in rows[id]:
            places = list(zip(row["token_starts"], row["token_ends"], strict=True))
            assert row["tokens"] == [document.text[start:end] for start, end in places]
            assert row["start"] == places[0][0]
            assert row["end"] == places[-1][1]
        covered = "".join(token for row in rows[id] for token in row["tokens"])
        assert "".join(covered.split()) == "".join(document.text.split())


def test_load_documents_gives_one_split_or_all(tmp_path: Path) -> None:
    gold = articles(10)
    report = build_dataset(gold, tmp_path / "out")
    every = load_documents(tmp_path / "out")
    assert by_id(every) == by_id(gold)
    parts = [load_documents(str(tmp_path / "out"), split) for split in SPLITS]
    assert [len(part) for part in parts] == [report.documents[split] for split in SPLITS]
    assert [document for part in parts for document in part] == every


@given(st.lists(any_documents(clean_edges=True), min_size=3, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_scheme_allows_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, gold: list[Document]
) -> None:
    assume(len(find_clusters(gold)) >= 3)
    folder = tmp_path_factory.mktemp("built")
    build_dataset(gold, folder)
    assert by_id(load_documents(folder)) == by_id(gold)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
metas = st.dictionaries(
    st.sampled_from(["title", "licence", "annotator", "annotators", "region", ""]), json_values
)


@given(any_documents(), metas, st.none() | st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_row_of_documents_keeps_everything(
    document: Document, meta: dict[str, Any], score: float | None
) -> None:
    spans = [Span(*span.key, source="rules", score=score) for span in document.spans]
    document = Document(document.id, document.text, (), meta).with_spans(spans)
    try:
        row = document_to_row(document)
    except DataError:  # half a character somewhere in meta
        with pytest.raises(UnicodeEncodeError):
            json.dumps(meta, ensure_ascii=False).encode()
        return
    assert row_to_document(row) == document


def test_sources_and_scores_of_spans_are_kept_where_there_are_any(tmp_path: Path) -> None:
    gold = articles(4)
    spans = [Span(*span.key, source="rules", score=0.5) for span in gold[1].spans]
    gold[1] = gold[1].with_spans(spans)
    build_dataset(gold, tmp_path / "out")
    assert by_id(load_documents(tmp_path / "out")) == by_id(gold)


# --- Tokens and sentences --------------------------------------------------------------------


def test_a_token_is_cut_where_an_entity_ends_inside_it(tmp_path: Path) -> None:
    odd = article(1)
    text = "Huyện Thừa Thiên2019Huế."
    odd = Document("odd", text, (Span(11, 16, "PERSON"), Span(16, 20, "DATE")), odd.meta)
    report = build_dataset([*articles(3), odd], tmp_path / "out")
    assert report.losses.cut_tokens["syllable"] == 1
    rows = [
        row
        for split in load(tmp_path / "out", "syllable", tmp_path / "cache").values()
        for row in split
        if row["document_id"] == "odd"
    ]
    assert rows[0]["tokens"] == ["Huyện", "Thừa", "Thiên", "2019", "Huế", "."]
    assert rows_to_spans(rows) == {(11, 16, "PERSON"), (16, 20, "DATE")}


def test_cutting_a_word_leaves_no_white_space_in_the_pieces() -> None:
    text = "ông Trần  Cao ký"
    assert cut_tokens(text, [(4, 16)], [8, 10, 13]) == ([(4, 8), (10, 13), (14, 16)], 1)
    assert cut_tokens(text, [(0, 3), (4, 16)], [4, 16]) == ([(0, 3), (4, 16)], 0)


def test_a_sentence_end_inside_an_entity_is_no_end() -> None:
    text = "Xem cuốn sách “Một. Hai. Ba” của An. Hết."
    assert len(split_sentences(text)) == 4
    entity = Span(text.index("cuốn"), text.index(" của"), "DOCUMENT_REF")
    sentences, merged = bound_sentences(text, [entity])
    assert [text[start:end] for start, end in sentences] == [
        "Xem cuốn sách “Một. Hai. Ba” của An.",
        "Hết.",
    ]
    assert merged == 2


@given(any_documents())
@settings(max_examples=100, deadline=None)
def test_no_sentence_cuts_an_entity(document: Document) -> None:
    sentences, merged = bound_sentences(document.text, document.spans)
    assert len(sentences) + merged == len(split_sentences(document.text))
    for span in document.spans:
        if document.text[span.start : span.end].split():
            touched = [s for s in sentences if s[0] < span.end and span.start < s[1]]
            assert len(touched) == 1


@given(any_documents())
@settings(max_examples=200, deadline=None)
def test_words_cover_the_text_and_rewrite_nothing(document: Document) -> None:
    for start, end in split_sentences(document.text):
        words = segment_words(document.text, start, end)
        assert all(first < last for first, last in words)
        assert all(left[1] <= right[0] for left, right in pairwise(words))
        gaps = zip(
            [start, *(word[1] for word in words)], [*(w[0] for w in words), end], strict=True
        )
        assert not "".join(document.text[first:last] for first, last in gaps).strip()


def test_words_keep_their_spelling() -> None:
    text = "Uỷ ban nhân dân thị xã Hoà Bắc họp về kỹ thuật."
    words = [text[start:end] for start, end in segment_words(text)]
    assert words[:2] == ["Uỷ ban nhân dân", "thị xã"]
    assert "".join("".join(words).split()) == "".join(text.split())


def test_several_processes_make_the_same_tables(tmp_path: Path) -> None:
    gold = articles(CHUNK + 10)
    for name, processes in (("one", 1), ("two", 2)):
        build_dataset(gold, tmp_path / name, processes=processes)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_error_in_a_process_arrives() -> None:
    bad = Document("bad", "Lan họp", (Span(0, 4, "PERSON"),))
    gold = [bad, *articles(CHUNK - 1), bad]
    made = make_all_tables({"train": gold}, origins=False, processes=2)
    with pytest.raises(DataError, match="document bad: PERSON 0-4"):
        list(made)


# --- Splits ----------------------------------------------------------------------------------


def test_documents_with_one_text_are_in_one_split() -> None:
    gold = articles(12)
    for number in range(6):
        copy = gold[number]
        text = copy.text.upper().replace(" ", "  ") if number % 2 else copy.text
        gold.append(Document(f"copy-{number}", text, (), {}))
    splits = assign_splits(gold, find_clusters(gold))
    where = {document.id: split for document, split in zip(gold, splits, strict=True)}
    for number in range(6):
        assert where[f"copy-{number}"] == where[f"vn-{number:03}"]


def shingles(text: str) -> set[tuple[str, ...]]:
    syllables = text.lower().split()
    return {tuple(syllables[n : n + 5]) for n in range(max(1, len(syllables) - 4))}


def test_near_duplicates_are_found_as_by_comparing_all_pairs() -> None:
    """Copies of 30 invented texts with more and more syllables changed, and all pairs counted.

    Where no pair is near the threshold the clusters are exactly those of all pairs.
    """
    generator = random.Random(4)
    words = [head + tail for head in "bdghklmntv" for tail in ("a", "an", "ang", "i", "oi", "u")]
    texts = []
    for number in range(30):
        syllables = generator.choices(words, k=150 + number)
        texts.append(" ".join(syllables))
        for changed in (1, 2, 60):
            copy = list(syllables)
            for place in generator.sample(range(len(copy)), changed):
                copy[place] = "xoay"
            texts.append(" ".join(copy))
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    expected = {number: {number} for number in range(len(texts))}
    sets = [shingles(text) for text in texts]
    for one, two in combinations(range(len(texts)), 2):
        similarity = len(sets[one] & sets[two]) / len(sets[one] | sets[two])
        assert not 0.4 < similarity < 0.6
        if similarity >= SIMILAR:
            joined = expected[one] | expected[two]
            for number in joined:
                expected[number] = joined
    clusters = find_clusters(documents)
    assert {frozenset(cluster) for cluster in clusters} == set(map(frozenset, expected.values()))
    assert sorted(number for cluster in clusters for number in cluster) == list(range(len(texts)))
    assert len(clusters) == 60


@pytest.mark.parametrize("count", [3, 4, 5, 7, 11, 30])
def test_no_split_is_empty(count: int) -> None:
    gold = articles(count)
    splits = assign_splits(gold, find_clusters(gold))
    assert set(splits) == set(SPLITS)
    assert Counter(splits)["train"] == max(Counter(splits).values())


def test_splits_depend_on_the_seed_and_not_on_the_order() -> None:
    gold = articles(40)

    def split(documents: list[Document], seed: int) -> dict[str, str]:
        splits = assign_splits(documents, find_clusters(documents), seed=seed)
        return {document.id: split for document, split in zip(documents, splits, strict=True)}

    assert split(gold, 1) == split(gold[::-1], 1)
    assert split(gold, 1) != split(gold, 2)


def test_splits_are_balanced_over_labels() -> None:
    gold = []
    for number, document in enumerate(articles(200)):
        wanted = document.spans[number % 5 : number % 5 + 1 + number % 3]
        gold.append(document.with_spans(wanted))
    splits = assign_splits(gold, find_clusters(gold))
    total: Counter[str] = Counter()
    test: Counter[str] = Counter()
    for document, split in zip(gold, splits, strict=True):
        total.update(span.label for span in document.spans)
        if split == "test":
            test.update(span.label for span in document.spans)
    assert len(total) == 5
    for label, count in total.items():
        assert abs(test[label] / count - 0.1) < 0.02


def split_by(documents: list[Document], by: SplitBy, seed: int = 13) -> dict[str, list[Document]]:
    splits = assign_splits(documents, find_clusters(documents), by=by, seed=seed)
    return {
        split: [d for d, where in zip(documents, splits, strict=True) if where == split]
        for split in SPLITS
    }


@pytest.mark.parametrize("count", [3, 4, 10, 41])
def test_splits_by_date_go_from_old_to_new(count: int) -> None:
    gold = [article(n, published=f"20{(n * 7) % 50:02}-03-05") for n in range(count)]
    parts = split_by(gold, "date")
    dates = {split: [document.meta["published"] for document in parts[split]] for split in SPLITS}
    assert all(dates.values())
    assert max(dates["train"]) <= min(dates["validation"])
    assert max(dates["validation"]) <= min(dates["test"])
    if count >= 10:
        assert abs(len(parts["train"]) - 0.8 * count) <= 1


def test_splits_by_date_keep_copies_with_the_older_one() -> None:
    gold = [article(n, published=f"2019-01-{n + 1:02}") for n in range(10)]
    gold.append(Document("copy", gold[0].text, (), {"published": "2020-01-01"}))
    assert "copy" in {document.id for document in split_by(gold, "date")["train"]}


def test_splits_by_source_part_no_source() -> None:
    gold = [article(n, source=f"báo {n % 7}") for n in range(42)]
    gold.append(Document("copy", gold[0].text, (), {"source": "báo 1"}))  # joins báo 0 and báo 1
    parts = split_by(gold, "source")
    sources = [{document.meta["source"] for document in parts[split]} for split in SPLITS]
    assert all(sources)
    assert not any(one & two for one, two in combinations(sources, 2))
    assert any({"báo 0", "báo 1"} <= found for found in sources)


def test_random_splits_have_the_right_sizes() -> None:
    gold = articles(50)
    assert [len(part) for part in split_by(gold, "random").values()] == [40, 5, 5]
    assert split_by(gold, "random") != split_by(gold, "random", seed=14)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("date", "document vn-000: no 'published' in 'meta'"),
        ("source", "document vn-000: no 'source' in 'meta'"),
    ],
)
def test_documents_that_do_not_say_what_is_split_by_are_refused(by: SplitBy, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_by(articles(5), by)


def test_two_sources_are_too_few() -> None:
    gold = [article(n, source=f"báo {n % 2}") for n in range(10)]
    with pytest.raises(DataError, match="documents: 10, sources: 2; at least 3"):
        split_by(gold, "source")


# --- The folder ------------------------------------------------------------------------------


def test_the_same_documents_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other/deep"):
        build_dataset(articles(12), tmp_path / name, seed=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "other/deep")
    build_dataset(articles(12), tmp_path / "one", seed=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "other/deep")


def test_building_again_replaces_its_own_files_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for kept in ("source/a.txt", "raw/a.txt", "LICENSE"):
        (folder / kept).parent.mkdir(parents=True, exist_ok=True)
        (folder / kept).write_text(kept, encoding="utf-8")
    build_dataset(articles(6), folder)
    # A file that an earlier build listed, and that no build writes now.
    stale = folder / "old" / "train.parquet"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["old/train.parquet"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    build_dataset(articles(9), folder)
    fresh = tmp_path / "fresh"
    build_dataset(articles(9), fresh)
    after = contents(folder)
    assert [after.pop(name) for name in ("source/a.txt", "raw/a.txt", "LICENSE")] == [
        b"source/a.txt",
        b"raw/a.txt",
        b"LICENSE",
    ]
    assert after == contents(fresh)
    assert not stale.parent.exists()


@pytest.mark.parametrize(
    "name", ["notes.txt", "documents/train-00000-of-00001.parquet", "README.md"]
)
def test_a_folder_that_holds_other_things_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=f"holds {name}, which no build"):
        build_dataset(articles(4), tmp_path)
    assert contents(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize(
    "manifest",
    [
        "{}",
        "no json",
        "[]",
        '{"format": "vipol-dataset-1", "files": {"../notes.txt": "0"}}',
        '{"format": "vipol-dataset-1", "files": {"source/a.txt": "0"}}',
        '{"format": "vipol-dataset-1", "files": {"/etc/hosts": "0"}}',
    ],
)
def test_another_manifest_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(DataError, match="not the manifest of a built dataset"):
        build_dataset(articles(4), tmp_path)
    assert contents(tmp_path) == {"manifest.json": manifest.encode()}


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="is a file; a folder"):
        build_dataset(articles(4), tmp_path / "file")
    with pytest.raises(DataError, match=r"cannot be written .*choose another folder"):
        build_dataset(articles(4), tmp_path / "file" / "out")
    assert contents(tmp_path) == {"file": b"x"}


def test_a_build_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    bad = article(5)
    bad = bad.with_spans([Span(bad.text.index(" họp"), bad.text.index(" họp") + 4, "ORG")])
    with pytest.raises(DataError, match=r"document vn-005: ORG .* ' họp' begins or ends"):
        build_dataset([*articles(4), bad], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    build_dataset(articles(4), tmp_path / "old")
    before = contents(tmp_path / "old")
    with pytest.raises(DataError, match="document vn-005"):
        build_dataset([*articles(4), bad], tmp_path / "old")
    assert contents(tmp_path / "old") == before


def test_a_disk_that_takes_no_more_leaves_everything_as_it_was(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    build_dataset(articles(4), tmp_path)
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7_000, hard))  # bytes a file; the card has more
    try:
        with pytest.raises(DataError, match=r"cannot be written .*; it is as it was before"):
            build_dataset(articles(20), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == before


def test_an_error_while_files_are_moved_puts_them_back(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    build_dataset(articles(4), folder)
    before = contents(folder)
    with pytest.raises(DataError, match="as it was before"), replace_dataset(folder, {}) as new:
        (new / "a").mkdir()
        (new / "a/b").write_text("new", encoding="utf-8")
        (new / "source").mkdir()
        (new / "source/c").write_text("new", encoding="utf-8")
        # A file where the last of the new files wants a folder: moving stops half-way.
        (folder / "source").write_text("in the way", encoding="utf-8")
    (folder / "source").unlink()
    assert contents(folder) == before


def test_a_build_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    """The state that a kill leaves: a manifest of old and new files, some of them moved."""
    folder = tmp_path / "out"
    build_dataset(articles(4), folder)
    build_dataset(articles(9), tmp_path / "whole")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["extra/train.parquet"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "extra").mkdir()
    (folder / "extra/train.parquet").write_bytes(b"new")
    (folder / ".vipol-build-killed/old").mkdir(parents=True)
    card = (folder / "README.md").read_text(encoding="utf-8")
    card = card.replace("keep limits -->\nNot described yet.", "keep limits -->\nMine.")
    (folder / ".vipol-build-killed/old/README.md").write_text(card, encoding="utf-8")
    (folder / "README.md").unlink()
    build_dataset(articles(9), folder)
    after, whole = contents(folder), contents(tmp_path / "whole")
    limits = read_sections(after.pop("README.md").decode(), "card")["limits"]
    assert limits == "Mine."  # what a person wrote is not lost with the killed build
    del whole["README.md"], after["manifest.json"], whole["manifest.json"]
    assert after == whole


KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
from test_build import articles
from annotate.dataset import build, folder

left = int(sys.argv[2])
replace = Path.replace

def replace_or_die(path, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

Path.replace = replace_or_die
build.build_dataset(articles(9), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("moves", [0, 8])
def test_a_build_that_is_killed_loses_nothing(tmp_path: Path, moves: int) -> None:
    """Killed with all tables made and no file moved yet, and half-way through moving them."""
    folder = tmp_path / "out"
    build_dataset(articles(4), folder)
    before = contents(folder)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", KILLED_BUILD, str(folder), str(moves)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    if not moves:
        left = {name: data for name, data in contents(folder).items() if name in before}
        assert left == before
        assert len(load_documents(folder)) == 4
    with pytest.raises(DataError):
        check_folder(folder)
    build_dataset(articles(4), folder)
    assert contents(folder) == before


def test_two_builds_at_once_do_not_mix(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with replace_dataset(tmp_path, {}) as new:
        with pytest.raises(DataError, match="another build is writing here"):
            build_dataset(articles(4), tmp_path)
        (new / "a").write_text("first", encoding="utf-8")
    assert contents(tmp_path).keys() == {"a", "manifest.json"}


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ([], "documents: 0, different texts .near copies count once.: 0"),
        (articles(2), "at least 3 are wanted"),
        ([article(0)] * 2 + [article(1)], "document vn-000: two documents have this id"),
        (
            [*articles(3), Document("x", "Lan", (Span(0, 3, "CITY"),))],
            "document x: entity 0-3 has the unknown label",
        ),
        (
            [*articles(3), Document("x", "Lan An", (Span(0, 5, "ORG"), Span(4, 6, "ORG")))],
            "document x: entity 4-6 crosses ORG 0-5",
        ),
        (
            [*articles(3), Document("x", "Lan", (), {"when": object()})],
            "document 'x': cannot be written as JSON",
        ),
        ([*articles(3), Document("x", "\n \t")], "document x: the text is nothing but white space"),
    ],
    ids=["none", "two", "one id twice", "unknown label", "crossing", "meta", "blank"],
)
def test_bad_documents_are_refused(tmp_path: Path, gold: list[Document], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_dataset(gold, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_that_are_copies_of_two_are_too_few(tmp_path: Path) -> None:
    copies = [Document(f"c{n}", article(n % 2).text, ()) for n in range(6)]
    with pytest.raises(DataError, match=r"documents: 6, different texts .*: 2; at least"):
        build_dataset(copies, tmp_path / "out")


# --- The card --------------------------------------------------------------------------------


def read_yaml(folder: Path) -> dict[str, Any]:
    from huggingface_hub import DatasetCard

    return dict(DatasetCard.load(folder / "README.md").data.to_dict())


def test_the_card_says_what_the_hub_expects(tmp_path: Path) -> None:
    about = About("Tin thử", ("machine-generated",), ("machine-generated",), ("politics",))
    build_dataset(articles(10), tmp_path, about=about)
    data = read_yaml(tmp_path)
    assert data["language"] == ["vi"]
    assert data["license"] == "cc-by-4.0"
    assert data["task_categories"] == ["token-classification"]
    assert data["task_ids"] == ["named-entity-recognition"]
    assert data["size_categories"] == ["n<1K"]
    assert data["annotations_creators"] == ["machine-generated"]
    assert [config["config_name"] for config in data["configs"]] == list(CONFIGS)
    [documents] = [info for info in data["dataset_info"] if info["config_name"] == "documents"]
    assert {split["name"]: split["num_examples"] for split in documents["splits"]} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }


def test_the_numbers_of_the_card_come_from_the_data(tmp_path: Path) -> None:
    gold = articles(10)
    versions = [article(n, annotator=name) for n in range(4) for name in ("an", "binh")]
    report = build_dataset(gold, tmp_path, agreement=measure_agreement(versions))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "2 annotators on 4 documents" in card
    assert "| all | 10 | 20 |" in card
    assert "| ORG | inner | 8 | 1 | 1 | 10 |" in card
    assert "- Annotated by an: 10 documents" in card
    assert "| strict span F1 | 1.000 | 1.000 to 1.000 |" in card
    seen = report.seen["all"]
    assert seen.mentions == 5
    assert f"| all | 5 | {seen.seen} | {seen.seen / 5:.1%} |" in card


def test_the_seen_share_is_counted_by_hand(tmp_path: Path) -> None:
    report = build_dataset(articles(10), tmp_path)
    train = {
        (span.label, document.text[span.start : span.end])
        for document in load_documents(tmp_path, "train")
        for span in document.spans
    }
    [test] = load_documents(tmp_path, "test")
    for span in test.spans:
        known = (span.label, test.text[span.start : span.end]) in train
        assert (report.seen[span.label].mentions, report.seen[span.label].seen) == (1, known)


def test_what_people_wrote_into_the_card_survives(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    build_dataset(articles(6), tmp_path)
    text = card.read_text(encoding="utf-8")
    assert read_sections(text, "card")["limits"] == "Not described yet."
    mine = "Chỉ có tin ngắn.\n\n- và một danh sách"
    text = text.replace("keep limits -->\nNot described yet.", f"keep limits -->\n{mine}")
    text += "\n## Của chúng tôi\n\n<!-- vipol:keep more -->\nThêm.\n<!-- vipol:end -->\n"
    card.write_text(text, encoding="utf-8")
    for count in (7, 8):  # twice: a kept text is not taken for the build's own
        build_dataset(
            articles(count), tmp_path, about=About(sections={"limits": "Other.", "uses": "Mine."})
        )
        sections = read_sections(card.read_text(encoding="utf-8"), "card")
        assert sections["limits"] == mine
        assert sections["more"] == "Thêm."
        assert sections["uses"] == "Mine."


def test_a_section_without_an_end_stops_the_build(tmp_path: Path) -> None:
    build_dataset(articles(6), tmp_path)
    card = tmp_path / "README.md"
    card.write_text("<!-- vipol:keep uses -->\nAll my work", encoding="utf-8")
    with pytest.raises(DataError, match="'uses' is opened but not closed"):
        build_dataset(articles(6), tmp_path)
    assert card.read_text(encoding="utf-8").endswith("All my work")


def test_a_source_folder_has_its_settings_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "out" / "source"
    source.mkdir(parents=True)
    for number, name in enumerate(PEOPLE):
        front = 'licence = "cc0-1.0"\n' if number == 0 else ""
        body = f"Ông [{name}]{{PERSON}} họp."
        (source / f"a{number}.txt").write_text(f"+++\n{front}+++\n{body}\n", encoding="utf-8")
    (source / "dataset.toml").write_text(
        'pretty_name = "Tin"\nannotations_creators = ["machine-generated"]\n'
        '[meta]\nlicence = "cc-by-4.0"\n[sections]\nabout = "Tin bịa."\n',
        encoding="utf-8",
    )
    found = read_description(source)
    documents = found.complete(read_source_folder(source))
    assert [document.meta["licence"] for document in documents[:2]] == ["cc0-1.0", "cc-by-4.0"]
    build_dataset(documents, tmp_path / "out", about=found.about)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "# Tin\n" in card
    assert "Tin bịa." in card
    assert read_yaml(tmp_path / "out")["license"] == ["cc-by-4.0", "cc0-1.0"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("dataset.toml", 'titel = "Tin"', "the setting 'titel' is not known; known: pretty_name,"),
        ("dataset.toml", "pretty_name = 3", "pretty_name is not a text"),
        ("dataset.toml", 'tags = "politics"', "tags is not a list of texts"),
        ("dataset.toml", "tags = [1]", "tags is not a list of texts"),
        ("dataset.toml", 'sections = ["about"]', "sections is not a table of texts"),
        ("dataset.toml", 'meta = "cc0-1.0"', "meta must be a table"),
        ("dataset.toml", "tags = [", "cannot be read as TOML"),
        ("benchmark.json", "[]", "not the scores that scripts/benchmark writes"),
        ("benchmark.json", '{"command": "x", "split": "test", "rows": [{}]}', "not the scores"),
        (
            "benchmark.json",
            '{"command": "x", "split": "test", "rows": [{"model": "m", "outer_f1": "hoch"}]}',
            "not the scores",
        ),
        ("annotations.jsonl", '{"id": "a", "text": "b", "entities": []}', "the 'annotator'"),
    ],
)
def test_a_bad_description_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}.*{says}"):
        read_description(tmp_path)


BENCHMARK = {
    "command": "scripts/benchmark",
    "split": "test",
    "note": "Rules were written first.",
    "rows": [
        {"model": "rules", "outer_f1": 0.8, "outer_f1_interval": [0.75, 0.85], "both_f1": 0.7},
        {"model": "big", "note": "not run: no weights", "training_seconds": None},
    ],
}


def test_the_card_shows_the_scores_of_baselines(tmp_path: Path) -> None:
    gold = articles(10)
    build_dataset(gold, tmp_path)
    card = tmp_path / "README.md"
    assert "Not measured: `scripts/benchmark`" in card.read_text(encoding="utf-8")
    signature = f"tokens:syllable|data:{hash_gold(load_documents(tmp_path, 'test'))[:12]}|x:y"
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "benchmark.json").write_text(
        json.dumps({**BENCHMARK, "signature": signature}), encoding="utf-8"
    )
    found = read_description(tmp_path / "source").benchmark
    assert found == Benchmark(
        "scripts/benchmark",
        "test",
        (
            BaselineScore("rules", 0.8, (0.75, 0.85), both_f1=0.7),
            BaselineScore("big", note="not run: no weights"),
        ),
        signature,
        "Rules were written first.",
    )
    report = build_dataset(gold, tmp_path, benchmark=found)
    text = card.read_text(encoding="utf-8")
    assert "| rules | 0.800 (0.750 to 0.850) | - | 0.700 |  |" in text
    assert "| big | - | - | - | not run: no weights |" in text
    assert "Rules were written first." in text
    assert "](plots/scores.png)" in text
    assert "another version of the data" not in text
    assert "other data" not in str(report)
    report = build_dataset(articles(11), tmp_path, benchmark=found)
    assert "another version of the data" in card.read_text(encoding="utf-8")
    assert "the baseline scores are of other data; run scripts/benchmark again" in str(report)


def test_every_picture_of_the_card_is_there(tmp_path: Path) -> None:
    versions = [article(n, annotator=name) for n in range(4) for name in ("an", "binh")]
    scores = Benchmark("x", "test", (BaselineScore("rules", 0.8),))
    build_dataset(articles(6), tmp_path, agreement=measure_agreement(versions), benchmark=scores)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", card)
    assert shown == [f"plots/{name}.png" for name in ("labels", "seen", "agreement", "scores")]
    manifest = read_manifest(tmp_path)
    assert manifest
    for name in shown:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert name in manifest.files
    build_dataset(articles(6), tmp_path)  # pictures that no card shows any more go
    assert not (tmp_path / "plots" / "scores.png").exists()


def test_pictures_follow_the_numbers_and_not_the_settings_of_the_user(tmp_path: Path) -> None:
    import matplotlib

    draw_shares(tmp_path / "one.png", {"ORG": 0.5, "all": None})
    with matplotlib.rc_context({"font.size": 20, "figure.dpi": 30, "savefig.dpi": 30}):
        draw_shares(tmp_path / "two.png", {"ORG": 0.5, "all": None})
    draw_shares(tmp_path / "three.png", {"ORG": 0.51, "all": None})
    one, two, three = ((tmp_path / f"{n}.png").read_bytes() for n in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_addresses_of_annotators_are_not_in_the_dataset(tmp_path: Path) -> None:
    first = {"annotators": ["binh@lab.example", "an@lab.example"], "decided_by": "policy:majority"}
    second = {
        "annotator": "chi@lab.example",
        "decided_by": "an@lab.example",
        "log": [{"chi@lab.example": "asked an@lab.example, see tin@bao.example"}],
    }
    gold = [article(0, **first), article(1, **second), article(2), article(3, annotator="bot")]
    folder = tmp_path / "out"
    report = build_dataset(gold, folder)
    loaded = by_id(load_documents(folder))
    assert loaded["vn-000"].meta["annotators"] == ["annotator-2", "annotator-1"]
    assert loaded["vn-000"].meta["decided_by"] == "policy:majority"
    meta = loaded["vn-001"].meta
    assert (meta["annotator"], meta["decided_by"]) == ("annotator-3", "annotator-1")
    assert meta["log"] == [{"annotator-3": "asked annotator-1, see tin@bao.example"}]
    assert loaded["vn-003"].meta["annotator"] == "bot"
    who = folder / "private" / "annotators.json"
    assert json.loads(who.read_text(encoding="utf-8")) == {
        "annotator-1": "an@lab.example",
        "annotator-2": "binh@lab.example",
        "annotator-3": "chi@lab.example",
    }
    assert who.stat().st_mode & 0o777 == 0o600
    public = [path for path in folder.rglob("*") if path.is_file() and path != who]
    assert not any(b"lab.example" in path.read_bytes() for path in public)
    assert set(check_folder(folder).files) == {p.relative_to(folder).as_posix() for p in public}
    assert "e-mail addresses of annotators replaced: 3" in str(report)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "pseudonyms (annotator-1, annotator-2, annotator-3)" in card
    assert "- Decided by annotator-1: 1 document" in card
    # A new annotator gets a new number; those that have one keep it, whoever comes first.
    build_dataset([*gold, article(4, annotator="aa@lab.example")], folder)
    loaded = by_id(load_documents(folder))
    assert loaded["vn-004"].meta["annotator"] == "annotator-4"
    assert loaded["vn-001"].meta["annotator"] == "annotator-3"


def test_only_whole_addresses_are_replaced_in_any_case() -> None:
    meta = {
        "annotator": "an@x.vn",
        "byline": "lan@x.vn",
        "note": "theo An@x.vn, không phải an@x.vn.edu",
    }
    (hidden,) = replace_addresses([Document("a", "văn bản", (), meta)], {}).documents
    assert hidden.meta == {
        "annotator": "annotator-1",
        "byline": "lan@x.vn",
        "note": "theo annotator-1, không phải an@x.vn.edu",
    }


def test_a_pseudonym_is_never_the_name_of_another(tmp_path: Path) -> None:
    gold = [article(0, annotator="annotator-1"), article(1, annotator="an@lab.example")]
    hidden = replace_addresses(gold, {})
    assert [document.meta["annotator"] for document in hidden.documents] == [
        "annotator-1",
        "annotator-2",
    ]
    assert replace_addresses(gold[:1], {}).documents == gold[:1]
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "annotators.json").write_text('["an"]', encoding="utf-8")
    with pytest.raises(DataError, match=r"annotators\.json: cannot be read .names with their"):
        build_dataset(articles(4), tmp_path)
    assert contents(tmp_path) == {"private/annotators.json": b'["an"]'}


def test_the_report_in_words(tmp_path: Path) -> None:
    gold = [*articles(9), Document("free", "Không có tên nào.", (), {})]
    report = build_dataset(gold, tmp_path / "out")
    text = format_build(report)
    assert "10 documents, 45 entities in documents, syllable, word" in text
    assert "name no licence" in text
    assert str(report) == text


def test_progress_counts_the_documents(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    build_dataset(articles(4), tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [
        *(("comparing", done, 4) for done in (1, 2, 3, 4)),
        *(("building", done, 4) for done in (0, 2, 3, 4)),  # split by split
    ]


# --- Loading what is no dataset --------------------------------------------------------------


def test_loading_something_else_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_documents(tmp_path / "missing")
    with pytest.raises(DataError, match="no such folder"):
        load_documents("datasets/there-is-none")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="is a file"):
        load_documents(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="not a dataset that vipol build or import wrote"):
        load_documents(tmp_path / "empty")
    build_dataset(articles(4), tmp_path / "out")
    with pytest.raises(DataError, match="no split 'dev'; splits: train, validation, test"):
        load_documents(tmp_path / "out", "dev")
    (tmp_path / "out/documents/train-00000-of-00001.parquet").write_bytes(b"broken")
    with pytest.raises(DataError, match="not a dataset that vipol build or import wrote"):
        load_documents(tmp_path / "out", "train")


def test_a_name_that_the_hub_does_not_give_is_a_clear_error(tmp_path: Path) -> None:
    script = (
        "from annotate.dataset.load import load_documents; load_documents('vipol/there-is-none')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "ServiceError: vipol/there-is-none: no such folder, and the Hub did not" in done.stderr


def test_the_manifest_knows_every_file(tmp_path: Path) -> None:
    build_dataset(articles(4), tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest.files.keys() == contents(tmp_path).keys() - {"manifest.json"}
    assert manifest.facts["seed"] == 13
    shutil.rmtree(tmp_path / "word")
    build_dataset(articles(4), tmp_path)
    assert (tmp_path / "word/train-00000-of-00001.parquet").exists()


# --- The sample that ships with the project ---------------------------------------------------

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "datasets" / "vipol-sample"


def test_the_sample_is_what_its_source_says() -> None:
    source = read_description(SAMPLE / "source").complete(read_source_folder(SAMPLE / "source"))
    stale = (
        "the sample is stale: run vipol build datasets/vipol-sample/source -o datasets/vipol-sample"
    )
    assert by_id(load_documents(SAMPLE)) == by_id(source), stale
    card = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert "Everything in these texts is invented" in card
    assert "A language model wrote the texts and labelled them" in card
    assert read_yaml(SAMPLE)["license"] == "cc-by-4.0"


def test_the_sample_loads_from_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import load_dataset

    monkeypatch.chdir(ROOT)
    for config in CONFIGS:
        dataset = load_dataset("datasets/vipol-sample", config, cache_dir=str(tmp_path))
        assert set(dataset) == set(SPLITS)


def test_dates_that_do_not_sort_by_time_are_refused() -> None:
    from annotate.dataset.split import assign_splits

    documents = [
        Document(str(n), "văn bản", (), {"published": date})
        for n, date in enumerate(["2019-03-05", "2019", "31/12/2010"])
    ]
    with pytest.raises(DataError, match="document 2: 'published' in 'meta' is '31/12/2010'"):
        assign_splits(documents, [[0], [1], [2]], by="date")
