"""The BiLSTM-CRF: its chain is exact, it learns what it is shown, and it says the same after save
and load, at any batch size, and when an interrupted training goes on."""

import itertools
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from neural_data import PIECES, invent_documents  # noqa: E402

from annotate.document import Document, Span, find_illegal, split_layers  # noqa: E402
from annotate.errors import DataError  # noqa: E402
from annotate.markup import parse_markup  # noqa: E402
from annotate.prelabel.lexicon import Entry  # noqa: E402
from annotate.scheme import LABEL_NAMES  # noqa: E402
from annotate.tokens import tokenize  # noqa: E402
from baselines.bilstm import BilstmModel, BilstmSettings, load_bilstm, train_bilstm  # noqa: E402
from baselines.chain import may_follow  # noqa: E402
from baselines.fit import FitSettings, checkpoint_folder  # noqa: E402
from baselines.foreign import load_labeller  # noqa: E402
from baselines.neural import Chain, mask_of, pad  # noqa: E402
from baselines.score import score_documents  # noqa: E402
from baselines.training import Point, draw_curve, model_kind, read_training  # noqa: E402
from baselines.vectors import build_clusters, build_vectors  # noqa: E402

torch.set_num_threads(1)  # tiny networks: a second thread only waits

SMALL = BilstmSettings(
    word_size=24, character_size=12, filters=16, hidden=32, dropout=0.1, min_count=1
)
FAST = {"settings": SMALL, "batch_size": 10, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return invent_documents(100)


@pytest.fixture(scope="module")
def folder(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("bilstm") / "model"
    train_bilstm(documents, output=output, epochs=14, **FAST)
    return output


@pytest.fixture(scope="module")
def model(folder: Path) -> BilstmModel:
    return load_bilstm(folder)


# --- the chain --------------------------------------------------------------------------

TAGS = ["O", "B-ORG", "I-ORG", "B-DATE", "I-DATE"]


def every_path(chain: Chain, emissions: "torch.Tensor") -> dict[tuple[int, ...], float]:
    """The score of each legal sequence of tags, written out."""
    scores: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(len(TAGS)), repeat=len(emissions)):
        names = [None, *(TAGS[tag] for tag in path)]
        if not all(may_follow(one, tag) for one, tag in itertools.pairwise(names) if tag):
            continue
        score = chain.start[path[0]] + chain.end[path[-1]]
        score = score + sum(emissions[place, tag] for place, tag in enumerate(path))
        score = score + sum(chain.steps[one, tag] for one, tag in itertools.pairwise(path))
        scores[path] = float(score)
    return scores


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**31))
def test_the_chain_equals_all_paths_written_out(lengths: list[int], seed: int):
    """Loss, best path and marginal probabilities, in batches of unequal lengths."""
    torch.manual_seed(seed)
    chain = Chain(TAGS).double()
    for weight in chain.parameters():
        torch.nn.init.normal_(weight)
    with torch.no_grad():
        emissions = 2 * torch.randn(len(lengths), max(lengths), len(TAGS), dtype=torch.double)
        mask = mask_of(lengths)
        tags, chances = chain.decode(emissions, mask)
        paths = [
            every_path(chain, rows[:length])
            for rows, length in zip(emissions, lengths, strict=True)
        ]
        gold = [sorted(of_row)[seed % len(of_row)] for of_row in paths]
        losses = chain.loss(emissions, mask, pad(gold))
    for row, (of_row, length) in enumerate(zip(paths, lengths, strict=True)):
        total = math.log(sum(map(math.exp, of_row.values())))
        assert losses[row].item() == pytest.approx(total - of_row[gold[row]])
        best = max(of_row, key=lambda path: of_row[path])
        assert tuple(tags[row, :length].tolist()) == best
        for place in range(length):
            share = sum(math.exp(s) for p, s in of_row.items() if p[place] == best[place])
            assert chances[row, place].item() == pytest.approx(share / math.exp(total))


def test_the_gradient_of_the_chain_is_finite():
    chain = Chain(TAGS)
    emissions = torch.randn(2, 4, len(TAGS), requires_grad=True)
    chain.loss(
        emissions, mask_of([4, 1]), torch.tensor([[1, 2, 0, 3], [0, 0, 0, 0]])
    ).sum().backward()
    assert torch.isfinite(emissions.grad).all()
    assert all(torch.isfinite(weight.grad).all() for weight in chain.parameters())
    assert emissions.grad[1, 1:].abs().sum() == 0  # behind the end nothing counts


# --- learning ---------------------------------------------------------------------------


def test_it_learns_what_it_is_shown(model: BilstmModel, documents: list[Document]):
    predicted = list(model.label_documents(one.with_spans([]) for one in documents))
    scores = score_documents(documents, predicted)
    assert scores.layers["outer"].seqeval.micro.f1 > 0.99
    assert scores.layers["inner"].seqeval.micro.f1 > 0.99
    assert scores.layers["inner"].seqeval.micro.support > 30
    for document in predicted:
        assert find_illegal(document.text, document.spans) is None
        for span in document.spans:
            assert span.source == "bilstm"
            assert span.score is not None and 0 < span.score <= 1


def test_the_same_at_any_batch_size(model: BilstmModel, documents: list[Document]):
    many = [*invent_documents(30, seed=8), Document("blank", " \n "), *documents[:4]]
    alone = [model.label_document(one.with_spans([])) for one in many]
    for size in (1, 7, 64):
        together = [one.spans for one in model.label_documents(many, batch_size=size)]
        assert [[s.key for s in spans] for spans in together] == [
            [s.key for s in spans] for spans in alone
        ]
        for spans, others in zip(together, alone, strict=True):
            assert [s.score for s in spans] == pytest.approx([s.score for s in others], abs=2e-4)


def test_save_and_load(model: BilstmModel, documents: list[Document], tmp_path: Path):
    model.save(tmp_path / "again")
    loaded = load_bilstm(tmp_path / "again")
    assert list(loaded.label_documents(documents)) == list(model.label_documents(documents))
    assert (loaded.labels, loaded.training, loaded.history, loaded.settings) == (
        model.labels,
        model.training,
        model.history,
        model.settings,
    )
    model.save(tmp_path / "again")  # a model may be replaced
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_card_says_what_the_model_is(folder: Path):
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert model_kind(folder) == card["kind"] == "vipol-bilstm"
    assert card["labels"] == {
        "outer": sorted(LABEL_NAMES),
        "inner": ["DATE", "ORG"],
        "holds": {"DOCUMENT_REF": ["DATE", "ORG"], "POSITION": ["ORG"]},
    }
    assert (card["training"]["documents"], card["validation"]) == (20, None)
    assert sorted(card["files"]) == ["loss.svg", "weights.safetensors", "words.json"]
    assert not checkpoint_folder(folder).exists()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(PIECES),
        min_size=1,
        max_size=60,
    )
)
def test_what_comes_out_obeys_the_scheme(model: BilstmModel, pieces: list[str]):
    text = " ".join(pieces)
    assert find_illegal(text, model.label_document(Document("x", text))) is None


def test_a_long_sentence_loses_nothing(model: BilstmModel, documents: list[Document]):
    """Fifty sentences in one: every entity of the last as well."""
    text, spans = parse_markup(
        " và ".join(["ông [Trần Quốc Minh]{PERSON} dự họp của [Huyện ủy Sơn Hà]{ORG}"] * 50)
    )
    assert [s.key for s in model.label_document(Document("x", text))] == [s.key for s in spans]


# --- how it is trained --------------------------------------------------------------------


def test_a_training_that_goes_on_ends_as_one_without_a_break(
    documents: list[Document], tmp_path: Path
):
    few = documents[:4]
    how = {**FAST, "epochs": 4, "validation": documents[4:6]}
    whole = train_bilstm(few, output=tmp_path / "whole", **how)

    def stop(done: int, steps: int) -> None:
        assert steps == 8
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_bilstm(few, output=tmp_path / "broken", progress=stop, **how)
    assert not (tmp_path / "broken").exists()

    with pytest.raises(DataError, match="interrupted; go on with --resume"):
        train_bilstm(few, output=tmp_path / "broken", **how)
    with pytest.raises(DataError, match="does not fit: it was made with seed 13, now it is 14"):
        train_bilstm(few, output=tmp_path / "broken", resume=True, seed=14, **how)

    mended = train_bilstm(few, output=tmp_path / "broken", resume=True, **how)
    assert mended.history == whole.history
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, mended.network.state_dict()[name]), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "whole"]


def test_a_damaged_checkpoint_is_refused(documents: list[Document], tmp_path: Path):
    how = {**FAST, "epochs": 3, "output": tmp_path / "model"}

    def stop(done: int, steps: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_bilstm(documents[:4], progress=stop, **how)
    (weights,) = checkpoint_folder(tmp_path / "model").glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match="a damaged checkpoint"):
        train_bilstm(documents[:4], resume=True, **how)


def test_nothing_to_go_on_with(documents: list[Document], tmp_path: Path):
    with pytest.raises(DataError, match="no training to go on with"):
        train_bilstm(documents, output=tmp_path / "model", resume=True, **FAST)


def test_it_stops_early_and_keeps_the_best(documents: list[Document], tmp_path: Path):
    """Against labels turned round, the score does not rise for ever."""
    wrong = [
        one.with_spans(Span(s.start, s.end, "PERSON") for s in split_layers(one.spans)["outer"])
        for one in documents[10:14]
    ]
    model = train_bilstm(
        documents[:4], output=tmp_path / "m", validation=wrong, epochs=30, patience=2, **FAST
    )
    scores = [point.f1 for point in model.history if point.f1 is not None]
    assert len(scores) < 30
    assert max(scores[-2:]) <= max(scores[:-2])
    predicted = list(model.label_documents(wrong))
    assert score_documents(wrong, predicted).nested.micro.f1 == pytest.approx(max(scores))
    card = json.loads((tmp_path / "m" / "model.json").read_text(encoding="utf-8"))
    assert card["validation"]["documents"] == 4
    assert card["validation"]["f1"] == pytest.approx(max(scores))


@pytest.mark.parametrize(
    ("given_documents", "labels", "message"),
    [
        ([], (), "no documents to train on"),
        ([Document("x", "Không có gì.")], (), "none of the 1 documents"),
        (invent_documents(5) * 2, (), "the document d0 stands twice"),
        (invent_documents(5), ("EVENT",), "no entity of EVENT"),
    ],
)
def test_training_data_that_will_not_do(
    given_documents: list[Document], labels: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(DataError, match=message):
        train_bilstm(given_documents, labels=labels, output=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_validation_documents_must_be_labelled(documents: list[Document], tmp_path: Path):
    with pytest.raises(DataError, match="none of the 1 documents to validate on"):
        train_bilstm(documents, validation=[Document("x", "Không.")], output=tmp_path / "model")


def test_memory_that_runs_out(documents: list[Document], tmp_path: Path):
    """The weights alone would need more than any machine can address."""
    with pytest.raises(DataError, match="lower the batch size"):
        train_bilstm(
            documents[:2], output=tmp_path / "model", settings=BilstmSettings(hidden=10**8)
        )


def test_settings_that_make_no_sense():
    with pytest.raises(DataError, match="epochs is 0; wanted 1 or more"):
        FitSettings(epochs=0, batch_size=1, learning_rate=1.0)
    with pytest.raises(DataError, match=r"learning_rate is -1\.0"):
        FitSettings(epochs=1, batch_size=1, learning_rate=-1.0)


def test_other_labels_in_one_layer(tmp_path: Path):
    """Another label set is learned; where ours is wanted, the model is refused."""
    text = "Bệnh nhân 21 ở Sơn Hà. Bệnh nhân 34 ở Phú Lộc."
    spans = [(10, 12, "PATIENT"), (15, 21, "LOC"), (33, 35, "PATIENT"), (38, 45, "LOC")]
    document = Document("x", text, tuple(Span(*span) for span in spans))
    model = train_bilstm(
        [document], output=tmp_path / "m", settings=SMALL, epochs=40, learning_rate=0.03
    )
    assert [span.key for span in model.label_document(document)] == spans
    assert model.network.head.inner is None
    with pytest.raises(DataError, match="another label set; it has LOC, PATIENT"):
        load_labeller(str(tmp_path / "m"))


# --- folders ----------------------------------------------------------------------------


def test_damaged_models_are_refused(model: BilstmModel, tmp_path: Path):
    folder = tmp_path / "model"
    with pytest.raises(DataError, match=r"no vipol-bilstm model \(no model.json of one\)"):
        load_bilstm(folder)
    model.save(folder)
    (folder / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match=r"weights\.safetensors: not the file that was saved"):
        load_bilstm(folder)
    model.save(folder)
    (folder / "words.json").unlink()
    with pytest.raises(DataError, match=r"words\.json: missing"):
        load_bilstm(folder)
    model.save(folder)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**card, "format": 0}), encoding="utf-8")
    with pytest.raises(DataError, match="train the model again"):
        load_bilstm(folder)
    (folder / "model.json").write_text(json.dumps({**card, "settings": {}}), encoding="utf-8")
    with pytest.raises(DataError, match="a damaged model"):
        load_bilstm(folder)
    (folder / "model.json").write_text(json.dumps({"kind": "vipol-crf"}), encoding="utf-8")
    with pytest.raises(DataError, match="a vipol-crf model"):
        load_bilstm(folder)


def test_a_folder_with_something_else_is_left_alone(documents: list[Document], tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="exists and is no vipol-bilstm model"):
        train_bilstm(documents, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# --- sentences and curves ---------------------------------------------------------------


def test_every_entity_is_in_the_sentences(documents: list[Document]):
    tagged, labels, counts = read_training(documents)
    sentences = [sentence for page in tagged for sentence in page]
    outer = [labels.tags("outer")[tag] for sentence in sentences for tag in sentence.outer]
    assert sum(tag.startswith("B-") for tag in outer) == sum(counts.entities["outer"].values())
    inner = [
        labels.tags("inner")[tag]
        for sentence in sentences
        for host in sentence.hosts
        for tag in host.tags
    ]
    assert sum(tag.startswith("B-") for tag in inner) == sum(counts.entities["inner"].values())
    assert sum(len(sentence.tokens) for sentence in sentences) == counts.tokens


def test_the_curve_is_a_picture(tmp_path: Path):
    history = [Point(1, 0.5, loss=2.0), Point(2, 1.0, loss=1.0), Point(2, 1.0, f1=0.5)]
    for name in ("one.svg", "other.svg"):
        draw_curve(history, "a < b", tmp_path / name)
    drawn = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "other.svg").read_text(encoding="utf-8")
    texts = {node.text for node in ElementTree.fromstring(drawn).iter() if node.text}
    assert {"a < b", "loss a token", "validation F1"} <= texts
    draw_curve(history[:2], "no validation", tmp_path / "bare.svg")
    assert "validation F1" not in (tmp_path / "bare.svg").read_text(encoding="utf-8")


# --- vectors ----------------------------------------------------------------------------


def test_vectors_bring_like_forms_together():
    """Days of the month stand in the same places; so do given names."""
    texts = [document.text for document in invent_documents(400)]
    vectors = build_vectors(texts, size=16, min_count=5)

    def likeness(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(vectors[one], vectors[other], strict=True))

    assert sum(value**2 for value in vectors["minh"]) == pytest.approx(1, abs=1e-3)
    assert likeness("trần", "phạm") > 0.5 > likeness("trần", "quyết")
    assert vectors == build_vectors(texts, size=16, min_count=5)


def test_words_have_vectors_of_their_own():
    vectors = build_vectors(
        (document.text for document in invent_documents(100)), words=True, size=8, min_count=2
    )
    assert "đồng chí" in vectors and "đồng" not in vectors


def test_clusters_bring_like_forms_together():
    texts = [document.text for document in invent_documents(400)]
    vectors = build_vectors(texts, size=16)
    clusters = build_clusters(vectors, sizes=(6, 20))
    assert [len(set(names)) for names in zip(*clusters.values(), strict=True)] == [6, 20]
    assert clusters["trần"][0] == clusters["phạm"][0] == clusters["đỗ"][0]
    assert clusters["trần"][0] != clusters["quyết"][0]
    assert clusters == build_clusters(vectors, sizes=(6, 20))


def test_too_little_text_for_vectors():
    with pytest.raises(DataError, match="only 0 forms occur 5 times or more"):
        build_vectors(["một hai ba"], size=2)


def test_vectors_fill_the_embeddings(documents: list[Document], tmp_path: Path):
    texts = [document.text for document in invent_documents(200, seed=3)]
    vectors = build_vectors([*texts, "chữlạ " * 5], size=SMALL.word_size)
    model = train_bilstm(
        documents[:2],
        output=tmp_path / "m",
        unlabelled=[*texts, "chữlạ " * 5],
        settings=SMALL,
        epochs=1,
        learning_rate=1e-12,
    )
    weights = model.network.words.weight
    for form in ("minh", "chữlạ"):
        (number,) = model.reader.read(form, [(0, len(form))]).words
        assert number > 1  # a form that only the vectors know is known
        assert weights[number].tolist() == pytest.approx(vectors[form], abs=1e-5)


def test_a_token_knows_its_lexicon_classes(documents: list[Document], tmp_path: Path):
    entries = [Entry("Sơn Hà", "district", "x"), Entry("Bí thư", "head", "x")]
    how = {"settings": SMALL, "epochs": 1, "output": tmp_path / "m"}
    reader = train_bilstm(documents, lexicon=entries, **how).reader
    text = "Bí thư ở Sơn Hà"
    named = [
        [reader.listings[n - 2] for n in ns] for ns in reader.read(text, tokenize(text)).listings
    ]
    assert named == [["B-head"], ["E-head"], [], ["B-district"], ["E-district"]]
    assert load_bilstm(tmp_path / "m").reader.listings == reader.listings
    bare = train_bilstm(documents, lexicon=[], **how)
    assert bare.reader.listings == []
    assert bare.label_document(documents[0]) is not None
