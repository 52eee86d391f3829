"""The folder of a built dataset: what may be replaced in it, and replacing it as a whole.

A manifest lists the files that a build wrote. A later build replaces or removes those and
nothing else; what it does not know stops it before anything changes.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from annotate.errors import DataError

MANIFEST = "manifest.json"
FORMAT = "vipol-dataset-1"
KEPT = frozenset({"source", "raw", "private", "LICENSE"})
"""What a person may keep beside the built files; no build touches it."""

_STAGING = ".vipol-build-"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a build left behind: facts about it, and the SHA-256 of every file by its path."""

    facts: dict[str, Any]
    files: dict[str, str]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a built dataset; None where there is none. Raises DataError."""
    path = folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}")
        files: dict[str, str] = record["files"]
        for name in files:
            pure = PurePosixPath(name)
            if pure.is_absolute() or ".." in pure.parts or pure.parts[0] in KEPT:
                raise ValueError(f"it lists {name!r}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path}: not the manifest of a built dataset ({error}); choose another folder"
        ) from None
    return Manifest({key: value for key, value in record.items() if key != "files"}, files)


def check_replaceable(folder: Path) -> None:
    """Raise DataError unless a build may write into `folder`.

    It may be missing, empty, or hold nothing but the files that its manifest lists and
    `source/`, `raw/`, `private/` and `LICENSE`.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file; a folder to build the dataset in was wanted")
    manifest = read_manifest(folder)
    known = {MANIFEST, *(manifest.files if manifest else ())}
    try:
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            if name not in known:
                raise DataError(
                    f"{folder}: holds {name}, which no build of a dataset wrote; "
                    "choose an empty folder, or move it away"
                )
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None


def _files(folder: Path) -> Iterator[Path]:
    """Files and empty folders below `folder`, without those that are kept or left by a crash."""
    for path in sorted(folder.iterdir()):
        if path.name in KEPT or path.name.startswith(_STAGING):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


@contextmanager
def replace_dataset(folder: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """A folder to write the files of a dataset into, which become `folder`'s at the end.

    After an error, in the block or in moving the files, `folder` is as it was before. A kill
    in the middle leaves files of which the manifest knows, so that the next build goes on.
    `facts` go into the manifest. Raises DataError where the folder may not or cannot be
    written, or another build is writing it.
    """
    existed = folder.exists()
    with _writing(folder):
        if not existed:
            folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            check_replaceable(folder)
            _recover(folder)
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
            try:
                new = staging / "new"
                new.mkdir()
                yield new
                _install(folder, staging, facts)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
                if not existed and not any(folder.iterdir()):
                    folder.rmdir()


def recover_dataset(folder: Path) -> None:
    """Put back what a killed build had moved away; nothing to do in most folders.

    Raises DataError as `replace_dataset`.
    """
    if folder.is_dir() and any(folder.glob(f"{_STAGING}*")):
        with _writing(folder), _lock(folder):
            _recover(folder)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); it is as it was before; "
            "choose another folder or make room"
        ) from None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other builds out of the folder; the system lets go when the process ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows, where two builds at once are the user's care
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{folder}: another build is writing here; wait until it is done"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _recover(folder: Path) -> None:
    for staging in folder.glob(f"{_STAGING}*"):
        old = staging / "old"
        for path in _below(old) if old.is_dir() else ():
            target = folder / path.relative_to(old)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        shutil.rmtree(staging)


def _install(folder: Path, staging: Path, facts: dict[str, Any]) -> None:
    """Move the new files in, the old ones out; put everything back after an error."""
    new, old = staging / "new", staging / "old"
    files = {
        path.relative_to(new).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _below(new)
    }
    before = read_manifest(folder)
    known = before.files if before else {}
    undo: list[tuple[Path, Path]] = []  # (where it is now, where it was)

    def move(origin: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        origin.replace(target)
        undo.append((target, origin))

    def write_manifest(name: str, listed: dict[str, str]) -> Path:
        path = staging / name
        text = json.dumps({"format": FORMAT, **facts, "files": listed}, indent=2, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        return path

    both = write_manifest("both.json", {**known, **files})
    final = write_manifest("final.json", files)
    try:
        if before:
            shutil.copy2(folder / MANIFEST, staging / "before.json")
        both.replace(folder / MANIFEST)
        for name in known:
            if (folder / name).exists():
                move(folder / name, old / name)
        for name in files:
            move(new / name, folder / name)
        final.replace(folder / MANIFEST)
    except BaseException:
        for now, was in reversed(undo):
            was.parent.mkdir(parents=True, exist_ok=True)
            now.replace(was)
        if before:
            (staging / "before.json").replace(folder / MANIFEST)
        else:
            (folder / MANIFEST).unlink(missing_ok=True)
        _remove_empty_folders(folder, files)
        raise
    _remove_empty_folders(folder, known)


def _remove_empty_folders(folder: Path, names: dict[str, str]) -> None:
    for name in names:
        parent = (folder / name).parent
        while parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
