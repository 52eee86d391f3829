"""Span and Document, their checks, and Document JSON Lines in and out.

One line of a Document file:

    {"id": "…", "text": "…", "entities": [{"start": 0, "end": 9, "label": "PERSON"}], "meta": {…}}

`start` and `end` are code points into `text`, end exclusive. `text` is in NFC and is not
changed by anything after `vipol clean`. An entity also has `source` and `score` where known.

A document of others' data (`vipol import conll`) has their labels and tokens beside:

    "foreign": {"labels": ["AGE", "NAME"], "tokens": [[[0, 3], [4, 9]], [[10, 14]]]}

Keys of `meta` with a fixed meaning: title, published (ISO 8601), byline, source, url, licence,
genre; of an annotation: annotator, guideline_version, and what `annotate.studio.pull` adds; of
adjudicated gold: annotators (whose versions were compared), decided_by (the reviewer, or
`policy:` and the policy's name) and, of a reviewer's decision, decided_at.
"""

import hashlib
import json
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from annotate.errors import DataError
from annotate.files import display_name, open_input, open_output
from annotate.scheme import LABEL_NAMES, Layer, may_contain
from annotate.tokens import Offsets, split_sentences, tokenize

EDGE_PUNCTUATION = frozenset(",.;:")
PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "‘": "’", "«": "»", '"': '"'}


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled interval of a text: code points, end exclusive, `0 <= start < end`."""

    start: int
    end: int
    label: str
    source: str | None = None
    score: float | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes two spans the same one: place and label."""
        return (self.start, self.end, self.label)


@dataclass(frozen=True, slots=True)
class Foreign:
    """What others' data bring with them: their label set, and their tokens, sentence by sentence.

    Any of their labels may lie inside any other, to the same depth of two.
    """

    labels: tuple[str, ...]
    tokens: tuple[tuple[Offsets, ...], ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its spans (sorted by place, the longer first) and what is known of it.

    `foreign` is None for our own data: its labels are the scheme's, its tokens `tokenize`'s.
    """

    id: str
    text: str
    spans: tuple[Span, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    foreign: Foreign | None = None

    def with_spans(self, spans: Iterable[Span]) -> "Document":
        """The same document with these spans instead of its own."""
        return replace(self, spans=sort_spans(spans))


def sort_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans by start, an outer span before the spans inside it."""
    return tuple(sorted(spans, key=lambda span: (span.start, -span.end, span.label)))


def labels_of(document: Document) -> tuple[str, ...]:
    """The label set that the document's spans are from."""
    return document.foreign.labels if document.foreign else LABEL_NAMES


def token_sentences(document: Document) -> list[list[Offsets]]:
    """The tokens of a document, sentence by sentence: those it brings, else syllable tokens.

    Each token is in one sentence; offsets are into the document's text.
    """
    if document.foreign:
        return [list(sentence) for sentence in document.foreign.tokens if sentence]
    tokens = tokenize(document.text)
    starts = [start for start, _ in tokens]
    return [
        tokens[bisect_left(starts, start) : bisect_left(starts, end)]
        for start, end in split_sentences(document.text)
    ]


def split_layers(spans: Iterable[Span]) -> dict[Layer, tuple[Span, ...]]:
    """Outer spans and inner spans, each sorted by place.

    A span is inner when another span of `spans` covers it; the nesting must be legal.
    """
    outer: list[Span] = []
    inner: list[Span] = []
    reach = -1
    for span in sort_spans(spans):
        if span.end <= reach:
            inner.append(span)
        else:
            outer.append(span)
            reach = span.end
    return {"outer": tuple(outer), "inner": tuple(inner)}


def find_illegal(
    text: str, spans: Iterable[Span], labels: Sequence[str] | None = None
) -> tuple[Span, str] | None:
    """The first span that the text or the scheme does not allow, with the reason.

    Checks offsets, labels, duplicates, crossing, nesting and depth. Linear but for sorting.
    `labels` are those of others' data, of which each may hold each; without them the scheme's.
    """
    known = LABEL_NAMES if labels is None else labels
    open_spans: list[Span] = []
    for span in sort_spans(spans):
        if not 0 <= span.start < span.end:
            return span, "is empty, reversed or before the text; wanted 0 <= start < end"
        if span.end > len(text):
            return span, f"ends past the text ({len(text)} characters)"
        if span.label not in known:
            return span, f"has the unknown label {span.label!r}; labels: {', '.join(known)}"
        while open_spans and open_spans[-1].end <= span.start:
            open_spans.pop()
        if open_spans:
            around = open_spans[-1]
            named = f"{around.label} {around.start}-{around.end}"
            if (around.start, around.end) == (span.start, span.end):
                return span, f"has the same place as {named}; keep one of them"
            if span.end > around.end:
                return span, f"crosses {named}; spans may nest, not cross"
            if len(open_spans) > 1:
                return span, f"is the third layer inside {named}; depth is at most two"
            if labels is None and not may_contain(around.label, span.label):
                return span, f"lies inside {named}, which may not hold {span.label}"
        open_spans.append(span)
    return None


def find_edge_problem(text: str, span: Span) -> str | None:
    """What is wrong with the edges of a span, or None.

    The scheme wants no white space, comma, semicolon, colon or unpaired bracket or quote at
    either edge, no full stop at the start; the full stop of an abbreviation may end a span,
    so a final full stop is accepted after a word in capitals and after `Tp`, `Tx`.
    """
    mention = text[span.start : span.end]
    if mention[0].isalnum() and mention[-1].isalnum():
        return None
    if mention != mention.strip():
        return "begins or ends with white space"
    if mention[0] in EDGE_PUNCTUATION or mention[-1] in EDGE_PUNCTUATION - {"."}:
        return f"begins or ends with punctuation: {mention!r}"
    if mention.endswith("."):
        word = mention[:-1].rpartition(" ")[2]
        if not word.isupper() and word not in ("Tp", "Tx"):
            return f"ends with a full stop: {mention!r}"
    for left, right in PAIRS.items():
        if left == right:
            unpaired = mention.count(left) % 2 == 1 and left in (mention[0], mention[-1])
        else:
            unpaired = (mention[0] == left and right not in mention) or (
                mention[-1] == right and left not in mention
            )
        if unpaired:
            return f"begins or ends with an unpaired {left} or {right}: {mention!r}"
    return None


def find_text_problem(text: str) -> str | None:
    """Why a text cannot be worked on, or None: empty, not NFC, NUL, lone surrogates."""
    if not text:
        return "the text is empty; leave the document out"
    if not unicodedata.is_normalized("NFC", text):
        return "the text is not in NFC; run vipol clean on it first"
    if "\0" in text:
        return "the text holds a NUL character; run vipol clean on it first"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"the text holds half a character (a lone surrogate) at {error.start}; mend the source"
        )
    return None


def check_document(document: Document, where: str) -> None:
    """Raise DataError, beginning with `where`, unless the document obeys text and scheme rules."""
    problem = find_text_problem(document.text)
    if problem:
        raise DataError(f"{where}: {problem}")
    labels = None
    if document.foreign:
        labels = document.foreign.labels
        problem = _find_foreign_problem(document.text, document.foreign)
        if problem:
            raise DataError(f"{where}: {problem}")
    illegal = find_illegal(document.text, document.spans, labels)
    if illegal:
        span, reason = illegal
        raise DataError(f"{where}: entity {span.start}-{span.end} {reason}")


def check_own(document: Document, where: str) -> None:
    """Raise DataError, beginning with `where`, for a document of others' data."""
    if document.foreign:
        raise DataError(
            f"{where} (document {document.id}): has labels and tokens of others' data; they can "
            "be trained on, predicted, scored and exported, nothing else"
        )


def _find_foreign_problem(text: str, foreign: Foreign) -> str | None:
    if not foreign.labels or len(set(foreign.labels)) < len(foreign.labels):
        return "its label set in 'foreign' is empty or names a label twice"
    reach = 0
    for start, end in (token for sentence in foreign.tokens for token in sentence):
        if not reach <= start < end <= len(text):
            return (
                f"its token {start}-{end} in 'foreign' is empty, past the text "
                f"({len(text)} characters) or not behind the one before it"
            )
        reach = end
    return None


# --- JSON Lines -------------------------------------------------------------------------

_LINE_KEYS = frozenset({"id", "text", "entities", "meta", "foreign"})
_ENTITY_KEYS = frozenset({"start", "end", "label", "source", "score"})


def document_to_dict(document: Document) -> dict[str, Any]:
    """The dict that one line of a Document file holds."""
    entities = []
    for span in document.spans:
        entity: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
        if span.source is not None:
            entity["source"] = span.source
        if span.score is not None:
            entity["score"] = span.score
        entities.append(entity)
    record: dict[str, Any] = {
        "id": document.id,
        "text": document.text,
        "entities": entities,
        "meta": document.meta,
    }
    if document.foreign:
        record["foreign"] = {"labels": document.foreign.labels, "tokens": document.foreign.tokens}
    return record


def document_from_dict(record: Any, where: str, *, labelled: bool = False) -> Document:
    """The Document of one line; `where` begins every message.

    With `labelled` the field `entities` must be there (a file without it is not gold).
    Raises DataError for a missing or unknown field, a wrong type, a text or span that
    is not allowed.
    """
    if not isinstance(record, dict):
        raise DataError(f"{where}: a JSON object was wanted, found {type(record).__name__}")
    for key in ("id", "text", *(("entities",) if labelled else ())):
        if key not in record:
            raise DataError(f"{where}: the field {key!r} is missing")
    if not isinstance(record["id"], str) or not record["id"]:
        raise DataError(f"{where}: 'id' must be a string that is not empty")
    where = f"{where} (document {record['id']})"
    unknown = sorted(record.keys() - _LINE_KEYS)
    if unknown:
        raise DataError(f"{where}: unknown field {unknown[0]!r}; put what you know into 'meta'")
    if not isinstance(record["text"], str):
        raise DataError(f"{where}: 'text' must be a string")
    entities, meta = record.get("entities", []), record.get("meta", {})
    if not isinstance(entities, list):
        raise DataError(f"{where}: 'entities' must be a list")
    if not isinstance(meta, dict):
        raise DataError(f"{where}: 'meta' must be an object")
    try:
        json.dumps({**record, "text": ""}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: its id, meta or entities hold half a character (a lone surrogate); "
            "mend the source"
        ) from None
    except RecursionError:
        raise DataError(f"{where}: JSON nested too deep") from None
    spans = sort_spans(_span_from_dict(entity, where) for entity in entities)
    foreign = foreign_from_dict(record["foreign"], where) if "foreign" in record else None
    document = Document(record["id"], record["text"], spans, meta, foreign)
    check_document(document, where)
    return document


def foreign_from_dict(foreign: Any, where: str) -> Foreign:
    """What the field `foreign` of a document holds; `where` begins the message of DataError."""
    try:
        if foreign.keys() != {"labels", "tokens"}:
            raise ValueError
        labels, tokens = foreign["labels"], foreign["tokens"]
        if any(not isinstance(label, str) or not label for label in labels):
            raise ValueError
        offsets = tuple(tuple((start, end) for start, end in sentence) for sentence in tokens)
        if any(type(place) is not int for s in offsets for token in s for place in token):
            raise ValueError
    except (AttributeError, TypeError, ValueError):
        raise DataError(
            f"{where}: 'foreign' must have 'labels', a list of strings, and 'tokens', for each "
            "sentence a list of [start, end]"
        ) from None
    return Foreign(tuple(labels), offsets)


def _span_from_dict(entity: Any, where: str) -> Span:
    if not isinstance(entity, dict):
        raise DataError(f"{where}: an entity must be an object with start, end and label")
    for key in ("start", "end", "label"):
        if key not in entity:
            raise DataError(f"{where}: an entity lacks {key!r}: {json.dumps(entity)[:80]}")
    unknown = sorted(entity.keys() - _ENTITY_KEYS)
    if unknown:
        raise DataError(
            f"{where}: unknown field {unknown[0]!r} in an entity; "
            f"known: {', '.join(sorted(_ENTITY_KEYS))}"
        )
    start, end, label = entity["start"], entity["end"], entity["label"]
    if type(start) is not int or type(end) is not int:
        raise DataError(f"{where}: entity {start}-{end}: offsets must be whole numbers")
    if not isinstance(label, str):
        raise DataError(f"{where}: entity {start}-{end}: the label must be a string")
    source, score = entity.get("source"), entity.get("score")
    if source is not None and not isinstance(source, str):
        raise DataError(f"{where}: entity {start}-{end}: 'source' must be a string")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float)):
        raise DataError(f"{where}: entity {start}-{end}: 'score' must be a number")
    return Span(start, end, label, source, score)


def document_to_line(document: Document) -> str:
    """One line of a Document file, without the newline."""
    return json.dumps(document_to_dict(document), ensure_ascii=False)


class _SeenKeys:
    """Which ids were seen, in under 100 bytes each whatever their length.

    Holds 64-bit hashes in 256 sets, so that only one small set at a time is doubled
    when it grows. Two ids with one hash would be taken for the same (for ten million
    documents the chance is 3 in a million), so the reader looks a hit up in the file.
    """

    def __init__(self) -> None:
        self._shards: list[set[int]] = [set() for _ in range(256)]

    def add(self, key: tuple[str, ...]) -> bool:
        """Note the key; whether it was there already."""
        code = hash(key)
        shard = self._shards[code & 255]
        if code in shard:
            return True
        shard.add(code)
        return False


def read_documents(
    path: str | Path, *, labelled: bool = False, annotations: bool = False, foreign: bool = False
) -> Iterator[Document]:
    """Documents of a JSON Lines file, one at a time (`-` is standard input).

    labelled: every line must have `entities`.
    annotations: each line names `meta.annotator`; the pair of id and annotator is unique,
    not the id alone.
    foreign: documents with labels and tokens of others may come.

    Blank lines are passed over. Raises DataError naming file, line and document for
    anything that is not allowed, for a repeated id, and for a file without documents.
    """
    name = display_name(path)
    seen = _SeenKeys()
    count = 0
    with open_input(path) as stream:
        for number, record in _json_lines(stream, name):
            where = f"{name}:{number}"
            document = document_from_dict(record, where, labelled=labelled)
            if annotations and not isinstance(document.meta.get("annotator"), str):
                raise DataError(
                    f"{where} (document {document.id}): 'meta' does not name the 'annotator'; "
                    "the file that vipol pull wrote was wanted"
                )
            if not foreign:
                check_own(document, where)
            key = _key(document, annotations)
            if seen.add(key):
                first = _first_line_with(path, key, annotations, before=number)
                if first is not None:
                    raise DataError(
                        f"{where} (document {document.id}): this id"
                        + (" and annotator" if annotations else "")
                        + f" stood already in {first}; ids must be unique"
                        + _advice_for(document)
                    )
            count += 1
            yield document
    if not count:
        raise DataError(f"{name}: holds no documents; one JSON object a line was wanted")


def _advice_for(document: Document) -> str:
    """What to do with several annotations of one document, as vipol pull writes them."""
    if "annotation_id" not in document.meta:
        return ""
    return "; these are annotations by several: take one's with --annotator, or adjudicate them"


def _key(document: Document, annotations: bool) -> tuple[str, ...]:
    if annotations:
        return (document.id, document.meta["annotator"])
    return (document.id,)


def _json_lines(stream: IO[bytes], name: str) -> Iterator[tuple[int, Any]]:
    for number, raw in enumerate(stream, start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if not raw.strip():
            continue
        try:
            yield number, json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number}: not UTF-8 at byte {error.start}; convert the file to UTF-8"
            ) from None
        except json.JSONDecodeError as error:
            raise DataError(
                f"{name}:{number}: not JSON at column {error.colno} ({error.msg}); "
                "one JSON object a line was wanted"
            ) from None
        except ValueError as error:
            raise DataError(f"{name}:{number}: {error}") from None
        except RecursionError:
            raise DataError(f"{name}:{number}: JSON nested too deep") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON; write a number or null")


def _first_line_with(
    path: str | Path, key: tuple[str, ...], annotations: bool, before: int
) -> str | None:
    """`line N` of the first document with `key` before line `before`; None for a mere hash
    collision. Standard input cannot be read twice: there the hash decides."""
    if display_name(path) != str(path):
        return "an earlier line"
    with open_input(path) as stream:
        for number, record in _json_lines(stream, str(path)):
            if number >= before:
                return None
            meta = record.get("meta", {}) if annotations else {}
            if key == (
                (record["id"], str(meta.get("annotator", ""))) if annotations else (record["id"],)
            ):
                return f"line {number}"
    return None


def write_documents(path: str | Path, documents: Iterable[Document]) -> int:
    """Write documents as JSON Lines, whole or not at all (`-` is standard output); how many.

    Each document is checked again on its way out. Raises DataError.
    """
    count = 0
    with open_output(path) as stream:
        for document in documents:
            check_document(document, f"{display_name(path)} (document {document.id})")
            stream.write(document_to_line(document) + "\n")
            count += 1
    return count


def hash_gold(documents: Iterable[Document]) -> str:
    """SHA-256 of ids, texts and spans, whatever the order of the documents: says whether two
    scores had the same gold."""
    lines = sorted(
        json.dumps([one.id, one.text, [span.key for span in one.spans]], ensure_ascii=False)
        for one in documents
    )
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def mentions(document: Document, spans: Sequence[Span] | None = None) -> list[str]:
    """The surface strings of the document's spans (or of `spans`)."""
    return [document.text[s.start : s.end] for s in (document.spans if spans is None else spans)]
