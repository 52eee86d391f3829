"""Linear-chain CRF (Lafferty, McCallum & Pereira 2001) by python-crfsuite, in both layers.

The outer tagger reads a sentence and gives IOB2 tags over syllable tokens. The inner tagger reads
the tokens of one outer span that may hold others (a POSITION, a DOCUMENT_REF) with the label of
that span among its features, so an inner span always lies in a host. In training the hosts
are the gold ones, in prediction those that the outer tagger found.

Penalties and features were chosen by `scripts/choose_crf` (seed 13, two folds of the sample corpus,
whole genres held out; strict span F1, outer layer). Less than 0.003 is chance: of two such choices
the one that sees more is kept, since the L1 penalty drops what is of no use.

    c1=0.05 c2=0.05 (chosen)     0.931        no pairs two away            0.933
    c1=0.1 c2=0.1                0.931        no runs of capitals          0.931
    c1=0.02 c2=0.02              0.929        no lexicon                   0.881
    c1=0.1 c2=0.01               0.926

Rules on what comes out: an inner span of the same place as its host, or of a label that no such
host held in training, is dropped; nothing else can break the scheme.
"""

import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from annotate.document import Document, Span, sort_spans, token_sentences
from annotate.errors import DataError
from annotate.prelabel.lexicon import Entry, Lexicon, read_lexicons
from annotate.tags import tags_to_spans
from annotate.tokens import Offsets
from baselines import Labeller
from baselines.chain import Floats, LinearChain, Weights
from baselines.features import (
    FEATURE_VERSION,
    TokenReader,
    context_rows,
    full_rows,
    host_rows,
)
from baselines.training import (
    LabelSet,
    Progress,
    TaggedSentence,
    TrainingCounts,
    batch_documents,
    check_output,
    check_tokens,
    labels_of_card,
    measure_validation,
    read_card,
    read_training,
    write_model,
)

SOURCE = "crf"
KIND = "vipol-crf"


@dataclass(frozen=True, slots=True)
class CrfSettings:
    """Settings of the training (L-BFGS with elastic net, as CRFsuite names them).

    c1, c2: weights of the L1 and the L2 penalty. max_iterations: of L-BFGS. without: names of
    features (what stands before the `=`; see `baselines.features`) that are left out.
    """

    c1: float = 0.05
    c2: float = 0.05
    max_iterations: int = 100
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class CrfModel:
    """A trained model: one CRFsuite file a layer (bytes), the tables that its features are made
    with, and what is known of it.

    inner: None where the training documents have no inner span. lexicon: lines of class, tab,
    entry. clusters: lines of form, tab, its clusters parted by tabs; empty where it has none.
    validation: as `baselines.training.measure_validation`. hints: the labeller whose spans are
    features too, for a model that was trained with one.
    """

    outer: bytes
    inner: bytes | None
    lexicon: bytes
    clusters: bytes
    labels: LabelSet
    settings: CrfSettings
    seed: int
    training: TrainingCounts
    validation: dict[str, Any] | None
    libraries: dict[str, str]
    hints: Labeller | None = field(default=None, repr=False, compare=False)

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
            for document, spans in zip(batch, self.label_batch(batch), strict=True):
                yield document.with_spans(spans)

    def label_batch(self, documents: Sequence[Document]) -> list[tuple[Span, ...]]:
        """The spans of each document, all documents at once."""
        return self._taggers.label(documents) if documents else []

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all; a model that is there is replaced.

        Raises DataError where the folder holds something else or cannot be written.
        """
        card = {
            "features": FEATURE_VERSION,
            "settings": asdict(self.settings),
            "seed": self.seed,
            "hints": self.hints is not None,
            "training": asdict(self.training),
            "validation": self.validation,
            "libraries": self.libraries,
        }

        def write_files(new: Path) -> None:
            for name, data in _files_of(self).items():
                (new / name).write_bytes(data)

        write_model(folder, KIND, self.labels, card, write_files)


def _files_of(model: CrfModel) -> dict[str, bytes]:
    files = {
        "outer.crfsuite": model.outer,
        "inner.crfsuite": model.inner,
        "lexicon.tsv": model.lexicon,
        "clusters.tsv": model.clusters,
    }
    return {name: data for name, data in files.items() if data}


def load_crf(folder: str | Path, *, hints: Labeller | None = None) -> CrfModel:
    """The model of a folder that `CrfModel.save` wrote; `hints` as it was trained with.

    Raises DataError where the folder is none, is damaged, is of another version of the features
    or the format, or was trained with hints and is given none.
    """
    card = read_card(folder, KIND)
    if card.get("features") != FEATURE_VERSION:
        raise DataError(
            f"{folder}: a model of features {card.get('features')}, wanted {FEATURE_VERSION}; "
            "train the model again"
        )
    if card.get("hints") and hints is None:
        raise DataError(
            f"{folder}: part of an ensemble, no use without the rules; name the ensemble itself"
        )
    try:
        files = {name: Path(folder, name).read_bytes() for name in card["files"]}
        return CrfModel(
            outer=files["outer.crfsuite"],
            inner=files.get("inner.crfsuite"),
            lexicon=files.get("lexicon.tsv", b""),
            clusters=files.get("clusters.tsv", b""),
            labels=labels_of_card(card),
            settings=CrfSettings(
                **card["settings"] | {"without": tuple(card["settings"]["without"])}
            ),
            seed=card["seed"],
            training=TrainingCounts(**card["training"]),
            validation=card["validation"],
            libraries=card["libraries"],
            hints=hints if card.get("hints") else None,
        )
    except (OSError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: a damaged model ({error!r}); train it again") from None


# --- training ---------------------------------------------------------------------------


def train_crf(
    documents: Sequence[Document],
    *,
    seed: int = 13,
    settings: CrfSettings | None = None,
    labels: Sequence[str] = (),
    lexicon: Sequence[Entry] | None = None,
    unlabelled: Iterable[str] | None = None,
    validation: Sequence[Document] | None = None,
    output: str | Path | None = None,
    hints: Labeller | None = None,
    progress: Progress | None = None,
) -> CrfModel:
    """Train both layers on labelled documents, and write the model folder `output` if one is named.

    The seed orders the documents; L-BFGS itself has no chance in it, so the same documents and
    seed give the same bytes. `labels` are labels that must occur; `lexicon` are the lists whose
    matches are features, the project's own unless given; the model keeps a copy. `unlabelled` are
    texts whose word clusters become features (`baselines.vectors`). The scores on `validation`
    go into the card. `hints` is a labeller whose spans are features, in tagging as well (see
    `baselines.ensemble`). `progress` is called with the iterations done and all that there may be.

    Raises DataError for documents that will not do (see `read_training`), too little unlabelled
    text, and an output that holds something else.
    """
    settings = settings or CrfSettings()
    if output is not None:
        check_output(output, KIND)
    tagged, label_set, counts = read_training(documents, labels, validation)
    entries = read_lexicons() if lexicon is None else list(lexicon)
    clusters: dict[str, tuple[str, ...]] = {}
    if unlabelled is not None:
        from baselines.vectors import build_clusters, build_vectors

        vectors = build_vectors(unlabelled, words=counts.words, seed=seed)
        clusters = build_clusters(vectors, seed=seed)
    reader = TokenReader(Lexicon(entries), clusters)
    layers = 2 if label_set.inner else 1
    trainers = [
        _Trainer(settings, number * settings.max_iterations, layers, progress)
        for number in range(layers)
    ]
    for number in random.Random(seed).sample(range(len(tagged)), len(tagged)):
        if tagged[number]:
            given = hints(documents[number]) if hints else ()
            without = frozenset(settings.without)
            _add_document(trainers, reader, tagged[number], given, label_set, without)
    model = CrfModel(
        outer=trainers[0].train(),
        inner=trainers[1].train() if label_set.inner else None,
        lexicon=_format_lexicon(entries),
        clusters=_format_clusters(clusters),
        labels=label_set,
        settings=settings,
        seed=seed,
        training=counts,
        validation=None,
        libraries={name: version(name) for name in ("python-crfsuite", "vipol")},
        hints=hints,
    )
    if validation:
        found = measure_validation(validation, model.label_documents(validation))
        model = replace(model, validation=found)
    if output is not None:
        model.save(output)
    return model


def _add_document(
    trainers: Sequence["_Trainer"],
    reader: TokenReader,
    sentences: Sequence[TaggedSentence],
    hints: Sequence[Span],
    labels: LabelSet,
    without: frozenset[str],
) -> None:
    """Append the sentences of a document to the outer, their hosts to the inner trainer."""
    outer_tags, inner_tags = labels.tags("outer"), labels.tags("inner")
    text = sentences[0].text
    offsets = [token for sentence in sentences for token in sentence.tokens]
    tokens = reader.read(text, offsets, hints)
    first = 0
    for sentence in sentences:
        last = first + len(sentence.tokens)
        rows = full_rows(tokens, first, last)
        if without:
            rows = [[name for name in row if name.partition("=")[0] not in without] for row in rows]
        trainers[0].append(rows, [outer_tags[tag] for tag in sentence.outer])
        for host in sentence.hosts:
            more = host_rows(host.last - host.first, labels.hosts[host.label])
            of_host = rows[host.first : host.last]
            trainers[1].append(
                [[*row, *own] for row, own in zip(of_host, more, strict=True)],
                [inner_tags[tag] for tag in host.tags],
            )
        first = last


class _Trainer:
    """A CRFsuite trainer that tells how far it is: `done` iterations come before its own."""

    def __init__(
        self, settings: CrfSettings, done: int, layers: int, progress: Progress | None
    ) -> None:
        import pycrfsuite

        class Trainer(pycrfsuite.Trainer):  # type: ignore[misc]
            def on_iteration(self, log: Any, info: dict[str, Any]) -> None:
                if progress:
                    progress(done + info["num"], layers * settings.max_iterations)

        self._trainer: Any = Trainer(algorithm="lbfgs", verbose=False)
        names = ("c1", "c2", "max_iterations")
        self._trainer.set_params({name: getattr(settings, name) for name in names})
        self.append = self._trainer.append

    def train(self) -> bytes:
        """The bytes of a CRFsuite model."""
        with tempfile.TemporaryDirectory(prefix="vipol-crf-") as folder:
            path = Path(folder, "model.crfsuite")
            self._trainer.train(str(path))
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
        self._labels = model.labels
        self._training = model.training
        self._hints = model.hints
        lexicon = Lexicon(_parse_lexicon(model.lexicon))
        self._reader = TokenReader(lexicon, _parse_clusters(model.clusters))
        files = [model.outer] if model.inner is None else [model.outer, model.inner]
        self._chains = [LinearChain(data) for data in files]
        self._weights = Weights(self._chains)

    def label(self, documents: Sequence[Document]) -> list[tuple[Span, ...]]:
        check_tokens(documents, self._training)
        pages = [
            _Page(self._reader, document, self._hints(document) if self._hints else ())
            for document in documents
        ]
        emissions = self._weights.split(self._emissions(pages))
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
                if span.label in self._labels.holds:
                    hosts.append(_Host(number, span, offsets[first:last], place + first))
            place = end
        if hosts and len(self._chains) > 1:
            for host, guest in self._find_guests(hosts, emissions[1]):
                spans[host.page].append(guest)
        return [sort_spans(of_page) for of_page in spans]

    def _emissions(self, pages: Sequence["_Page"]) -> Floats:
        """Summed weights of the features of all tokens, in every chain."""
        lengths = [last - first for page in pages for first, last in page.ranges]
        sentences = np.repeat(np.arange(len(lengths)), lengths)
        rows = (
            row
            for page in pages
            for first, last in page.ranges
            for row in context_rows(page.tokens, first, last)
        )
        words = [word for page in pages for word in page.tokens.words]
        listings = [listing for page in pages for listing in page.tokens.listings]
        return self._weights.of_forms((words, listings), sentences) + self._weights.of_rows(rows)

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
                if not whole and guest.label in self._labels.holds[host.span.label]:
                    yield host, guest
            place = end


class _Page:
    """A document made ready: its tokens and the range of tokens of each sentence."""

    __slots__ = ("ranges", "tokens")

    def __init__(self, reader: TokenReader, document: Document, hints: Sequence[Span]) -> None:
        sentences = token_sentences(document)
        offsets = [token for one in sentences for token in one]
        self.tokens = reader.read(document.text, offsets, hints)
        ends = accumulate(map(len, sentences))
        self.ranges = [(end - len(one), end) for one, end in zip(sentences, ends, strict=True)]


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


def _format_clusters(clusters: Mapping[str, Sequence[str]]) -> bytes:
    return "".join("\t".join((form, *names)) + "\n" for form, names in clusters.items()).encode()


def _parse_clusters(clusters: bytes) -> dict[str, list[str]]:
    lines = (line.split("\t") for line in clusters.decode().split("\n")[:-1])
    return {form: names for form, *names in lines}
