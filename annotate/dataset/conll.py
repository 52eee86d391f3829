"""Files in columns (CoNLL), as others write them: one token a line, a blank line behind a sentence.

    Bí_thư B-POSITION
    Sơn_Hà I-POSITION
    họp O

Tokens and labels are the file's own and are kept exactly.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from annotate.dataset.sentences import TokenSentence, find_tag_problem, layers_of
from annotate.errors import DataError
from annotate.files import display_name, open_input, open_output
from annotate.tags import OUTSIDE

_DOCSTART = "-DOCSTART-"
_DOCUMENT_COMMENT = "# document = "
_COMMENTS = ("# text = ", "# meta = ", "# labels = ")
"""Lines of our own export (`annotate.dataset.exports`), which no token line can look like."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a line holds what, counted from 1.

    The default is two columns, token and tag. A file of VLSP 2016 (word, part of speech, chunk,
    entity, nested entity) is `Columns(tag=4, inner=5)`.
    """

    token: int = 1
    tag: int = 2
    inner: int | None = None

    def __post_init__(self) -> None:
        wanted = [self.token, self.tag, *([self.inner] if self.inner is not None else [])]
        if min(wanted) < 1 or len(set(wanted)) < len(wanted):
            raise DataError(
                f"columns {', '.join(map(str, wanted))}: different columns, counted from 1, "
                "were wanted for token and tags"
            )


def read_conll(path: str | Path, columns: Columns | None = None) -> list[TokenSentence]:
    """The sentences of a file in columns (`-` is standard input), tokens exactly as they are.

    Columns are parted by tabs where the first line has one, else by spaces. Lines end in LF or
    CR LF. A sentence ends at a blank line, at `-DOCSTART-` and at the end of the file. Without
    `columns` a line must have exactly two. The comments of our own export are passed over.

    Raises DataError with file and line: not UTF-8, a line of another number of columns, an
    empty token, a tag that is no IOB2, no sentence at all. An `I-` behind nothing that it could go
    on is kept as it is.
    """
    name = display_name(path)
    with open_input(path) as stream:
        sentences = list(_Reader(name, columns).read(stream))
    if not sentences:
        raise DataError(f"{name}: holds no sentences; lines of token and tag were wanted")
    return sentences


class _Reader:
    """Lines of one file to sentences; knows what the lines so far have settled."""

    def __init__(self, name: str, columns: Columns | None) -> None:
        self._name = name
        self._exact = columns is None
        self._columns = columns or Columns()
        self._stem = Path(name).stem
        self._separator: str | None = None
        self._width = 0
        self._document = 0

    def read(self, lines: Iterable[bytes]) -> Iterator[TokenSentence]:
        rows: list[tuple[str, str, str]] = []
        for number, raw in enumerate(lines, start=1):
            where = f"{self._name}:{number}"
            line = _decode(raw, where, first=number == 1)
            start = _starts_document(line)
            if start or not line.strip(" \t"):
                if rows:
                    yield self._sentence(rows)
                    rows = []
                self._document += start
                continue
            if line.startswith(_COMMENTS) and "\t" not in line:
                continue
            parts = self._split(line, where)
            rows.append(self._row(parts, where))
        if rows:
            yield self._sentence(rows)

    def _split(self, line: str, where: str) -> list[str]:
        if self._separator is None:
            self._separator = "\t" if "\t" in line else " "
        if self._separator == "\t":
            parts = line.split("\t")
        elif "\t" in line:
            raise DataError(
                f"{where}: has a tab, but the lines before it are parted by spaces; use one of them"
            )
        else:
            parts = re.split(" +", line.strip(" "))
        self._check_width(len(parts), where)
        return parts

    def _check_width(self, width: int, where: str) -> None:
        columns = self._columns
        if self._exact and width != 2:
            advice = "mend the line" if self._width or width < 2 else "name the column of the tag"
            raise DataError(
                f"{where}: has {_count(width)}, two were wanted (token and tag); {advice}"
            )
        least = max(columns.token, columns.tag, columns.inner or 0)
        if width < least:
            raise DataError(f"{where}: has {_count(width)}, at least {least} were wanted")
        if self._width and width != self._width:
            raise DataError(
                f"{where}: has {_count(width)}, the lines before it have {self._width}; "
                "mend the line"
            )
        self._width = width

    def _row(self, parts: list[str], where: str) -> tuple[str, str, str]:
        columns = self._columns
        token, tag = parts[columns.token - 1], parts[columns.tag - 1]
        inner = parts[columns.inner - 1] if columns.inner else OUTSIDE
        if not token.strip(" "):
            raise DataError(f"{where}: the token is empty; mend the line")
        for found in (tag, inner):
            if problem := find_tag_problem(found):
                raise DataError(f"{where}: {problem}")
        return token, tag, inner

    def _sentence(self, rows: list[tuple[str, str, str]]) -> TokenSentence:
        tokens, tags, inner = zip(*rows, strict=True)
        return TokenSentence(
            tokens,
            tags,
            inner if self._columns.inner else None,
            f"{self._stem}#{self._document}" if self._document else None,
        )


def _decode(raw: bytes, where: str, *, first: bool) -> str:
    if first:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: not UTF-8 at byte {error.start}; convert the file to UTF-8"
        ) from None


def _starts_document(line: str) -> bool:
    if line.startswith(_DOCUMENT_COMMENT) and "\t" not in line:
        return True
    return line.startswith(_DOCSTART) and line[len(_DOCSTART) :][:1] in ("", " ", "\t")


def _count(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"


def write_conll(path: str | Path, sentences: Iterable[TokenSentence]) -> int:
    """Write sentences in columns parted by tabs (token, tag, inner tag where there is one), whole
    or not at all; how many. `read_conll` gives the same tokens and tags back.

    Raises DataError for a sentence without tokens and for a token that columns cannot hold: empty,
    with a tab or line break, or like the mark of a document.
    """
    count = 0
    with open_output(path) as stream:
        for count, sentence in enumerate(sentences, start=1):
            where = f"{display_name(path)}: sentence {count}"
            if not sentence.tokens:
                raise DataError(f"{where} has no tokens; leave it out")
            layers = [tags for _, tags in layers_of(sentence)]
            for token, *tags in zip(sentence.tokens, *layers, strict=True):
                if not _fits_column(token):
                    raise DataError(f"{where} has the token {token!r}, which columns cannot hold")
                stream.write("\t".join((token, *tags)) + "\n")
            stream.write("\n")
    return count


def _fits_column(token: str) -> bool:
    return (
        bool(token.strip(" "))
        and not set(token) & set("\t\r\n")
        and not token.startswith((_DOCSTART, "\ufeff"))
    )
