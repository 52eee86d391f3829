"""A connection to a Label Studio server, embedded or not, whose failures are one-line errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
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

READ_TIMEOUT = 300
"""Seconds for one answer to a question."""

WRITE_TIMEOUT = 600
"""Seconds for one answer to a change; a change is sent once only."""


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
        import httpx

        with self.asking(what):
            question = self._request("GET", path, READ_TIMEOUT, params=parameters)
            try:
                answer = self.transport.send(question)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                # The server had closed the connection that was kept open: ask on a new one.
                answer = self.transport.send(question)
            return _content(answer)

    def change(self, path: str, body: Any, what: str) -> Any:
        """Ask for a change, once only, and give the server's answer. Raises ServiceError."""
        with self.asking(what):
            content = json.dumps(body, ensure_ascii=False).encode()
            change = self._request("POST", path, WRITE_TIMEOUT, content=content)
            return _content(self.transport.send(change))

    def _request(self, method: str, path: str, timeout: int, **more: Any) -> "httpx.Request":
        # The SDK renews a personal access token here when it has run out.
        headers = self.client._client_wrapper.get_headers()
        headers["Content-Type"] = "application/json"
        return self.transport.build_request(
            method, f"{self.url}{path}", headers=headers, timeout=timeout, **more
        )


def _content(answer: "httpx.Response") -> Any:
    from label_studio_sdk.core.api_error import ApiError

    # The export calls itself application/.json.
    is_json = "json" in answer.headers.get("content-type", "")
    body = answer.json() if is_json else answer.text
    if not answer.is_success:
        raise ApiError(status_code=answer.status_code, body=body)
    if not is_json:
        raise ValueError(f"content type {answer.headers.get('content-type')!r}")
    return body


def write_once(timeout: int = WRITE_TIMEOUT) -> "RequestOptions":
    """Request options for a change: never sent a second time by the client itself, since a
    request whose answer was lost may have been carried out."""
    return {"max_retries": 0, "timeout_in_seconds": timeout}


def connect(url: str, api_key: str) -> Connection:
    """Connect to the server at `url` with a token of either kind, and ask who we are.

    Raises ServiceError where the address is none, the server does not answer, or the token
    is not accepted.
    """
    import httpx
    from label_studio_sdk.client import LabelStudio

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServiceError(f"{url!r} is no address; wanted one like http://127.0.0.1:8080")
    if not api_key or not api_key.isascii() or not api_key.isprintable():
        raise ServiceError(
            f"{url}: the API key is empty or broken; "
            "copy it from Account & Settings in Label Studio"
        )
    base = url.rstrip("/")
    # A proxy of the environment stands between us and the world, not between us and ourselves.
    transport = httpx.Client(
        timeout=READ_TIMEOUT, follow_redirects=True, trust_env=not _is_loopback(parts.hostname)
    )
    with _explained(base, "to log in"):
        client = LabelStudio(  # type: ignore[no-untyped-call]
            base_url=base, api_key=api_key, httpx_client=transport
        )
        # Not tried again: when the server is down the user should hear of it at once.
        user = client.users.whoami(request_options={"max_retries": 0, "timeout_in_seconds": 30})
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
    except httpx.ConnectError:
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


def _reason(error: Any) -> str:
    status = error.status_code or 0
    name = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "no status"
    advice = {
        401: "the API key is not accepted; copy it anew from Account & Settings, "
        "or let the organisation allow tokens of its kind",
        403: "this user may not do that; use the key of one who may",
        404: "there is no such thing on the server; check address and project",
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
