import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
def test_a_personal_access_token_works_too(studio_server: Server, personal_token: str) -> None:
    assert connect(studio_server.url, personal_token).user == studio_server.user


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


@pytest.mark.parametrize(
    "url",
    ["", "foo", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://[::1", "http://a:99999"],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServiceError, match=r"is no address; wanted one like http://"):
        connect(url, TOKEN)


@pytest.mark.parametrize("key", ["", "khóa", "two\nlines"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ServiceError, match=r"the API key is empty or broken"):
        connect("http://127.0.0.1:1", key)


@contextmanager
def answering(answer: bytes | None) -> Iterator[str]:
    """The address of a service that gives every request this answer; with None, none ever."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        held = []
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            held.append(client)
            if answer is not None:
                with client:
                    client.recv(65536)
                    client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def page(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", body]).encode()


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page("200 OK", "<html>Sign in</html>"), "not Label Studio's ((an HTML page)); check the"),
        (page("200 OK", ""), "the answer is not Label Studio's (nothing); check the address"),
        (page("200 OK", "[1]", JSON), "not Label Studio's (JSON of another kind); check the"),
        (page("200 OK", '{"a": 1}', JSON), "not Label Studio's (JSON that names no user); check"),
        (page("200 OK", '{"a": ', JSON), "the answer is not Label Studio's"),
        (
            page("302 Found", "", "Location: https://sso.example/in"),
            "302 Found: it sends us on to https://sso.example/in; give the address of Label Studio",
        ),
        (page("502 Bad Gateway", "<html>"), "502 Bad Gateway: the server behind this address does"),
        (page("413 Content Too Large", ""), "takes no request as large; let it take 50 MB"),
        (b"220 mail.example ESMTP\r\n", "the connection broke"),
    ],
)
def test_something_that_is_no_label_studio(answer: bytes, says: str) -> None:
    with answering(answer) as url, pytest.raises(ServiceError) as caught:
        connect(url, TOKEN)
    assert str(caught.value).startswith(f"{url}: wanted to log in; ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotate.studio.connection.LOGIN_TIMEOUT", 0.2)
    with answering(None) as url, pytest.raises(ServiceError, match=r"log in; no answer in time"):
        connect(url, TOKEN)


def test_a_secure_address_of_a_server_that_is_not() -> None:
    with (
        answering(page("400 Bad Request", "")) as url,
        pytest.raises(ServiceError, match=r"no secure connection .* begins with http://"),
    ):
        connect(url.replace("http:", "https:"), TOKEN)


@pytest.mark.studio
@pytest.mark.parametrize("title", ["ab", "x" * 51, "   ab   "])
def test_a_title_that_does_not_fit(studio_server: Server, title: str) -> None:
    connection = connect(studio_server.url, studio_server.token)
    with pytest.raises(ServiceError, match=r"a title of 3 to 50 characters was wanted"):
        ensure_project(connection, title)
