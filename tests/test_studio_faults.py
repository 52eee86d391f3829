"""A push that meets a fault ends in one clear error, and the same push again finishes it."""

import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from multiprocessing.connection import Connection as PipeEnd
from pathlib import Path
from typing import Literal

import pytest
from conftest import MakeProject

from annotate.document import Document, Span, read_documents, write_documents
from annotate.errors import ServiceError
from annotate.studio.annotators import create_annotator
from annotate.studio.connection import Connection, connect
from annotate.studio.project import Project, ensure_project, find_project
from annotate.studio.pull import PullReport, pull_annotations
from annotate.studio.push import PushReport, push_documents
from annotate.studio.server import Server, start_server, stop_server
from annotate.studio.stored import find_tasks, list_tasks
from annotate.studio.submit import submit_documents
from annotate.studio.task import document_to_task

pytestmark = pytest.mark.studio

TEXT = "Đồng chí Trần A, Bí thư Huyện ủy Sơn Hà, nói ngày 1/2. " * 20
SPANS = (Span(9, 15, "PERSON"), Span(17, 39, "POSITION"), Span(24, 39, "ORG"))
COUNT = 60
DOCUMENTS = [Document(f"n-{n}", TEXT, SPANS) for n in range(COUNT)]


Fault = Literal["lost", "cut", "stalled", "slow"]
"""What befalls an answer: the connection drops in place of it, or in the middle of it; it never
comes; it comes late. The server has done what was asked."""

_REQUEST = re.compile(rb"(GET|POST|PATCH|DELETE) \S+ HTTP/1.1\r\n")


@contextmanager
def meddling(server: Server, fault: Fault, with_: Callable[[bytes], bool]) -> Iterator[str]:
    """The address of a proxy that passes everything on, but does `fault` to the answers of those
    requests of whose first line `with_` is true."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(server.url.rpartition(":")[2])
    over = threading.Event()

    def pass_on(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            struck = threading.Event()

            def requests() -> None:
                while data := _received(client):
                    if (line := _REQUEST.match(data)) and with_(line.group()):
                        struck.set()
                    with suppress(OSError):  # the server may have gone
                        upstream.sendall(data)
                with suppress(OSError):
                    upstream.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=requests)
            sender.start()
            while data := _received(upstream):
                if struck.is_set():
                    if fault == "slow":
                        time.sleep(0.3)
                        struck.clear()
                    elif fault == "cut":
                        while not data.partition(b"\r\n\r\n")[2]:
                            data += _received(upstream)
                        client.sendall(data[:-1])
                        break
                    elif fault == "stalled":
                        over.wait()
                        break
                    else:
                        break
                client.sendall(data)
            with suppress(OSError):  # it may have gone by itself
                client.shutdown(socket.SHUT_RDWR)
            sender.join()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=pass_on, args=(client,), daemon=True).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


class Once:
    """True for the first request line that has `pattern` in it after `skip` others."""

    def __init__(self, pattern: bytes, skip: int = 0) -> None:
        self.pattern, self.left = re.compile(pattern), skip

    def __call__(self, line: bytes) -> bool:
        if not self.pattern.search(line):
            return False
        self.left -= 1
        return self.left == -1

    @property
    def happened(self) -> bool:
        return self.left < 0


def _received(stream: socket.socket) -> bytes:
    try:
        return stream.recv(1 << 16)
    except OSError:
        return b""


def assert_whole(
    server: Server, project: Project, documents: Sequence[Document] = DOCUMENTS
) -> None:
    """Each document has one task with one set of pre-labels, and a push has nothing to do."""
    connection = connect(server.url, server.token)
    stored = list_tasks(connection, project).by_document
    assert stored.keys() == {document.id for document in documents}
    assert [len(copies) for copies in stored.values()] == [1] * len(documents)
    assert [copies[0].predictions for copies in stored.values()] == [1] * len(documents)
    report = push_documents(connection, project, documents)
    assert report == PushReport(unchanged=len(documents))


def test_the_answer_to_an_import_is_lost(studio_server: Server, make_project: MakeProject) -> None:
    """The tasks are there: the push sees that and goes on, and sends none of them again."""
    project = make_project()
    first = Once(b"/import HTTP")
    with meddling(studio_server, "lost", first) as url:
        connection = connect(url, studio_server.token)
        assert push_documents(connection, project, DOCUMENTS, batch=20) == PushReport(created=COUNT)
    assert first.happened
    assert_whole(studio_server, project)


def test_each_change_in_turn_loses_its_answer(
    studio_server: Server, make_project: MakeProject
) -> None:
    """A push that makes, changes and deletes tasks: whichever answer it loses, it ends well or in
    one clear error, and the same push again leaves what one push would have left."""
    straight = connect(studio_server.url, studio_server.token)
    before = [DOCUMENTS[0], *(one.with_spans(SPANS[:1]) for one in DOCUMENTS[1:3])]
    after = [DOCUMENTS[0], replace(DOCUMENTS[1], meta={"title": "Khác"}), *DOCUMENTS[2:4]]
    errors = 0
    for turn in count():
        project = make_project()
        for documents in (before, before[:1]):  # a surplus copy of the first
            straight.change(
                f"/api/projects/{project.id}/import",
                [document_to_task(document) for document in documents],
                "to prepare",
            )
        nth = Once(b"^(POST|PATCH|DELETE)", skip=turn)
        with meddling(studio_server, "lost", nth) as url:
            try:
                push_documents(connect(url, studio_server.token), project, after)
            except ServiceError as error:
                errors += 1
                assert re.search(r"wanted to .* the connection broke .* run ", str(error))
        push_documents(straight, project, after)
        assert_whole(studio_server, project, after)
        if not nth.happened:
            break
    assert (turn, errors) == (5, 4)  # a lost import is found stored


def test_the_answer_to_a_new_project_is_lost(studio_server: Server) -> None:
    straight = connect(studio_server.url, studio_server.token)
    lost = Once(b"POST /api/projects")
    with meddling(studio_server, "lost", lost) as url:
        connection = connect(url, studio_server.token)
        with pytest.raises(ServiceError, match=r"to make the project .* the connection broke"):
            ensure_project(connection, "Tạo một lần")
    made = find_project(straight, "Tạo một lần")
    assert made is not None
    assert ensure_project(straight, "Tạo một lần") == made


def test_slow_answers_are_waited_for(studio_server: Server, make_project: MakeProject) -> None:
    project = make_project()
    with meddling(studio_server, "slow", lambda line: True) as url:
        connection = connect(url, studio_server.token)
        assert push_documents(connection, project, DOCUMENTS) == PushReport(created=COUNT)
        assert pull_annotations(connection, project) == ([], PullReport())
    assert_whole(studio_server, project)


def test_answers_that_never_come(
    studio_server: Server, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("READ_TIMEOUT", "WRITE_TIMEOUT", "EXPORT_TIMEOUT"):
        monkeypatch.setattr(f"annotate.studio.connection.{name}", 1.5)
    project = make_project()
    few = DOCUMENTS[:5]
    with meddling(studio_server, "stalled", Once(b"/import HTTP")) as url:
        # the tasks are found stored when the waiting is over
        report = push_documents(connect(url, studio_server.token), project, few)
        assert report == PushReport(created=5)
    with meddling(studio_server, "stalled", lambda line: b"whoami" not in line) as url:
        connection = connect(url, studio_server.token)
        with pytest.raises(ServiceError, match=r"to list the tasks of .*; no answer in time; look"):
            push_documents(connection, project, few)
        with pytest.raises(ServiceError, match=r"wanted to .*; no answer in time; look"):
            pull_annotations(connection, project)
    assert_whole(studio_server, project, few)


@pytest.mark.parametrize("fault", ["lost", "cut"])
def test_the_answer_to_a_pull_is_lost(
    studio_server: Server, make_project: MakeProject, fault: Fault
) -> None:
    """Questions may be asked again: a lost answer is, one that breaks off is an error."""
    straight = connect(studio_server.url, studio_server.token)
    project = make_project()
    push_documents(straight, project, DOCUMENTS[:3])
    submit_documents(straight, find_tasks(straight, project), DOCUMENTS[:3])
    wanted = pull_annotations(straight, project)
    assert wanted[1].documents == 3
    exporting = Once(rb"/export\?")
    with meddling(studio_server, fault, exporting) as url:
        connection = connect(url, studio_server.token)
        if fault == "cut":
            with pytest.raises(ServiceError, match=r"to export .* the connection broke"):
                pull_annotations(connection, project)
        documents, report = pull_annotations(connection, project)
    assert exporting.happened
    assert [one.spans for one in documents] == [one.spans for one in wanted[0]]
    assert report == wanted[1]


def test_a_project_that_is_deleted_under_way_is_made_anew(
    studio: Connection, make_project: MakeProject, studio_server: Server
) -> None:
    project = make_project()

    def delete(done: int) -> None:
        studio.client.projects.delete(project.id)

    with pytest.raises(ServiceError, match=r"404 Not Found.* 20 new documents were stored before"):
        push_documents(studio, project, DOCUMENTS, batch=20, progress=delete)
    with pytest.raises(ServiceError, match=r"to list the drafts of .* 404 Not Found"):
        pull_annotations(studio, project)
    again = ensure_project(studio, project.title)
    assert push_documents(studio, again, DOCUMENTS) == PushReport(created=COUNT)
    assert_whole(studio_server, again)


def test_a_token_that_is_withdrawn_under_way(
    studio_server: Server, make_project: MakeProject
) -> None:
    annotator = create_annotator(studio_server, "Người Mất Khóa")
    connection = connect(studio_server.url, annotator.token)
    project = make_project()
    new: list[str] = []

    def withdraw(done: int) -> None:
        with connection.asking("to reset the token"):
            new.append(connection.client.users.reset_token().token)

    with pytest.raises(ServiceError, match=r"401 Unauthorized: the API key is not accepted"):
        push_documents(connection, project, DOCUMENTS, batch=20, progress=withdraw)
    report = push_documents(connect(studio_server.url, new[0]), project, DOCUMENTS)
    assert report == PushReport(created=COUNT - 20, unchanged=20)
    assert_whole(studio_server, project)


def test_the_server_stops_under_way_and_comes_back(studio_folder: Path) -> None:
    server = start_server(studio_folder)
    connection = connect(server.url, server.token)
    project = ensure_project(connection, "Máy chủ dừng")

    def stop(count: int) -> None:
        stop_server(studio_folder)

    with pytest.raises(ServiceError, match=r"20 new documents were stored before; run the same"):
        push_documents(connection, project, DOCUMENTS, batch=20, progress=stop)
    with pytest.raises(ServiceError, match=r"no Label Studio answers there; start it"):
        pull_annotations(connection, project)

    server = start_server(studio_folder)
    connection = connect(server.url, server.token)
    found = find_project(connection, "Máy chủ dừng")
    assert found is not None
    report = push_documents(connection, found, DOCUMENTS, batch=20)
    assert report == PushReport(created=COUNT - 20, unchanged=20)
    assert_whole(server, found)


def test_the_server_is_killed_in_the_middle_of_a_batch(studio_folder: Path) -> None:
    server = start_server(studio_folder)
    connection = connect(server.url, server.token)
    project = ensure_project(connection, "Máy chủ chết")
    chance = random.Random(17)
    killers: list[threading.Thread] = []

    def kill_soon(done: int) -> None:
        killer = threading.Timer(chance.random() * 0.2, os.killpg, [server.pid, signal.SIGKILL])
        killers.append(killer)
        killer.start()

    with pytest.raises(ServiceError, match=r"to send 5 tasks .* run the same push again"):
        push_documents(connection, project, DOCUMENTS, batch=5, progress=kill_soon)
    for killer in killers:
        killer.cancel()
    server = start_server(studio_folder)
    push_documents(connect(server.url, server.token), project, DOCUMENTS)
    found = find_project(connect(server.url, server.token), "Máy chủ chết")
    assert found is not None
    assert_whole(server, found)


def test_the_servers_disk_is_full(
    studio_server: Server, studio_folder: Path, tmp_path: Path
) -> None:
    """Its data on a small file system of its own, which another file fills for a while."""
    data = studio_folder / "data"
    aside = tmp_path / "aside"
    data.rename(aside)
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "vipol-test", str(data)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system, and not everywhere")
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True)
        server = start_server(studio_folder)
        connection = connect(server.url, server.token)
        project = ensure_project(connection, "Đĩa đầy")
        filler = data / "filler"
        with suppress(OSError), open(filler, "wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1 << 20))
        with pytest.raises(ServiceError, match=r"to send 60 tasks .* disk is full.* run the same"):
            push_documents(connection, project, DOCUMENTS)
        assert list_tasks(connection, project).total == 0
        filler.unlink()
        push_documents(connection, project, DOCUMENTS)
        assert_whole(server, project)
    finally:
        stop_server(studio_folder)
        subprocess.run(["umount", str(data)], check=True)


def test_the_disk_that_a_pull_writes_to_is_full(
    studio_server: Server, studio: Connection, make_project: MakeProject, tmp_path: Path
) -> None:
    """As the command; the limit on the size of a file stands for the disk."""
    project = make_project()
    push_documents(studio, project, DOCUMENTS[:3])
    submit_documents(studio, find_tasks(studio, project), DOCUMENTS[:3])
    output = tmp_path / "annotations.jsonl"
    output.write_text("of the last pull\n")
    arguments = ["pull", "--project", project.title, "-o", str(output)]
    command = [sys.executable, "-m", "annotate", *arguments, "--url", studio_server.url]
    full = subprocess.run(
        ["prlimit", "--fsize=2000", *command],
        env=os.environ | {"LABEL_STUDIO_API_KEY": studio_server.token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 1
    assert full.stderr == f"vipol: {output}: cannot be written (File too large)\n"
    assert output.read_text() == "of the last pull\n"
    assert list(tmp_path.iterdir()) == [output]
    write_documents(output, pull_annotations(studio, project)[0])
    assert [one.spans for one in read_documents(output)] == [SPANS] * 3


def _push(url: str, token: str, title: str, relabelled: bool, done: PipeEnd) -> None:
    """A push in a process of its own that says when it begins and after every batch."""
    connection = connect(url, token)
    project = find_project(connection, title)
    assert project is not None
    spans = SPANS[:1] if relabelled else SPANS
    documents = [document.with_spans(spans) for document in DOCUMENTS]
    done.send("begins")
    push_documents(connection, project, documents, batch=5, progress=done.send)


def test_killed_at_ten_moments_and_run_again(
    studio_server: Server, make_project: MakeProject
) -> None:
    """Pushes that take turns in changing all pre-labels, each killed somewhere on its way."""
    project = make_project()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "label_studio_sdk.client"])
    chance = random.Random(13)
    for turn in range(10):
        here, there = context.Pipe()
        arguments = (studio_server.url, studio_server.token, project.title, turn % 3 == 2, there)
        push = context.Process(target=_push, args=arguments)
        push.start()
        for _ in range(1 + chance.randrange(4)):
            here.recv()
        time.sleep(chance.random() * 0.2)
        push.kill()
        push.join()
        assert push.exitcode == -signal.SIGKILL  # it was still under way
    push_documents(connect(studio_server.url, studio_server.token), project, DOCUMENTS)
    assert_whole(studio_server, project)


def at_once(*pushes: Callable[[], object]) -> None:
    """Run these together, each in a thread; none may fail."""
    together = threading.Barrier(len(pushes))
    failures: list[ServiceError] = []

    def run(push: Callable[[], object]) -> None:
        together.wait()
        try:
            push()
        except ServiceError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(push,)) for push in pushes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_pushes_of_changed_prelabels_at_once(
    studio_server: Server, make_project: MakeProject
) -> None:
    project = make_project()
    one, two = (connect(studio_server.url, studio_server.token) for _ in range(2))
    push_documents(one, project, [document.with_spans(SPANS[:1]) for document in DOCUMENTS])
    at_once(
        lambda: push_documents(one, project, DOCUMENTS, batch=10),
        lambda: push_documents(two, project, DOCUMENTS, batch=10),
    )
    push_documents(one, project, DOCUMENTS)
    assert_whole(studio_server, project)


@pytest.mark.parametrize("title", ["Cùng lúc 1", "Cùng lúc 2", "Cùng lúc 3"])
def test_two_pushes_that_make_the_project_at_once(studio_server: Server, title: str) -> None:
    one, two = (connect(studio_server.url, studio_server.token) for _ in range(2))
    made: list[Project] = []
    at_once(
        lambda: made.append(ensure_project(one, title)),
        lambda: made.append(ensure_project(two, title)),
    )
    found = find_project(one, title)
    assert made == [found, found]


def test_two_pushes_at_once(studio_server: Server, make_project: MakeProject) -> None:
    project = make_project()
    one, two = (connect(studio_server.url, studio_server.token) for _ in range(2))
    at_once(
        lambda: push_documents(one, project, DOCUMENTS, batch=10),
        lambda: push_documents(two, project, DOCUMENTS, batch=10),
    )
    push_documents(one, project, DOCUMENTS)
    assert_whole(studio_server, project)
