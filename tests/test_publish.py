"""Publishing over real HTTP, by the real client library, to a stand-in of the Hub.

The client runs in a process of its own, since it reads `HF_ENDPOINT` when it is imported; one
process serves all tests of this file.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub import Hub

from annotate.dataset.build import build_dataset
from annotate.dataset.imports import import_conll
from annotate.dataset.publishable import check_folder
from annotate.document import Document, Span
from annotate.errors import DataError

TOKEN = "hf_SecretOfTheTests"
REPO = "dang-bo/tin"

DRIVER = """
import json, os, sys, time, types
from pathlib import Path
from huggingface_hub.utils import _http

# The client tries again by itself after a failure; its pauses (23 seconds in all) are left out.
_http.time = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})

from annotate.dataset.publish import plan_publication, publish
from annotate.errors import VipolError

for line in sys.stdin:
    folder, repo, yes, token, settings = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    said, error, waits = [], "", []
    try:
        plan = plan_publication(Path(folder), repo, wait=waits.append, **settings)
        said.append(str(plan))
        if yes:
            said.append(str(publish(plan, wait=waits.append)))
    except VipolError as failure:
        error = f"{type(failure).__name__}: {failure}"
    print(json.dumps(["\\n".join(said), error, waits]), flush=True)
"""

LARGE = 11
"""Files that go to the store of large ones: nine tables and two pictures."""

PLACES = ["Sơn Hà", "Bình Lộc", "Phú Lâm", "An Khê", "Tân Mỹ", "Long Điền"]


def article(place: str, **meta: str) -> Document:
    text = f"Ông Trần Minh, Bí thư Huyện ủy {place}, đã họp với dân {place} năm 2019."
    end = text.index(", đã")
    spans = [Span(4, 13, "PERSON"), Span(15, end, "POSITION"), Span(22, end, "ORG")]
    known = {"licence": "cc-by-4.0", "annotator": "an", **meta}
    return Document(place, text, (), known).with_spans(spans)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built dataset that no test changes."""
    folder = tmp_path_factory.mktemp("built") / "tin"
    build_dataset([article(place) for place in PLACES], folder)
    (folder / "LICENSE").write_text("CC BY 4.0\n")
    (folder / "source").mkdir()
    (folder / "source" / "a.txt").write_text("kept at home")
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A built dataset to change."""
    return Path(shutil.copytree(built, tmp_path / "tin"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the client's cache and login."""
    return tmp_path_factory.mktemp("home")


@dataclass(frozen=True)
class Client:
    """The process that talks to the Hub; what it writes to stderr goes to `log`."""

    process: subprocess.Popen[str]
    log: Path

    def ask(self, *asked: Any) -> list[Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        return list(json.loads(answer))


def environment(server: Hub, home: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return {**clean, **server.environment(TOKEN, home), "PYTHONPATH": os.pathsep.join(sys.path)}


def start_client(server: Hub, home: Path) -> Client:
    log = home / "stderr"
    with open(log, "a") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            env=environment(server, home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    return Client(process, log)


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def client(server: Hub, home: Path) -> Iterator[Client]:
    client = start_client(server, home)
    yield client
    client.process.kill()
    client.process.wait()


@dataclass(frozen=True)
class Desk:
    """A Hub that nobody has used yet, and what a person does with it."""

    hub: Hub
    client: Client

    def run(
        self,
        folder: Path,
        *,
        yes: bool = True,
        token: str | None = TOKEN,
        repo: str = REPO,
        **settings: Any,
    ) -> "Run":
        """Plan, and with `yes` publish."""
        done = Run(*self.client.ask(str(folder), repo, yes, token, settings))
        everything = done.output + done.error + self.client.log.read_text()
        assert TOKEN not in everything
        assert token is None or token not in everything
        return done

    def refused(self, folder: Path, message: str, **settings: Any) -> None:
        """A run that ends in one line that holds `message`."""
        done = self.run(folder, **settings)
        assert message in done.error
        assert done.error.count("\n") == 0

    def done(self, folder: Path, **settings: Any) -> "Run":
        """A run that ends well."""
        done = self.run(folder, **settings)
        assert done.error == ""
        return done

    def finish(self, folder: Path) -> "Run":
        """The run that completes what another began."""
        done = self.done(folder)
        check_published(self.hub, folder)
        return done


@dataclass(frozen=True)
class Run:
    output: str
    error: str
    waits: list[float]

    @property
    def last(self) -> str:
        """The last line of what was said."""
        return self.output.splitlines()[-1]


@pytest.fixture
def desk(server: Hub, client: Client) -> Desk:
    server.clear()
    server.allow(TOKEN, "chi-bo", "dang-bo")
    return Desk(server, client)


def check_published(hub: Hub, folder: Path, version: str = "1.0.0") -> None:
    repo = hub.repos[REPO]
    expected = {name: (folder / name).read_bytes() for name in check_folder(folder).files}
    there = {name: blob.data for name, blob in repo.head.files.items()}
    log = there.pop("CHANGELOG.md").decode()
    there.pop(".gitattributes")
    assert there == expected
    assert log.count(f"## {version}\n") == 1
    assert repo.tags[version] == repo.head.oid
    assert len(repo.commits) == len({c.oid for c in repo.commits})


# --- What goes -------------------------------------------------------------------------------


def test_a_dry_run_shows_everything_and_sends_nothing(desk: Desk, built: Path) -> None:
    done = desk.done(built, yes=False)
    assert desk.hub.writes() == []
    assert desk.hub.repos == {}
    lines = done.output.splitlines()
    assert lines[0] == f"{built} → {desk.hub.url}/datasets/{REPO}"
    assert lines[1] == "  the repository would be made new, public"
    assert lines[2] == "  token of chi-bo"
    size = (built / "README.md").stat().st_size
    assert f"  new      {size / 1000:6.1f} kB  README.md" in lines
    paths = {line.split()[-1] for line in lines if line.startswith("  new ")}
    assert paths == {*check_folder(built).files, "CHANGELOG.md"}
    assert {"LICENSE", "manifest.json", "word/test-00000-of-00001.parquet"} <= paths
    assert not any("source" in path for path in paths)
    assert done.last == "would be tagged 1.0.0"


def test_publishing_is_one_commit_and_a_tag_and_then_nothing(desk: Desk, built: Path) -> None:
    done = desk.done(built)
    check_published(desk.hub, built)
    repo = desk.hub.repos[REPO]
    assert [commit.message for commit in repo.commits] == [
        "initial commit",
        "Publish version 1.0.0",
    ]
    assert done.last == (
        f"{desk.hub.url}/datasets/{REPO}: 15 files sent in commit {repo.head.oid}, tagged 1.0.0"
    )
    assert not repo.private
    assert repo.head.files["CHANGELOG.md"].data.decode() == (
        "# Changes\n\n## 1.0.0\n\n- First publication.\n"
        "- Rows of `documents`: train 4, validation 1, test 1.\n"
        "- Rows of `syllable`: train 4, validation 1, test 1.\n"
        "- Rows of `word`: train 4, validation 1, test 1.\n"
    )
    desk.hub.log.clear()
    again = desk.run(built)
    assert again.last == f"{desk.hub.url}/datasets/{REPO}: nothing sent; it has version 1.0.0"
    assert desk.hub.writes() == []


def test_what_was_published_loads_with_one_line(
    desk: Desk, built: Path, home: Path, tmp_path: Path
) -> None:
    desk.done(built, private=True)
    (tmp_path / "a.conll").write_text("Sơn_Hà B-LOC\n")
    import_conll({"test": tmp_path / "a.conll"}, tmp_path / "out", licence="mit")
    desk.done(tmp_path / "out", repo="dang-bo/nhan")
    script = f"""
import json
from datasets import load_dataset
from annotate.dataset.load import load_documents
from annotate.dataset.sentences import load_sentences
documents = load_dataset({REPO!r}, "documents", revision="1.0.0")
words = load_dataset({REPO!r}, "word", split="train")
print(json.dumps([
    {{split: list(part["id"]) for split, part in documents.items()}},
    words.features["ner_tags"].feature.names[:3],
    len(load_documents({REPO!r})),
    load_sentences({REPO!r}, "test")[0].tags[1],
    [[d.text, d.foreign.labels] for d in load_documents("dang-bo/nhan")],
]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(desk.hub, home),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    ids, names, count, tag, theirs = json.loads(done.stdout)
    assert theirs == [["Sơn Hà", ["LOC"]]]
    assert sorted(id for part in ids.values() for id in part) == sorted(PLACES)
    assert (names, count, tag) == (["O", "B-PERSON", "I-PERSON"], 6, "B-PERSON")


def test_a_change_sends_only_what_changed(desk: Desk, folder: Path) -> None:
    desk.done(folder)
    uploads = desk.hub.asked("PUT", "/store/")
    card = folder / "README.md"
    card.write_text(card.read_text().replace("Not given yet.", "Trần Minh 2026."))
    build_dataset([article(place) for place in PLACES], folder)
    done = desk.done(folder, note="citation\n## 9.9.9")
    check_published(desk.hub, folder, "1.0.1")
    assert desk.hub.asked("PUT", "/store/") == uploads
    assert "3 of 15 files" in done.output
    log = desk.hub.repos[REPO].head.files["CHANGELOG.md"].data.decode()
    assert log.index("## 1.0.1\n\n- citation\n- ## 9.9.9\n- Changed: `README.md`.") < log.index(
        "## 1.0.0"
    )
    build_dataset([article(place, title="Tin") for place in PLACES], folder)
    desk.done(folder)
    check_published(desk.hub, folder, "1.1.0")
    assert set(desk.hub.repos[REPO].tags) == {"1.0.0", "1.0.1", "1.1.0"}
    assert desk.hub.asked("PUT", "/store/") == uploads + 3


def test_an_imported_dataset_goes_too_and_lost_files_are_removed(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "a.conll").write_text("Sơn_Hà B-LOC\n")
    (tmp_path / "b.conll").write_text("họp O\n")
    files: Any = {"train": tmp_path / "a.conll", "test": tmp_path / "b.conll"}
    import_conll(files, tmp_path / "out", licence="mit")
    desk.done(tmp_path / "out")
    check_published(desk.hub, tmp_path / "out")
    del files["test"]
    import_conll(files, tmp_path / "out", licence="mit")
    done = desk.done(tmp_path / "out", version="2.0.0")
    assert "  gone           0 B  word/test-00000-of-00001.parquet" in done.output
    check_published(desk.hub, tmp_path / "out", "2.0.0")


def test_large_files_go_in_parts_where_the_hub_wants_it(desk: Desk, built: Path) -> None:
    desk.hub.part_size = 4000
    desk.finish(built)
    assert desk.hub.asked("POST", "/complete") > 0


def test_a_private_one_stays_private_and_a_public_one_is_not_hidden(
    desk: Desk, built: Path
) -> None:
    desk.done(built, private=True)
    assert desk.hub.repos[REPO].private
    desk.done(built)
    assert desk.hub.repos[REPO].private
    desk.hub.make("dang-bo/mo")
    desk.refused(built, "dang-bo/mo: is public; --private", repo="dang-bo/mo", private=True)


def test_a_pull_request_is_opened_once_and_tagged_when_merged(desk: Desk, built: Path) -> None:
    desk.hub.make(REPO)
    done = desk.done(built, pull_request=True)
    repo = desk.hub.repos[REPO]
    assert f"proposed in {desk.hub.url}/datasets/{REPO}/discussions/1" in done.last
    assert (len(repo.commits), len(repo.requests), repo.tags) == (1, 1, {})
    again = desk.run(built, pull_request=True)
    assert "nothing sent; pull request 1 holds the same" in again.last
    assert len(repo.requests) == 1
    desk.hub.merge(REPO, 1)
    merged = desk.run(built, pull_request=True)
    assert merged.last.endswith("tagged 1.0.0")
    assert (len(repo.commits), len(repo.requests)) == (2, 1)
    check_published(desk.hub, built)


def test_a_token_may_come_from_the_login_of_the_hub(desk: Desk, built: Path, home: Path) -> None:
    looked = desk.run(built, yes=False, token=None)
    assert "token of nobody: set HF_TOKEN or run hf auth login" in looked.output
    desk.refused(built, "no token; set HF_TOKEN or run hf auth login", token=None)
    assert desk.hub.writes() == []
    (home / "token").write_text(TOKEN)
    desk.done(built, token=None)
    (home / "token").unlink()
    check_published(desk.hub, built)


# --- What is refused -------------------------------------------------------------------------


def test_a_folder_that_is_not_as_built_is_refused(folder: Path, tmp_path: Path) -> None:
    part = folder / "documents" / "train-00000-of-00001.parquet"
    whole = part.read_bytes()

    def refuses(message: str) -> None:
        with pytest.raises(DataError, match=message):
            check_folder(folder)

    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card + "\nby hand\n")
    refuses(r"README\.md was changed since it was built; build again \(it keeps the sections")
    (folder / "README.md").write_text(card.replace("num_examples: 4", "num_examples: 5", 1))
    refuses("the card is stale: it says 5 rows in documents, train, the data has 4; build again")
    (folder / "README.md").write_text(card.replace("license: cc-by-4.0", "license: mit"))
    refuses("the card is stale: it says licence mit, the data has cc-by-4.0")
    (folder / "README.md").write_text("no YAML")
    refuses("has no YAML that describes the data")
    (folder / "README.md").write_text(card)
    part.write_bytes((folder / "documents" / "test-00000-of-00001.parquet").read_bytes())
    refuses("the card is stale: it says 4 rows in documents, train, the data has 1")
    part.write_bytes(b"PAR1")
    refuses("cannot be read as Parquet")
    part.unlink()
    refuses("the card is stale: it says 4 rows in documents, train, the data has none")
    part.write_bytes(whole)
    (folder / "notes.txt").write_text("mine")
    refuses(r"holds notes\.txt, which no build wrote; move it away")
    (folder / "notes.txt").unlink()
    check_folder(folder)
    with pytest.raises(DataError, match="not a dataset that vipol build made; build it first"):
        check_folder(tmp_path / "none")


def test_documents_without_licence_are_refused(tmp_path: Path) -> None:
    gold = [article(place) for place in PLACES[:4]]
    build_dataset([*gold, Document("x", "Họp."), Document("y", "Nghỉ.")], tmp_path / "out")
    with pytest.raises(DataError, match=r"document [xy] and 1 more has no licence; say in meta"):
        check_folder(tmp_path / "out")
    (tmp_path / "a.conll").write_text("Sơn_Hà B-LOC\n")
    import_conll({"train": tmp_path / "a.conll"}, tmp_path / "b")
    with pytest.raises(DataError, match="the data names no licence; import it again with"):
        check_folder(tmp_path / "b")


def test_what_is_on_the_hub_is_not_lost(desk: Desk, folder: Path) -> None:
    desk.hub.make("dang-bo/khac", {"README.md": b"somebody's"})
    desk.refused(
        folder,
        "dang-bo/khac: holds README.md, which vipol publish did not put there",
        repo="dang-bo/khac",
    )
    desk.done(folder)
    desk.hub.change(REPO, README_md=b"edited on the site", notes_txt=b"added on the site")
    done = desk.run(folder, yes=False)
    assert "README.md  EDITED ON THE HUB, would be replaced" in done.output
    assert "notes.txt" not in done.output
    desk.done(folder)
    assert desk.hub.repos[REPO].head.files["notes.txt"].data == b"added on the site"


def test_a_version_is_published_once(desk: Desk, folder: Path) -> None:
    desk.refused(folder, "1.2: no version; three numbers were wanted", version="1.2")
    desk.done(folder, version="1.2.0")
    check_published(desk.hub, folder, "1.2.0")
    build_dataset([article(place, title="Tin") for place in PLACES], folder)
    desk.hub.log.clear()
    desk.refused(folder, "version 1.2.0 is published there with other content", version="1.2.0")
    assert desk.hub.writes() == []
    assert "would be tagged 1.3.0" in desk.run(folder, yes=False).output


@pytest.mark.parametrize("name", ["tin", "a/b/c", "dang-bo/tin moi", "../tin", "dang-bo/"])
def test_what_no_repository_is_called(desk: Desk, built: Path, name: str) -> None:
    desk.refused(built, f"{name}: no name of a dataset on the Hub; ORG/NAME was wanted", repo=name)
    assert desk.hub.log == []


# --- Faults ------------------------------------------------------------------------------------


def test_a_wrong_token_is_one_line_and_is_not_shown(desk: Desk, built: Path) -> None:
    message = "asking whose the token is: the token was refused (401); set HF_TOKEN"
    desk.refused(built, message, token="hf_wrong")
    assert desk.hub.writes() == []


def test_somebody_elses_organisation_is_one_line(desk: Desk, built: Path) -> None:
    desk.refused(
        built,
        "making la/tin: the token may not do this (403); take one with write permission for la",
        repo="la/tin",
    )
    assert desk.hub.repos == {}


@pytest.mark.parametrize(
    ("method", "path", "fault", "message"),
    [
        ("POST", "/batch", {"status": 401}, "the token was refused (401)"),
        ("POST", "/commit/", {"status": 403}, "the token may not do this (403)"),
        ("POST", "/commit/", {"status": 409}, "somebody else changed dang-bo/tin meanwhile (409)"),
        ("POST", "/commit/", {"status": 500}, "committing to dang-bo/tin: HTTP 500; run it again"),
        ("POST", "/commit/", {"drop": "before"}, "committing to dang-bo/tin: no answer"),
        ("POST", "/commit/", {"drop": "after"}, "committing to dang-bo/tin: no answer"),
        ("POST", "/tag/", {"status": 500}, "tagging dang-bo/tin as 1.0.0: HTTP 500"),
        ("POST", "/tag/", {"drop": "after"}, "tagging dang-bo/tin as 1.0.0: no answer"),
        ("POST", "/create", {"drop": "after"}, "making dang-bo/tin: no answer"),
        ("POST", "/validate-yaml", {"status": 500}, "having the card's YAML checked: HTTP 500"),
        (
            "POST",
            "/commit/",
            {"status": 429, "headers": {"Retry-After": "5000"}},
            "too many requests (429); run it again in 5000 seconds",
        ),
    ],
)
def test_a_fault_is_one_line_and_the_next_run_finishes(
    desk: Desk, built: Path, method: str, path: str, fault: dict[str, Any], message: str
) -> None:
    desk.hub.fail(method, path, **fault)
    desk.refused(built, message)
    sent = desk.hub.asked("PUT", "/store/")
    assert sent in (0, LARGE)
    desk.finish(built)
    assert desk.hub.asked("PUT", "/store/") == LARGE
    assert len(desk.hub.repos[REPO].commits) == 2


@pytest.mark.parametrize("path", ["/whoami", "/create", "/commit/", "/tag/"])
def test_too_many_requests_are_waited_for(desk: Desk, built: Path, path: str) -> None:
    method = "GET" if path == "/whoami" else "POST"
    desk.hub.fail(method, path, times=2, status=429, headers={"Retry-After": "7"})
    done = desk.finish(built)
    assert done.waits == [7, 7]
    assert len(desk.hub.repos[REPO].commits) == 2


def test_a_short_failure_of_the_store_is_met_by_trying_again(desk: Desk, built: Path) -> None:
    desk.hub.fail("PUT", "/store/", status=500)
    desk.finish(built)
    assert desk.hub.asked("PUT", "/store/") == LARGE + 1


def test_a_failure_in_the_middle_is_one_line_and_nothing_is_sent_twice(
    desk: Desk, built: Path
) -> None:
    desk.hub.fail("POST", "/batch", times=3, first=lambda: None)  # three files arrive
    desk.hub.fail("POST", "/batch", status=500, times=6)  # as often as the client tries
    desk.refused(built, "HTTP 500; run it again: what arrived is not sent again")
    assert len(desk.hub.store) == 3
    assert (len(desk.hub.repos[REPO].commits), desk.hub.repos[REPO].tags) == (1, {})
    desk.hub.log.clear()
    desk.finish(built)
    assert desk.hub.asked("PUT", "/store/") == LARGE - 3


def test_a_commit_in_between_is_not_overwritten(desk: Desk, folder: Path) -> None:
    desk.done(folder)
    build_dataset([article(place, title="Tin") for place in PLACES], folder)
    desk.hub.fail(
        "POST", "/preupload/", first=lambda: desk.hub.change(REPO, notes_txt=b"in between")
    )
    desk.refused(folder, "somebody else changed dang-bo/tin meanwhile (412); look at it")
    assert desk.hub.repos[REPO].head.message == "by hand"
    desk.done(folder)
    assert desk.hub.repos[REPO].head.files["notes.txt"].data == b"in between"
    assert desk.hub.repos[REPO].tags["1.1.0"] == desk.hub.repos[REPO].head.oid


def test_a_killed_upload_goes_on_where_it_was(desk: Desk, built: Path, home: Path) -> None:
    desk.hub.fail("PUT", "/store/", first=lambda: None)  # the first one goes through
    held = desk.hub.fail("PUT", "/store/", release=threading.Event())
    other = start_client(desk.hub, home)
    assert other.process.stdin
    print(json.dumps([str(built), REPO, True, TOKEN, {}]), file=other.process.stdin, flush=True)
    assert held.met.wait(60)
    other.process.send_signal(signal.SIGKILL)
    other.process.wait()
    assert len(desk.hub.store) == 1
    assert desk.hub.repos[REPO].tags == {}
    (there,) = desk.hub.store
    desk.hub.log.clear()
    desk.finish(built)
    assert desk.hub.asked("PUT", f"/store/{there}") == 0
    assert desk.hub.asked("PUT", "/store/") == LARGE - 1


def test_no_hub_at_all_is_one_line(built: Path, home: Path) -> None:
    with Hub() as hub:
        client = start_client(hub, home)
    _, error, _ = client.ask(str(built), REPO, True, TOKEN, {})
    client.process.kill()
    assert f"{hub.url}: asking whose the token is: no answer (ConnectError" in error
    assert "run it again" in error
