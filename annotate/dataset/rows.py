"""The rows of the configurations: one a document, or one a sentence with tokens and tags."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from annotate.document import Document, Span, document_to_line, split_layers
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES, LAYERS
from annotate.tags import OUTSIDE, spans_to_tags, tags_to_spans
from annotate.tokens import Offsets, split_sentences

if TYPE_CHECKING:
    from datasets import Features

TOKEN_CONFIGS = ("syllable", "word")
CONFIGS = ("documents", *TOKEN_CONFIGS)

META_COLUMNS = (
    "title",
    "published",
    "byline",
    "source",
    "url",
    "licence",
    "genre",
    "annotator",
    "decided_by",
    "guideline_version",
)
"""Keys of `meta` that are columns of their own; the others are JSON in the column `meta`."""

META_LISTS = ("annotators",)
"""Keys of `meta` that are columns of their own and hold a list of strings."""

TAG_NAMES: tuple[str, ...] = (
    OUTSIDE,
    *(f"{prefix}-{label}" for label in LABEL_NAMES for prefix in "BI"),
)
"""The IOB2 tags of `ner_tags` and `ner_tags_inner`, in the order of their numbers."""

_TAG_NUMBER = {name: number for number, name in enumerate(TAG_NAMES)}
_TAG_COLUMN = {"outer": "ner_tags", "inner": "ner_tags_inner"}


@dataclass(slots=True)
class Losses:
    """What had to give way so that every entity is in every configuration."""

    merged_sentences: int = 0
    """Sentence ends that lay inside an entity and were not taken."""
    cut_tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_CONFIGS, 0))
    """Tokens that an entity's border cuts, by configuration; they became two or more."""

    def add(self, other: "Losses") -> None:
        """Count the other's in."""
        self.merged_sentences += other.merged_sentences
        for config, count in other.cut_tokens.items():
            self.cut_tokens[config] += count


def features_of(config: str, *, origins: bool = False) -> "Features":
    """The columns and types of a configuration; `origins`: entities have source and score."""
    from datasets import ClassLabel, Features, List, Value

    if config == "documents":
        return Features(
            {
                "id": Value("string"),
                "text": Value("string"),
                "entities": List(
                    {
                        "start": Value("int32"),
                        "end": Value("int32"),
                        "label": Value("string"),
                        "layer": Value("string"),
                        **(
                            {"source": Value("string"), "score": Value("float64")}
                            if origins
                            else {}
                        ),
                    }
                ),
                **{key: Value("string") for key in META_COLUMNS},
                **{key: List(Value("string")) for key in META_LISTS},
                "meta": Value("string"),
            }
        )
    return Features(
        {
            "document_id": Value("string"),
            "sentence": Value("int32"),
            "start": Value("int32"),
            "end": Value("int32"),
            "tokens": List(Value("string")),
            "token_starts": List(Value("int32")),
            "token_ends": List(Value("int32")),
            **{name: List(ClassLabel(names=list(TAG_NAMES))) for name in _TAG_COLUMN.values()},
        }
    )


# --- documents ----------------------------------------------------------------------------


def document_to_row(document: Document, *, origins: bool = True) -> dict[str, Any]:
    """The row of `documents`; without `origins` no source and score of the entities.

    Raises DataError for meta that JSON or UTF-8 cannot hold.
    """
    try:
        document_to_line(document).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"document {document.id!r}: cannot be written as JSON ({error})") from None
    layers = split_layers(document.spans)
    inner = {span.key for span in layers["inner"]}
    rest = dict(document.meta)
    columns: dict[str, Any] = dict.fromkeys((*META_COLUMNS, *META_LISTS))
    for key in META_COLUMNS:
        if isinstance(rest.get(key), str):
            columns[key] = rest.pop(key)
    for key in META_LISTS:
        if isinstance(rest.get(key), list) and all(isinstance(item, str) for item in rest[key]):
            columns[key] = rest.pop(key)
    return {
        "id": document.id,
        "text": document.text,
        "entities": [
            {
                "start": span.start,
                "end": span.end,
                "label": span.label,
                "layer": LAYERS[span.key in inner],
                **({"source": span.source, "score": span.score} if origins else {}),
            }
            for span in document.spans
        ],
        **columns,
        "meta": json.dumps(rest, ensure_ascii=False, sort_keys=True),
    }


def row_to_document(row: dict[str, Any]) -> Document:
    """The Document of a row of `documents`: the inverse of `document_to_row`."""
    meta: dict[str, Any] = json.loads(row["meta"]) if row.get("meta") else {}
    for key in (*META_COLUMNS, *META_LISTS):
        if row.get(key) is not None:
            meta[key] = row[key]
    spans = [
        Span(
            entity["start"],
            entity["end"],
            entity["label"],
            entity.get("source"),
            entity.get("score"),
        )
        for entity in row["entities"]
    ]
    return Document(row["id"], row["text"], (), meta).with_spans(spans)


# --- sentences and tokens -----------------------------------------------------------------


def bound_sentences(text: str, spans: Iterable[Span]) -> tuple[list[Offsets], int]:
    """Sentences none of which cuts an entity, and how many sentence ends gave way for that."""
    sentences: list[Offsets] = []
    merged = 0
    entities = sorted((span.start, span.end) for span in spans)
    next_entity = 0
    reach = 0  # the furthest end of the entities that begin before the sentence at hand
    for start, end in split_sentences(text):
        while next_entity < len(entities) and entities[next_entity][0] < start:
            reach = max(reach, entities[next_entity][1])
            next_entity += 1
        if sentences and reach > sentences[-1][1]:
            sentences[-1] = (sentences[-1][0], end)
            merged += 1
        else:
            sentences.append((start, end))
    return sentences, merged


def cut_tokens(
    text: str, tokens: Iterable[Offsets], borders: Sequence[int]
) -> tuple[list[Offsets], int]:
    """Tokens of which none holds one of the sorted borders inside, and how many were cut.

    The pieces of a cut word lose the white space at their edges; a piece of nothing else goes.
    """
    pieces: list[Offsets] = []
    cut = 0
    for start, end in tokens:
        inside = borders[bisect_right(borders, start) : bisect_left(borders, end)]
        if not inside:
            pieces.append((start, end))
            continue
        cut += 1
        edges = [start, *inside, end]
        for first, last in pairwise(edges):
            piece = text[first:last]
            left = first + len(piece) - len(piece.lstrip())
            right = first + len(piece.rstrip())
            if left < right:
                pieces.append((left, right))
    return pieces, cut


def sentence_rows(
    document: Document,
    sentences: Sequence[Offsets],
    tokens: Sequence[Sequence[Offsets]],
) -> tuple[list[dict[str, Any]], int]:
    """The rows of a token configuration for one document, and how many tokens were cut.

    `tokens` are those of each sentence. Offsets in the rows are into the document's text.
    Raises DataError where an entity would be missing from the rows.
    """
    layers = split_layers(document.spans)
    borders = sorted({place for span in document.spans for place in (span.start, span.end)})
    rows: list[dict[str, Any]] = []
    cut = 0
    for number, ((start, end), whole) in enumerate(zip(sentences, tokens, strict=True)):
        pieces, cut_here = cut_tokens(document.text, whole, borders)
        cut += cut_here
        row: dict[str, Any] = {
            "document_id": document.id,
            "sentence": number,
            "start": start,
            "end": end,
            "tokens": [document.text[first:last] for first, last in pieces],
            "token_starts": [first for first, _ in pieces],
            "token_ends": [last for _, last in pieces],
        }
        for layer in LAYERS:
            inside = [span for span in layers[layer] if start <= span.start and span.end <= end]
            tags, _ = spans_to_tags(pieces, inside)
            row[_TAG_COLUMN[layer]] = [_TAG_NUMBER[tag] for tag in tags]
        rows.append(row)
    _check_complete(document, rows)
    return rows, cut


def rows_to_spans(rows: Iterable[dict[str, Any]]) -> set[tuple[int, int, str]]:
    """Place and label of the entities that the rows of one document hold, in both layers."""
    found: set[tuple[int, int, str]] = set()
    for row in rows:
        offsets = list(zip(row["token_starts"], row["token_ends"], strict=True))
        for column in _TAG_COLUMN.values():
            tags = [TAG_NAMES[number] for number in row[column]]
            found.update(span.key for span in tags_to_spans(offsets, tags))
    return found


def _check_complete(document: Document, rows: Sequence[dict[str, Any]]) -> None:
    missing = {span.key for span in document.spans} - rows_to_spans(rows)
    if missing:
        start, end, label = min(missing)
        raise DataError(
            f"document {document.id}: {label} {start}-{end} {document.text[start:end]!r} begins or "
            "ends where no token does; take the white space off its edges"
        )
