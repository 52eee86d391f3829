"""README is true: its commands run, its pattern and its table are those of the code."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from annotate.cli import app
from annotate.document import Document, read_documents
from annotate.studio.annotators import create_annotator
from annotate.studio.connection import connect
from annotate.studio.project import find_project
from annotate.studio.server import find_server, stop_server
from annotate.studio.stored import find_tasks
from annotate.studio.submit import submit_documents
from annotate.tokens import SYLLABLE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (vipol .*)$", README, re.MULTILINE)


def test_the_token_pattern_is_that_of_the_code() -> None:
    assert f"    {SYLLABLE.pattern}\n" in README


def test_the_table_names_every_command() -> None:
    table = README.split("## Commands")[1].split("## Tokens")[0]
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    groups = {group.name for group in app.registered_groups}
    assert set(re.findall(r"`vipol ([a-z]+)", table)) == commands | groups


def test_the_two_scripts_exist() -> None:
    for script in ("scripts/demo", "scripts/test", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK)
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text()


def annotate_as_two_users(folder: Path, documents: list[Document]) -> None:
    """What README leaves to people: two annotators submit every task."""
    server = find_server(folder)
    assert server is not None
    administrator = connect(server.url, server.token)
    project = find_project(administrator, "Party news")
    assert project is not None
    tasks = find_tasks(administrator, project)
    for name in ("annotator-1", "annotator-2"):
        annotator = create_annotator(server, name)
        submit_documents(connect(server.url, annotator.token), tasks, documents)


@pytest.mark.studio
def test_the_commands_of_readme_run_in_their_order(tmp_path: Path, studio_folder: Path) -> None:
    raw = tmp_path / "datasets" / "vipol-sample" / "raw"
    raw.mkdir(parents=True)
    for page in sorted((ROOT / "datasets" / "vipol-sample" / "raw").glob("*.txt"))[:12]:
        shutil.copy(page, raw)
    environment = os.environ | {"VIPOL_STUDIO": str(studio_folder), "PYTHONPATH": str(ROOT)}
    assert len(COMMANDS) == 16
    try:
        for command in COMMANDS:
            words = shlex.split(command)[1:]
            run = subprocess.run(
                [sys.executable, "-m", "annotate", *words],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=environment,
                check=False,
            )
            assert run.returncode == 0, f"{command}\n{run.stderr}"
            if words[0] == "push":
                documents = list(read_documents(tmp_path / "work" / "prelabelled.jsonl"))
                annotate_as_two_users(studio_folder, documents)
    finally:
        stop_server(studio_folder)
