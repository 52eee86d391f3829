"""What models are trained on and saved as, whatever the model: sentences with their tags, the
counts of a training, the loss curve, and a model folder with its card.

A sentence keeps its outer tags and, for each outer span that may hold others (its host), the
inner tags of the host's tokens: an inner span always lies in a host. Nothing here needs torch.
"""

import hashlib
import json
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotate.document import Document, Span, document_to_line, split_layers
from annotate.errors import DataError
from annotate.scheme import HOSTS, LAYERS, SCHEME_VERSION, Layer
from annotate.tags import OUTSIDE, spans_to_tags
from annotate.tokens import Offsets, split_sentences, tokenize

FORMAT = 1
CARD_NAME = "model.json"
CURVE_NAME = "loss.svg"

BATCH_CHARACTERS = 100_000
"""Text that is labelled at once, whatever the model."""


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


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a model by layer, and which outer labels were seen to hold inner spans."""

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    hosts: tuple[str, ...]

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


def read_sentences(text: str) -> list[list[Offsets]]:
    """The syllable tokens of each sentence of a text. Each token is in exactly one."""
    tokens = tokenize(text)
    return [tokens[first:last] for first, last in _token_ranges(tokens, split_sentences(text))]


def read_training(
    documents: Sequence[Document], labels: Sequence[str] = ()
) -> tuple[list[TaggedSentence], LabelSet, TrainingCounts]:
    """Tagged sentences of labelled documents, the labels found in them, and what was counted.

    A sentence border inside an outer span is taken away. A span that no token border allows to
    tag is left out and counted. `labels` are labels that must occur.

    Raises DataError for no documents, an id that comes twice, no outer entity that can be
    tagged, or a wanted label without an entity.
    """
    check_training_documents(documents, labels)
    entities: dict[Layer, Counter[str]] = {layer: Counter() for layer in LAYERS}
    inexpressible = merged = token_total = 0
    tagged: list[tuple[Document, list[Offsets], dict[Layer, list[str]], list[Span]]] = []
    for document in documents:
        tokens = tokenize(document.text)
        token_total += len(tokens)
        layers = split_layers(document.spans)
        tags: dict[Layer, list[str]] = {}
        kept: dict[Layer, list[Span]] = {}
        for layer in LAYERS:
            tags[layer], lost = spans_to_tags(tokens, layers[layer])
            kept[layer] = [span for span in layers[layer] if span not in lost]
            entities[layer].update(span.label for span in kept[layer])
            inexpressible += len(lost)
        tagged.append((document, tokens, tags, kept["outer"]))
    if not entities["outer"]:
        raise DataError(
            "no entity of the documents begins and ends where tokens do; look at their offsets"
        )
    hosts = HOSTS & entities["outer"].keys() if entities["inner"] else set()
    label_set = LabelSet(
        outer=tuple(sorted(entities["outer"])),
        inner=tuple(sorted(entities["inner"])) if hosts else (),
        hosts=tuple(sorted(hosts)),
    )
    sentences: list[TaggedSentence] = []
    for document, tokens, tags, outer in tagged:
        borders, gone = merge_sentences(split_sentences(document.text), outer)
        merged += gone
        sentences.extend(_tag_sentences(document.text, tokens, tags, outer, borders, label_set))
    counts = TrainingCounts(
        documents=len(documents),
        sentences=len(sentences),
        tokens=token_total,
        entities={layer: dict(sorted(entities[layer].items())) for layer in LAYERS},
        inexpressible=inexpressible,
        merged=merged,
        sha256=hash_documents(documents),
    )
    return sentences, label_set, counts


def _tag_sentences(
    text: str,
    tokens: list[Offsets],
    tags: Mapping[Layer, list[str]],
    outer: Sequence[Span],
    borders: Sequence[Offsets],
    labels: LabelSet,
) -> Iterator[TaggedSentence]:
    number = {
        layer: {tag: place for place, tag in enumerate(labels.tags(layer))} for layer in LAYERS
    }
    host_spans = [span for span in outer if span.label in labels.hosts]
    host_ranges = _token_ranges(tokens, [(span.start, span.end) for span in host_spans])
    place = 0
    for first, last in _token_ranges(tokens, borders):
        hosts: list[Host] = []
        while place < len(host_spans) and host_ranges[place][0] < last:
            begin, end = host_ranges[place]
            hosts.append(
                Host(
                    first=begin - first,
                    last=end - first,
                    label=labels.hosts.index(host_spans[place].label),
                    tags=[number["inner"][tag] for tag in tags["inner"][begin:end]],
                )
            )
            place += 1
        yield TaggedSentence(
            text,
            tokens[first:last],
            [number["outer"][tag] for tag in tags["outer"][first:last]],
            hosts,
        )


def merge_sentences(
    sentences: Sequence[Offsets], spans: Sequence[Span]
) -> tuple[list[Offsets], int]:
    """Sentences without the borders that lie inside a span, and how many borders went.

    `spans` are those of one layer, sorted.
    """
    merged: list[Offsets] = []
    number = 0
    for start, end in sentences:
        while number < len(spans) and spans[number].end <= start:
            number += 1
        if merged and number < len(spans) and spans[number].start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged, len(sentences) - len(merged)


def _token_ranges(tokens: Sequence[Offsets], stretches: Iterable[Offsets]) -> list[tuple[int, int]]:
    """First token and one past the last of each stretch of text; stretches end at token borders."""
    starts = [start for start, _ in tokens]
    return [(bisect_left(starts, start), bisect_left(starts, end)) for start, end in stretches]


def check_training_documents(
    documents: Sequence[Document], labels: Sequence[str] = (), what: str = "train on"
) -> None:
    """Raise DataError for no documents, an id that comes twice, no entity at all, or a label of
    `labels` without an entity."""
    if not documents:
        raise DataError(f"no documents to {what}; give at least one labelled document")
    repeated = [id for id, n in Counter(document.id for document in documents).items() if n > 1]
    if repeated:
        raise DataError(
            f"the document {repeated[0]} stands twice among the {len(documents)} to {what}; "
            "give each document once"
        )
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


# --- the course of a training ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the course of a training: the mean loss a token since the point before, or
    the strict span F1 (both layers) on the validation documents; None where not measured."""

    step: int
    epoch: float
    loss: float | None = None
    f1: float | None = None


def draw_curve(history: Sequence[Point], title: str) -> str:
    """An SVG picture: loss by step on the left axis, validation F1 (0 to 1) on the right."""
    width, height, edge = 640, 320, 48
    last = max((point.step for point in history), default=1)
    top = max((point.loss for point in history if point.loss is not None), default=1.0) or 1.0

    def place(step: int, share: float) -> str:
        x = edge + (width - 2 * edge) * step / last
        y = height - edge - (height - 2 * edge) * share
        return f"{x:.1f},{y:.1f}"

    loss = [place(p.step, p.loss / top) for p in history if p.loss is not None]
    f1 = [place(p.step, p.f1) for p in history if p.f1 is not None]
    bottom, right = height - edge, width - edge
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{width / 2:.0f}" y="24" text-anchor="middle">{_escape(title)}</text>',
        f'<path d="M{edge},{edge}V{bottom}H{right}V{edge}" fill="none" stroke="#888888"/>',
        f'<polyline points="{" ".join(loss)}" fill="none" stroke="#0072B2" stroke-width="1.5"/>',
        f'<text x="{edge}" y="{edge - 8}" fill="#0072B2">loss, up to {top:.2f}</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{last} steps</text>',
    ]
    if f1:
        best = max(point.f1 for point in history if point.f1 is not None)
        lines += [
            f'<polyline points="{" ".join(f1)}" fill="none" stroke="#D55E00" stroke-width="1.5"/>',
            f'<text x="{right}" y="{edge - 8}" fill="#D55E00" text-anchor="end">'
            f"validation F1, best {best:.3f}</text>",
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
    target = Path(folder).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            write_files(new)
            full = {
                "kind": kind,
                "format": FORMAT,
                "scheme_version": SCHEME_VERSION,
                "labels": asdict(labels),
                "tokens": "syllable",
                **card,
                "files": _hash_files(new),
            }
            text = json.dumps(full, ensure_ascii=False, indent=2) + "\n"
            (new / CARD_NAME).write_text(text, encoding="utf-8")
            if target.exists():
                target.rename(Path(scratch, "old"))
            new.rename(target)
    except OSError as error:
        raise DataError(
            f"{folder}: the model cannot be written ({error.strerror}); choose another folder"
        ) from None


def _hash_files(folder: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        hashes[path.relative_to(folder).as_posix()] = digest
    return hashes


def read_card(
    folder: str | Path, kind: str, known_labels: Collection[str] | None = None
) -> dict[str, Any]:
    """The card of a model folder whose files are those that were saved.

    `known_labels`: where given, the model may have no others. Raises DataError where the folder
    is no model of this kind, is damaged, is of another format, or has other labels.
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
        labels = labels_of_card(card)
        hashes = _hash_files(Path(folder))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: a damaged model ({error!r}); train it again") from None
    for name, digest in wanted.items():
        if name not in hashes:
            raise DataError(f"{Path(folder, name)}: missing; train the model again")
        if hashes[name] != digest:
            raise DataError(
                f"{Path(folder, name)}: not the file that was saved; train the model again"
            )
    if known_labels is not None:
        strange = sorted({*labels.outer, *labels.inner}.difference(known_labels))
        if strange:
            raise DataError(
                f"{folder}: a model of another label set; it has {', '.join(strange)}, "
                f"wanted are {', '.join(sorted(known_labels))}; train one on these labels"
            )
    return card


def labels_of_card(card: Mapping[str, Any]) -> LabelSet:
    """The label set that a card names. Raises KeyError or TypeError for a damaged card."""
    labels = card["labels"]
    return LabelSet(tuple(labels["outer"]), tuple(labels["inner"]), tuple(labels["hosts"]))


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
