"""Token classification on a pretrained encoder, in both layers: PhoBERT, XLM-R and others.

The unit of tags is the syllable token. What the encoder reads are *units*: syllable tokens, or, for
PhoBERT, words (found by a segmenter, their syllables joined by `_`). The tokenizer is asked for
the pieces of one unit at a time, `[unk]` where it knows none, which works for every tokenizer:
PhoBERT's has neither `word_ids` nor offsets. A token has the vector of the piece in which it
begins, with a learned mark for its place among the tokens that begin there, so a word may hold the
border of an entity: segmenters join names with the verb behind them.

A sentence that is too long for the encoder is read in overlapping windows; a token takes its
vector from the window in which it is farthest from an edge. Importing this module imports torch.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from annotate.document import Document
from annotate.errors import DataError
from annotate.tokens import Offsets, tokenize
from baselines.fit import FitSettings, fit_model, quiet
from baselines.neural import (
    Batch,
    Network,
    NeuralModel,
    Reader,
    TwoLayerHead,
    load_weights,
    memory_errors,
    pad,
)
from baselines.training import (
    LabelSet,
    Progress,
    check_output,
    labels_of_card,
    read_card,
    read_training,
    training_of_card,
)

KIND = "vipol-transformer"
ENCODER_NAME = "encoder"

MOST_PIECES = 32
"""Pieces of one unit that the encoder reads, the first ones: enough for any word, and a link of
a thousand characters does not push a sentence out of its window."""

MOST_CHARACTERS = 256
"""Characters of one unit that are cut into pieces, the first ones: PhoBERT's way of cutting is
quadratic in them."""

LAST_PLACE = 3
"""Places in a piece that have a mark of their own: 0, 1, 2, and 3 for all behind."""

DEFAULT_POSITIONS = 512
"""Positions of an encoder that names no limit."""


# --- windows ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """Units that go through the encoder together: first, and one past the last."""

    first: int
    last: int


def plan_windows(sizes: Sequence[int], capacity: int) -> tuple[list[Window], list[int]]:
    """Overlapping windows over units of these sizes (pieces), and which window each unit takes
    its vector from.

    A window has at most `capacity` pieces; each begins about half a window behind the one before.
    A unit takes the window in which it is farthest from an edge that is not an edge of the
    sentence. Sizes must not exceed the capacity.
    """
    windows: list[Window] = []
    first = 0
    while True:
        last, pieces = first, 0
        while last < len(sizes) and pieces + sizes[last] <= capacity:
            pieces += sizes[last]
            last += 1
        windows.append(Window(first, last))
        if last == len(sizes):
            break
        half = 0
        begin = first
        while half < capacity // 2 and begin + 1 < last:
            half += sizes[begin]
            begin += 1
        first = max(begin, first + 1)
    owners: list[int] = []
    count = len(sizes)
    for unit in range(count):
        # the windows are in order, so the middle of two is where the second takes over
        best, room = -1, -1
        for number in range(owners[-1] if owners else 0, len(windows)):
            window = windows[number]
            if window.first > unit:
                break
            if unit < window.last:
                left = unit - window.first if window.first else count
                right = window.last - 1 - unit if window.last < count else count
                if min(left, right) > room:
                    best, room = number, min(left, right)
        owners.append(best)
    return windows, owners


# --- reading ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """The windows of a sentence (piece numbers with the special ones), and for each token its unit,
    its window, the place of its piece there, and its place among the tokens of that piece."""

    windows: list[list[int]]
    unit: list[int]
    window: list[int]
    piece: list[int]
    place: list[int]


class TransformerReader(Reader):
    """Pieces of a tokenizer for syllable tokens.

    positions: how many the encoder has, special ones included. segmented: whether units are words.
    """

    def __init__(self, tokenizer: Any, positions: int, segmented: bool) -> None:
        self.tokenizer = tokenizer
        self.positions = positions
        self.segmented = segmented
        self._before, self._after = _special_pieces(tokenizer)
        self._space = _needs_space(tokenizer)
        self._known: dict[str, tuple[list[int], list[int]]] = {}
        self.capacity = positions - len(self._before) - len(self._after)
        if self.capacity < 2:
            raise DataError(
                f"the encoder has {positions} positions, of which special pieces leave "
                f"{self.capacity}; wanted 2 or more"
            )

    def pieces(self, unit: str) -> tuple[list[int], list[int]]:
        """The numbers of the pieces of a unit, at most MOST_PIECES, never none; and where in the
        unit each begins (code points; see `_piece_starts`)."""
        known = self._known.get(unit)
        if known is None:
            text = (" " if self._space else "") + unit[:MOST_CHARACTERS]
            names = self.tokenizer.tokenize(text)
            names = (names or [self.tokenizer.unk_token])[: min(MOST_PIECES, self.capacity)]
            starts = _piece_starts(unit, names)
            known = self._known[unit] = (self.tokenizer.convert_tokens_to_ids(names), starts)
        return known

    def units(self, text: str, tokens: Sequence[Offsets]) -> list[list[Offsets]]:
        """The tokens of each unit. A token that the segmenter cut stays whole, in the unit of its
        first character."""
        if not self.segmented or any(" " in text[start:end] for start, end in tokens):
            return [[token] for token in tokens]  # syllables, or words already
        from annotate.dataset.words import segment_words

        words = segment_words(text, tokens[0][0], tokens[-1][1])
        units: list[list[Offsets]] = []
        word = before = -1
        for token in tokens:
            while word + 1 < len(words) and words[word + 1][0] <= token[0]:
                word += 1
            if word == before and units:
                units[-1].append(token)
            else:
                units.append([token])
            before = word
        return units

    def read(self, text: str, tokens: Sequence[Offsets]) -> _Read:
        units = self.units(text, tokens)
        if self.segmented:  # the space inside a word of others' tokens
            text = text.replace(" ", "_")
        spelt = [_spell(text, unit) for unit in units]
        pieces = [self.pieces(spelled) for spelled, _ in spelt]
        windows, owners = plan_windows([len(numbers) for numbers, _ in pieces], self.capacity)
        ready: list[list[int]] = []
        begins: list[dict[int, int]] = []
        for window in windows:
            numbers = list(self._before)
            begin: dict[int, int] = {}
            for unit in range(window.first, window.last):
                begin[unit] = len(numbers)
                numbers += pieces[unit][0]
            ready.append(numbers + self._after)
            begins.append(begin)
        read = _Read(ready, [], [], [], [])
        for unit, (_, token_starts) in enumerate(spelt):
            before = place = -1
            for token_start in token_starts:
                piece = max(bisect_right(pieces[unit][1], token_start) - 1, 0)
                place = place + 1 if piece == before else 0
                before = piece
                read.unit.append(unit)
                read.window.append(owners[unit])
                read.piece.append(begins[owners[unit]][unit] + piece)
                read.place.append(min(place, LAST_PLACE))
        if len(read.piece) != len(tokens):
            raise AssertionError(f"{len(tokens)} tokens but {len(read.piece)} vectors for them")
        return read

    def collate(self, sentences: Sequence[_Read]) -> Batch:
        """`input_ids` and `attention_mask` (windows, longest); `piece` (sentences, longest): where
        among all pieces of all windows a token has its vector; `place`: its place in its piece."""
        rows = [window for sentence in sentences for window in sentence.windows]
        longest = max(map(len, rows))
        piece: list[list[int]] = []
        before = 0
        for sentence in sentences:
            pairs = zip(sentence.window, sentence.piece, strict=True)
            piece.append([(before + window) * longest + place for window, place in pairs])
            before += len(sentence.windows)
        return {
            "input_ids": pad(rows, self.tokenizer.pad_token_id or 0),
            "attention_mask": pad([[1] * len(row) for row in rows]),
            "piece": pad(piece),
            "place": pad([sentence.place for sentence in sentences]),
        }


def _spell(text: str, tokens: Sequence[Offsets]) -> tuple[str, list[int]]:
    """The tokens of a unit as one string, white space as `_`, and where in it each begins."""
    spelled, starts, end = "", [], tokens[0][0]
    for token in tokens:
        spelled += "_" if token[0] > end else ""
        starts.append(len(spelled))
        spelled += text[token[0] : token[1]]
        end = token[1]
    return spelled, starts


def _piece_starts(unit: str, names: Sequence[str]) -> list[int]:
    """Where in the unit each piece begins: PhoBERT's end in `@@` but for the last, those of
    SentencePiece begin with `▁`. A lone `▁` begins where the next piece does, and a token there
    takes the later one. Where the pieces do not spell the unit, all tokens are given the first."""
    starts, spelled = [], ""
    for name in names:
        starts.append(len(spelled))
        spelled += name.removesuffix("@@").removeprefix("▁")
    return starts if unit.startswith(spelled) else [0] + [len(unit)] * (len(names) - 1)


def _special_pieces(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The numbers that a tokenizer puts before and behind a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for first in range(len(full) - len(bare) + 1):
        if full[first : first + len(bare)] == bare:
            return list(full[:first]), list(full[first + len(bare) :])
    return [], []


def _needs_space(tokenizer: Any) -> bool:
    """Whether a word inside a text has other pieces than one at its start (byte-level BPE)."""
    alone, both = tokenizer.tokenize("a"), tokenizer.tokenize("a a")
    behind = both[len(alone) :]
    return bool(behind != alone and behind == tokenizer.tokenize(" a"))


# --- the network ------------------------------------------------------------------------


class TransformerNetwork(Network):
    """Encoder → a dense layer over the vector of a token and the mark of its place in its piece →
    tags of both layers."""

    def __init__(self, encoder: nn.Module, labels: LabelSet, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        size = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.place = nn.Embedding(LAST_PLACE + 1, size)
        nn.init.normal_(self.place.weight, std=0.02)
        self.dense = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)
        self.head = TwoLayerHead(size, labels)

    def vectors(self, inputs: Batch) -> Tensor:
        hidden = self.encoder(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        ).last_hidden_state
        tokens = hidden.flatten(0, 1)[inputs["piece"]] + self.place(inputs["place"])
        dropped: Tensor = self.dropout(torch.tanh(self.dense(self.dropout(tokens))))
        return dropped


class TransformerModel(NeuralModel):
    """A fine-tuned encoder."""

    kind = KIND
    source = "transformer"

    def write_reader(self, folder: Path) -> None:
        assert isinstance(self.reader, TransformerReader)
        assert isinstance(self.network, TransformerNetwork)
        self.network.encoder.config.save_pretrained(folder / ENCODER_NAME)  # type: ignore
        self.reader.tokenizer.save_pretrained(folder / ENCODER_NAME)


# --- training ---------------------------------------------------------------------------


def train_transformer(
    documents: Sequence[Document],
    *,
    model: str,
    output: str | Path,
    validation: Sequence[Document] | None = None,
    seed: int = 13,
    epochs: int = 20,
    batch_size: int = 16,
    learning_rate: float = 5e-5,
    head_learning_rate: float = 1e-3,
    patience: int = 5,
    accumulate: int = 1,
    dropout: float = 0.1,
    positions: int | None = None,
    labels: Sequence[str] = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> TransformerModel:
    """Fine-tune an encoder on labelled documents and write the model folder `output`.

    model: a folder with config, weights and tokenizer, or a name on the Hub
    (`vinai/phobert-base`, `xlm-roberta-base`). validation: labelled documents whose strict span F1
    (both layers together) after each epoch says which weights are kept and when to stop; without,
    all epochs are run and the last weights kept. batch_size: sentences on each device; accumulate:
    batches to one step. positions: longest window in pieces, special ones included; what the
    encoder can hold unless given. labels: labels that must occur. An interrupted training goes on
    with `resume` from its last epoch. `progress` is called with the steps done and all.

    Mixed precision (bfloat16, else float16) on a GPU, float32 on a CPU, where the same
    documents, seed and threads give the same weights. Several GPUs: start the command with
    `accelerate launch`.

    Raises DataError for documents that will not do (see `read_training`), an encoder that cannot be
    loaded, an output that holds something else, a checkpoint that does not fit, and where the
    memory does not suffice.
    """
    how = FitSettings(
        epochs,
        batch_size,
        learning_rate,
        head_learning_rate=head_learning_rate,
        patience=patience,
        accumulate=accumulate,
    )
    check_output(output, KIND)
    data = read_training(documents, labels, validation)
    torch.manual_seed(seed)
    with memory_errors(batch_size):
        encoder, reader = load_encoder(model, positions)
        network = TransformerNetwork(encoder, data[1], dropout)
    about = {
        "model": model,
        "positions": reader.positions,
        "segmented": reader.segmented,
        "dropout": dropout,
    }
    return fit_model(
        TransformerModel,
        network,
        reader,
        data,
        about={"encoder": about},
        validation=validation,
        settings=how,
        seed=seed,
        output=output,
        resume=resume,
        progress=progress,
    )


def load_transformer(folder: str | Path) -> TransformerModel:
    """The model of a folder that `train_transformer` wrote, on a GPU where there is one.

    Raises DataError where the folder is no such model, is damaged, or is of another format.
    """
    from transformers import AutoConfig, AutoModel

    folder = Path(folder)
    card = read_card(folder, KIND)
    with load_errors(str(folder)):
        config = AutoConfig.from_pretrained(folder / ENCODER_NAME)
        tokenizer = load_tokenizer(str(folder / ENCODER_NAME), config)
        encoder = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    try:
        about = card["settings"]["encoder"]
        reader = TransformerReader(tokenizer, about["positions"], about["segmented"])
        labels = labels_of_card(card)
        network = TransformerNetwork(_without_pooler(encoder), labels, about["dropout"])
        known = training_of_card(card)
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder}: a damaged model ({error!r}); train it again") from None
    load_weights(network, folder)
    return TransformerModel(network=network, reader=reader, labels=labels, **known)


# --- encoders of others -------------------------------------------------------------------


def load_encoder(model: str, positions: int | None = None) -> tuple[nn.Module, TransformerReader]:
    """An encoder with its weights, and the reader for its tokenizer.

    Raises DataError where the model is neither a folder nor a name that can be loaded, where it
    lacks weights or tokenizer, and where `positions` is more than it has.
    """
    from transformers import AutoConfig, AutoModel

    with load_errors(model):
        config = AutoConfig.from_pretrained(model)
        tokenizer = load_tokenizer(model, config)
        encoder = AutoModel.from_pretrained(model, config=config, dtype=torch.float32)
    most = count_positions(encoder, tokenizer)
    if positions is not None and not 4 <= positions <= most:
        raise DataError(f"{positions} positions asked for; {model} has {most}, wanted 4 to {most}")
    vocabulary = encoder.get_input_embeddings().num_embeddings
    if len(tokenizer) > vocabulary:
        raise DataError(
            f"{model}: the tokenizer has {len(tokenizer)} pieces, the encoder {vocabulary}; "
            "they are of different models"
        )
    reader = TransformerReader(tokenizer, positions or most, is_phobert(model, config))
    return _without_pooler(encoder), reader


def is_phobert(model: str, config: Any) -> bool:
    """Whether a model reads PhoBERT's input: segmented words, pieces by its own tokenizer."""
    return (
        getattr(config, "tokenizer_class", None) == "PhobertTokenizer"
        or Path(model, "bpe.codes").is_file()
        or (not Path(model).is_dir() and "phobert" in model.lower())
    )


def load_tokenizer(model: str, config: Any) -> Any:
    """The tokenizer of a model; PhoBERT's by its class: AutoTokenizer takes another."""
    from transformers import AutoTokenizer, PhobertTokenizer

    if is_phobert(model, config):
        return PhobertTokenizer.from_pretrained(model)
    return AutoTokenizer.from_pretrained(model)


def count_positions(encoder: Any, tokenizer: Any) -> int:
    """The longest input in pieces, special ones included.

    RoBERTa counts positions from behind the number of the filling piece: of 258 it can use 256. A
    tokenizer that knows no limit says 1e30.
    """
    most = int(getattr(encoder.config, "max_position_embeddings", None) or DEFAULT_POSITIONS)
    embeddings = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    filling = getattr(embeddings, "padding_idx", None)
    if filling is not None:
        most -= filling + 1
    return min(most, int(min(tokenizer.model_max_length, 10**9)))


def _without_pooler(encoder: Any) -> nn.Module:
    """The encoder without the layer over its first vector: it would be trained by nothing."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    module: nn.Module = encoder
    return module


@contextmanager
def load_errors(model: str) -> Iterator[None]:
    """Say in one line why a model could not be loaded."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        reason = " ".join(str(error).split())[:160]
        raise DataError(
            f"{model}: neither a folder with a model nor one that could be loaded ({reason}); give "
            "a folder with config.json, weights and tokenizer, or a name on the Hub"
        ) from None


def make_small_encoder(
    texts: Iterable[str],
    folder: str | Path,
    *,
    seed: int = 13,
    vocabulary: int = 4000,
    size: int = 128,
    layers: int = 2,
    heads: int = 4,
) -> None:
    """Write an encoder of the XLM-R architecture with weights of chance and a tokenizer learned
    from `texts` (Unigram, Kudo 2018): what a transformer from nothing begins with.

    Raises DataError for texts without a word.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [text[start:end] for text in texts for start, end in tokenize(text)]
    if not words:
        raise DataError("no texts to learn a tokenizer from; give at least one document")
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    learned = json.loads(tokenizer.to_str())["model"]["vocab"]
    pieces = [(piece, score) for piece, score in learned if piece not in special]
    full = XLMRobertaTokenizer(
        vocab=[*((name, 0.0) for name in special), *pieces, ("<mask>", 0.0)], model_max_length=512
    )
    full.save_pretrained(folder)
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=len(full),
        hidden_size=size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * size,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    with quiet():
        XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
