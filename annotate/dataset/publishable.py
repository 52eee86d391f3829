"""May the folder of a dataset be published as it is: what it holds, against card and manifest."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.dataset.card import CARD
from annotate.dataset.folder import KEPT, MANIFEST, Manifest, read_manifest
from annotate.dataset.rows import CONFIGS
from annotate.dataset.sentences import IMPORTED
from annotate.errors import DataError

LICENCE_FILE = "LICENSE"

_UNKNOWN = frozenset({"", "unknown"})
_WHOLE = ""


@dataclass(frozen=True, slots=True)
class CheckedFolder:
    """A folder that may be published: its files with SHA-256 and size, and rows by part."""

    folder: Path
    files: Mapping[str, tuple[str, int]]
    rows: Mapping[tuple[str, str], int]
    """By configuration and split."""


def check_folder(folder: Path) -> CheckedFolder:
    """The files of a built or imported dataset that may be published as they are.

    Raises DataError where the folder was not built, its card says other numbers than its data,
    a file was changed, added or lost since the build, or a document has no licence.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder}: not a dataset that vipol build made; build it first")
    rows = _count_rows(folder)
    _check_card(folder, manifest, rows)
    files = _check_files(folder, manifest)
    _check_licences(folder, manifest)
    return CheckedFolder(folder, files, rows)


def _parts(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Configuration, split and path of each Parquet file."""
    for path in sorted(folder.glob("*/*.parquet")):
        yield path.parent.name, path.name.partition("-")[0], path


def _count_rows(folder: Path) -> dict[tuple[str, str], int]:
    import pyarrow
    import pyarrow.parquet as parquet

    rows: dict[tuple[str, str], int] = {}
    for config, split, path in _parts(folder):
        try:
            number = parquet.read_metadata(path).num_rows  # type: ignore[no-untyped-call]
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{path}: cannot be read as Parquet ({error}); build again") from None
        rows[config, split] = rows.get((config, split), 0) + number
    return rows


def _check_card(folder: Path, manifest: Manifest, rows: Mapping[tuple[str, str], int]) -> None:
    """Raise DataError unless the card's YAML says of the data what the data says."""
    from huggingface_hub import metadata_load

    path = folder / CARD
    try:
        data: dict[str, Any] = metadata_load(path) or {}
        infos = data["dataset_info"]
        said = {
            (info["config_name"], split["name"]): split["num_examples"]
            for info in (infos if isinstance(infos, list) else [infos])
            for split in info["splits"]
        }
        licences = data["license"] if isinstance(data["license"], list) else [data["license"]]
    except Exception as error:  # no file, no YAML (whose errors have no common base), no such keys
        raise DataError(
            f"{path}: has no YAML that describes the data ({error!r}); build again"
        ) from None
    for key in sorted({*rows, *said}):
        if rows.get(key) != said.get(key):
            raise DataError(
                f"{path}: the card is stale: it says {said.get(key, 'no')} rows in {key[0]}, "
                f"{key[1]}, the data has {rows.get(key, 'none')}; build again"
            )
    found = sorted({licence or "unknown" for _, licence in _licences(folder, manifest)})
    if sorted(licences) != found:
        raise DataError(
            f"{path}: the card is stale: it says licence {', '.join(licences)}, the data has "
            f"{', '.join(found)}; build again"
        )


def _check_files(folder: Path, manifest: Manifest) -> dict[str, tuple[str, int]]:
    files: dict[str, tuple[str, int]] = {}
    for name, wanted in {**manifest.files, MANIFEST: None, LICENCE_FILE: None}.items():
        path = folder / name
        try:
            found, size = _hash_file(path), path.stat().st_size
        except FileNotFoundError:
            if name == LICENCE_FILE:
                continue
            raise DataError(f"{folder}: {name} is missing; build again") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        if wanted is not None and found != wanted:
            advice = "build again (it keeps the sections that people write)"
            raise DataError(f"{folder}: {name} was changed since it was built; {advice}")
        files[name] = (found, size)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] not in KEPT and inside.as_posix() not in files:
            raise DataError(
                f"{folder}: holds {inside.as_posix()}, which no build wrote; move it away"
            )
    return files


def _hash_file(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_licences(folder: Path, manifest: Manifest) -> None:
    without = [id for id, licence in _licences(folder, manifest) if licence in _UNKNOWN]
    if without == [_WHOLE]:
        raise DataError(
            f"{folder}: the data names no licence; import it again with the licence that its "
            "owners gave it"
        )
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise DataError(
            f"{folder}: document {without[0]}{more} has no licence; say in meta.licence under "
            "which one each text may be passed on, and build again"
        )


def _licences(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Each document with its licence; of imported data, which has none, the whole with its own."""
    import pyarrow.parquet as parquet

    if manifest.facts.get("kind") == IMPORTED:
        yield _WHOLE, str(manifest.facts.get("licence") or "")
        return
    for config, _, path in _parts(folder):
        if config == CONFIGS[0]:
            table = parquet.read_table(path, columns=["id", "licence"])  # type: ignore[no-untyped-call]
            for row in table.to_pylist():
                yield row["id"], (row["licence"] or "").lower()
