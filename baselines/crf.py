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
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, document_to_line, sort_spans, split_layers
from annotate.errors import DataError
from annotate.scheme import HOSTS, LAYERS, SCHEME_VERSION, may_contain
from annotate.tags import spans_to_tags, tags_to_spans
from annotate.tokens import Offsets, split_sentences, tokenize
from baselines.features import FEATURE_VERSION, DocumentNotes, FeatureMaker, Form, host_features

SOURCE = "crf"
KIND = "vipol-crf"
FORMAT = 1
CARD_NAME = "model.json"

Features = list[list[str]]


@dataclass(frozen=True, slots=True)
class CrfSettings:
    """Settings of the training (L-BFGS with elastic net, as CRFsuite names them).

    c1, c2: weights of the L1 and the L2 penalty. max_iterations: of L-BFGS.
    """

    c1: float = 0.05
    c2: float = 0.05
    max_iterations: int = 150


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """What a model was trained on. `entities` counts by layer and label; `inexpressible` are
    entities that no token border allows to tag, `merged` sentence borders inside an entity,
    which were taken away."""

    documents: int
    sentences: int
    tokens: int
    entities: dict[str, dict[str, int]]
    inexpressible: int
    merged: int
    sha256: str


@dataclass(frozen=True)
class CrfModel:
    """A trained model: one CRFsuite file a layer (bytes) and what is known of it.

    `inner` is None where the training documents have no inner span.
    """

    outer: bytes
    inner: bytes | None
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
        return _Taggers(self.outer, self.inner)

    def label_document(self, document: Document) -> tuple[Span, ...]:
        """Legal nested spans with source `crf`; the document's own spans are put aside.

        The score of a span is the least marginal probability of its tags: an upper bound on
        the probability that the model gives to the span.
        """
        return self._taggers.label(document)

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all; a model that is there is replaced.

        Raises DataError where the folder holds something else or cannot be written.
        """
        _save(self, Path(folder))


# --- sequences --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sentence:
    """Tokens of one sentence with their features; `tags` are the outer ones."""

    tokens: list[Offsets]
    features: Features


def _merge_sentences(
    sentences: Sequence[Offsets], spans: Iterable[Span]
) -> tuple[list[Offsets], int]:
    """Sentences without the borders that lie inside a span, and how many borders went."""
    ordered = list(spans)
    merged: list[Offsets] = []
    number = 0
    for start, end in sentences:
        while number < len(ordered) and ordered[number].end <= start:
            number += 1
        if merged and number < len(ordered) and ordered[number].start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged, len(sentences) - len(merged)


def _read_sentences(
    maker: FeatureMaker, text: str, sentences: Sequence[Offsets]
) -> Iterator[_Sentence]:
    tokens = tokenize(text)
    forms: list[Form] = [maker.form(text[start:end]) for start, end in tokens]
    notes = DocumentNotes(forms)
    first = 0
    for _, end in sentences:
        last = first
        while last < len(tokens) and tokens[last][0] < end:
            last += 1
        yield _Sentence(tokens[first:last], maker.sentence_features(forms[first:last], notes))
        first = last


def _host_rows(sentence: _Sentence, host: Span) -> tuple[list[Offsets], Features]:
    """Tokens and features of the part of a sentence that a host span covers."""
    places = [
        place
        for place, (start, end) in enumerate(sentence.tokens)
        if host.start <= start and end <= host.end
    ]
    first, last = places[0], places[-1] + 1
    rows = host_features(sentence.features[first:last], host.label)
    return sentence.tokens[first:last], rows


# --- training ---------------------------------------------------------------------------


def train_crf(
    documents: Sequence[Document],
    *,
    seed: int = 13,
    settings: CrfSettings | None = None,
    labels: Sequence[str] = (),
) -> CrfModel:
    """Train both layers on labelled documents.

    The seed orders the sentences; L-BFGS itself has no chance in it, so the same documents and
    seed give the same bytes. `labels` are labels that must occur.

    Raises DataError for no documents, an id that comes twice, no outer entity, or a wanted label
    without an entity.
    """
    settings = settings or CrfSettings()
    _check_training_documents(documents, labels)
    maker = FeatureMaker()
    outer: list[tuple[Features, list[str]]] = []
    inner: list[tuple[Features, list[str]]] = []
    entities: dict[str, Counter[str]] = {layer: Counter() for layer in LAYERS}
    inexpressible = merged = tokens = 0
    for document in documents:
        layers = split_layers(document.spans)
        sentences, borders = _merge_sentences(split_sentences(document.text), layers["outer"])
        merged += borders
        for sentence in _read_sentences(maker, document.text, sentences):
            tokens += len(sentence.tokens)
            spans = _within(layers["outer"], sentence.tokens)
            tags, lost = spans_to_tags(sentence.tokens, spans)
            inexpressible += len(lost)
            entities["outer"].update(span.label for span in spans if span not in lost)
            outer.append((sentence.features, tags))
            for host in spans:
                if host.label not in HOSTS or host in lost:
                    continue
                host_tokens, rows = _host_rows(sentence, host)
                guests = _within(layers["inner"], host_tokens)
                tags, lost_guests = spans_to_tags(host_tokens, guests)
                inexpressible += len(lost_guests)
                entities["inner"].update(s.label for s in guests if s not in lost_guests)
                inner.append((rows, tags))
    counts = TrainingCounts(
        documents=len(documents),
        sentences=len(outer),
        tokens=tokens,
        entities={layer: dict(sorted(of.items())) for layer, of in entities.items()},
        inexpressible=inexpressible,
        merged=merged,
        sha256=_hash_documents(documents),
    )
    return CrfModel(
        outer=_train_tagger(outer, settings, seed),
        inner=_train_tagger(inner, settings, seed) if entities["inner"] else None,
        settings=settings,
        seed=seed,
        training=counts,
        libraries={name: version(name) for name in ("python-crfsuite", "vipol")},
    )


def _check_training_documents(documents: Sequence[Document], labels: Sequence[str]) -> None:
    if not documents:
        raise DataError("no documents to train on; give at least one labelled document")
    repeated = [id for id, n in Counter(document.id for document in documents).items() if n > 1]
    if repeated:
        raise DataError(
            f"the document {repeated[0]} stands twice among the {len(documents)} to train on; "
            "give each document once"
        )
    found = {span.label for document in documents for span in document.spans}
    if not found:
        raise DataError(
            f"none of the {len(documents)} documents to train on has an entity; "
            "give labelled documents"
        )
    if missing := [label for label in labels if label not in found]:
        raise DataError(
            f"no entity of {', '.join(missing)} among the {len(documents)} documents to train on; "
            "add documents that have some, or leave the label out"
        )


def _within(spans: Sequence[Span], tokens: Sequence[Offsets]) -> list[Span]:
    """The spans that lie inside the stretch of the tokens."""
    if not tokens:
        return []
    start, end = tokens[0][0], tokens[-1][1]
    return [span for span in spans if start <= span.start and span.end <= end]


def _hash_documents(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document_to_line(document).encode() + b"\n")
    return digest.hexdigest()


def _train_tagger(
    sequences: list[tuple[Features, list[str]]], settings: CrfSettings, seed: int
) -> bytes:
    """The bytes of a CRFsuite model."""
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params(
        {
            "c1": settings.c1,
            "c2": settings.c2,
            "max_iterations": settings.max_iterations,
        }
    )
    for number in random.Random(seed).sample(range(len(sequences)), len(sequences)):
        trainer.append(*sequences[number])
    with tempfile.TemporaryDirectory(prefix="vipol-crf-") as folder:
        path = Path(folder, "model.crfsuite")
        trainer.train(str(path))
        return path.read_bytes()


# --- tagging ----------------------------------------------------------------------------


class _Taggers:
    """The opened taggers of a model."""

    def __init__(self, outer: bytes, inner: bytes | None) -> None:
        import pycrfsuite

        self._maker = FeatureMaker()
        self._outer = pycrfsuite.Tagger()
        self._outer.open_inmemory(outer)
        self._inner = None
        if inner is not None:
            self._inner = pycrfsuite.Tagger()
            self._inner.open_inmemory(inner)

    def label(self, document: Document) -> tuple[Span, ...]:
        text = document.text
        spans: list[Span] = []
        for sentence in _read_sentences(self._maker, text, split_sentences(text)):
            for span in _tag(self._outer, sentence.tokens, sentence.features):
                spans.append(span)
                if span.label in HOSTS and self._inner is not None:
                    spans.extend(
                        guest
                        for guest in _tag(self._inner, *_host_rows(sentence, span))
                        if may_contain(span.label, guest.label)
                        and (guest.start, guest.end) != (span.start, span.end)
                    )
        return sort_spans(spans)


def _tag(tagger: Any, tokens: Sequence[Offsets], features: Features) -> list[Span]:
    """Spans of the best tags, each with the least marginal probability of its tags."""
    tagger.set(features)
    tags: list[str] = tagger.tag()
    place_of = {start: place for place, (start, _) in enumerate(tokens)}
    spans: list[Span] = []
    for span in tags_to_spans(tokens, tags):
        place = place_of[span.start]
        score = 1.0
        while place < len(tokens) and tokens[place][0] < span.end:
            score = min(score, tagger.marginal(tags[place], place))
            place += 1
        spans.append(Span(span.start, span.end, span.label, SOURCE, round(score, 4)))
    return spans


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
    files = {"outer.crfsuite": model.outer}
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
            settings=CrfSettings(**card["settings"]),
            seed=card["seed"],
            training=TrainingCounts(**card["training"]),
            libraries=card["libraries"],
            scheme_version=card["scheme_version"],
        )
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: a damaged model ({error}); train it again") from None
