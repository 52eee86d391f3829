"""Build a dataset: rows of every configuration in Parquet, the card, the manifest."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from annotate.agreement import Agreement
from annotate.dataset.card import (
    CARD,
    CardFacts,
    PartSize,
    build_card,
    draw_plots,
    edited_sections,
    list_licences,
    mark_sections,
    merge_sections,
    scores_fit,
)
from annotate.dataset.counts import SeenShare, count_entities, measure_seen
from annotate.dataset.describe import About, Benchmark
from annotate.dataset.duplicates import find_clusters
from annotate.dataset.folder import (
    check_replaceable,
    recover_dataset,
    replace_dataset,
)
from annotate.dataset.people import (
    WHO_IS_WHO,
    read_addresses,
    replace_addresses,
    write_addresses,
)
from annotate.dataset.rows import (
    CONFIGS,
    TOKEN_CONFIGS,
    Losses,
    features_of,
)
from annotate.dataset.split import SPLITS, Split, SplitBy, assign_splits
from annotate.dataset.tables import make_all_tables
from annotate.document import Document, check_document, check_own
from annotate.errors import DataError

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow

_ROW_GROUP = 1000  # rows: what a reader takes into memory at once
# Starting a process costs seconds (it imports underthesea); below this it never pays.
_PARALLEL_FROM = 300


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built: documents and entities, where they went, and what had to give way."""

    folder: Path
    documents: dict[Split, int]
    sentences: dict[Split, int]
    tokens: dict[tuple[str, Split], int]
    entities: Counter[tuple[str, str, str]]
    """By (split, layer, label)."""
    clusters: int
    losses: Losses
    seen: dict[str, SeenShare]
    licences: list[str]
    pseudonyms: int
    """Annotators whose e-mail address was replaced."""
    scores_fit: bool
    """Whether the baseline scores in the card, where there are any, are of this data."""

    def __str__(self) -> str:
        return format_build(self)


def build_dataset(
    documents: Sequence[Document],
    folder: Path,
    *,
    seed: int = 13,
    split_by: SplitBy = "balanced",
    about: About | None = None,
    agreement: Agreement | None = None,
    benchmark: Benchmark | None = None,
    processes: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> BuildReport:
    """Write documents as a dataset that `datasets.load_dataset(folder, "documents")` reads.

    `folder` may be new, empty, or an earlier build, which is replaced; `source/`, `raw/`,
    `private/` and `LICENSE` in it stay. E-mail addresses of annotators are replaced by pseudonyms,
    which `private/annotators.json` keeps. The same documents and seed give the same bytes in any
    folder, except for what people wrote into the card that is there and for pseudonyms given
    earlier. `split_by` as for `assign_splits`; `agreement` and `benchmark` go into the card.
    `processes` make the tables (default: all processors for many documents). `progress` is called
    with what is done (`comparing`, then `building`), the documents done and all.

    Raises DataError for two documents with one id, a document that breaks the scheme, fewer
    than three different texts, an entity that no token can express, a folder that holds other
    things or cannot be written. `folder` is then as it was before.
    """
    about = about or About()
    _check_documents(documents)
    recover_dataset(folder)
    check_replaceable(folder)
    named = replace_addresses(documents, read_addresses(folder))
    documents = named.documents
    planned = merge_sections(about.sections)
    sections = merge_sections(planned, edited_sections(folder))
    clusters = find_clusters(documents, partial(progress, "comparing") if progress else None)
    splits = assign_splits(documents, clusters, by=split_by, seed=seed)
    parts: dict[Split, Sequence[Document]] = {
        split: [d for d, where in zip(documents, splits, strict=True) if where == split]
        for split in SPLITS
    }
    origins = _has_origins(documents)
    if processes is None:
        processes = _processors() if len(documents) >= _PARALLEL_FROM else 1
    with replace_dataset(
        folder, {"seed": seed, "split_by": split_by, "sections": mark_sections(planned)}
    ) as new:
        written = _write_tables(
            new, parts, origins, processes, partial(progress, "building") if progress else None
        )
        facts = CardFacts(
            parts=parts,
            sizes=written.sizes,
            tokens=written.tokens,
            counts=count_entities(parts),
            seen=measure_seen(parts),
            losses=written.losses,
            clusters=len(clusters),
            seed=seed,
            split_by=split_by,
            origins=origins,
            agreement=agreement,
            benchmark=benchmark,
            pseudonyms=", ".join(named.addresses),
        )
        draw_plots(facts, new)
        card = build_card(facts, about, sections)
        (new / CARD).write_text(card, encoding="utf-8", newline="\n")
    write_addresses(folder, named.addresses)
    return BuildReport(
        folder=folder,
        documents={split: len(part) for split, part in parts.items()},
        sentences={split: written.sizes["syllable", split].rows for split in SPLITS},
        tokens=dict(written.tokens),
        entities=facts.counts,
        clusters=len(clusters),
        losses=written.losses,
        seen=dict(facts.seen),
        licences=list_licences(documents),
        pseudonyms=len(named.addresses),
        scores_fit=scores_fit(facts),
    )


def format_build(report: BuildReport) -> str:
    """The counts in a few lines of at most 80 columns, what was built first."""
    entities = sum(report.entities.values())
    lines = [
        f"{report.folder}: {sum(report.documents.values())} documents, {entities} entities in "
        f"{', '.join(CONFIGS)}"
    ]
    for split in SPLITS:
        inside = sum(count for key, count in report.entities.items() if key[0] == split)
        lines.append(
            f"  {split:10} {report.documents[split]:6} documents {report.sentences[split]:7} "
            f"sentences {report.tokens['syllable', split]:9} tokens {inside:7} entities"
        )
    losses = report.losses
    cut = " and ".join(f"{losses.cut_tokens[config]} {config}" for config in TOKEN_CONFIGS)
    lines.append(
        f"  cut at entity borders: {cut} tokens; {losses.merged_sentences} sentences joined"
    )
    duplicates = sum(report.documents.values()) - report.clusters
    lines.append(f"  near-duplicates kept in one split: {duplicates}")
    shares = [
        f"{name} {row.share:.1%}" for name, row in report.seen.items() if row.share is not None
    ]
    if shares:
        lines.append("  test mentions seen in train with the same label:")
        lines += wrap(", ".join(shares), 80, initial_indent="    ", subsequent_indent="    ")
    if report.pseudonyms:
        lines.append(
            f"  e-mail addresses of annotators replaced: {report.pseudonyms} "
            f"({WHO_IS_WHO}, not published)"
        )
    if not report.scores_fit:
        lines.append("  the baseline scores are of other data; run scripts/benchmark again")
    if "unknown" in report.licences:
        lines.append("  some documents name no licence; it is wanted before publishing")
    return "\n".join(lines)


def _check_documents(documents: Sequence[Document]) -> None:
    seen: set[str] = set()
    for document in documents:
        where = f"document {document.id}"
        if document.id in seen:
            raise DataError(
                f"{where}: two documents have this id; a dataset wants one gold version of each"
            )
        seen.add(document.id)
        check_document(document, where)
        check_own(document, "the documents to build of")
        if not document.text.strip():
            raise DataError(f"{where}: the text is nothing but white space; leave it out")


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _has_origins(documents: Iterable[Document]) -> bool:
    return any(
        span.source is not None or span.score is not None
        for document in documents
        for span in document.spans
    )


# --- Parquet ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    sizes: dict[tuple[str, Split], PartSize] = field(default_factory=dict)
    tokens: Counter[tuple[str, Split]] = field(default_factory=Counter)
    losses: Losses = field(default_factory=Losses)


class _PartWriter:
    """Tables of one split of one configuration, to one Parquet file, a row group at a time."""

    def __init__(self, path: Path, config: str, origins: bool) -> None:
        import pyarrow.parquet as parquet

        path.parent.mkdir(exist_ok=True)
        self._path = path
        # The schema carries the features, so that ClassLabel names travel in the file.
        schema = features_of(config, origins=origins).arrow_schema
        self._writer: Any = parquet.ParquetWriter(path, schema)  # type: ignore[no-untyped-call]
        self._waiting: list[pyarrow.Table] = []
        self._rows = self._memory = 0

    def __enter__(self) -> "_PartWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def add(self, table: "pyarrow.Table") -> None:
        self._waiting.append(table)
        if sum(waiting.num_rows for waiting in self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if not self._waiting:
            return
        table = pyarrow.concat_tables(self._waiting)
        self._writer.write_table(table)
        self._rows += table.num_rows
        self._memory += table.nbytes
        self._waiting = []

    def size(self) -> PartSize:
        """The size of the file; to be asked when it is closed."""
        return PartSize(self._rows, self._memory, self._path.stat().st_size)


def _write_tables(
    new: Path,
    parts: dict[Split, Sequence[Document]],
    origins: bool,
    processes: int,
    progress: Callable[[int, int], None] | None,
) -> _Written:
    written = _Written()
    done, total = 0, sum(map(len, parts.values()))
    with ExitStack() as stack:
        writers = {
            (config, split): stack.enter_context(
                _PartWriter(new / config / f"{split}-00000-of-00001.parquet", config, origins)
            )
            for config in CONFIGS
            for split in SPLITS
        }
        made = make_all_tables(parts, origins=origins, processes=processes)
        stack.callback(made.close)  # after an error the processes stop
        if progress:
            progress(0, total)
        for chunk in made:
            for config, table in chunk.tables.items():
                writers[config, chunk.split].add(table)
                written.tokens[config, chunk.split] += chunk.tokens[config]
            written.losses.add(chunk.losses)
            done += chunk.documents
            if progress:
                progress(done, total)
    written.sizes = {key: writer.size() for key, writer in writers.items()}
    return written
