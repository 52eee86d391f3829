"""What models are trained on and saved as, whatever the model: sentences with their tags, the
counts of a training, the loss curve, and a model folder with its card.

A sentence keeps its outer tags and, for each outer span that may hold others (its host), the
inner tags of the host's tokens: an inner span always lies in a host. What a host may hold is
what it held in training, so any label set will do. Nothing here needs torch.
"""

import hashlib
import json
import os
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotate.document import (
    Document,
    Span,
    document_to_line,
    labels_of,
    split_layers,
    token_sentences,
)
from annotate.errors import DataError
from annotate.files import replace_folder
from annotate.scheme import LAYERS, SCHEME_VERSION, Layer
from annotate.tags import OUTSIDE, spans_to_tags
from annotate.tokens import Offsets

FORMAT = 2
CARD_NAME = "model.json"
CURVE_NAME = "loss.svg"

BATCH_CHARACTERS = 100_000
"""Text that is labelled at once, whatever the model."""

Progress = Callable[[int, int], None]
"""Called with the steps of a training that are done, and all."""


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """What a model was trained on. `words`: whether its tokens are words (others' data), not
    syllables; `entities` counts by layer and label; `inexpressible` are entities that no token
    border allows to tag, `merged` sentence borders inside an entity, which were taken away;
    `sha256` is that of the documents."""

    words: bool
    documents: int
    sentences: int
    tokens: int
    entities: dict[str, dict[str, int]]
    inexpressible: int
    merged: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a model by layer, and which inner labels each outer label was seen to hold."""

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    holds: Mapping[str, tuple[str, ...]]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The outer labels that were seen to hold others, in the order of their numbers."""
        return tuple(self.holds)

    def tags(self, layer: Layer) -> list[str]:
        """The IOB2 tags of a layer in the order of all arrays, `O` first."""
        names = self.outer if layer == "outer" else self.inner
        return [OUTSIDE, *(f"{prefix}-{name}" for name in names for prefix in "BI")]


@dataclass(frozen=True, slots=True)
class Host:
    """An outer span that may hold others: its tokens (first, one past the last, counted in the
    sentence), the number of its label among the hosts, the inner tags of its tokens."""

    first: int
    last: int
    label: int
    tags: list[int]


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """The tokens of a sentence with their outer tags (numbers of `LabelSet.tags`)."""

    text: str
    tokens: list[Offsets]
    outer: list[int]
    hosts: list[Host]


def read_training(
    documents: Sequence[Document],
    labels: Sequence[str] = (),
    validation: Sequence[Document] | None = None,
) -> tuple[list[list[TaggedSentence]], LabelSet, TrainingCounts]:
    """The tagged sentences of each labelled document, the labels found, and what was counted.

    A sentence border inside an outer span is taken away. A span that no token border allows to
    tag is left out and counted, and so is one whose host is. `labels` are labels that must occur;
    `validation` documents are checked like those to train on.

    Raises DataError for no documents, one that comes twice, several label sets, no outer entity
    that can be tagged, or a wanted label without an entity.
    """
    check_training_documents(documents, labels)
    if validation is not None:
        check_training_documents(validation, what="validate on")
        _check_label_sets([documents[0], *validation], "train and validate on")
    pages = [_read_page(document) for document in documents]
    entities: dict[Layer, Counter[str]] = {
        "outer": Counter(span.label for page in pages for span in page.outer),
        "inner": Counter(guest.label for page in pages for _, guest in page.inner),
    }
    if not entities["outer"]:
        raise DataError(
            f"none of the entities of the {len(documents)} documents to train on begins and ends "
            "at a token border; look at one of them with vipol score"
        )
    pairs = {(host.label, guest.label) for page in pages for host, guest in page.inner}
    label_set = LabelSet(
        outer=tuple(sorted(entities["outer"])),
        inner=tuple(sorted(entities["inner"])),
        holds={
            host: tuple(sorted(guest for other, guest in pairs if other == host))
            for host in sorted({host for host, _ in pairs})
        },
    )
    tagged = [list(_tag_sentences(page, label_set)) for page in pages]
    counts = TrainingCounts(
        words=any(map(has_words, documents)),
        documents=len(documents),
        sentences=sum(map(len, tagged)),
        tokens=sum(len(sentence.tokens) for page in tagged for sentence in page),
        entities={layer: dict(sorted(entities[layer].items())) for layer in LAYERS},
        inexpressible=sum(page.inexpressible for page in pages),
        merged=sum(page.merged for page in pages),
        sha256=hash_documents(documents),
    )
    return tagged, label_set, counts


@dataclass(frozen=True, slots=True)
class _Page:
    """A text, its sentences as tokens, the spans that tags can express (the inner ones with their
    hosts), and how many spans and sentence borders were left out."""

    text: str
    sentences: list[list[Offsets]]
    outer: list[Span]
    inner: list[tuple[Span, Span]]
    inexpressible: int
    merged: int


def _read_page(document: Document) -> _Page:
    sentences = token_sentences(document)
    tokens = [token for sentence in sentences for token in sentence]
    layers = split_layers(document.spans)
    kept = {layer: _expressible(tokens, layers[layer]) for layer in LAYERS}
    starts = [span.start for span in kept["outer"]]
    inner: list[tuple[Span, Span]] = []
    for guest in kept["inner"]:
        place = bisect_right(starts, guest.start) - 1
        if place >= 0 and guest.end <= kept["outer"][place].end:
            inner.append((kept["outer"][place], guest))
    merged = merge_sentences(sentences, kept["outer"])
    lost = len(document.spans) - len(kept["outer"]) - len(inner)
    return _Page(document.text, merged, kept["outer"], inner, lost, len(sentences) - len(merged))


def _expressible(tokens: Sequence[Offsets], spans: Sequence[Span]) -> list[Span]:
    _, lost = spans_to_tags(tokens, spans)
    return [span for span in spans if span not in lost]


def _tag_sentences(page: _Page, labels: LabelSet) -> Iterator[TaggedSentence]:
    number = {
        layer: {tag: place for place, tag in enumerate(labels.tags(layer))} for layer in LAYERS
    }
    starts = [span.start for span in page.outer]
    guests = [guest for _, guest in page.inner]
    guest_starts = [guest.start for guest in guests]
    for tokens in page.sentences:
        begin, end = tokens[0][0], tokens[-1][1]
        spans = page.outer[bisect_left(starts, begin) : bisect_left(starts, end)]
        inner = guests[bisect_left(guest_starts, begin) : bisect_left(guest_starts, end)]
        outer_tags, _ = spans_to_tags(tokens, spans)
        inner_tags, _ = spans_to_tags(tokens, inner)
        first_at = {start: place for place, (start, _) in enumerate(tokens)}
        last_at = {end: place for place, (_, end) in enumerate(tokens)}
        hosts: list[Host] = []
        for span in spans:
            if span.label in labels.holds:
                first, last = first_at[span.start], last_at[span.end] + 1
                tags = [number["inner"][tag] for tag in inner_tags[first:last]]
                hosts.append(Host(first, last, labels.hosts.index(span.label), tags))
        outer = [number["outer"][tag] for tag in outer_tags]
        yield TaggedSentence(page.text, tokens, outer, hosts)


def merge_sentences(
    sentences: Iterable[list[Offsets]], spans: Sequence[Span]
) -> list[list[Offsets]]:
    """Sentences (as tokens) without the borders that lie inside a span; `spans` are those of one
    layer, sorted."""
    merged: list[list[Offsets]] = []
    number = 0
    for tokens in sentences:
        start = tokens[0][0]
        while number < len(spans) and spans[number].end <= start:
            number += 1
        if merged and number < len(spans) and spans[number].start < start:
            merged[-1] = merged[-1] + tokens
        else:
            merged.append(tokens)
    return merged


def has_words(document: Document) -> bool:
    """Whether the tokens that a document brings are words: one of them holds a space."""
    return document.foreign is not None and any(
        " " in document.text[start:end]
        for sentence in document.foreign.tokens
        for start, end in sentence
    )


def check_tokens(documents: Sequence[Document], training: TrainingCounts) -> None:
    """Raise DataError for documents whose tokens are not of the kind that a model knows: words or
    syllables. Words are told by those of several syllables, of which a few may have none."""
    wanted = training.words
    strange = [one for one in documents if (one.foreign is None if wanted else has_words(one))]
    if wanted and not strange and not any(map(has_words, documents)):
        count = sum(len(sentence) for one in documents for sentence in token_sentences(one))
        strange = list(documents) if count >= _ENOUGH_TOKENS else []
    if strange:
        known, found = ("words", "syllables") if wanted else ("syllables", "words")
        raise DataError(
            f"document {strange[0].id}: its tokens are {found}, the model was trained on {known}; "
            "train one on tokens of the same kind"
        )


_ENOUGH_TOKENS = 200
"""Among so many words, one at least has several syllables."""


def check_training_documents(
    documents: Sequence[Document], labels: Sequence[str] = (), what: str = "train on"
) -> None:
    """Raise DataError for no documents, one that comes twice, documents of several label sets, no
    entity at all, or a label of `labels` without an entity."""
    if not documents:
        raise DataError(f"no documents to {what}; give at least one labelled document")
    seen = Counter((document.id, document.text) for document in documents)
    repeated = [id for (id, _), count in seen.items() if count > 1]
    if repeated:
        raise DataError(
            f"the document {repeated[0]} stands twice among the {len(documents)} to {what}; "
            "give each document once"
        )
    _check_label_sets(documents, what)
    found = {span.label for document in documents for span in document.spans}
    if not found:
        raise DataError(
            f"none of the {len(documents)} documents to {what} has an entity; "
            "give labelled documents"
        )
    if missing := [label for label in labels if label not in found]:
        raise DataError(
            f"no entity of {', '.join(missing)} among the {len(documents)} documents to {what}; "
            "add documents that have some, or leave the label out"
        )


def _check_label_sets(documents: Sequence[Document], what: str) -> None:
    first = documents[0]
    for document in documents:
        if labels_of(document) != labels_of(first):
            raise DataError(
                f"the documents to {what} have several label sets: {first.id} has "
                f"{', '.join(labels_of(first))}; {document.id} has "
                f"{', '.join(labels_of(document))}; give data of one label set"
            )


def is_first_process() -> bool:
    """Whether this process is the one that writes: the only one, or the first of several that train
    one model on several GPUs."""
    return int(os.environ.get("RANK", "0")) == 0


def batch_documents(
    documents: Iterable[Document], most: int | None = None
) -> Iterator[list[Document]]:
    """Documents in lists of about BATCH_CHARACTERS together, of at most `most` documents."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= BATCH_CHARACTERS or len(batch) == most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def hash_documents(documents: Iterable[Document]) -> str:
    """SHA-256 over the lines of the documents: says whether two trainings had the same data."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document_to_line(document).encode() + b"\n")
    return digest.hexdigest()


def measure_validation(gold: Sequence[Document], predicted: Iterable[Document]) -> dict[str, Any]:
    """What a model card says of validation documents: how many, which, and the strict F1 of
    spans, both layers counted together, of all and by label (0 where nothing is right)."""
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for one, other in zip(gold, predicted, strict=True):
        keys, others = ({span.key for span in each.spans} for each in (one, other))
        wanted.update(label for _, _, label in keys)
        found.update(label for _, _, label in others)
        right.update(label for _, _, label in keys & others)

    def f1(right: int, both: int) -> float:
        return 2 * right / both if both else 0.0

    both = wanted + found
    return {
        "documents": len(gold),
        "sha256": hash_documents(gold),
        "f1": f1(right.total(), both.total()),
        "labels": {label: f1(right[label], both[label]) for label in sorted(both)},
    }


# --- the course of a training ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the course of a training: the mean loss a token since the point before, or
    the strict span F1 (both layers) on the validation documents; None where not measured."""

    step: int
    epoch: float
    loss: float | None = None
    f1: float | None = None


def draw_curve(history: Sequence[Point], title: str, path: Path) -> None:
    """Write an SVG picture: loss by step on the left axis, validation F1 (0 to 1) on the right."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left = figure.add_subplot(title=title, xlabel="step")
    right = left.twinx()
    losses = [(point.step, point.loss) for point in history if point.loss is not None]
    scores = [(point.step, point.f1) for point in history if point.f1 is not None]
    for axes, points, colour, name in (
        (left, losses, "#0072B2", "loss a token"),
        (right, scores, "#D55E00", "validation F1"),
    ):
        axes.plot([step for step, _ in points], [value for _, value in points], color=colour)
        axes.set_ylabel(name, color=colour)
    left.set_ylim(bottom=0)
    right.set_ylim(0, 1)
    right.set_visible(bool(scores))
    with rc_context({"svg.hashsalt": "vipol", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


# --- the model folder -------------------------------------------------------------------


def model_kind(folder: str | Path) -> str | None:
    """What the card of a model folder says it is (`vipol-crf`, `vipol-bilstm`,
    `vipol-transformer`); None where there is no card."""
    try:
        card = json.loads(Path(folder, CARD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kind = card.get("kind") if isinstance(card, dict) else None
    return kind if isinstance(kind, str) else None


def check_output(folder: str | Path, kind: str) -> None:
    """Raise DataError unless a model of this kind may be written to `folder`: it does not exist,
    is empty, or holds such a model."""
    path = Path(folder)
    if path.is_dir() and (not any(path.iterdir()) or model_kind(path) == kind):
        return
    if path.exists():
        raise DataError(
            f"{folder}: exists and is no {kind} model; name a new folder, or empty this one"
        )


def write_model(
    folder: str | Path,
    kind: str,
    labels: LabelSet,
    card: Mapping[str, Any],
    write_files: Callable[[Path], None],
) -> None:
    """Write a model folder, whole or not at all; a model that is there is replaced.

    `write_files` puts the files of the model into the folder it is given; the card, with their
    hashes, comes on top. Raises DataError where the folder holds something else or cannot be
    written.
    """
    check_output(folder, kind)
    with replace_folder(folder) as new:
        write_files(new)
        full = {
            "kind": kind,
            "format": FORMAT,
            "scheme_version": SCHEME_VERSION,
            "labels": asdict(labels),
            **card,
            "files": _hash_files(new),
        }
        text = json.dumps(full, ensure_ascii=False, indent=2) + "\n"
        (new / CARD_NAME).write_text(text, encoding="utf-8")


def _hash_files(folder: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        hashes[path.relative_to(folder).as_posix()] = digest
    return hashes


def read_card(folder: str | Path, kind: str) -> dict[str, Any]:
    """The card of a model folder whose files are those that were saved.

    Raises DataError where the folder is no model of this kind, is damaged, or is of another format.
    """
    path = Path(folder, CARD_NAME)
    found = model_kind(folder)
    if found != kind:
        what = f"a {found} model" if found else f"no {CARD_NAME} of one"
        raise DataError(f"{folder}: no {kind} model ({what}); train it first")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if card.get("format") != FORMAT:
        raise DataError(
            f"{path}: format {card.get('format')}, wanted {FORMAT}; train the model again"
        )
    try:
        wanted: dict[str, str] = dict(card["files"])
        labels_of_card(card)
        hashes = _hash_files(Path(folder))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: a damaged model ({error!r}); train it again") from None
    for name, digest in wanted.items():
        if name not in hashes:
            raise DataError(f"{Path(folder, name)}: missing; train the model again")
        if hashes[name] != digest:
            raise DataError(
                f"{Path(folder, name)}: not the file that was saved; train the model again"
            )
    return card


def labels_of_card(card: Mapping[str, Any]) -> LabelSet:
    """The label set that a card names. Raises KeyError or TypeError for a damaged card."""
    labels = card["labels"]
    holds = {host: tuple(guests) for host, guests in labels["holds"].items()}
    return LabelSet(tuple(labels["outer"]), tuple(labels["inner"]), holds)


def training_of_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says of the training, as the fields of a model. Raises KeyError or TypeError
    for a damaged card."""
    return {
        "settings": card["settings"],
        "seed": card["seed"],
        "training": TrainingCounts(**card["training"]),
        "validation": card["validation"],
        "history": tuple(Point(**point) for point in card["history"]),
        "libraries": card["libraries"],
    }
