"""Reading and writing files and folders: whole or not at all, `-` for the standard streams."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from annotate.errors import DataError

STANDARD_STREAM = "-"


def display_name(path: str | Path) -> str:
    """How messages call a path: the path, or `<stdin>` for `-`."""
    return "<stdin>" if str(path) == STANDARD_STREAM else str(path)


@contextmanager
def open_input(path: str | Path) -> Iterator[IO[bytes]]:
    """Open `path` for reading bytes; `-` is standard input.

    Raises DataError where the file does not exist, is a folder or may not be read.
    """
    if str(path) == STANDARD_STREAM:
        yield sys.stdin.buffer
        return
    try:
        stream = open(path, "rb")  # noqa: SIM115 (closed below; the error is ours to word)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, a file was wanted") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    with stream:
        yield stream


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, a byte order mark left out.

    Raises DataError, with file and line, where it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 at byte {error.start}; save the file as UTF-8"
        ) from None


def is_device(path: Path) -> bool:
    """Whether a path is there and is neither file nor folder: /dev/null, a pipe, `>(command)`.

    Such a thing is written to, never replaced.
    """
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def open_output(path: str | Path) -> Iterator[IO[str]]:
    """Open `path` for writing UTF-8 text that appears only when the block ends well.

    `-` is standard output. Missing folders are made. Text goes to a temporary file in
    the same folder, which replaces `path` at the end and is removed after an error.

    Raises DataError where the folder or file cannot be written.
    """
    if str(path) == STANDARD_STREAM:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:  # the reader went away: the command line knows
            raise
        except OSError as error:
            # What is left in the buffer must not fail once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise DataError(f"<stdout>: cannot be written ({error.strerror})") from None
        return
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{path}: is a folder; name a file to write")
    if is_device(target):
        try:
            with open(target, "w", encoding="utf-8", newline="\n") as stream:
                yield stream
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None
        return
    if target.is_symlink():
        target = target.resolve()  # the file is replaced, the link to it stays
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            yield stream
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files private
        Path(temporary).replace(target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def replace_folder(path: str | Path) -> Iterator[Path]:
    """A new folder to fill, which becomes `path` when the block ends well; what was there goes.

    After an error `path` is as it was before. Missing folders above it are made. Whether what is
    there may go is for the caller to ask first.

    Raises DataError where it cannot be written.
    """
    target = Path(path).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            yield new
            if target.exists():
                target.rename(Path(scratch, "old"))
            new.rename(target)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from None
