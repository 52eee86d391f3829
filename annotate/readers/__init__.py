"""Readers: raw files to raw pages, before any cleaning.

A raw page is whatever a person saved: plain text (`.txt`, one article a file) or JSON Lines
(`.jsonl`, one object with `id`, `text` and, if wanted, `meta` a line).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotate.errors import DataError
from annotate.files import STANDARD_STREAM, display_name, open_input

SUFFIXES = (".txt", ".jsonl")


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as it came: its text may be decomposed and full of page furniture."""

    id: str
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    where: str = ""


def read_pages(paths: list[Path]) -> Iterator[RawPage]:
    """Raw pages of files and folders, in the order given, a folder by name.

    The id of a `.txt` page is its file name without the suffix. Raises DataError for a
    missing input, an unknown suffix, a folder without pages, bytes that are neither UTF-8 nor
    UTF-16 with its mark, and an id that comes twice.
    """
    first: dict[str, str] = {}
    for path in paths:
        for page in _read_path(path):
            if page.id in first:
                raise DataError(
                    f"{page.where}: the id {page.id!r} stood already in {first[page.id]}; "
                    "rename one of the files"
                )
            first[page.id] = page.where
            yield page


def _read_path(path: Path) -> Iterator[RawPage]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise DataError(f"{path}: holds no {' or '.join(SUFFIXES)} files")
        for file in files:
            yield from _read_path(file)
    elif path.suffix == ".jsonl" or str(path) == STANDARD_STREAM:
        yield from _read_json_lines(path)
    elif path.suffix == ".txt" or not path.exists():
        with open_input(path) as stream:
            text = decode(stream.read(), str(path))
        yield RawPage(path.stem, text, {}, str(path))
    else:
        raise DataError(
            f"{path}: unknown kind of file {path.suffix!r}; wanted {' or '.join(SUFFIXES)}"
        )


def _read_json_lines(path: Path) -> Iterator[RawPage]:
    name = display_name(path)
    count = 0
    with open_input(path) as stream:
        for number, raw in enumerate(stream, start=1):
            where = f"{name}:{number}"
            line = decode(raw, where)
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                raise DataError(
                    f"{where}: not JSON; one object with id and text a line was wanted"
                ) from None
            if not isinstance(record, dict):
                raise DataError(f"{where}: a JSON object was wanted")
            for key in ("id", "text"):
                if not isinstance(record.get(key), str) or not record[key]:
                    raise DataError(f"{where}: {key!r} is missing or no string")
            meta = record.get("meta", {})
            if not isinstance(meta, dict):
                raise DataError(f"{where}: 'meta' must be an object")
            if record.get("entities"):
                raise DataError(
                    f"{where} (document {record['id']}): has entities; cleaning would move their "
                    "offsets, so clean before labelling"
                )
            yield RawPage(record["id"], record["text"], meta, where)
            count += 1
    if not count:
        raise DataError(f"{name}: holds no documents; one JSON object a line was wanted")


def decode(raw: bytes, where: str) -> str:
    """Text of UTF-8 (with or without a mark) or marked UTF-16 bytes. Raises DataError."""
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: not UTF-8 at byte {error.start}; convert the file (text from TCVN3, VNI or "
            "windows-1258 too) to UTF-8 first"
        ) from None
