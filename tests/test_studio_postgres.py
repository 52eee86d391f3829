"""A team's Label Studio on a real PostgreSQL, which the test starts itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PASSWORD, find_postgres, run_postgres

from annotate.document import Document, read_documents, write_documents
from annotate.errors import ServiceError
from annotate.markup import parse_markup
from annotate.studio.annotators import create_annotator
from annotate.studio.connection import connect
from annotate.studio.project import find_project
from annotate.studio.server import find_server, start_server, stop_server
from annotate.studio.settings import Database
from annotate.studio.stored import find_tasks
from annotate.studio.submit import submit_annotation

pytestmark = pytest.mark.studio

ROOT = Path(__file__).parents[1]
SOURCE = "😀 [Bí thư [Huyện ủy Sơn Hà]{ORG}]{POSITION} [Trần Quốc Minh]{PERSON} họp [16-1]{DATE}."


@pytest.fixture
def database() -> Iterator[Database]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")
    with run_postgres() as database:
        yield database


def test_a_team_works_on_postgresql(database: Database, tmp_path: Path) -> None:
    def vipol(*words: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "annotate", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout + run.stderr

    (tmp_path / "vipol.toml").write_text(
        f"""[studio]
folder = "studio"

[studio.database]
host = "{database.host}"
port = {database.port}
name = "{database.name}"
user = "{database.user}"
password_file = "password"
"""
    )
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    folder = tmp_path / "studio"
    document = Document("t-1", *parse_markup(SOURCE))
    write_documents(tmp_path / "docs.jsonl", [document])
    try:
        said = vipol("studio", "up")
        said += vipol("push", "docs.jsonl", "--project", "Đội Một")
        server = find_server(folder)
        assert server is not None
        person = connect(server.url, create_annotator(server, "Thu Hà").token)
        project = find_project(person, "Đội Một")
        assert project is not None
        submit_annotation(
            person, find_tasks(person, project)["t-1"], document.text, document.spans[1:]
        )
        said += vipol("pull", "--project", "Đội Một", "-o", "annotations.jsonl")
        (pulled,) = read_documents(tmp_path / "annotations.jsonl")
        assert (pulled.text, pulled.spans) == (document.text, document.spans[1:])
        assert pulled.meta["annotator"] == "thu-ha@vipol.example"

        assert not list(folder.glob("data/*.sqlite3"))  # the data is in PostgreSQL alone
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        log = (folder / "label-studio.log").read_text(encoding="utf-8")
        assert PASSWORD not in said + listed.stdout + log

        with pytest.raises(ServiceError, match=r"keeps its data in PostgreSQL labels@"):
            start_server(folder)
        vipol("studio", "down")
        with pytest.raises(ServiceError, match="does not know its own user: the database was fil"):
            start_server(tmp_path / "another", database=database)
    finally:
        stop_server(folder)
