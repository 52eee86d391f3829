"""Inline mark-up: text with its spans as a person writes and mends them.

    Đồng chí [Trần Quốc Minh]{PERSON}, [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION}

`\\[`, `\\]`, `\\{` and `\\\\` stand for the characters themselves. A source file has TOML
front matter between two lines `+++`, then one document in this mark-up; its id is the
file's name without the suffix.
"""

import re
import tomllib
from collections import Counter
from datetime import date, datetime
from pathlib import Path

from annotate.document import (
    Document,
    Span,
    find_edge_problem,
    find_illegal,
    find_text_problem,
    sort_spans,
)
from annotate.errors import DataError
from annotate.scheme import LABEL_NAMES

_SPECIAL = re.compile(r"\\.|[\[\]]", re.DOTALL)
_LABEL = re.compile(r"\{([^{}\n]*)\}")
_ESCAPABLE = "[]{\\"
_FENCE = "+++"


def parse_markup(
    source: str, where: str = "mark-up", first_line: int = 1
) -> tuple[str, tuple[Span, ...]]:
    """Text and spans of a piece of mark-up.

    `where` begins messages and `first_line` is the number of the first line of `source`
    in its file. Raises DataError with line and column (counted from 1) for broken mark-up,
    an unknown label, a nesting the scheme does not allow, and edges it does not allow.
    """
    pieces: list[str] = []
    length = 0
    position = 0
    open_at: list[tuple[int, int]] = []  # (offset in text, offset in source)
    spans: dict[Span, int] = {}

    def fail(offset: int, reason: str) -> DataError:
        line = source.count("\n", 0, offset)
        column = offset - (source.rfind("\n", 0, offset) + 1) + 1
        return DataError(f"{where}:{first_line + line}:{column}: {reason}")

    def take(piece: str) -> None:
        nonlocal length
        pieces.append(piece)
        length += len(piece)

    for match in _SPECIAL.finditer(source):
        if match.start() < position:
            continue
        take(source[position : match.start()])
        position = match.end()
        token = match.group()
        if token == "[":
            open_at.append((length, match.start()))
        elif token == "]":
            if not open_at:
                raise fail(match.start(), "] without [; write \\] for the character")
            start, opened = open_at.pop()
            label = _LABEL.match(source, match.end())
            if not label:
                raise fail(
                    match.start(), "] is not followed by {LABEL}; write \\] for the character"
                )
            if label.group(1) not in LABEL_NAMES:
                raise fail(
                    label.start(),
                    f"unknown label {label.group(1)!r}; labels: {', '.join(LABEL_NAMES)}",
                )
            position = label.end()
            span = Span(start, length, label.group(1))
            if start == length:
                raise fail(opened, "a span without text")
            if span in spans:
                raise fail(opened, f"the same {span.label} twice")
            spans[span] = opened
        elif token[1] in _ESCAPABLE:
            take(token[1])
        else:
            raise fail(match.start(), f"unknown escape {token!r}; write \\\\ for a backslash")
    take(source[position:])
    if open_at:
        raise fail(open_at[-1][1], "[ is never closed by ]{LABEL}; write \\[ for the character")
    text = "".join(pieces)
    if problem := find_text_problem(text):
        raise DataError(f"{where}:{first_line}:1: {problem}")
    if illegal := find_illegal(text, spans):
        raise fail(spans[illegal[0]], f"{illegal[0].label} {illegal[1]}")
    for span, opened in spans.items():
        if problem := find_edge_problem(text, span):
            raise fail(opened, f"{span.label} {problem}")
    return text, sort_spans(spans)


def format_markup(text: str, spans: tuple[Span, ...]) -> str:
    """The mark-up of a text with its spans: the inverse of `parse_markup`."""
    ordered = sort_spans(spans)
    opens: Counter[int] = Counter(span.start for span in ordered)
    closes: dict[int, list[str]] = {}
    for span in reversed(ordered):
        closes.setdefault(span.end, []).append(span.label)
    pieces: list[str] = []
    last = 0
    for place in sorted(opens.keys() | closes.keys()):
        pieces.append(_escape(text[last:place]))
        pieces.extend(f"]{{{label}}}" for label in closes.get(place, ()))
        pieces.append("[" * opens[place])
        last = place
    pieces.append(_escape(text[last:]))
    return "".join(pieces)


def _escape(text: str) -> str:
    return re.sub(r"[\[\]{\\]", r"\\\g<0>", text)


def read_source(path: Path) -> Document:
    """The Document of one source file (front matter and mark-up). Raises DataError."""
    try:
        raw = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from None
    lines = raw.split("\n")
    if lines[0].strip() != _FENCE:
        raise DataError(f"{path}:1:1: begins without front matter; the first line must be {_FENCE}")
    try:
        close = next(n for n, line in enumerate(lines[1:], start=1) if line.strip() == _FENCE)
    except StopIteration:
        raise DataError(f"{path}:1:1: the front matter is never closed by {_FENCE}") from None
    try:
        front = tomllib.loads("\n".join(lines[1:close]))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}:1:1: the front matter is no TOML: {error}") from None
    meta = {
        key: value.isoformat() if isinstance(value, date | datetime) else value
        for key, value in front.items()
    }
    body = "\n".join(lines[close + 1 :]).rstrip("\n")
    text, spans = parse_markup(body, str(path), first_line=close + 2)
    return Document(path.stem, text, spans, meta)


def read_source_folder(folder: Path) -> list[Document]:
    """The Documents of all `*.txt` of a folder, by id. Raises DataError, also for none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a folder of mark-up files was wanted")
    documents = [read_source(path) for path in sorted(folder.glob("*.txt"))]
    if not documents:
        raise DataError(f"{folder}: holds no *.txt files in inline mark-up")
    return documents
