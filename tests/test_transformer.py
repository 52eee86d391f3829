"""Fine-tuned encoders, on small ones of the real architectures with real tokenizers made here: a
RoBERTa with PhoBERT's vocabulary and BPE codes, and XLM-R with a Unigram tokenizer."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from neural_data import PIECES, invent_documents  # noqa: E402

from annotate.document import (  # noqa: E402
    Document,
    find_illegal,
    split_layers,
    token_sentences,
)
from annotate.errors import DataError  # noqa: E402
from annotate.markup import parse_markup  # noqa: E402
from annotate.tags import spans_to_tags  # noqa: E402
from annotate.tokens import tokenize  # noqa: E402
from baselines.fit import checkpoint_folder  # noqa: E402
from baselines.foreign import load_batch_labeller, load_labeller  # noqa: E402
from baselines.score import score_documents  # noqa: E402
from baselines.training import model_kind  # noqa: E402
from baselines.transformer import (  # noqa: E402
    MOST_PIECES,
    TransformerModel,
    TransformerReader,
    load_encoder,
    load_transformer,
    make_small_encoder,
    plan_windows,
    train_transformer,
)

torch.set_num_threads(1)  # tiny networks: a second thread only waits

DOCUMENTS = invent_documents(100)
FAST = {"batch_size": 10, "learning_rate": 2e-3, "head_learning_rate": 5e-3, "dropout": 0.0}


def make_phobert(folder: Path, positions: int = 258) -> None:
    """A tiny RoBERTa with vocab.txt and bpe.codes as PhoBERT has them, learned from the words of
    the invented sentences; the folder names the tokenizer's class as PhoBERT's config does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaConfig, RobertaModel

    from annotate.dataset.words import segment_words

    words: Counter[str] = Counter()
    for document in DOCUMENTS:
        for line in document.text.split("\n"):
            words.update("_".join(line[a:b].split()) for a, b in segment_words(line))
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=400, end_of_word_suffix="</w>", show_progress=False, min_frequency=2
    )
    learner.train_from_iterator(words.elements(), trainer)
    model = json.loads(learner.to_str())["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    pieces = [
        piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@"
        for piece in model["vocab"]
    ]
    folder.mkdir()
    (folder / "bpe.codes").write_text("".join(f"{pair} 1\n" for pair in merges), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    config = RobertaConfig(
        vocab_size=len(pieces) + 5,  # <s> <pad> </s> <unk> before, <mask> behind
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        type_vocab_size=1,
        tokenizer_class="PhobertTokenizer",
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    torch.manual_seed(1)
    RobertaModel(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    make_phobert(folder / "phobert")
    make_small_encoder(
        (document.text for document in DOCUMENTS),
        folder / "xlmr",
        vocabulary=400,
        size=32,
        layers=1,
        heads=2,
    )
    return {"phobert": folder / "phobert", "xlmr": folder / "xlmr"}


@pytest.fixture(scope="module", params=["phobert", "xlmr"])
def model(
    request: pytest.FixtureRequest,
    encoders: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> TransformerModel:
    output = tmp_path_factory.mktemp(request.param) / "model"
    train_transformer(
        DOCUMENTS,
        model=str(encoders[request.param]),
        output=output,
        epochs=18,
        **FAST,
    )
    assert not checkpoint_folder(output).exists()
    return load_transformer(output)


# --- what it learns -----------------------------------------------------------------------


def test_it_learns_what_it_is_shown(model: TransformerModel):
    predicted = list(model.label_documents(one.with_spans([]) for one in DOCUMENTS))
    scores = score_documents(DOCUMENTS, predicted)
    assert scores.layers["outer"].seqeval.micro.f1 > 0.99
    assert scores.layers["inner"].seqeval.micro.f1 > 0.99
    assert scores.layers["inner"].seqeval.micro.support > 30
    for document in predicted:
        assert find_illegal(document.text, document.spans) is None
        for span in document.spans:
            assert span.source == "transformer"
            assert span.score is not None and 0 < span.score <= 1


def test_the_same_at_any_batch_size(model: TransformerModel):
    many = [*invent_documents(30, seed=8), Document("blank", " \n "), *DOCUMENTS[:4]]
    alone = [model.label_document(one.with_spans([])) for one in many]
    for size in (1, 7, 64):
        together = [one.spans for one in model.label_documents(many, batch_size=size)]
        assert [[s.key for s in spans] for spans in together] == [
            [s.key for s in spans] for spans in alone
        ]
        for spans, others in zip(together, alone, strict=True):
            assert [s.score for s in spans] == pytest.approx([s.score for s in others], abs=2e-4)


def test_save_and_load(model: TransformerModel, tmp_path: Path):
    many = [*DOCUMENTS, *invent_documents(20, seed=9)]
    model.save(tmp_path / "again")
    loaded = load_transformer(tmp_path / "again")
    assert list(loaded.label_documents(many)) == list(model.label_documents(many))
    assert (loaded.labels, loaded.training, loaded.history, loaded.settings) == (
        model.labels,
        model.training,
        model.history,
        model.settings,
    )
    assert type(loaded.reader.tokenizer) is type(model.reader.tokenizer)
    assert model_kind(tmp_path / "again") == "vipol-transformer"
    card = json.loads((tmp_path / "again" / "model.json").read_text(encoding="utf-8"))
    assert card["settings"]["encoder"]["positions"] == model.reader.positions


def test_a_long_sentence_loses_nothing(model: TransformerModel):
    """A sentence of far more pieces than the encoder has positions: an entity in each of its
    hundred clauses, found in all of them."""
    source = " và ".join(["ông [Trần Quốc Minh]{PERSON} dự họp của [Huyện ủy Sơn Hà]{ORG}"] * 100)
    text, spans = parse_markup(source)
    tokens = tokenize(text)
    read = model.reader.read(text, tokens)
    assert len(read.windows) > 2
    assert max(map(len, read.windows)) <= model.reader.positions
    assert len(read.piece) == len(tokens) == 1199
    found = {span.key for span in model.label_document(Document("x", text))}
    learned = {span.key for span in spans}
    # a model of a hundred short sentences is not sure of places that it never saw
    assert len(found & learned) > 0.8 * len(learned)
    last = text.rindex("Trần")
    assert any(start >= last for start, _, _ in found)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([*PIECES, "\u200b", "\ufeff", "\u00ad", "ﷺ", "<s>", "TT&TT", "T.Ư"]),
        min_size=1,
        max_size=60,
    )
)
def test_what_comes_out_obeys_the_scheme(model: TransformerModel, pieces: list[str]):
    text = " ".join(pieces)
    assert find_illegal(text, model.label_document(Document("x", text))) is None


# --- what the encoder reads ---------------------------------------------------------------


@pytest.fixture(scope="module")
def readers(encoders: dict[str, Path]) -> dict[str, TransformerReader]:
    return {name: load_encoder(str(folder))[1] for name, folder in encoders.items()}


def test_phobert_reads_words_with_its_own_tokenizer(readers: dict[str, TransformerReader]):
    reader = readers["phobert"]
    assert type(reader.tokenizer).__name__ == "PhobertTokenizer"
    assert (reader.positions, reader.segmented, reader.capacity) == (256, True, 254)
    text = "Đồng chí Lê  Thanh Lâm phát biểu ngày 4/8/2019."
    tokens = tokenize(text)
    units = [" ".join(text[a:b] for a, b in unit) for unit in reader.units(text, tokens)]
    assert units == ["Đồng chí", "Lê Thanh Lâm", "phát biểu", "ngày", "4/8/2019", "."]
    read = reader.read(text, tokens)
    (window,) = read.windows
    assert (window[0], window[-1]) == (0, 2)
    names = reader.tokenizer.convert_ids_to_tokens(window[1:-1])
    spelled = " ".join(names).replace("@@ ", "")
    assert spelled == "Đồng_chí Lê_Thanh_Lâm phát_biểu ngày 4/8/2019 ."
    assert names[0] == "Đồng_chí"  # two tokens share a piece
    assert (read.piece[:2], read.place[:2]) == ([1, 1], [0, 1])


def test_a_token_has_the_piece_in_which_it_begins(readers: dict[str, TransformerReader]):
    """Segmenters join a name with the verb behind it: the verb has pieces of its own there."""
    numbers, starts = readers["phobert"].pieces("Đỗ_Thị_Minh_dự")
    names = readers["phobert"].tokenizer.convert_ids_to_tokens(numbers)
    assert "".join(name.removesuffix("@@") for name in names) == "Đỗ_Thị_Minh_dự"
    assert len(numbers) == len(starts)
    assert starts[-1] > "Đỗ_Thị_Minh_dự".index("Minh")


def test_xlmr_reads_syllables(readers: dict[str, TransformerReader]):
    reader = readers["xlmr"]
    assert (reader.positions, reader.segmented) == (512, False)
    text = "Bí thư Huyện ủy"
    read = reader.read(text, tokenize(text))
    assert read.windows == [reader.tokenizer(text)["input_ids"]]
    assert read.place == [0, 0, 0, 0]
    assert reader.tokenizer.convert_tokens_to_ids("▁") not in [
        read.windows[0][place] for place in read.piece
    ]


def test_a_word_inside_a_text_has_its_own_pieces(tmp_path: Path):
    """Byte-level BPE marks the space before a word: RoBERTa's and ModernBERT's way."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator((document.text for document in DOCUMENTS), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learner, pad_token="<pad>", unk_token="<unk>", model_max_length=128
    )
    reader = TransformerReader(tokenizer, 128, segmented=False)
    for word in ("Minh", "ông"):
        inside = tokenizer.tokenize(f"a {word}")[len(tokenizer.tokenize("a")) :]
        assert tokenizer.convert_ids_to_tokens(reader.pieces(word)[0]) == inside
        assert inside[0].startswith("\u0120")


@pytest.mark.parametrize("name", ["phobert", "xlmr"])
def test_every_token_has_a_piece(readers: dict[str, TransformerReader], name: str):
    """Characters that a tokenizer drops, and a link with more pieces than a unit may have."""
    reader = readers[name]
    text = "ông \u200b Minh \ufeff đọc \u00ad 😀 ﷺ https://vidu.example/" + "x9" * 400 + " xong"
    tokens = tokenize(text)
    read = reader.read(text, tokens)
    assert len(read.piece) == len(tokens)
    assert all(len(window) <= reader.positions for window in read.windows)
    places = list(zip(read.window, read.piece, strict=True))
    assert places == sorted(places)
    assert all(0 < place < len(read.windows[window]) - 1 for window, place in places)
    assert len(reader.pieces("x9" * 400)[0]) == MOST_PIECES
    assert reader.pieces("\u200b")[0]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=80),
    st.integers(9, 40),
)
def test_windows_hold_every_unit_once(sizes: list[int], capacity: int):
    windows, owners = plan_windows(sizes, capacity)
    assert len(owners) == len(sizes)
    assert windows[0].first == 0 and windows[-1].last == len(sizes)
    for unit, owner in enumerate(owners):
        assert windows[owner].first <= unit < windows[owner].last
    for window in windows:
        assert sum(sizes[window.first : window.last]) <= capacity
    assert owners == sorted(owners)
    if sum(sizes) <= capacity:
        assert len(windows) == 1


def test_windows_overlap_by_half():
    windows, owners = plan_windows([1] * 100, 40)
    assert [(w.first, w.last) for w in windows] == [(0, 40), (20, 60), (40, 80), (60, 100)]
    assert [owners.index(n) for n in range(4)] == [0, 30, 50, 70]


# --- how it is trained --------------------------------------------------------------------


def test_a_training_that_goes_on_ends_as_one_without_a_break(
    encoders: dict[str, Path], tmp_path: Path
):
    how = {**FAST, "epochs": 3, "model": str(encoders["xlmr"]), "accumulate": 2, "batch_size": 5}
    whole = train_transformer(DOCUMENTS[:4], output=tmp_path / "whole", **how)

    def stop(done: int, steps: int) -> None:
        assert steps == 6
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_transformer(DOCUMENTS[:4], output=tmp_path / "broken", progress=stop, **how)
    with pytest.raises(DataError, match="does not fit: it was made with fit"):
        other = {**how, "epochs": 9}
        train_transformer(DOCUMENTS[:4], output=tmp_path / "broken", resume=True, **other)
    with pytest.raises(DataError, match="does not fit: it was made with labels"):
        flat = [one.with_spans(s for s in one.spans if s.label == "ORG") for one in DOCUMENTS[:4]]
        train_transformer(flat, output=tmp_path / "broken", resume=True, **how)

    mended = train_transformer(DOCUMENTS[:4], output=tmp_path / "broken", resume=True, **how)
    assert mended.history == whole.history
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, mended.network.state_dict()[name]), name


def test_the_head_has_a_learning_rate_of_its_own(encoders: dict[str, Path], tmp_path: Path):
    """With next to none for the encoder, its weights stay and the head's move."""
    how = {**FAST, "epochs": 1, "learning_rate": 1e-12, "head_learning_rate": 0.1}
    folder = str(encoders["xlmr"])
    trained = train_transformer(DOCUMENTS[:2], model=folder, output=tmp_path / "m", **how)
    encoder, _ = load_encoder(folder)
    for name, weight in encoder.state_dict().items():
        now = trained.network.state_dict()[f"encoder.{name}"]
        assert torch.allclose(weight, now, atol=1e-6), name
    assert trained.network.state_dict()["head.outer.bias"].abs().max() > 0.05


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/folder", "neither a folder with a model nor one that could be loaded"),
        ("no such name", "neither a folder with a model nor one that could be loaded"),
    ],
)
def test_an_encoder_that_is_not_there(name: str, message: str, tmp_path: Path):
    with pytest.raises(DataError, match=message):
        train_transformer(DOCUMENTS, model=name, output=tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_without_weights_or_tokenizer(encoders: dict[str, Path], tmp_path: Path):
    config = (encoders["xlmr"] / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(DataError, match="weights and tokenizer, or a name on the Hub"):
        load_encoder(str(tmp_path))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((encoders["xlmr"] / name).read_bytes())
    with pytest.raises(DataError, match="weights and tokenizer, or a name on the Hub"):
        load_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="weights and tokenizer, or a name on the Hub"):
        load_encoder(str(tmp_path))


def test_positions_that_the_encoder_lacks(encoders: dict[str, Path]):
    with pytest.raises(DataError, match=r"257 positions asked for; .* has 256"):
        load_encoder(str(encoders["phobert"]), positions=257)
    assert load_encoder(str(encoders["phobert"]), positions=64)[1].capacity == 62


def test_a_tokenizer_of_another_model(encoders: dict[str, Path], tmp_path: Path):
    make_small_encoder(["chỉ vài chữ thôi"], tmp_path / "tiny", vocabulary=40, size=8, layers=1)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "tiny" / name).write_bytes((encoders["xlmr"] / name).read_bytes())
    with pytest.raises(DataError, match="they are of different models"):
        load_encoder(str(tmp_path / "tiny"))


def test_a_small_encoder_needs_texts(tmp_path: Path):
    with pytest.raises(DataError, match="no texts to learn a tokenizer from"):
        make_small_encoder([" "], tmp_path / "m")


def test_no_documents(encoders: dict[str, Path], tmp_path: Path):
    with pytest.raises(DataError, match="no documents to train on"):
        train_transformer([], model=str(encoders["xlmr"]), output=tmp_path / "m")


def test_a_model_of_another_kind_is_refused(tmp_path: Path):
    (tmp_path / "model.json").write_text('{"kind": "vipol-crf"}', encoding="utf-8")
    with pytest.raises(DataError, match="a vipol-crf model"):
        load_transformer(tmp_path)
    with pytest.raises(DataError, match="exists and is no vipol-transformer model"):
        train_transformer(DOCUMENTS, model="x", output=tmp_path)


# --- classifiers of others ----------------------------------------------------------------


def train_classifier(encoder: Path, folder: Path) -> None:
    """A token classifier as others publish them: trained with plain transformers on the first
    piece of each unit, outer layer, with labels of its own."""
    from transformers import AutoModelForTokenClassification

    reader = load_encoder(str(encoder))[1]
    tags = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    names = {"PERSON": "PER", "ORG": "ORG"}
    torch.manual_seed(3)
    model = AutoModelForTokenClassification.from_pretrained(
        encoder, num_labels=len(tags), id2label=dict(enumerate(tags))
    )
    reads, gold = [], []
    for document in DOCUMENTS[:8]:
        outer = [s for s in split_layers(document.spans)["outer"] if s.label in names]
        for tokens in token_sentences(document):
            found, _ = spans_to_tags(
                tokens, [s for s in outer if tokens[0][0] <= s.start < tokens[-1][1]]
            )
            reads.append(reader.read(document.text, tokens))
            gold.append([tags.index(f"{t[:2]}{names[t[2:]]}") if t != "O" else 0 for t in found])
    inputs = reader.collate(reads)
    wanted = torch.full_like(inputs["input_ids"], -100)
    for read, of_row, row in zip(reads, gold, wanted, strict=True):
        for place in range(len(of_row)):
            if not place or read.unit[place] != read.unit[place - 1]:
                row[read.piece[place]] = of_row[place]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(80):
        loss = model(inputs["input_ids"], inputs["attention_mask"], labels=wanted).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    reader.tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(("name", "least"), [("phobert", 0.9), ("xlmr", 0.99)])
def test_the_classifier_of_somebody_else(
    encoders: dict[str, Path], name: str, least: float, tmp_path: Path
):
    """It finds what it was shown, but for words of PhoBERT that hold the border of an entity."""
    train_classifier(encoders[name], tmp_path / "theirs")
    with pytest.raises(DataError, match=r"it has PER, wanted are .* give a label map"):
        load_labeller(str(tmp_path / "theirs"))
    label = load_batch_labeller(str(tmp_path / "theirs"), label_map={"PER": "PERSON"})
    found = label([*DOCUMENTS[:8], Document("blank", " \n ")])
    assert found[-1] == ()
    hits = wanted = 0
    for document, spans in zip(DOCUMENTS[:8], found[:-1], strict=True):
        assert find_illegal(document.text, spans) is None
        assert all(s.source == "transformers" and 0 < (s.score or 0) <= 1 for s in spans)
        gold = {
            s.key for s in split_layers(document.spans)["outer"] if s.label in ("PERSON", "ORG")
        }
        hits += len(gold & {span.key for span in spans})
        wanted += len(gold) + len(spans)
    assert 2 * hits / wanted > least
    # a sentence of many windows
    text = " và ".join(["ông Trần Quốc Minh dự họp của Huyện ủy Sơn Hà"] * 60)
    (spans,) = label([Document("long", text)])
    assert spans[-1].end > len(text) - 60


def test_labels_that_are_no_tags(encoders: dict[str, Path], tmp_path: Path):
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(encoders["xlmr"], num_labels=3)
    model.save_pretrained(tmp_path)
    load_encoder(str(encoders["xlmr"]))[1].tokenizer.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"its labels are no IOB2 tags \(LABEL_0, LABEL_1, LABEL_2"):
        load_labeller(str(tmp_path))
