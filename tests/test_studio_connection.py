import json
import socket
import threading
from collections.abc import Iterator

import pytest

from annotate.errors import ServiceError
from annotate.studio.connection import _objects, connect
from annotate.studio.project import Project, ensure_project, find_project
from annotate.studio.pull import pull_annotations
from annotate.studio.push import push_documents
from annotate.studio.server import Server

TOKEN = "0123456789" * 4


@pytest.mark.studio
def test_a_connection_knows_who_it_is(studio_server: Server) -> None:
    assert connect(studio_server.url + "/", studio_server.token).user == studio_server.user


@pytest.mark.studio
def test_a_wrong_token(studio_server: Server) -> None:
    with pytest.raises(ServiceError, match=r"401 Unauthorized: the API key is not accepted"):
        connect(studio_server.url, TOKEN)


@pytest.mark.studio
def test_a_personal_access_token_works_too(studio_server: Server) -> None:
    made = connect(studio_server.url, studio_server.token).client.tokens.create()
    assert connect(studio_server.url, str(made.token)).user == studio_server.user


@pytest.mark.studio
def test_another_page_of_the_same_host(studio_server: Server) -> None:
    with pytest.raises(ServiceError, match=r"404 Not Found.*check address and project"):
        connect(f"{studio_server.url}/elsewhere", studio_server.token)


@pytest.mark.studio
def test_a_project_that_is_not_there(studio_server: Server) -> None:
    connection = connect(studio_server.url, studio_server.token)
    assert find_project(connection, "Không có dự án này") is None
    gone = Project(999_999, "đã xóa", f"{studio_server.url}/projects/999999/data")
    with pytest.raises(ServiceError, match=r"404 Not Found"):
        pull_annotations(connection, gone)
    with pytest.raises(ServiceError, match=r"404 Not Found"):
        push_documents(connection, gone, [])


OBJECTS = [{"a": "Đảng ủy"}, {"b": [1, {"]": "},{"}], "c": " "}, {}]


@pytest.mark.parametrize("spaces", [(", ", ": "), (",", ":"), (" ,\n\t", ": ")])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_objects_are_read_from_any_chunks(
    monkeypatch: pytest.MonkeyPatch, spaces: tuple[str, str], size: int
) -> None:
    monkeypatch.setattr("annotate.studio.connection._BLOCK", 1)
    for objects in (OBJECTS, OBJECTS[:1], []):
        sent = json.dumps(objects, ensure_ascii=False, separators=spaces).encode()
        chunks = [sent[start : start + size] for start in range(0, len(sent), size)]
        assert list(_objects(chunks)) == objects


@pytest.mark.parametrize(
    "sent", ["", "[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1},]', '[{"a":', "{}"]
)
def test_a_list_that_breaks_off_is_no_list(sent: str) -> None:
    with pytest.raises(ValueError, match=r"breaks off|wanted, found"):
        list(_objects([sent.encode()]))


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServiceError, match=r"no Label Studio answers there; start it") as caught:
        connect(url, TOKEN)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("url", ["", "foo", "127.0.0.1:8080", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServiceError, match=r"is no address; wanted one like http://"):
        connect(url, TOKEN)


@pytest.mark.parametrize("key", ["", "khóa", "two\nlines"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ServiceError, match=r"the API key is empty or broken"):
        connect("http://127.0.0.1:1", key)


@pytest.fixture
def something_else() -> Iterator[str]:
    """The address of a service that answers every request with a page of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>"

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(page)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_something_that_is_no_label_studio(something_else: str) -> None:
    with pytest.raises(ServiceError, match=r"wanted to log in") as caught:
        connect(something_else, TOKEN)
    assert "\n" not in str(caught.value)


@pytest.mark.studio
@pytest.mark.parametrize("title", ["ab", "x" * 51, "   ab   "])
def test_a_title_that_does_not_fit(studio_server: Server, title: str) -> None:
    connection = connect(studio_server.url, studio_server.token)
    with pytest.raises(ServiceError, match=r"a title of 3 to 50 characters was wanted"):
        ensure_project(connection, title)
