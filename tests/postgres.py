"""A PostgreSQL of the tests' own, from Debian's packages: on loopback, in a folder that goes."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotate.studio.settings import Database

PASSWORD = "mật khẩu 'của' nhóm"
USER = NAME = "labels"


def find_postgres() -> Path | None:
    """The folder of initdb and postgres; Debian keeps it off the PATH. None where it is missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def run_postgres() -> Iterator[Database]:
    """A running server with one empty database, whose owner must give a password."""
    programs = find_postgres()
    assert programs is not None
    # PostgreSQL refuses to run as root, and another user cannot enter pytest's own folders.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="vipol-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            for path in (folder, secret):
                shutil.chown(path, user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "--pgdata", data, "--auth", "scram-sha-256", "--username", USER,
             "--pwfile", secret, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {folder}"
        control = [programs / "pg_ctl", "--pgdata", data, "--log", folder / "log", "--wait"]
        subprocess.run(
            [*control, "--options", options, "start"],
            check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder,
        )  # fmt: skip
        try:
            subprocess.run(
                [programs / "createdb", "--host", "127.0.0.1", "--port", str(port),
                 "--username", USER, NAME],
                check=True, env=os.environ | {"PGPASSWORD": PASSWORD}, cwd=folder,
            )  # fmt: skip
            yield Database("127.0.0.1", port, NAME, USER, PASSWORD)
        finally:
            subprocess.run(
                [*control, "--mode", "immediate", "stop"],
                check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder,
            )  # fmt: skip
    finally:
        shutil.rmtree(folder)
