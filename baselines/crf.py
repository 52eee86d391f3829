"""Linear-chain CRF (Lafferty, McCallum & Pereira 2001) by python-crfsuite, in both layers.

The outer tagger reads a sentence and gives IOB2 tags over syllable tokens. The inner tagger reads
the tokens of one outer span that may hold others (a POSITION, a DOCUMENT_REF) with the label of
that span among its features, so an inner span always lies in a host. In training the hosts
are the gold ones, in prediction those that the outer tagger found.

Rules on what comes out: an inner span of the same place as its host, or of a label that the host
may not hold, is dropped; nothing else can break the scheme.
"""

import hashlib
import json
import random
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from annotate.document import Document, Span, sort_spans, split_layers
from annotate.errors import DataError
from annotate.prelabel.lexicon import Entry, Lexicon, read_lexicons
from annotate.scheme import HOSTS, LAYERS, SCHEME_VERSION, Layer, may_contain
from annotate.tags import spans_to_tags, tags_to_spans
from annotate.tokens import Offsets, split_sentences
from baselines.chain import Floats, LinearChain, Weights
from baselines.features import (
    FEATURE_VERSION,
    TokenReader,
    Tokens,
    context_rows,
    full_rows,
    host_rows,
)
from baselines.training import (
    CARD_NAME,
    TrainingCounts,
    batch_documents,
    check_training_documents,
    hash_documents,
    merge_sentences,
)

SOURCE = "crf"
KIND = "vipol-crf"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class CrfSettings:
    """Settings of the training (L-BFGS with elastic net, as CRFsuite names them).

    c1, c2: weights of the L1 and the L2 penalty. max_iterations: of L-BFGS.
    """

    c1: float = 0.05
    c2: float = 0.05
    max_iterations: int = 100


@dataclass(frozen=True)
class CrfModel:
    """A trained model: one CRFsuite file a layer (bytes), its lexicon (lines of class, tab, entry)
    and what is known of it.

    `inner` is None where the training documents have no inner span.
    """

    outer: bytes
    inner: bytes | None
    lexicon: bytes
    settings: CrfSettings
    seed: int
    training: TrainingCounts
    libraries: dict[str, str] = field(default_factory=dict)
    scheme_version: str = SCHEME_VERSION

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The labels that the model knows, by layer."""
        return {layer: tuple(sorted(of)) for layer, of in self.training.entities.items()}

    @cached_property
    def _taggers(self) -> "_Taggers":
        return _Taggers(self)

    def label_document(self, document: Document) -> tuple[Span, ...]:
        """Legal nested spans with source `crf`; the document's own spans are put aside.

        The score of a span is the least marginal probability of its tags: an upper bound on
        the probability that the model gives to the span.
        """
        return self._taggers.label([document])[0]

    def label_documents(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with the model's spans, in order: `label_document` for many, several
        times as fast where documents are short."""
        for batch in batch_documents(documents):
            for document, spans in zip(batch, self._taggers.label(batch), strict=True):
                yield document.with_spans(spans)

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all; a model that is there is replaced.

        Raises DataError where the folder holds something else or cannot be written.
        """
        _save(self, Path(folder))


# --- sequences --------------------------------------------------------------------------


def _token_ranges(tokens: Tokens, stretches: Iterable[Offsets]) -> list[tuple[int, int]]:
    """First token and one past the last of each stretch of text; stretches end at token borders."""
    starts = [start for start, _ in tokens.offsets]
    return [(bisect_left(starts, start), bisect_left(starts, end)) for start, end in stretches]


# --- training ---------------------------------------------------------------------------


def train_crf(
    documents: Sequence[Document],
    *,
    seed: int = 13,
    settings: CrfSettings | None = None,
    labels: Sequence[str] = (),
    lexicon: Sequence[Entry] | None = None,
) -> CrfModel:
    """Train both layers on labelled documents.

    The seed orders the documents; L-BFGS itself has no chance in it, so the same documents and
    seed give the same bytes. `labels` are labels that must occur; `lexicon` are the lists whose
    matches are features, the project's own unless given; the model keeps a copy.

    Raises DataError for no documents, an id that comes twice, no entity, or a wanted label without
    an entity.
    """
    settings = settings or CrfSettings()
    check_training_documents(documents, labels)
    entries = read_lexicons() if lexicon is None else list(lexicon)
    training = _Training(TokenReader(Lexicon(entries)), settings)
    for number in random.Random(seed).sample(range(len(documents)), len(documents)):
        training.add(documents[number])
    if not training.entities["outer"]:
        raise DataError(
            f"none of the entities of the {len(documents)} documents to train on begins and ends "
            "at a token border; look at one of them with vipol score"
        )
    return CrfModel(
        outer=_train(training.outer),
        inner=_train(training.inner) if training.entities["inner"] else None,
        lexicon=_format_lexicon(entries),
        settings=settings,
        seed=seed,
        training=training.count(documents),
        libraries={name: version(name) for name in ("python-crfsuite", "vipol")},
    )


class _Training:
    """The two trainers, fed document by document, and the counts of what they were fed."""

    def __init__(self, reader: TokenReader, settings: CrfSettings) -> None:
        self._reader = reader
        self.outer = _new_trainer(settings)
        self.inner = _new_trainer(settings)
        self.entities: dict[Layer, Counter[str]] = {layer: Counter() for layer in LAYERS}
        self._sentences = self._tokens = self._inexpressible = self._merged = 0

    def add(self, document: Document) -> None:
        """Append the sentences of a document to the outer, its hosts to the inner trainer."""
        tokens = self._reader.read(document.text)
        layers = split_layers(document.spans)
        tags, lost = self._tag(tokens, "outer", layers["outer"])
        guest_tags, _ = self._tag(tokens, "inner", layers["inner"])
        hosts = [span for span in layers["outer"] if span.label in HOSTS and span not in lost]
        host_ranges = _token_ranges(tokens, [(host.start, host.end) for host in hosts])
        sentences, merged = merge_sentences(split_sentences(document.text), layers["outer"])
        self._merged += merged
        self._sentences += len(sentences)
        self._tokens += len(tokens.offsets)
        following = iter(zip(hosts, host_ranges, strict=True))
        host, (begin, end) = next(following, _NO_HOST)
        for first, last in _token_ranges(tokens, sentences):
            rows = full_rows(tokens, first, last)
            self.outer.append(rows, tags[first:last])
            while host and begin < last:
                more = host_rows(end - begin, host.label)
                of_host = [
                    [*row, *own]
                    for row, own in zip(rows[begin - first : end - first], more, strict=True)
                ]
                self.inner.append(of_host, guest_tags[begin:end])
                host, (begin, end) = next(following, _NO_HOST)

    def _tag(
        self, tokens: Tokens, layer: Layer, spans: Sequence[Span]
    ) -> tuple[list[str], list[Span]]:
        tags, lost = spans_to_tags(tokens.offsets, spans)
        self._inexpressible += len(lost)
        self.entities[layer].update(span.label for span in spans if span not in lost)
        return tags, lost

    def count(self, documents: Sequence[Document]) -> TrainingCounts:
        """What the trainers were fed, all documents added."""
        return TrainingCounts(
            documents=len(documents),
            sentences=self._sentences,
            tokens=self._tokens,
            entities={layer: dict(sorted(of.items())) for layer, of in self.entities.items()},
            inexpressible=self._inexpressible,
            merged=self._merged,
            sha256=hash_documents(documents),
        )


_NO_HOST: tuple[None, tuple[int, int]] = (None, (0, 0))


def _new_trainer(settings: CrfSettings) -> Any:
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(asdict(settings))
    return trainer


def _train(trainer: Any) -> bytes:
    """The bytes of a CRFsuite model."""
    with tempfile.TemporaryDirectory(prefix="vipol-crf-") as folder:
        path = Path(folder, "model.crfsuite")
        trainer.train(str(path))
        return path.read_bytes()


# --- tagging ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Host:
    """An outer span that may hold others, with its tokens and the place of the first of them
    among those of all pages."""

    page: int
    span: Span
    offsets: list[Offsets]
    place: int


class _Taggers:
    """The chains of a model, ready to tag."""

    def __init__(self, model: CrfModel) -> None:
        self._reader = TokenReader(Lexicon(_parse_lexicon(model.lexicon)))
        files = [model.outer] if model.inner is None else [model.outer, model.inner]
        self._chains = [LinearChain(data) for data in files]
        self._weights = Weights(self._chains)

    def label(self, documents: Sequence[Document]) -> list[tuple[Span, ...]]:
        pages = [_Page(self._reader, document.text) for document in documents]
        emissions = self._weights.split(
            np.concatenate([page.emissions(self._weights) for page in pages])
        )
        spans: list[list[Span]] = [[] for _ in pages]
        hosts: list[_Host] = []
        place = 0
        lengths = [last - first for page in pages for first, last in page.ranges]
        outer = self._chains[0]
        tags, chances = _tags_and_chances(outer, emissions[0], lengths)
        for number, page in enumerate(pages):
            offsets = page.tokens.offsets
            end = place + len(offsets)
            for span, first, last in _spans_of(offsets, tags[place:end], chances[place:end]):
                spans[number].append(span)
                if span.label in HOSTS:
                    hosts.append(_Host(number, span, offsets[first:last], place + first))
            place = end
        if hosts and len(self._chains) > 1:
            for host, guest in self._find_guests(hosts, emissions[1]):
                spans[host.page].append(guest)
        return [sort_spans(of_page) for of_page in spans]

    def _find_guests(
        self, hosts: Sequence[_Host], emissions: Floats
    ) -> Iterator[tuple[_Host, Span]]:
        """The inner spans of the hosts that the scheme allows."""
        inner = self._chains[1]
        lengths = [len(host.offsets) for host in hosts]
        rows = [row for host in hosts for row in host_rows(len(host.offsets), host.span.label)]
        places = np.concatenate(
            [np.arange(host.place, host.place + len(host.offsets)) for host in hosts]
        )
        of_hosts = self._weights.split(self._weights.of_rows(rows))[1]
        tags, chances = _tags_and_chances(inner, emissions[places] + of_hosts, lengths)
        place = 0
        for host in hosts:
            end = place + len(host.offsets)
            for guest, _, _ in _spans_of(host.offsets, tags[place:end], chances[place:end]):
                whole = (guest.start, guest.end) == (host.span.start, host.span.end)
                if not whole and may_contain(host.span.label, guest.label):
                    yield host, guest
            place = end


class _Page:
    """A text made ready: its tokens and the range of tokens of each sentence."""

    __slots__ = ("ranges", "tokens")

    def __init__(self, reader: TokenReader, text: str) -> None:
        self.tokens = reader.read(text)
        self.ranges = _token_ranges(self.tokens, split_sentences(text))

    def emissions(self, weights: Weights) -> Floats:
        """Summed weights of the features of all tokens, in every chain."""
        lengths = [last - first for first, last in self.ranges]
        sentences = np.repeat(np.arange(len(lengths)), lengths)
        rows = [
            row for first, last in self.ranges for row in context_rows(self.tokens, first, last)
        ]
        columns = (self.tokens.words, self.tokens.listings)
        return weights.of_forms(columns, sentences) + weights.of_rows(rows)


def _tags_and_chances(
    chain: LinearChain, emissions: Floats, lengths: Sequence[int]
) -> tuple[list[str], list[float]]:
    numbers, chances = chain.decode(emissions, lengths)
    return [chain.tags[number] for number in numbers.tolist()], chances.tolist()


def _spans_of(
    offsets: Sequence[Offsets], tags: Sequence[str], chances: Sequence[float]
) -> Iterator[tuple[Span, int, int]]:
    """Each span with its score, its first token and one past its last."""
    place = 0
    for span in tags_to_spans(offsets, tags):
        while offsets[place][0] < span.start:
            place += 1
        first = place
        while place < len(offsets) and offsets[place][0] < span.end:
            place += 1
        score = round(min(chances[first:place]), 4)
        yield Span(span.start, span.end, span.label, SOURCE, score), first, place


def _format_lexicon(entries: Iterable[Entry]) -> bytes:
    return "".join(f"{entry.label}\t{entry.text}\n" for entry in entries).encode()


def _parse_lexicon(lexicon: bytes) -> list[Entry]:
    return [
        Entry(text, label, f"lexicon.tsv:{number}")
        for number, line in enumerate(lexicon.decode().split("\n")[:-1], start=1)
        for label, _, text in [line.partition("\t")]
    ]


# --- the model folder -------------------------------------------------------------------


def _card(model: CrfModel, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "kind": KIND,
        "format": FORMAT,
        "scheme_version": model.scheme_version,
        "labels": {layer: list(of) for layer, of in model.labels.items()},
        "tokens": "syllable",
        "features": FEATURE_VERSION,
        "settings": asdict(model.settings),
        "seed": model.seed,
        "training": asdict(model.training),
        "libraries": model.libraries,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }


def _model_files(model: CrfModel) -> dict[str, bytes]:
    files = {"outer.crfsuite": model.outer, "lexicon.tsv": model.lexicon}
    if model.inner is not None:
        files["inner.crfsuite"] = model.inner
    return files


def is_model_folder(folder: str | Path) -> bool:
    """Whether the folder says of itself that it is a CRF model."""
    try:
        card = json.loads(Path(folder, CARD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("kind") == KIND


def _save(model: CrfModel, folder: Path) -> None:
    occupied = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if occupied and not is_model_folder(folder):
        raise DataError(
            f"{folder}: exists and is no CRF model; name a new folder, or empty this one"
        )
    files = _model_files(model)
    card = json.dumps(_card(model, files), ensure_ascii=False, indent=2) + "\n"
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            for name, data in files.items():
                (new / name).write_bytes(data)
            (new / CARD_NAME).write_text(card, encoding="utf-8")
            if occupied:
                folder.rename(Path(scratch, "old"))
            new.rename(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: the model cannot be written ({error.strerror}); choose another folder"
        ) from None


def load_crf(folder: str | Path) -> CrfModel:
    """The model of a folder that `CrfModel.save` wrote.

    Raises DataError where the folder is none, is damaged, or is of another version of the
    features or the format.
    """
    path = Path(folder, CARD_NAME)
    if not is_model_folder(folder):
        raise DataError(f"{folder}: no CRF model (no {CARD_NAME} of one); train it first")
    card = json.loads(path.read_text(encoding="utf-8"))
    if (card.get("format"), card.get("features")) != (FORMAT, FEATURE_VERSION):
        raise DataError(
            f"{path}: format {card.get('format')} with features {card.get('features')}, wanted "
            f"format {FORMAT} with features {FEATURE_VERSION}; train the model again"
        )
    try:
        files = {name: Path(folder, name).read_bytes() for name in card["files"]}
        for name, data in files.items():
            if hashlib.sha256(data).hexdigest() != card["files"][name]:
                raise DataError(
                    f"{Path(folder, name)}: not the file that was saved; train the model again"
                )
        return CrfModel(
            outer=files["outer.crfsuite"],
            inner=files.get("inner.crfsuite"),
            lexicon=files["lexicon.tsv"],
            settings=CrfSettings(**card["settings"]),
            seed=card["seed"],
            training=TrainingCounts(**card["training"]),
            libraries=card["libraries"],
            scheme_version=card["scheme_version"],
        )
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: a damaged model ({error}); train it again") from None
