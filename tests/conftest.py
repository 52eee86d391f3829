"""A real Label Studio for the tests: one server for the whole run, started by the tests."""

import importlib.util
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotate.studio.annotators import Annotator, create_annotator
from annotate.studio.connection import Connection, connect
from annotate.studio.project import Project, ensure_project
from annotate.studio.server import Server, start_server, stop_server

MakeProject = Callable[..., Project]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of the run. A first start takes most of a minute; it is stopped at the end."""
    if importlib.util.find_spec("label_studio") is None:
        pytest.skip("Label Studio is not installed: pip install 'vipol[studio]'")
    folder = tmp_path_factory.mktemp("studio")
    server = start_server(folder, timeout=400)
    yield server
    stop_server(folder)


@pytest.fixture(scope="session")
def studio(studio_server: Server) -> Connection:
    """The administrator's connection to the server of the run."""
    return connect(studio_server.url, studio_server.token)


@pytest.fixture(scope="session")
def annotators(studio_server: Server) -> tuple[Annotator, Annotator]:
    """Two users of the server of the run."""
    return (
        create_annotator(studio_server, "Người Một"),
        create_annotator(studio_server, "Người Hai"),
    )


@pytest.fixture(scope="session")
def annotator_connections(
    studio_server: Server, annotators: tuple[Annotator, Annotator]
) -> tuple[Connection, Connection]:
    """Connections of the two users."""
    one, two = annotators
    return connect(studio_server.url, one.token), connect(studio_server.url, two.token)


@pytest.fixture
def make_project(studio: Connection, request: pytest.FixtureRequest) -> MakeProject:
    """Makes empty projects, each with a title of its own."""
    name = request.node.name[:30]

    def make(**settings: object) -> Project:
        title = f"{name} {os.getpid()} {next(_numbers)}"
        return ensure_project(studio, title, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture
def studio_folder(studio_server: Server, tmp_path: Path) -> Iterator[Path]:
    """The folder of a second server that is not running: a copy of the first one's data, so that
    it starts in seconds. What is started in it is stopped at the end."""
    folder = tmp_path / "studio"
    (folder / "data").mkdir(parents=True)
    for name in ("secrets.json", "ready", "data/.env", "annotators.json"):
        if (studio_server.folder / name).exists():
            shutil.copy(studio_server.folder / name, folder / name)
    source = sqlite3.connect(studio_server.folder / "data" / "label_studio.sqlite3")
    copy = sqlite3.connect(folder / "data" / "label_studio.sqlite3")
    with copy:
        source.backup(copy)
    source.close()
    copy.close()
    yield folder
    stop_server(folder)
