"""The rows of many documents as Arrow tables, made in one process or in several.

Documents go in chunks of a fixed size, so the tables are the same however many processes
make them.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from annotate.dataset.rows import (
    CONFIGS,
    Losses,
    bound_sentences,
    document_to_row,
    features_of,
    sentence_rows,
)
from annotate.dataset.split import Split
from annotate.dataset.words import segment_words
from annotate.document import Document
from annotate.errors import DataError
from annotate.tokens import tokenize

if TYPE_CHECKING:
    import pyarrow

CHUNK = 50
"""Documents a chunk."""


@dataclass(frozen=True, slots=True)
class ChunkTables:
    """One chunk of documents of one split: a table and the tokens of each configuration."""

    split: Split
    documents: int
    tables: "dict[str, pyarrow.Table]"
    tokens: Counter[str]
    losses: Losses


_Chunk = tuple[Split, list[Document]]


def make_tables(chunk: _Chunk, *, origins: bool) -> ChunkTables:
    """The tables of some documents of one split. `origins` as for `features_of`.

    Raises DataError where an entity would be missing from a configuration.
    """
    import pyarrow

    split, documents = chunk
    losses = Losses()
    tokens: Counter[str] = Counter()
    rows: dict[str, list[dict[str, object]]] = {config: [] for config in CONFIGS}
    tokenizers = {"syllable": tokenize, "word": segment_words}
    for document in documents:
        rows["documents"].append(document_to_row(document, origins=origins))
        sentences, merged = bound_sentences(document.text, document.spans)
        losses.merged_sentences += merged
        for config, split_tokens in tokenizers.items():
            found = [split_tokens(document.text, start, end) for start, end in sentences]
            added, cut = sentence_rows(document, sentences, found)
            losses.cut_tokens[config] += cut
            tokens[config] += sum(len(row["tokens"]) for row in added)
            rows[config].extend(added)
    tables = {
        config: pyarrow.Table.from_pylist(
            rows[config], schema=features_of(config, origins=origins).arrow_schema
        )
        for config in CONFIGS
    }
    return ChunkTables(split, len(documents), tables, tokens, losses)


def make_all_tables(
    parts: dict[Split, Sequence[Document]], *, origins: bool, processes: int = 1
) -> Generator[ChunkTables, None, None]:
    """The tables of all documents, split by split, in their order.

    With `processes` above 1 the chunks are shared out. Raises DataError as `make_tables`, and
    where a process was killed.
    """
    chunks = [
        (split, list(documents[first : first + CHUNK]))
        for split, documents in parts.items()
        for first in range(0, len(documents), CHUNK)
    ]
    make = partial(make_tables, origins=origins)
    if processes < 2 or len(chunks) < 2:
        yield from map(make, chunks)
        return
    # Not "fork": a fork of a program with threads (pyarrow's, a progress bar's) may hang.
    pool = ProcessPoolExecutor(min(processes, len(chunks)), mp_context=get_context("spawn"))
    try:
        yield from pool.map(make, chunks)
    except BrokenProcessPool:
        raise DataError(
            "building the tables: one of the processes was killed (out of memory?); "
            "build again with one process"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
