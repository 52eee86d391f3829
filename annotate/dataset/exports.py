"""Documents in the formats of other tools, and back: each reads back to the same spans.

    jsonl         Document JSON Lines: everything that a Document holds
    conll         columns token, outer tag, inner tag; texts, ids and meta in comments
    spacy         spaCy's DocBin: spans in doc.spans["outer"], ["inner"] and, all of them, ["sc"]
    label-studio  tasks with one annotation each, as Label Studio imports them

Documents of others' data (`Document.foreign`) keep their own tokens in `conll`, and have no
`label-studio`: the project there has the scheme's labels.

Where a format has no room for the `source` or `score` of a span, they stay out: `conll` has
neither, `label-studio` has no source.
"""

import importlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from annotate.dataset.rows import (
    TAG_NAMES,
    bound_sentences,
    cut_tokens,
    sentence_rows,
)
from annotate.dataset.sentences import TAG_COLUMNS, TokenConfig, find_tag_problem
from annotate.dataset.words import segment_words
from annotate.document import (
    Document,
    Foreign,
    Span,
    check_document,
    check_own,
    document_from_dict,
    document_to_dict,
    foreign_from_dict,
    read_documents,
    sort_spans,
    split_layers,
    token_sentences,
    write_documents,
)
from annotate.errors import DataError
from annotate.files import display_name, is_device, open_input, open_output
from annotate.studio.task import document_to_task, regions_to_spans, spans_to_regions
from annotate.tags import OUTSIDE, spans_to_tags, tags_to_spans
from annotate.tokens import Offsets, tokenize

ExportFormat = Literal["jsonl", "conll", "spacy", "label-studio"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("jsonl", "conll", "spacy", "label-studio")


def export_documents(
    documents: Sequence[Document],
    path: str | Path,
    format: ExportFormat,
    *,
    tokens: TokenConfig = "syllable",
) -> int:
    """Write documents in a format, whole or not at all (`-` is standard output, but not for
    `spacy`); how many. `tokens` are those of `conll`; the other formats keep places in the text.

    Raises DataError for a format that is not known, a span that `conll` cannot hold (white space
    at its edge), a path that cannot be written, and `spacy` where spaCy is not installed.
    """
    if format == "jsonl":
        return write_documents(path, documents)
    if format == "conll":
        return _write_conll(documents, path, tokens)
    if format == "spacy":
        return _write_spacy(documents, path)
    if format == "label-studio":
        return _write_label_studio(documents, path)
    raise DataError(f"{format}: no such format; formats: {', '.join(EXPORT_FORMATS)}")


def read_export(path: str | Path, format: ExportFormat) -> list[Document]:
    """The documents of a file that `export_documents` wrote: its inverse.

    Raises DataError with file and line or document for what is no such file.
    """
    readers: dict[str, Callable[[str | Path], Iterable[Document]]] = {
        "jsonl": lambda path: read_documents(path, labelled=True, foreign=True),
        "conll": _read_conll,
        "spacy": _read_spacy,
        "label-studio": _read_label_studio,
    }
    if format not in readers:
        raise DataError(f"{format}: no such format; formats: {', '.join(EXPORT_FORMATS)}")
    documents: list[Document] = []
    for document in readers[format](path):
        check_document(document, f"{display_name(path)} (document {document.id})")
        documents.append(document)
    if not documents:
        raise DataError(f"{display_name(path)}: holds no documents")
    return documents


# --- CoNLL ---------------------------------------------------------------------------------------
#
#     # document = "vn-032"
#     # text = "Đồng chí Trần Quốc Minh, …"
#     # meta = {"licence": "cc-by-4.0"}
#     Trần   B-PERSON   O
#     Quốc   I-PERSON   O
#
# The values are JSON, so a line break of the text is \n and a comment has no tab. White space
# inside a word is written `_`, as Vietnamese data in columns have it; the text says which
# it was.

_COMMENT = re.compile(r"# (document|text|meta|labels) = (.*)")
_TOKENIZERS: dict[str, Callable[[str, int, int], list[Offsets]]] = {
    "syllable": tokenize,
    "word": segment_words,
}


def _write_conll(documents: Iterable[Document], path: str | Path, tokens: TokenConfig) -> int:
    count = 0
    with open_output(path) as stream:
        for document in documents:
            check_document(document, f"{display_name(path)} (document {document.id})")
            stream.writelines(f"{line}\n" for line in _conll_lines(document, tokens))
            count += 1
    return count


def _conll_lines(document: Document, tokens: TokenConfig) -> Iterator[str]:
    known = {"document": document.id, "text": document.text, "meta": document.meta}
    if document.foreign:
        known["labels"] = document.foreign.labels
    for key, value in known.items():
        yield f"# {key} = {json.dumps(value, ensure_ascii=False)}"
    for tokens_and_tags in _conll_sentences(document, tokens):
        yield from (
            "\t".join((re.sub(r"\s+", "_", token), *tags)) for token, *tags in tokens_and_tags
        )
        yield ""


def _conll_sentences(
    document: Document, tokens: TokenConfig
) -> Iterator[Iterable[tuple[str, ...]]]:
    """Token, outer tag and inner tag of each token, sentence by sentence."""
    if document.foreign:
        layers = split_layers(document.spans)
        held = 0
        for sentence in token_sentences(document):
            start, end = sentence[0][0], sentence[-1][1]
            columns = []
            for spans in layers.values():
                inside = [s for s in spans if start <= s.start and s.end <= end]
                tags, lost = spans_to_tags(sentence, inside)
                held += len(inside) - len(lost)
                columns.append(tags)
            texts = [document.text[first:last] for first, last in sentence]
            yield zip(texts, *columns, strict=True)
        if held < len(document.spans):
            raise DataError(
                f"document {document.id}: {len(document.spans) - held} of its "
                f"{len(document.spans)} spans begin or end inside one of its tokens or cross the "
                "end of a sentence, which conll cannot hold; export it as jsonl or spacy"
            )
        return
    sentences, _ = bound_sentences(document.text, document.spans)
    found = [_TOKENIZERS[tokens](document.text, start, end) for start, end in sentences]
    for row in sentence_rows(document, sentences, found)[0]:
        columns = [[TAG_NAMES[n] for n in row[column]] for column in TAG_COLUMNS.values()]
        yield zip(row["tokens"], *columns, strict=True)


def _read_conll(path: str | Path) -> Iterator[Document]:
    name = display_name(path)
    known: dict[str, Any] = {}
    rows: list[tuple[int, list[str]]] = []
    with open_input(path) as stream:
        for number, raw in enumerate(stream, start=1):
            where = f"{name}:{number}"
            try:
                line = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                raise DataError(f"{where}: not UTF-8 at byte {error.start}") from None
            if (comment := _COMMENT.fullmatch(line)) and "\t" not in line:
                if comment.group(1) == "document":
                    if known:
                        yield _conll_document(known, rows, name)
                    known, rows = {}, []
                try:
                    known[comment.group(1)] = json.loads(comment.group(2))
                except ValueError:
                    raise DataError(f"{where}: JSON was wanted behind the =") from None
            else:
                rows.append((number, line.split("\t") if line else []))
    if known:
        yield _conll_document(known, rows, name)


def _conll_document(
    known: dict[str, Any], rows: Sequence[tuple[int, list[str]]], name: str
) -> Document:
    where = f"{name}:{rows[0][0] if rows else 1}"
    if not {"document", "text"} <= known.keys():
        raise DataError(
            f"{where}: comments '# document =' and '# text =' were wanted before the tokens; "
            "read others' files with vipol import conll"
        )
    record = {"id": known["document"], "text": known["text"], "meta": known.get("meta", {})}
    document = document_from_dict(record, where)
    offsets: list[Offsets] = []
    tags: list[list[str]] = [[], []]
    ends: list[int] = []  # of the sentences, in tokens
    end = 0
    for number, columns in rows:
        if not columns:
            ends.append(len(offsets))
            continue
        where = f"{name}:{number}"
        if len(columns) != 1 + len(tags):
            raise DataError(f"{where}: token, outer tag and inner tag were wanted, parted by tabs")
        start, end = _find_token(document.text, columns[0], end, where)
        offsets.append((start, end))
        for layer, tag in zip(tags, columns[1:], strict=True):
            if problem := find_tag_problem(tag, layer[-1] if layer else OUTSIDE):
                raise DataError(f"{where}: {problem}")
            layer.append(tag)
    if document.text[end:].strip():
        raise DataError(f"{where}: the text goes on behind the last token; lines are missing")
    if "labels" in known:
        borders = sorted({0, *ends, len(offsets)})
        sentences = tuple(tuple(offsets[first:last]) for first, last in pairwise(borders))
        document = replace(document, foreign=Foreign(tuple(known["labels"]), sentences))
    return document.with_spans(span for layer in tags for span in tags_to_spans(offsets, layer))


def _find_token(text: str, token: str, place: int, where: str) -> Offsets:
    """The place of the next token: `_` is itself or white space, whichever the text has."""
    while place < len(text) and text[place].isspace():
        place += 1
    end = place
    for character in token:
        if text[end : end + 1] == character:
            end += 1
            continue
        first = end
        while character == "_" and text[end : end + 1].isspace():
            end += 1
        if end == first:
            raise DataError(f"{where}: the text has no {token!r} at {place}; tokens may not change")
    if end == place:
        raise DataError(f"{where}: the token is empty")
    return place, end


# --- spaCy ---------------------------------------------------------------------------------------

_ALL_SPANS = "sc"  # where spaCy's span categorizer looks unless told
_KNOWN = "vipol"  # key of user_data


def _import_spacy(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError("spaCy is not installed in this environment; pip install spacy") from None


def _write_spacy(documents: Iterable[Document], path: str | Path) -> int:
    tokens, vocab = _import_spacy("spacy.tokens"), _import_spacy("spacy.vocab").Vocab()
    docs = tokens.DocBin(store_user_data=True)
    for document in documents:
        check_document(document, f"{path} (document {document.id})")
        docs.add(_to_spacy(document, tokens.Doc, vocab))
    if str(path) == "-":
        raise DataError("-: a .spacy file is no text for standard output; name a file")
    _write_bytes(Path(path), docs.to_bytes())
    return len(docs)


def _to_spacy(document: Document, doc_type: Any, vocab: Any) -> Any:
    words, spaces = _spacy_words(document)
    doc = doc_type(vocab, words=words, spaces=spaces)
    for key, spans in (*split_layers(document.spans).items(), (_ALL_SPANS, document.spans)):
        doc.spans[key] = [doc.char_span(s.start, s.end, label=s.label) for s in spans]
    record = document_to_dict(document)
    doc.user_data[_KNOWN] = json.dumps(
        {
            "id": document.id,
            "meta": document.meta,
            "origins": [[e.get("source"), e.get("score")] for e in record["entities"]],
            "foreign": record.get("foreign"),
        }
    )
    return doc


def _spacy_words(document: Document) -> tuple[list[str], list[bool]]:
    """Tokens whose texts and single spaces make the text again, each border of a span between two.

    As spaCy has it, white space that is more than one space between two tokens is a token.
    """
    text = document.text
    starts = {span.start for span in document.spans}
    ends = {span.end for span in document.spans}
    borders = sorted(starts | ends)
    whole = [token for sentence in token_sentences(document) for token in sentence]
    tokens, _ = cut_tokens(text, whole, borders)
    places = {0, len(text), *borders, *(place for token in tokens for place in token)}
    words: list[str] = []
    spaces: list[bool] = []
    for start, end in pairwise(sorted(places)):
        follows = bool(words) and not words[-1].isspace() and text[start] == " "
        # A span that begins or ends with this space needs it as a token.
        if follows and start not in starts and start + 1 not in ends:
            spaces[-1] = True
            start += 1
        if start < end:
            words.append(text[start:end])
            spaces.append(False)
    return words, spaces


def _read_spacy(path: str | Path) -> Iterator[Document]:
    tokens, vocab = _import_spacy("spacy.tokens"), _import_spacy("spacy.vocab").Vocab()
    with open_input(path) as stream:
        data = stream.read()
    try:
        docs = list(tokens.DocBin(store_user_data=True).from_bytes(data).get_docs(vocab))
    except Exception as error:  # whatever zlib, msgpack and spaCy make of other bytes
        raise DataError(f"{path}: not a .spacy file ({error})") from None
    for number, doc in enumerate(docs, start=1):
        where = f"{path} (document {number})"
        if _KNOWN not in doc.user_data or _ALL_SPANS not in doc.spans:
            raise DataError(f"{where}: has no doc.spans[{_ALL_SPANS!r}] that vipol export wrote")
        known = json.loads(doc.user_data[_KNOWN])
        spans = [
            Span(span.start_char, span.end_char, span.label_, *origin)
            for span, origin in zip(doc.spans[_ALL_SPANS], known["origins"], strict=True)
        ]
        foreign = known["foreign"] and foreign_from_dict(known["foreign"], where)
        yield Document(known["id"], doc.text, sort_spans(spans), known["meta"], foreign)


def _write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        if is_device(path):
            path.write_bytes(data)
            return
        if path.is_symlink():
            path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            temporary = Path(folder, path.name)
            temporary.write_bytes(data)
            temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None


# --- Label Studio ---------------------------------------------------------------------------------


def _write_label_studio(documents: Iterable[Document], path: str | Path) -> int:
    count = 0
    with open_output(path) as stream:
        stream.write("[")
        for count, document in enumerate(documents, start=1):
            check_document(document, f"{display_name(path)} (document {document.id})")
            check_own(document, display_name(path))
            regions = spans_to_regions(document.text, document.spans)
            task = {
                **document_to_task(document),
                "predictions": [],
                "annotations": [{"result": regions, "was_cancelled": False}],
            }
            stream.write(",\n" if count > 1 else "\n")
            stream.write(json.dumps(task, ensure_ascii=False))
        stream.write("\n]\n")
    return count


def _read_label_studio(path: str | Path) -> Iterator[Document]:
    with open_input(path) as stream:
        try:
            tasks = json.loads(stream.read().decode("utf-8"))
        except ValueError as error:
            raise DataError(f"{display_name(path)}: not JSON ({error})") from None
    if not isinstance(tasks, list):
        raise DataError(f"{display_name(path)}: a list of tasks was wanted")
    for number, task in enumerate(tasks, start=1):
        yield _task_to_document(task, f"{display_name(path)} (task {number})")


def _task_to_document(task: Any, where: str) -> Document:
    try:
        text, id = task["data"]["text"], task["data"]["document"]
        done = [a["result"] for a in task["annotations"] if not a.get("was_cancelled")]
        meta = task["meta"]["meta"]
    except (KeyError, TypeError, AttributeError):
        raise DataError(
            f"{where}: data.document, data.text, meta and annotations were wanted, as vipol "
            "writes them"
        ) from None
    if len(done) != 1:
        raise DataError(
            f"{where}: has {len(done)} annotations, one was wanted; several are for vipol pull"
        )
    read = regions_to_spans(done[0])
    if read.problems:
        raise DataError(f"{where}: {read.problems[0]}")
    document = document_from_dict({"id": id, "text": text, "meta": meta}, where)
    return document.with_spans(read.spans)
