"""Which Label Studio a command works with: flags, environment, then `[studio]` of `vipol.toml`.

    [studio]                                   # a server that others run …
    url = "https://label.example.org"
    key_file = "label-studio.key"              # its token, in a file that only you may read

    [studio]                                   # … or the embedded one, here with PostgreSQL
    folder = "label-studio"                    # its data; paths start at the folder of vipol.toml

    [studio.database]
    host = "db.example.org"                    # default localhost
    port = 5432                                # the default
    name = "labels"
    user = "labels"
    password_file = "database.password"        # or PGPASSWORD; neither where none is asked for

The environment's names are `LABEL_STUDIO_URL`, `LABEL_STUDIO_API_KEY` and `VIPOL_STUDIO` (folder).
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from annotate.errors import DataError
from annotate.settings import PROJECT_FILE, Table, read_table


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database that the embedded server keeps its data in."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"PostgreSQL {self.user}@{self.host}:{self.port}/{self.name}"


@dataclass(frozen=True, slots=True)
class Existing:
    """A server that others run, and the token of one's account there."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The folder of a server of one's own."""

    folder: Path


def choose_server(
    url: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    path: str | Path = PROJECT_FILE,
) -> Existing | Embedded:
    """The server that is meant: by the flags `url` and `folder`, then the environment, then the
    file, else the embedded server in the user's own data folder.

    Raises DataError for a bad settings file, and for a server of others without a token.
    """
    table = _read(path)
    named = table.text("url") if table else None
    own = table.file("folder") if table else None
    home = environment.get("VIPOL_STUDIO")
    asked = ((url, folder), (environment.get("LABEL_STUDIO_URL"), home and Path(home)))
    for address, place in (*asked, (named, own)):
        if address:
            return Existing(address, _find_key(address, named, table, environment))
        if place:
            return Embedded(place)
    base = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Embedded(Path(base) / "vipol" / "studio")


def read_database(
    environment: Mapping[str, str] = os.environ, path: str | Path = PROJECT_FILE
) -> Database | None:
    """The database that the file names for the embedded server; None for its own SQLite.

    Raises DataError for a bad settings file and for a password file that others may read.
    """
    studio = _read(path)
    table = studio.table("database") if studio else None
    if table is None:
        return None
    table.require_known({"host", "port", "name", "user", "password_file"})
    port = table.values.get("port", 5432)
    if type(port) is not int or not 0 < port < 65536:
        raise DataError(f"{table.where('port')}: 'port' must be a number from 1 to 65535")
    name, user = table.text("name"), table.text("user")
    if not name or not user:
        missing = "user" if name else "name"
        raise DataError(
            f"{table.where('database')}: [studio.database] lacks {missing!r}; add {missing} = '…'"
        )
    password = environment.get("PGPASSWORD") or _read_secret(table, "password_file") or ""
    return Database(table.text("host") or "localhost", port, name, user, password)


def _read(path: str | Path) -> Table | None:
    table = read_table("studio", path)
    if table is None:
        return None
    table.require_known({"url", "key_file", "folder", "database"})
    for key in {"folder", "database"} & table.values.keys():
        if "url" in table.values:
            raise DataError(
                f"{table.where(key)}: {key!r} is for a server of your own, yet 'url' names a "
                "server of others; take one out"
            )
    if "key_file" in table.values and "url" not in table.values:
        raise DataError(f"{table.where('key_file')}: 'key_file' needs the 'url' that it is for")
    return table


def _find_key(
    url: str, named: str | None, table: Table | None, environment: Mapping[str, str]
) -> str:
    """The token for `url`. The file's is sent to the file's own address only."""
    key = environment.get("LABEL_STUDIO_API_KEY")
    if not key and table and url == named:
        key = _read_secret(table, "key_file")
    if not key:
        raise DataError(
            f"no key for {url}: put that of your account (Account & Settings, Access Token) into "
            "LABEL_STUDIO_API_KEY, or into a file that key_file under [studio] of "
            f"{PROJECT_FILE} names"
        )
    return key


def _read_secret(table: Table, key: str) -> str | None:
    """The content of a file that only its owner may read; None where the table names none."""
    file = table.file(key)
    if file is None:
        return None
    try:
        mode = file.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DataError(f"{file}: others may read this secret; run: chmod 600 {file}")
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{table.where(key)}: {file}: cannot be read ({reason})") from None
    if not secret:
        raise DataError(f"{table.where(key)}: {file}: is empty")
    return secret
