"""`vipol.toml`: a project's own settings, in the folder that a command runs in.

This is the one reader of the file. What a table means is for the module whose table it is:
`[prelabel]` for `annotate.prelabel.project`, `[studio]` for `annotate.studio.settings`.
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotate.errors import DataError
from annotate.files import read_text

PROJECT_FILE = "vipol.toml"
"""Where a project's settings stand."""

_TABLES = ("prelabel", "studio")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a settings file; `name` is as in its header, such as `studio.database`."""

    name: str
    path: Path
    lines: tuple[str, ...]
    values: dict[str, Any]

    def line_of(self, expression: str, start: int = 0) -> int:
        """Number, from 1, of the first line from `start` on that begins so; else of `start`."""
        wanted = re.compile(expression)
        for number in range(start, len(self.lines)):
            if wanted.match(self.lines[number]):
                return number + 1
        return start + 1

    def where(self, key: str) -> str:
        """File and line of a key, for messages."""
        name, own = re.escape(self.name), re.escape(self.name.rpartition(".")[2])
        key = re.escape(key)
        start = self.line_of(rf"^\s*\[\s*{name}\s*\]") - 1
        line = self.line_of(
            rf"^\s*(?:[\"']?{key}\b|\[+\s*{name}\s*\.\s*{key}\b|{own}\s*[.=].*\b{key}\b)", start
        )
        return f"{self.path}:{line}"

    def require_known(self, known: Collection[str]) -> None:
        """Raise DataError for a key that is none of `known`."""
        unknown = sorted(self.values.keys() - set(known))
        if unknown:
            raise DataError(
                f"{self.where(unknown[0])}: unknown setting {unknown[0]!r} under [{self.name}]; "
                f"known: {', '.join(sorted(known))}"
            )

    def text(self, key: str) -> str | None:
        """The string under `key`, None where there is none. Raises DataError for anything else."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise DataError(f"{self.where(key)}: {key!r} must be a string that is not empty")
        return value

    def file(self, key: str) -> Path | None:
        """The path under `key`, relative to the settings file; None where there is none."""
        name = self.text(key)
        return self.path.parent / Path(name).expanduser() if name else None

    def table(self, key: str) -> "Table | None":
        """The table under `key`; None where there is none. Raises DataError for anything else."""
        if key not in self.values:
            return None
        name = f"{self.name}.{key}"
        if not isinstance(self.values[key], dict):
            raise DataError(f"{self.where(key)}: {key!r} must be a table; write [{name}]")
        return Table(name, self.path, self.lines, self.values[key])


def read_table(name: str, path: str | Path = PROJECT_FILE) -> Table | None:
    """The table of this name in a settings file; None where file or table do not exist.

    Raises DataError, with file and line, for TOML that cannot be read and for a table that
    nobody knows.
    """
    path = Path(path)
    if not path.exists():
        return None
    text = read_text(path)
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found.group(1)) if found else len(text.splitlines())
        raise DataError(f"{path}:{line}: not TOML: {error}") from None
    lines = tuple(text.splitlines())
    for key, value in settings.items():
        line = Table(key, path, lines, {}).line_of(rf"^\s*\[*\s*{re.escape(key)}\b")
        if key not in _TABLES:
            raise DataError(f"{path}:{line}: unknown table [{key}]; known: {', '.join(_TABLES)}")
        if not isinstance(value, dict):
            raise DataError(f"{path}:{line}: {key!r} must be a table; write [{key}]")
    return Table(name, path, lines, settings[name]) if name in settings else None
