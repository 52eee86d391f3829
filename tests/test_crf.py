"""The CRF: it learns what it is shown, says the same after save and load, and obeys the scheme."""

import json
import math
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neural_data import invent_documents

from annotate.document import Document, Span, find_illegal, split_layers
from annotate.errors import DataError
from annotate.markup import parse_markup
from annotate.prelabel.lexicon import Lexicon, read_lexicons
from annotate.scheme import HOSTS, may_contain
from annotate.tokens import split_sentences, tokenize
from baselines.chain import Floats, LinearChain, Weights
from baselines.crf import CrfModel, CrfSettings, load_crf, train_crf
from baselines.features import TokenReader, Word, context_rows, full_rows
from baselines.score import score_documents

SOURCES = {
    "a": (
        "ĐẠI HỘI [ĐẢNG BỘ HUYỆN SƠN HÀ]{ORG}\n\n"
        "Sáng [ngày 13/10/2011]{DATE}, đồng chí [Trần Quốc Minh]{PERSON}, "
        "[Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}, khai mạc hội nghị. "
        "Ông [Minh]{PERSON} đọc [Kế hoạch số 07-KH/HU]{DOCUMENT_REF} của [Huyện ủy]{ORG}."
    ),
    "b": (
        "[Bộ trưởng]{POSITION} [Lê Thị Hoài An]{PERSON} gặp "
        "[Phó Chủ tịch [UBND tỉnh Phú Lộc]{ORG}]{POSITION} [Đỗ Văn Kha]{PERSON} hôm [14/10]{DATE}. "
        "Bà [An]{PERSON} nêu [Điều 5 Điều lệ [Công đoàn Việt Nam]{ORG}]{DOCUMENT_REF}."
    ),
    "c": (
        "Theo [Hiến pháp [năm 2013]{DATE}]{DOCUMENT_REF}, [Quốc hội]{ORG} bầu "
        "[Chủ tịch nước]{POSITION}. [Vụ Pháp chế]{ORG} thuộc [Bộ Tư pháp]{ORG} dẫn "
        "[Luật Đất đai]{DOCUMENT_REF} trong [quý III]{DATE}."
    ),
    "d": (
        "Trong nhiệm kỳ [2020-2025]{DATE}, [Trưởng [Ban Tổ chức Thành ủy]{ORG}]{POSITION} "
        "[Vũ Đình Lâm]{PERSON} nhận [Công văn 1234/VPCP-KTTH]{DOCUMENT_REF}. "
        "Các đảng viên, cán bộ không có trong danh sách."
    ),
}

UNSEEN = (
    "Chiều [ngày 20/10/2011]{DATE}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION} tiếp "
    "[Phó Chủ tịch UBND xã]{POSITION}."
)


def documents() -> list[Document]:
    return [Document(id, *parse_markup(source, id)) for id, source in SOURCES.items()]


@pytest.fixture(scope="module")
def model() -> CrfModel:
    return train_crf(documents())


def test_it_learns_what_it_is_shown(model: CrfModel):
    gold = documents()
    predicted = [one.with_spans(model.label_document(one.with_spans([]))) for one in gold]
    scores = score_documents(gold, predicted)
    assert scores.nested.micro.f1 == 1.0
    assert scores.layers["inner"].seqeval.micro.support == 5


def test_spans_have_source_and_score(model: CrfModel):
    for document in documents():
        for span in model.label_document(document):
            assert span.source == "crf"
            assert span.score is not None and 0 < span.score <= 1


def test_incoming_spans_are_put_aside(model: CrfModel):
    document = documents()[0]
    wrong = document.with_spans([Span(0, 7, "PERSON")])
    assert model.label_document(wrong) == model.label_document(document)


def test_counts_of_the_training(model: CrfModel):
    training = model.training
    assert training.documents == 4
    assert training.sentences == 9
    assert training.entities == {
        "outer": {"DATE": 4, "DOCUMENT_REF": 5, "ORG": 5, "PERSON": 6, "POSITION": 5},
        "inner": {"DATE": 1, "ORG": 4},
    }
    assert (training.inexpressible, training.merged) == (0, 0)
    assert model.labels.inner == ("DATE", "ORG")


def test_same_documents_and_seed_give_the_same_bytes(model: CrfModel):
    again = train_crf(documents())
    assert (again.outer, again.inner) == (model.outer, model.inner)
    assert again.training == model.training


def test_save_and_load(model: CrfModel, tmp_path: Path):
    model.save(tmp_path / "model")
    loaded = load_crf(tmp_path / "model")
    assert loaded == model
    for document in [*documents(), Document("new", parse_markup(UNSEEN)[0])]:
        assert loaded.label_document(document) == model.label_document(document)
    model.save(tmp_path / "model")  # a model may be replaced
    assert load_crf(tmp_path / "model") == model
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_card_says_what_the_model_is(model: CrfModel, tmp_path: Path):
    model.save(tmp_path / "model")
    card = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    assert card["kind"] == "vipol-crf"
    assert card["scheme_version"] == "1.2"
    assert card["labels"]["outer"] == ["DATE", "DOCUMENT_REF", "ORG", "PERSON", "POSITION"]
    assert card["seed"] == 13
    assert card["training"]["documents"] == 4
    assert card["libraries"].keys() == {"python-crfsuite", "vipol"}


def test_a_folder_with_something_else_is_left_alone(model: CrfModel, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="exists and is no vipol-crf model"):
        model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_filled(model: CrfModel, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    model.save(tmp_path / "empty")
    assert load_crf(tmp_path / "empty") == model


def test_a_folder_that_cannot_be_made(model: CrfModel, tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        model.save(tmp_path / "file" / "model")


def test_damaged_models_are_refused(model: CrfModel, tmp_path: Path):
    folder = tmp_path / "model"
    with pytest.raises(DataError, match="no vipol-crf model"):
        load_crf(folder)

    model.save(folder)
    (folder / "outer.crfsuite").write_bytes(model.outer[:100])
    with pytest.raises(DataError, match=r"outer\.crfsuite: not the file that was saved"):
        load_crf(folder)

    model.save(folder)
    (folder / "inner.crfsuite").unlink()
    with pytest.raises(DataError, match=r"inner\.crfsuite: missing"):
        load_crf(folder)

    model.save(folder)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**card, "features": 0}), encoding="utf-8")
    with pytest.raises(DataError, match="train the model again"):
        load_crf(folder)

    (folder / "model.json").write_text(json.dumps({"kind": "vipol-crf"}), encoding="utf-8")
    with pytest.raises(DataError, match="train the model again"):
        load_crf(folder)

    (folder / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="no vipol-crf model"):
        load_crf(folder)


@pytest.mark.parametrize(
    ("given_documents", "labels", "message"),
    [
        ([], (), "no documents to train on"),
        ([Document("x", "Không có gì.")], (), "none of the 1 documents"),
        (documents()[:1] * 2, (), "the document a stands twice"),
        (documents()[2:], ("PERSON", "EVENT"), "no entity of EVENT"),
        ([Document("x", "Khốicho", (Span(0, 4, "ORG"),))], (), "at a token border"),
    ],
)
def test_training_data_that_will_not_do(
    given_documents: list[Document], labels: tuple[str, ...], message: str
):
    with pytest.raises(DataError, match=message):
        train_crf(given_documents, labels=labels)


def test_without_inner_spans_there_is_no_inner_tagger(tmp_path: Path):
    flat = [one.with_spans(split_layers(one.spans)["outer"]) for one in documents()]
    model = train_crf(flat, settings=CrfSettings(max_iterations=20))
    assert model.inner is None
    model.save(tmp_path / "model")
    assert load_crf(tmp_path / "model") == model
    assert all(not split_layers(model.label_document(one))["inner"] for one in flat)


def test_an_entity_over_a_sentence_border_is_kept():
    """The border inside the title goes away: the two sentences are one in training."""
    text, spans = parse_markup("Đọc [cuốn sách “Đường đi. Lối về”]{DOCUMENT_REF} xong. Ta nghỉ.")
    assert len(split_sentences(text)) == 3
    model = train_crf([Document("x", text, spans)])
    assert (model.training.sentences, model.training.merged) == (2, 1)
    assert model.training.entities["outer"] == {"DOCUMENT_REF": 1}


def test_an_entity_that_no_token_border_expresses_is_counted():
    text, spans = parse_markup("[Đảng ủy Khối]{ORG}cho biết [năm 2017]{DATE}")
    model = train_crf([Document("x", text, spans)])
    assert model.training.inexpressible == 1
    assert model.training.entities["outer"] == {"DATE": 1}


def test_another_label_set_is_learned():
    text = "Bệnh nhân 21 ở Sơn Hà. Bệnh nhân 34 ở Phú Lộc."
    spans = [(10, 12, "PATIENT"), (15, 21, "LOC"), (33, 35, "PATIENT"), (38, 45, "LOC")]
    document = Document("x", text, tuple(Span(*span) for span in spans))
    model = train_crf([document])
    assert [span.key for span in model.label_document(document)] == spans


PIECES = [
    "Bí thư", "Huyện ủy", "Sơn Hà", "Trần", "Minh", "ngày 13/10/2011", "Luật Đất đai", "Điều 5",
    "năm 2013", "Điều lệ Công đoàn Việt Nam", ",", ". ", "\n", "\t", "của", "và", "Phó", "Chủ tịch",
    "UBND", "tỉnh", "Trưởng", "Ban", "😀", "uỷ", "“", "”", "(", ")", "215-QĐ/TW", "ông", "BỘ",
]  # fmt: skip


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=40))
def test_what_comes_out_obeys_the_scheme(model: CrfModel, pieces: list[str]):
    text = " ".join(pieces)
    spans = model.label_document(Document("x", text))
    assert find_illegal(text, spans) is None
    layers = split_layers(spans)
    for inner in layers["inner"]:
        hosts = [s for s in layers["outer"] if s.start <= inner.start and inner.end <= s.end]
        assert [host.label in HOSTS and may_contain(host.label, inner.label) for host in hosts] == [
            True
        ]


@pytest.mark.parametrize("layer", ["outer", "inner"])
def test_our_decoding_is_that_of_crfsuite(model: CrfModel, layer: str):
    """On real rows, with the transitions that IOB2 forbids allowed as CRFsuite does."""
    import pycrfsuite

    data = model.outer if layer == "outer" else model.inner
    assert data is not None
    tagger = pycrfsuite.Tagger()
    tagger.open_inmemory(data)
    chain = LinearChain(data)
    chain.steps[np.isinf(chain.steps)] = chain.start[np.isinf(chain.start)] = 0.0
    weights = Weights([chain])
    reader = TokenReader(Lexicon(read_lexicons()))
    for document in [*documents(), Document("new", parse_markup(UNSEEN)[0])]:
        tokens = reader.read(document.text, tokenize(document.text))
        count = len(tokens.offsets)
        rows = full_rows(tokens, 0, count)
        emissions = weights.of_forms((tokens.words, tokens.listings), np.zeros(count, np.int64))
        emissions += weights.of_rows(context_rows(tokens, 0, count))
        assert np.allclose(emissions, weights.of_rows(rows))
        numbers, chances = chain.decode(emissions, [count])
        tagger.set(rows)
        theirs = tagger.tag()
        assert [chain.tags[number] for number in numbers] == theirs
        their_chances = [tagger.marginal(tag, place) for place, tag in enumerate(theirs)]
        assert chances == pytest.approx(their_chances, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_sequences_side_by_side_are_decoded_as_one_by_one(lengths: list[int], seed: int):
    """Against all paths written out: the best one, and the chance of its tags."""
    model = train_crf_for_decoding()
    chain = LinearChain(model.outer)
    emissions = np.random.default_rng(seed).normal(size=(sum(lengths), len(chain.tags))) * 2
    numbers, chances = chain.decode(emissions, lengths)
    place = 0
    for length in lengths:
        piece = emissions[place : place + length]
        best, marginals = all_paths(chain, piece)
        assert tuple(numbers[place : place + length]) == best
        assert chances[place : place + length] == pytest.approx(marginals)
        place += length


@cache
def train_crf_for_decoding() -> CrfModel:
    """A model of three tags (O, B-DATE, I-DATE)."""
    text, spans = parse_markup("Hôm [ngày 14/10]{DATE} và [năm 2017]{DATE} ta họp.")
    return train_crf([Document("x", text, spans)])


def all_paths(chain: LinearChain, emissions: Floats) -> tuple[tuple[int, ...], list[float]]:
    """The best path and the marginal probabilities of its tags, from every path there is."""
    chances: dict[tuple[int, ...], float] = {}
    for path in product(range(len(chain.tags)), repeat=len(emissions)):
        score = chain.start[path[0]] + sum(emissions[n, tag] for n, tag in enumerate(path))
        chances[path] = math.exp(score + sum(chain.steps[a, b] for a, b in pairwise(path)))
    best = max(chances, key=lambda path: chances[path])
    total = sum(chances.values())
    return best, [
        sum(chance for path, chance in chances.items() if path[place] == tag) / total
        for place, tag in enumerate(best)
    ]


def test_many_documents_are_labelled_like_one(model: CrfModel):
    many = [*documents(), Document("blank", " \n "), Document("new", parse_markup(UNSEEN)[0])]
    labelled = list(model.label_documents(many))
    assert [one.id for one in labelled] == [one.id for one in many]
    for document, found in zip(many, labelled, strict=True):
        alone = model.label_document(document)
        assert [s.key for s in found.spans] == [s.key for s in alone]
        assert [s.score for s in found.spans] == pytest.approx([s.score for s in alone], abs=1e-3)


def test_clusters_of_unlabelled_text_are_features(tmp_path: Path):
    """Names that no training document has are found by the company they keep."""
    unlabelled = [one.text for one in invent_documents(200, seed=3)] * 5
    with_clusters = train_crf(documents(), unlabelled=unlabelled, output=tmp_path / "model")
    lines = with_clusters.clusters.decode().splitlines()
    assert len(lines) > 100 and {len(line.split("\t")) for line in lines} == {3}
    names = {
        feature.partition("=")[0] for feature, _ in LinearChain(with_clusters.outer).state_weights
    }
    assert {"k0", "k1", "-1k0", "2k1"} <= names
    assert load_crf(tmp_path / "model") == with_clusters
    again = train_crf(documents(), unlabelled=iter(unlabelled))
    assert (again.clusters, again.outer) == (with_clusters.clusters, with_clusters.outer)
    with pytest.raises(DataError, match="forms occur 5 times or more in the unlabelled text"):
        train_crf(documents(), unlabelled=["quá ít chữ"])


def test_features_can_be_left_out():
    model = train_crf(documents(), settings=CrfSettings(without=("x", "a"), max_iterations=20))
    names = {feature.partition("=")[0] for feature, _ in LinearChain(model.outer).state_weights}
    assert {"w", "b", "1x"} <= names and not {"x", "a"} & names


def test_a_word_of_several_syllables_shows_them():
    """In others' data a token may be a word."""
    assert {"w=bệnh viện", "v=bệnh", "v=viện", "v1=bệnh", "v0=viện", "v#=2", "s=Xx x"} <= set(
        Word("Bệnh viện").own
    )
    assert not any(feature.startswith("v") for feature in Word("Viện").own)
