"""BiLSTM with a character CNN and a CRF (Ma & Hovy 2016), trained from nothing, in both layers.

A syllable token is the embedding of its folded form, what a CNN reads in its characters (case,
digits, dashes), and the sum of the embeddings of the lexicon classes it lies in. In training, forms
that occur once are replaced by the unknown form half of the time, so that it is learned too.
Vectors made from unlabelled text may fill the embeddings. Importing this module imports torch.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from annotate.document import Document
from annotate.errors import DataError
from annotate.prelabel.lexicon import Entry, Lexicon, read_lexicons
from annotate.text import fold
from annotate.tokens import Offsets
from baselines.features import TokenReader
from baselines.fit import FitSettings, fit_model
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
    TaggedSentence,
    check_output,
    labels_of_card,
    read_card,
    read_training,
    training_of_card,
)

KIND = "vipol-bilstm"
WORDS_NAME = "words.json"
MOST_CHARACTERS = 24
"""Characters of a token that the CNN reads: the first ones."""

_UNKNOWN = 1  # 0 is for what fills up a batch, in words and in characters


@dataclass(frozen=True, slots=True)
class BilstmSettings:
    """Sizes of the network: of the embedding of a word, of a character and of a lexicon class,
    filters of the CNN and how many characters each sees, LSTM units in each direction, LSTM layers;
    dropout; how often a form has to occur to have an embedding of its own."""

    word_size: int = 100
    character_size: int = 32
    listing_size: int = 32
    filters: int = 64
    filter_width: int = 3
    hidden: int = 200
    layers: int = 1
    dropout: float = 0.5
    min_count: int = 1


@dataclass(frozen=True, slots=True)
class _Read:
    words: list[int]
    forms: list[str]
    listings: list[list[int]]


class BilstmReader(Reader):
    """Numbers of words, characters and listings (`B-title`: first token of an entry of the class).
    Each are in the order of their numbers, which begin at 2."""

    def __init__(
        self,
        words: Sequence[str],
        characters: Sequence[str],
        listings: Sequence[str],
        lexicon: Sequence[Entry],
    ) -> None:
        self.words = list(words)
        self.characters = list(characters)
        self.listings = list(listings)
        self.lexicon = list(lexicon)
        self._listing = {name: number for number, name in enumerate(listings, start=_UNKNOWN + 1)}
        self._finder = Finder(lexicon)
        self._word = {word: number for number, word in enumerate(words, start=_UNKNOWN + 1)}
        self._character = {c: number for number, c in enumerate(characters, start=_UNKNOWN + 1)}

    def read(self, text: str, tokens: Sequence[Offsets]) -> _Read:
        forms = [text[start:end] for start, end in tokens]
        return _Read(
            [self._word.get(fold(form), _UNKNOWN) for form in forms],
            forms,
            [
                [self._listing[name] for name in names if name in self._listing]
                for names in self._finder.find(text, tokens)
            ],
        )

    def collate(self, sentences: Sequence[_Read]) -> Batch:
        """`words` (sentences, longest); `characters` of each form of the batch (forms, longest
        form), the first row is for filling up; `forms`: which form a token has; `listings`
        (sentences, longest, most); `turned`: the places of the tokens, the last first."""
        numbers: dict[str, int] = {}
        rows = [
            [numbers.setdefault(form, len(numbers) + 1) for form in sentence.forms]
            for sentence in sentences
        ]
        get = self._character.get
        characters = [[get(c, _UNKNOWN) for c in form[:MOST_CHARACTERS]] for form in numbers]
        return {
            "words": pad([sentence.words for sentence in sentences]),
            "forms": pad(rows),
            "characters": pad([[0], *characters]),
            "listings": _pad_deep([sentence.listings for sentence in sentences]),
            "turned": pad([list(reversed(range(len(row)))) for row in rows]),
        }


def _pad_deep(rows: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    longest = max(map(len, rows))
    flat = pad([cell for row in rows for cell in [*row, *[[]] * (longest - len(row))]])
    return flat.reshape(len(rows), longest, flat.shape[1])


class Finder:
    """Finds the lexicon classes of tokens."""

    def __init__(self, lexicon: Sequence[Entry]) -> None:
        self._reader = TokenReader(Lexicon(list(lexicon))) if lexicon else None

    def find(self, text: str, tokens: Sequence[Offsets]) -> list[list[str]]:
        """The classes of each token of a sentence, as `B-title`, `E-city`."""
        if not self._reader or not tokens:
            return [[] for _ in tokens]
        start = tokens[0][0]
        offsets = [(begin - start, end - start) for begin, end in tokens]
        found = self._reader.read(text[start : tokens[-1][1]], offsets)
        return [listing.key.split() for listing in found.listings]


class BilstmNetwork(Network):
    """Word embedding, character CNN, listings → BiLSTM → tags of both layers."""

    def __init__(
        self,
        settings: BilstmSettings,
        labels: LabelSet,
        words: int,
        characters: int,
        listings: int,
    ) -> None:
        super().__init__()
        first = _UNKNOWN + 1
        self.words = nn.Embedding(first + words, settings.word_size, padding_idx=0)
        nn.init.uniform_(self.words.weight, -0.1, 0.1)
        self.characters = nn.Embedding(first + characters, settings.character_size, padding_idx=0)
        self.listings = nn.Embedding(first + listings, settings.listing_size, padding_idx=0)
        width = settings.filter_width
        self.filters = nn.Conv1d(
            settings.character_size, settings.filters, width, padding=width // 2
        )
        # One LSTM a direction over sentences filled up on the right, the second reading them turned
        # round: equal to a packed bidirectional one, at a third of its time on a CPU.
        sizes = [settings.word_size + settings.filters + settings.listing_size]
        sizes += [2 * settings.hidden] * (settings.layers - 1)
        self.rightward = nn.ModuleList(nn.LSTM(n, settings.hidden, batch_first=True) for n in sizes)
        self.leftward = nn.ModuleList(nn.LSTM(n, settings.hidden, batch_first=True) for n in sizes)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = TwoLayerHead(2 * settings.hidden, labels)
        self.rare: Tensor
        self.register_buffer("rare", torch.zeros(first + words, dtype=torch.bool))

    def vectors(self, inputs: Batch) -> Tensor:
        words = inputs["words"]
        if self.training:
            hidden = self.rare[words] & (torch.rand(words.shape, device=words.device) < 0.5)
            words = words.masked_fill(hidden, _UNKNOWN)
        read = self.filters(self.characters(inputs["characters"]).transpose(1, 2))
        # what fills up a form must not be its maximum
        padding = (inputs["characters"] == 0).unsqueeze(1)
        forms = read.masked_fill(padding, float("-inf")).amax(2)
        forms = torch.nan_to_num(forms, neginf=0.0)
        vectors: Tensor = torch.cat(
            [
                self.words(words),
                forms[inputs["forms"]],
                self.listings(inputs["listings"]).sum(2),
            ],
            2,
        )
        turned = inputs["turned"].unsqueeze(2)
        for rightward, leftward in zip(self.rightward, self.leftward, strict=True):
            vectors = self.dropout(vectors)
            right, _ = rightward(vectors)
            left, _ = leftward(vectors.gather(1, turned.expand_as(vectors)))
            vectors = torch.cat([right, left.gather(1, turned.expand_as(left))], 2)
        dropped: Tensor = self.dropout(vectors)
        return dropped


class BilstmModel(NeuralModel):
    """A trained BiLSTM-CRF."""

    kind = KIND
    source = "bilstm"

    def write_reader(self, folder: Path) -> None:
        assert isinstance(self.reader, BilstmReader)
        content = {
            "words": self.reader.words,
            "characters": self.reader.characters,
            "listings": self.reader.listings,
            "lexicon": [[entry.label, entry.text] for entry in self.reader.lexicon],
        }
        (folder / WORDS_NAME).write_text(
            json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def train_bilstm(
    documents: Sequence[Document],
    *,
    output: str | Path,
    validation: Sequence[Document] | None = None,
    seed: int = 13,
    epochs: int = 30,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    patience: int = 6,
    settings: BilstmSettings | None = None,
    unlabelled: Iterable[str] | None = None,
    lexicon: Sequence[Entry] | None = None,
    labels: Sequence[str] = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> BilstmModel:
    """Train on labelled documents and write the model folder `output`.

    validation: labelled documents whose strict span F1 (both layers together) after each epoch
    says which weights are kept and when to stop; without, all epochs are run and the last
    weights kept. unlabelled: texts whose word vectors (`baselines.vectors`) are what the
    embeddings begin with. lexicon: the lists whose classes a token is told, the project's own
    unless given; the model keeps a copy. labels: labels that must occur. An interrupted training
    goes on with `resume` from its last epoch. `progress` is called with the steps done
    and all.

    On a CPU the same documents, seed and threads give the same weights. Raises DataError for
    documents that will not do (see `read_training`), an output that holds something else, a
    checkpoint that does not fit, and where the memory does not suffice.
    """
    settings = settings or BilstmSettings()
    how = FitSettings(
        epochs, batch_size, learning_rate, patience=patience, weight_decay=0.0, warmup=0.05
    )
    check_output(output, KIND)
    data = read_training(documents, labels, validation)
    tagged, label_set, counts = data
    known: dict[str, list[float]] = {}
    if unlabelled is not None:
        from baselines.vectors import build_vectors

        known = build_vectors(unlabelled, words=counts.words, size=settings.word_size, seed=seed)
    sentences = [sentence for page in tagged for sentence in page]
    words, characters, rare = _count_forms(sentences, settings.min_count, known)
    entries = read_lexicons() if lexicon is None else list(lexicon)
    reader = BilstmReader(words, characters, _count_listings(sentences, entries), entries)
    torch.manual_seed(seed)
    with memory_errors(batch_size):
        network = _make_network(settings, label_set, reader)
    network.rare[[number for number, word in enumerate(words, 2) if word in rare]] = True
    _fill_embeddings(network, words, known)
    return fit_model(
        BilstmModel,
        network,
        reader,
        data,
        about={"network": asdict(settings), "vectors": len(known), "lexicon": len(entries)},
        validation=validation,
        settings=how,
        seed=seed,
        output=output,
        resume=resume,
        progress=progress,
    )


def _count_forms(
    sentences: Sequence[TaggedSentence], min_count: int, known: dict[str, list[float]]
) -> tuple[list[str], list[str], set[str]]:
    """Folded forms, characters, and the forms that occur once."""
    words: Counter[str] = Counter()
    characters: set[str] = set()
    for sentence in sentences:
        for start, end in sentence.tokens:
            form = sentence.text[start:end]
            words[fold(form)] += 1
            characters.update(form)
    kept = {word for word, count in words.items() if count >= min_count} | known.keys()
    rare = {word for word, count in words.items() if count == 1 and word not in known}
    return sorted(kept), sorted(characters), rare & kept


def _count_listings(sentences: Sequence[TaggedSentence], lexicon: Sequence[Entry]) -> list[str]:
    finder = Finder(lexicon)
    return sorted(
        {name for s in sentences for names in finder.find(s.text, s.tokens) for name in names}
    )


def _make_network(
    settings: BilstmSettings, labels: LabelSet, reader: BilstmReader
) -> BilstmNetwork:
    sizes = (len(reader.words), len(reader.characters), len(reader.listings))
    return BilstmNetwork(settings, labels, *sizes)


def _fill_embeddings(
    network: BilstmNetwork, words: Sequence[str], known: dict[str, list[float]]
) -> None:
    if known:
        with torch.no_grad():
            for number, word in enumerate(words, start=_UNKNOWN + 1):
                if word in known:
                    network.words.weight[number] = torch.tensor(known[word])


def load_bilstm(folder: str | Path) -> BilstmModel:
    """The model of a folder that `train_bilstm` wrote, on a GPU where there is one.

    Raises DataError where the folder is no such model, is damaged, or is of another format.
    """
    folder = Path(folder)
    card = read_card(folder, KIND)
    try:
        content: dict[str, Any] = json.loads((folder / WORDS_NAME).read_text(encoding="utf-8"))
        entries = [Entry(text, label, WORDS_NAME) for label, text in content["lexicon"]]
        reader = BilstmReader(content["words"], content["characters"], content["listings"], entries)
        settings = BilstmSettings(**card["settings"]["network"])
        labels = labels_of_card(card)
        known = training_of_card(card)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: a damaged model ({error!r}); train it again") from None
    network = _make_network(settings, labels, reader)
    load_weights(network, folder)
    return BilstmModel(network=network, reader=reader, labels=labels, **known)
