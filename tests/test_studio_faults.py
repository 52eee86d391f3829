"""A push that meets a fault ends in one clear error, and the same push again finishes it."""

import multiprocessing
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as PipeEnd
from pathlib import Path

import pytest
from conftest import MakeProject

from annotate.document import Document, Span
from annotate.errors import ServiceError
from annotate.studio.connection import connect
from annotate.studio.project import Project, ensure_project, find_project
from annotate.studio.pull import pull_annotations
from annotate.studio.push import PushReport, push_documents
from annotate.studio.server import Server, start_server, stop_server
from annotate.studio.stored import list_tasks

pytestmark = pytest.mark.studio

TEXT = "Đồng chí Trần A, Bí thư Huyện ủy Sơn Hà, nói ngày 1/2. " * 20
SPANS = (Span(9, 15, "PERSON"), Span(17, 39, "POSITION"), Span(24, 39, "ORG"))
COUNT = 60
DOCUMENTS = [Document(f"n-{n}", TEXT, SPANS) for n in range(COUNT)]


@contextmanager
def losing_answers(server: Server, to: bytes) -> Iterator[str]:
    """The address of a proxy that passes requests on, and drops the connection in place of the
    answer to the first request that contains `to`. The server has then done what was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(server.url.rpartition(":")[2])
    lost = threading.Event()

    def pass_on(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            asked = threading.Event()

            def requests() -> None:
                while data := _received(client):
                    if to in data:
                        asked.set()
                    upstream.sendall(data)
                upstream.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=requests)
            sender.start()
            while data := _received(upstream):
                if asked.is_set() and not lost.is_set():
                    lost.set()
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
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        assert lost.is_set()


def _received(stream: socket.socket) -> bytes:
    try:
        return stream.recv(1 << 16)
    except OSError:
        return b""


def assert_whole(server: Server, project: Project) -> None:
    """Each document has one task with one set of pre-labels, and a push has nothing to do."""
    connection = connect(server.url, server.token)
    stored = list_tasks(connection, project).by_document
    assert stored.keys() == {document.id for document in DOCUMENTS}
    assert [len(copies) for copies in stored.values()] == [1] * COUNT
    assert [copies[0].predictions for copies in stored.values()] == [1] * COUNT
    assert push_documents(connection, project, DOCUMENTS) == PushReport(unchanged=COUNT)


def test_the_answer_to_an_import_is_lost(studio_server: Server, make_project: MakeProject) -> None:
    """The tasks are there: the push sees that and goes on, and sends none of them again."""
    project = make_project()
    with losing_answers(studio_server, b"/import HTTP/1.1") as url:
        connection = connect(url, studio_server.token)
        assert push_documents(connection, project, DOCUMENTS, batch=20) == PushReport(created=COUNT)
    assert_whole(studio_server, project)


def test_the_answer_to_new_prelabels_is_lost(
    studio_server: Server, make_project: MakeProject
) -> None:
    project = make_project()
    changed = [document.with_spans(SPANS[:1]) for document in DOCUMENTS]
    push_documents(connect(studio_server.url, studio_server.token), project, changed)
    with losing_answers(studio_server, b"/import/predictions") as url:
        connection = connect(url, studio_server.token)
        with pytest.raises(ServiceError, match=r"the connection broke .* run again"):
            push_documents(connection, project, DOCUMENTS, batch=20)
    push_documents(connect(studio_server.url, studio_server.token), project, DOCUMENTS)
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


def test_two_pushes_at_once(studio_server: Server, make_project: MakeProject) -> None:
    project = make_project()
    connections = [connect(studio_server.url, studio_server.token) for _ in range(2)]
    together = threading.Barrier(2)
    failures: list[ServiceError] = []

    def push(number: int) -> None:
        together.wait()
        try:
            push_documents(connections[number], project, DOCUMENTS, batch=10)
        except ServiceError as error:
            failures.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    push_documents(connections[0], project, DOCUMENTS)
    assert_whole(studio_server, project)
