"""The embedded Label Studio: a server of our own in a folder of its own.

The folder holds `data/` (SQLite and uploads), `secrets.json` (user, password, token),
`annotators.json` (accounts made with `create_annotator`), `running.json` (process and port
while it runs), `ready` (which database it answered with) and `label-studio.log`. All are
readable by their owner only; secrets reach the server through its environment, never through
a command line or the log. For a team the data can be in a PostgreSQL database instead.
"""

import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from annotate.errors import ServiceError
from annotate.studio.settings import Database

HOST = "127.0.0.1"
ADMINISTRATOR = "admin@vipol.example"
"""Login of the first user. The domain is reserved for examples: no mail can reach it."""

_DATA = "data"
_SECRETS = "secrets.json"
_RUNNING = "running.json"
_READY = "ready"
_LOG = "label-studio.log"
_LOCK = "lock"

_GRACE = 15.0
"""Seconds that a server has to end after SIGTERM before it is killed."""

_POLL = 0.2

_ARGUMENTS = ("start", "--no-browser", "--internal-host", HOST)

# What the server may see of our environment. Label Studio reads settings also from names
# without a prefix (HOST, PORT, DEBUG, PASSWORD, …), so everything else is kept from it.
_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Server:
    """A running embedded server. `pid` is the leader of its process group."""

    url: str
    user: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    pid: int
    folder: Path


def start_server(
    folder: Path,
    port: int | None = None,
    timeout: float = 300.0,
    database: Database | None = None,
) -> Server:
    """Start the server that lives in `folder`, or find it running; it answers on return.

    Its data is in `database`, or in SQLite in the folder; a folder stays with the one it began
    with.

    A new folder gets a fresh database first, which takes about a minute of one core (Label
    Studio's 261 migrations); later starts take about five seconds. Without `port` a free one
    is chosen. `timeout` is in seconds.
    Interrupted or failed, it leaves no process behind that was not running before.

    Raises ServiceError where Label Studio is not installed, the port is taken, the folder
    cannot be written or has another database, or the server ends or does not answer (with its
    last log lines).
    """
    folder = folder.resolve()
    _require_label_studio()
    deadline = time.monotonic() + timeout
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder, deadline):
            running = find_server(folder)
            _require_same_database(folder, database)
            found = running is not None
            if running is None:
                running = _launch(folder, port, database)
            elif port is not None and running.url != _url(port):
                raise ServiceError(
                    f"{folder}: its Label Studio runs at {running.url} already; "
                    f"stop it first to move it to port {port}"
                )
            try:
                running = _await_answer(running, deadline)
            except BaseException:  # Ctrl-C too: nobody would know of the process
                if not found:  # one that ran before is others' work under way, however slow
                    _end(running.pid, _GRACE)
                    (folder / _RUNNING).unlink(missing_ok=True)
                raise
            _mark_ready(folder, database)
            return running
    except OSError as error:
        raise ServiceError(
            f"{folder}: cannot hold a Label Studio server ({error.strerror or error}); "
            "choose another folder"
        ) from None


def find_server(folder: Path) -> Server | None:
    """The server that was started in `folder` and still runs, or None.

    A process that was merely given the recorded number later is told apart by the time at
    which it began.
    """
    folder = folder.resolve()
    running = read_private(folder / _RUNNING)
    known = read_private(folder / _SECRETS)
    if not running or not known or not _is_ours(running):
        return None
    return Server(
        _url(running["port"]),
        known["user"],
        known["password"],
        known["token"],
        running["pid"],
        folder,
    )


def stop_server(folder: Path, grace: float = _GRACE) -> bool:
    """Stop the server of `folder`, and only that one; whether one was running.

    Its process group gets SIGTERM, and SIGKILL when it has not ended after `grace` seconds.
    """
    folder = folder.resolve()
    server = find_server(folder)
    if server is not None:
        _end(server.pid, grace)
    (folder / _RUNNING).unlink(missing_ok=True)
    return server is not None


# --- starting ---------------------------------------------------------------------------


def _require_label_studio() -> None:
    if importlib.util.find_spec("label_studio") is None:
        raise ServiceError(
            "Label Studio is not installed in this environment; "
            "install it with: pip install 'vipol[studio]'"
        )


def _name_of(database: Database | None) -> str:
    return str(database) if database else "SQLite"


def _mark_ready(folder: Path, database: Database | None) -> None:
    (folder / _READY).write_text(_name_of(database) + "\n")


def _require_same_database(folder: Path, database: Database | None) -> None:
    """Refuse a folder whose server has its work in another database: it would look lost."""
    try:
        holds = (folder / _READY).read_text().strip() or "SQLite"
    except FileNotFoundError:
        return
    if holds != _name_of(database):
        raise ServiceError(
            f"{folder}: its Label Studio keeps its data in {holds}, and {_name_of(database)} was "
            "wanted; choose another folder, or put [studio.database] of vipol.toml back"
        )


def _require_our_own(folder: Path) -> None:
    """Refuse a folder whose `data/` or `secrets.json` we did not make: they are somebody's."""
    if (read_private(folder / _SECRETS) or {}).keys() == {"user", "password", "token"}:
        return  # written before anything is put into data/
    for path in (folder / _DATA, folder / _SECRETS):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise ServiceError(
                f"{path}: is there already and not of a Label Studio that vipol started; "
                "choose another folder"
            )


def _launch(folder: Path, port: int | None, database: Database | None) -> Server:
    """Start the process and note it in the folder, without waiting for an answer."""
    if not (folder / _READY).exists() and database is None:
        # A first start was cut off while the database was made. That server never answered,
        # so it holds no work, and its half-made database could not be mended. (PostgreSQL
        # goes on where it was cut off, with the same secrets.)
        _require_our_own(folder)
        shutil.rmtree(folder / _DATA, ignore_errors=True)
        (folder / _SECRETS).unlink(missing_ok=True)
    known = read_private(folder / _SECRETS)
    if known is None:
        if (folder / _READY).exists():
            raise ServiceError(
                f"{folder}: {_SECRETS} is gone or broken, so its Label Studio cannot be entered; "
                "put the file back from a copy or choose another folder"
            )
        known = {
            "user": ADMINISTRATOR,
            "password": secrets.token_urlsafe(16),
            "token": secrets.token_hex(20),
        }
        write_private(folder / _SECRETS, known)
    (folder / _DATA).mkdir(exist_ok=True, mode=0o700)
    chosen = _free_port(port)
    log = folder / _LOG
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "label_studio.server", *_ARGUMENTS, "--port", str(chosen)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder / _DATA,
            env=_environment(folder / _DATA, known, database),
            start_new_session=True,
            umask=0o077,
        )
    _children[process.pid] = process
    write_private(
        folder / _RUNNING, {"pid": process.pid, "birth": _birth(process.pid), "port": chosen}
    )
    return Server(
        _url(chosen), known["user"], known["password"], known["token"], process.pid, folder
    )


def _environment(data: Path, known: dict[str, str], database: Database | None) -> dict[str, str]:
    """The server's whole environment: quiet, offline, closed to strangers."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return (
        inherited
        | _database_environment(database)
        | {
            "LABEL_STUDIO_BASE_DATA_DIR": str(data),
            "LABEL_STUDIO_USERNAME": known["user"],
            "LABEL_STUDIO_PASSWORD": known["password"],
            "LABEL_STUDIO_USER_TOKEN": known["token"],
            # Read once, when the organisation is first made; without it our token gets 401.
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            # No other name, so that no web page can reach the server through one of its own.
            "LABEL_STUDIO_ALLOWED_HOSTS": f"{HOST},localhost",
            "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
            "COLLECT_ANALYTICS": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }
    )


def _database_environment(database: Database | None) -> dict[str, str]:
    if database is None:
        return {}
    return {
        "DJANGO_DB": "default",
        "POSTGRE_HOST": database.host,
        "POSTGRE_PORT": str(database.port),
        "POSTGRE_NAME": database.name,
        "POSTGRE_USER": database.user,
        "POSTGRE_PASSWORD": database.password,
    }


def _free_port(port: int | None) -> int:
    """`port` if nothing listens there, any free port for None."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except (OSError, OverflowError):
            raise ServiceError(
                f"port {port} of {HOST} is taken or not allowed; "
                "choose another, or leave it out for a free one"
            ) from None
        chosen: int = probe.getsockname()[1]
        return chosen


def _await_answer(server: Server, deadline: float) -> Server:
    """The server when it answers to its own token; ServiceError when it will not.

    A token that was reset in Label Studio's Account & Settings is asked for anew.
    """
    import httpx

    log = server.folder / _LOG
    status = "nothing"
    with httpx.Client(base_url=server.url, trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline:
            if not _is_alive(server.pid):
                raise ServiceError(f"Label Studio ended while starting; {_last_lines(log)}")
            if _moved_away(log):
                raise ServiceError(
                    f"{server.url}: the port was taken while Label Studio started; start again"
                )
            try:
                # The token is sent only once the process that we started serves the port.
                if client.get("/health").status_code == 200:
                    answer = client.get(
                        "/api/current-user/whoami",
                        headers={"Authorization": f"Token {server.token}"},
                    )
                    if answer.status_code == 200 and answer.json().get("email") == server.user:
                        return server
                    if answer.status_code == 401:
                        if token := _token_of_now(server):
                            server = replace(server, token=token)
                            known = {"user": server.user, "password": server.password}
                            write_private(server.folder / _SECRETS, known | {"token": token})
                            continue
                        raise ServiceError(
                            f"{server.folder}: its Label Studio does not know its own user: the "
                            "database was filled by a server in another folder; start that one, "
                            "or choose an empty database"
                        )
                    status = f"status {answer.status_code}"
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(_POLL)
    raise ServiceError(
        f"{server.url}: Label Studio gave no good answer in time (last: {status}); "
        f"{_last_lines(log)}"
    )


def _token_of_now(server: Server) -> str | None:
    """The token that the server's first user has now, by password; None where that fails too."""
    import httpx

    from annotate.studio.annotators import send_form

    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as person:
        if send_form(person, "/user/login/", server.user, server.password) is not None:
            return None
        token = person.get("/api/current-user/token").json().get("token")
        return token if token and token != server.token else None


def _moved_away(log: Path) -> bool:
    """Whether Label Studio took another port because ours was in use: it does so unasked."""
    try:
        return b"* Trying to start at " in log.read_bytes()
    except OSError:
        return False


_RAISED = re.compile(r"[a-z][\w.]*\.[A-Z]\w*(?:Error|Exception): ")


def _last_lines(log: Path, count: int = 4) -> str:
    """The end of the log in one line, with the log's path."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    said = [line.strip() for line in lines if line.strip()[:1].isalnum()]
    if said and _RAISED.match(said[-1]):
        count = 1  # what was raised says it; the lines above show Label Studio's code
    tail = " | ".join(said[-count:])[-600:]
    return f"last lines of {log}: {tail or '(none)'}"


@contextmanager
def _locked(folder: Path, deadline: float) -> Iterator[None]:
    """Hold the folder's lock, so that two starts at once give one server."""
    import fcntl

    with open(folder / _LOCK, "w") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceError(
                        f"{folder}: another start of this Label Studio is still under way"
                    ) from None
                time.sleep(_POLL)
        yield


# --- processes --------------------------------------------------------------------------

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Servers that this very process started: their exit status is ours to collect."""


def _is_ours(running: dict[str, Any]) -> bool:
    pid = running["pid"]
    return _is_alive(pid) and _birth(pid) == running["birth"]


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not yet collected does not."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    fields = _proc_fields(pid)
    return fields is None or fields[0] != "Z"


def _birth(pid: int) -> str:
    """What tells a process from a later one of the same number: when it began ("" unknown)."""
    fields = _proc_fields(pid)
    if fields is not None:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{fields[19]}"  # field 22 of /proc/PID/stat, in clock ticks since boot
    try:
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return shown.stdout.strip()


def _proc_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (the state) on; None where there are none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()


def _end(pid: int, grace: float) -> None:
    """End the process group led by `pid` and wait until its leader is gone."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not _is_alive(pid):
            break
    child = _children.pop(pid, None)
    if child is not None:
        child.wait()


# --- small files ------------------------------------------------------------------------


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all into a file that only its owner can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)
    temporary.replace(path)


def read_private(path: Path) -> dict[str, Any] | None:
    """What `write_private` wrote, or None where there is nothing whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"
