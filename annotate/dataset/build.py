"""Build a dataset: rows of every configuration in Parquet, the card, the manifest."""

import hashlib
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotate.agreement import Agreement
from annotate.dataset.card import (
    About,
    CardFacts,
    PartSize,
    build_card,
    list_licences,
    merge_sections,
    read_sections,
)
from annotate.dataset.counts import SeenShare, count_entities, measure_seen
from annotate.dataset.duplicates import find_clusters
from annotate.dataset.folder import (
    check_replaceable,
    read_manifest,
    recover_dataset,
    replace_dataset,
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
from annotate.markup import read_source_folder

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow

CARD = "README.md"
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

    def __str__(self) -> str:
        return format_build(self)


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A folder of source files: its documents and what its `dataset.toml` says."""

    documents: list[Document]
    about: About


def read_dataset_source(folder: Path) -> DatasetSource:
    """Documents in inline mark-up and, where it is there, `dataset.toml`:

        pretty_name = "…"
        annotations_creators = ["expert-generated"]
        language_creators = ["found"]
        tags = ["politics"]
        [meta]          # what every document has unless its front matter says otherwise
        licence = "cc-by-4.0"
        [sections]      # first texts of the card's sections
        about = "…"

    Raises DataError.
    """
    documents = read_source_folder(folder)
    path = folder / "dataset.toml"
    if not path.exists():
        return DatasetSource(documents, About())
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML ({error})") from None
    meta = settings.pop("meta", {})
    for key in ("annotations_creators", "language_creators", "tags"):
        if key in settings:
            settings[key] = tuple(settings[key])
    unknown = sorted(settings.keys() - {setting.name for setting in fields(About)})
    if unknown:
        raise DataError(f"{path}: the setting {unknown[0]!r} is not known")
    about = About(**settings)
    return DatasetSource(
        [
            Document(document.id, document.text, document.spans, {**meta, **document.meta})
            for document in documents
        ],
        about,
    )


def build_dataset(
    documents: Sequence[Document],
    folder: Path,
    *,
    seed: int = 13,
    split_by: SplitBy = "balanced",
    about: About | None = None,
    agreement: Agreement | None = None,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Write documents as a dataset that `datasets.load_dataset(folder, "documents")` reads.

    `folder` may be new, empty, or an earlier build, which is replaced; `source/`, `raw/` and
    `LICENSE` in it stay. The same documents and seed give the same bytes in any folder, except
    for what people wrote into the card that is there. `split_by` as for `assign_splits`;
    `agreement` goes into the card. `processes` make the tables (default: all processors for many
    documents). `progress` is called with the documents done and all.

    Raises DataError for two documents with one id, a document that breaks the scheme, fewer
    than three different texts, an entity that no token can express, a folder that holds other
    things or cannot be written. `folder` is then as it was before.
    """
    about = about or About()
    _check_documents(documents)
    recover_dataset(folder)
    check_replaceable(folder)
    planned = merge_sections(about.sections)
    sections = merge_sections(planned, _edited_sections(folder))
    clusters = find_clusters(documents)
    splits = assign_splits(documents, clusters, by=split_by, seed=seed)
    parts: dict[Split, Sequence[Document]] = {
        split: [d for d, where in zip(documents, splits, strict=True) if where == split]
        for split in SPLITS
    }
    origins = _has_origins(documents)
    if processes is None:
        processes = _processors() if len(documents) >= _PARALLEL_FROM else 1
    marks = {name: _mark(text) for name, text in planned.items()}
    with replace_dataset(folder, {"seed": seed, "split_by": split_by, "sections": marks}) as new:
        written = _write_tables(new, parts, origins, processes, progress)
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
        )
        card = build_card(facts, about, sections)
        (new / CARD).write_text(card, encoding="utf-8", newline="\n")
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
    share = report.seen["all"].share
    if share is not None:
        lines.append(f"  test mentions seen in train with the same label: {share:.1%}")
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


def _edited_sections(folder: Path) -> dict[str, str]:
    """The sections of the card that is there, where they are not what a build put there.

    The manifest has the marks of the texts that the build would have written by itself.
    """
    path = folder / CARD
    manifest = read_manifest(folder)
    if not manifest:
        return {}
    try:
        found = read_sections(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    marks = manifest.facts.get("sections", {})
    return {name: text for name, text in found.items() if marks.get(name) != _mark(text)}


def _mark(text: str) -> str:
    return hashlib.sha256(text.strip("\n").encode()).hexdigest()


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
