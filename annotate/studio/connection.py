"""A connection to a Label Studio server, embedded or not, whose failures are one-line errors."""

import codecs
import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from annotate.errors import ServiceError

if TYPE_CHECKING:
    import httpx
    from label_studio_sdk.client import LabelStudio
    from label_studio_sdk.core.request_options import RequestOptions

LOGIN_TIMEOUT = 30
"""Seconds for the first answer of a server."""

READ_TIMEOUT = 120
"""Seconds for one answer to a question."""

EXPORT_TIMEOUT = 900
"""Seconds for the beginning of an export, which the server makes as a whole before."""

WRITE_TIMEOUT = 300
"""Seconds for one answer to a change; a change is sent once only."""

_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class Connection:
    """A server that answered, and who we are there."""

    url: str
    user: str
    client: "LabelStudio"
    transport: "httpx.Client" = field(repr=False)

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn every failure of the service inside the block into a ServiceError that
        says where, what we wanted (`what`, such as "to import tasks") and what to do."""
        with _explained(self.url, what):
            yield

    def read(self, path: str, parameters: dict[str, Any], what: str) -> Any:
        """The JSON that the server gives for a question. Raises ServiceError.

        For what is large the SDK's own methods are too slow: building an object for each field
        of questions and answers takes as long as the server's work.
        """
        with self.asking(what):
            answer = self._ask(path, parameters, READ_TIMEOUT)
            with closing(answer):
                answer.read()
                _require_json(answer)
                return answer.json()

    def stream(self, path: str, parameters: dict[str, Any], what: str) -> Iterator[dict[str, Any]]:
        """The objects of the JSON list that the server gives for a question, one at a time, so
        that a large answer never lies in memory as a whole. Raises ServiceError."""
        with self.asking(what):
            answer = self._ask(path, parameters, EXPORT_TIMEOUT)
            with closing(answer):
                if not answer.is_success:
                    answer.read()
                _require_json(answer)
                yield from _objects(answer.iter_bytes())

    def _ask(self, path: str, parameters: dict[str, Any], timeout: float) -> "httpx.Response":
        """The answer to a question, its body not yet read."""
        import httpx

        question = self._request("GET", path, timeout, params=parameters)
        try:
            return self.transport.send(question, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            # The server had closed the connection that was kept open: ask on a new one.
            return self.transport.send(question, stream=True)

    def change(self, path: str, body: Any, what: str) -> Any:
        """Ask for a change, once only, and give the server's answer. Raises ServiceError."""
        with self.asking(what):
            content = json.dumps(body, ensure_ascii=False).encode()
            change = self._request("POST", path, WRITE_TIMEOUT, content=content)
            answer = self.transport.send(change)
            _require_json(answer)
            return answer.json()

    def _request(self, method: str, path: str, timeout: float, **more: Any) -> "httpx.Request":
        # The SDK renews a personal access token here when it has run out.
        headers = self.client._client_wrapper.get_headers()
        headers["Content-Type"] = "application/json"
        return self.transport.build_request(
            method, f"{self.url}{path}", headers=headers, timeout=timeout, **more
        )


def _require_json(answer: "httpx.Response") -> None:
    """Raise what `_explained` explains unless the server did as asked and says so in JSON."""
    from label_studio_sdk.core.api_error import ApiError

    kind = answer.headers.get("content-type", "")
    is_json = "json" in kind  # the export calls itself application/.json
    if not answer.is_success:
        raise ApiError(
            status_code=answer.status_code,
            headers=dict(answer.headers),
            body=answer.json() if is_json else answer.text,
        )
    if not is_json:
        raise ValueError(f"content type {kind!r}")


def _objects(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list of objects that comes in chunks. Raises ValueError."""
    decode = json.JSONDecoder().raw_decode
    rest, before = "", "["
    for block in _blocks(chunks):
        rest += block
        place = 0
        while (at := _skip_space(rest, place)) < len(rest):
            begin = _skip_space(rest, at + 1)
            if rest[at] == "]" and before == ",":
                return
            if rest[at] != before:
                raise ValueError(f"{before!r} wanted, found {rest[at]!r}")
            if before == "[" and rest.startswith("]", begin):
                return
            try:
                found, place = decode(rest, begin)
            except json.JSONDecodeError:
                break  # its end is in a later block
            before = ","
            yield found
        rest = rest[place:]
    raise ValueError("the list breaks off")


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _blocks(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text of chunks of UTF-8, gathered into blocks of about `_BLOCK` bytes."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _BLOCK:
            yield decode(b"".join(held))
            held, size = [], 0
    yield decode(b"".join(held), final=True)


def write_once() -> "RequestOptions":
    """Request options for a change: never sent a second time by the client itself, since a
    request whose answer was lost may have been carried out."""
    return {"max_retries": 0, "timeout_in_seconds": WRITE_TIMEOUT}


def connect(url: str, api_key: str) -> Connection:
    """Connect to the server at `url` with a token of either kind, and ask who we are.

    Raises ServiceError where the address is none, the server does not answer, or the token
    is not accepted.
    """
    import httpx
    from label_studio_sdk.client import LabelStudio

    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname and parts.port != 0)
    except ValueError:  # brackets that do not close, a port that is none
        is_address = False
    if not is_address:
        raise ServiceError(f"{url!r} is no address; wanted one like http://127.0.0.1:8080")
    if not api_key or not api_key.isascii() or not api_key.isprintable():
        raise ServiceError(
            f"{url}: the API key is empty or broken; "
            "copy it from Account & Settings in Label Studio"
        )
    base = url.rstrip("/")
    # A proxy of the environment stands between us and the world, not between us and ourselves.
    # Redirects are not followed: on its way a change would become a question.
    transport = httpx.Client(
        timeout=READ_TIMEOUT,
        follow_redirects=False,
        trust_env=not _is_loopback(parts.hostname or ""),
    )
    with _explained(base, "to log in"):
        client = LabelStudio(  # type: ignore[no-untyped-call]
            base_url=base, api_key=api_key, httpx_client=transport
        )
        # Not tried again: when the server is down the user should hear of it at once.
        try:
            user = client.users.whoami(
                request_options={"max_retries": 0, "timeout_in_seconds": LOGIN_TIMEOUT}
            )
        except TypeError:
            raise ValueError("JSON of another kind") from None
        if not isinstance(user.id, int):  # the SDK does not look
            raise ValueError("JSON that names no user")
    return Connection(base, user.email or user.username or str(user.id), client, transport)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _explained(url: str, what: str) -> Iterator[None]:
    import httpx
    from label_studio_sdk.core.api_error import ApiError
    from pydantic import ValidationError

    try:
        yield
    except ApiError as error:
        raise ServiceError(f"{url}: wanted {what}; {_reason(error)}") from None
    except httpx.ConnectError as error:
        if "SSL" in str(error):
            raise ServiceError(
                f"{url}: wanted {what}; no secure connection ({_one_line(str(error))}); "
                "check the certificate, or whether the address begins with http://"
            ) from None
        raise ServiceError(
            f"{url}: wanted {what}; no Label Studio answers there; "
            "start it (vipol studio up) or correct the address"
        ) from None
    except httpx.TimeoutException:
        raise ServiceError(
            f"{url}: wanted {what}; no answer in time; look at the server's load, then run again"
        ) from None
    except httpx.HTTPError as error:
        raise ServiceError(
            f"{url}: wanted {what}; the connection broke ({type(error).__name__}: {error}); "
            "see that the server runs, then run again"
        ) from None
    except (ValidationError, ValueError, httpx.InvalidURL) as error:
        # The SDK could not read the answer: something that is no Label Studio spoke.
        raise ServiceError(
            f"{url}: wanted {what}; the answer is not Label Studio's "
            f"({_one_line(str(error))}); check the address"
        ) from None


_NO_ANSWER = "the server behind this address does not answer; wait until it does, then run again"


def _reason(error: Any) -> str:
    status = error.status_code or 0
    name = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "no status"
    if 300 <= status < 400:
        place = (error.headers or {}).get("location", "nowhere")
        return (
            f"{status} {name}: it sends us on to {place}; give the address of Label Studio itself"
        )
    if status < 300:  # the SDK found no JSON in it
        said = _one_line(_detail(error.body)) or "nothing"
        return f"the answer is not Label Studio's ({said}); check the address"
    advice = {
        401: "the API key is not accepted; copy it anew from Account & Settings, "
        "or let the organisation allow tokens of its kind",
        403: "this user may not do that; use the key of one who may",
        404: "there is no such thing on the server; check address and project",
        413: "what stands before the server takes no request as large; let it take 50 MB",
        502: _NO_ANSWER,
        503: _NO_ANSWER,
        504: _NO_ANSWER,
    }.get(status)
    if advice:
        return f"{status} {name}: {advice}"
    return f"{status} {name}: {_one_line(_detail(error.body))}"


def _detail(body: Any) -> str:
    """What the server says went wrong; pages of HTML are left out."""
    if isinstance(body, dict):
        said = body.get("validation_errors") or body.get("detail") or body
        return str(said)
    text = str(body)
    return "(an HTML page)" if text.lstrip()[:1] == "<" else text


def _one_line(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
