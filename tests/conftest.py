"""What tests share: one real Label Studio for the whole run, a browser, and what a skip means."""

import functools
import importlib.util
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_page import CHROMIUM, StudioPage, open_chromium

from annotate.studio.annotators import Annotator, create_annotator
from annotate.studio.connection import Connection, connect
from annotate.studio.project import Project, ensure_project
from annotate.studio.server import Server, start_server, stop_server

MakeProject = Callable[..., Project]

_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with tests of Label Studio come last, the others being faster; with several workers
    they come first, being the longest piece of work."""
    several = hasattr(config, "workerinput")
    items.sort(key=lambda item: needs_studio(item.path) != several)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers (-n 2) all tests of Label Studio are on one, where they share the
    server; of the others each file stays on one worker, for the sake of its fixtures."""
    from xdist.scheduler import LoadScopeScheduling

    class OneServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "studio" if needs_studio(config.rootpath / file) else file

    config.option.loadscopereorder = False
    return OneServer(config, log)


@functools.cache
def needs_studio(file: Path) -> bool:
    return "mark.studio" in file.read_text(encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse_skip((yield))


def _refuse_skip(report: Any) -> Any:
    """With VIPOL_NO_SKIPS set, a test that was skipped has failed, whatever it lacked; only the
    corpora that never come with a checkout may be missing."""
    if report.skipped and os.environ.get("VIPOL_NO_SKIPS") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if "../shared" not in str(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason} (VIPOL_NO_SKIPS is set: nothing may be missing)"
    return report


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


@pytest.fixture(scope="session")
def personal_token(studio: Connection) -> str:
    """A personal access token of the administrator, who may have one only."""
    return str(studio.client.tokens.create().token)


@pytest.fixture(scope="module")
def page(studio_server: Server, annotators: tuple[Annotator, Annotator]) -> Iterator[StudioPage]:
    """The window of the first user in Debian's Chromium, logged in."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install chromium")
    with open_chromium() as browser:
        window = browser.new_page(viewport={"width": 1400, "height": 900})
        window.set_default_timeout(20_000)
        page = StudioPage(window, studio_server.url)
        page.log_in(annotators[0].email, annotators[0].password)
        yield page


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
    copy_studio(studio_server, folder)
    yield folder
    stop_server(folder)


def copy_studio(server: Server, folder: Path) -> None:
    """Make `folder` that of a server with the data of `server`, not running."""
    (folder / "data").mkdir(parents=True)
    for name in ("secrets.json", "ready", "data/.env", "annotators.json"):
        if (server.folder / name).exists():
            shutil.copy(server.folder / name, folder / name)
    source = sqlite3.connect(server.folder / "data" / "label_studio.sqlite3")
    copy = sqlite3.connect(folder / "data" / "label_studio.sqlite3")
    with copy:
        source.backup(copy)
    source.close()
    copy.close()
