"""Accounts for annotators on the embedded server, each with a password and a token."""

import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from annotate.errors import ServiceError
from annotate.studio.server import Server, read_private, write_private

_ACCOUNTS = "annotators.json"


@dataclass(frozen=True, slots=True)
class Annotator:
    """A user of the server. `email` is the login and what `completed_by` leads to."""

    name: str
    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def create_annotator(server: Server, name: str, email: str | None = None) -> Annotator:
    """Make an account for `name` on an embedded server, or give back the one made before.

    Without `email` the login is the name at a domain that can receive no mail. Password and
    token are kept in the server's folder, in a file that only its owner can read. The
    account is made as a person would make it: over the server's invitation link.

    Raises ServiceError where the server does not answer, the email is taken or refused, or the
    login that the name gives is somebody else's (Hà and Hạ are both `ha`).
    """
    import httpx

    login = (email or f"{_login_name(name)}@vipol.example").lower()
    accounts = read_private(server.folder / _ACCOUNTS) or {}
    account = accounts.get(login)
    if account is not None and email is None and account["name"] != name:
        raise ServiceError(
            f"{name!r} gives the login {login}, which is {account['name']!r}'s; "
            "give an email as well"
        )
    if account is not None and account["token"]:
        return _annotator(login, account)
    begun = account is not None
    if account is None:
        # Noted before it is used: cut off after signing up, the next call can still log in.
        account = {"name": name, "password": secrets.token_urlsafe(12), "token": None}
        write_private(server.folder / _ACCOUNTS, accounts | {login: account})
    try:
        account["token"] = _open_account(server, login, account, begun)
    except (ServiceError, httpx.HTTPError) as error:
        if isinstance(error, ServiceError):
            write_private(server.folder / _ACCOUNTS, accounts)
            raise
        raise ServiceError(
            f"{server.url}: wanted to make the account {login}; the server does not answer "
            f"({type(error).__name__}); see vipol studio status"
        ) from None
    write_private(server.folder / _ACCOUNTS, accounts | {login: account})
    return _annotator(login, account)


def load_annotators(server: Server) -> dict[str, Annotator]:
    """The accounts made with `create_annotator` on this server, by email."""
    stored = read_private(server.folder / _ACCOUNTS) or {}
    return {
        login: _annotator(login, account) for login, account in stored.items() if account["token"]
    }


def _annotator(login: str, account: dict[str, str]) -> Annotator:
    return Annotator(account["name"], login, account["password"], account["token"])


def _open_account(server: Server, login: str, account: dict[str, Any], begun: bool) -> str:
    """Sign up (or log in, where an earlier call got that far) and name the user; the token."""
    import httpx

    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as administrator,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as person,
    ):
        administrator.headers["Authorization"] = f"Token {server.token}"
        if not (begun and send_form(person, "/user/login/", login, account["password"]) is None):
            invitation = _json(administrator.get("/api/invite"))["invite_url"]
            refusal = send_form(person, invitation, login, account["password"])
            if refusal is not None:
                raise ServiceError(
                    f"{server.url}: the account {login} was refused ({refusal}); take another email"
                )
        token: str = _json(person.get("/api/current-user/token"))["token"]
        identity = _json(person.get("/api/current-user/whoami"))["id"]
        _json(administrator.patch(f"/api/users/{identity}/", json={"first_name": account["name"]}))
        return token


def _login_name(name: str) -> str:
    """A name as the local part of an address: Latin letters and digits, joined by hyphens."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    latin = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode()).strip("-")
    if not latin:
        raise ServiceError(f"{name!r} gives no login name; give an email as well")
    return latin


_FIELD_ERROR = re.compile(r'<ul class="field_errors">\s*<li>([^<]+)</li>')


def send_form(person: Any, address: str, login: str, password: str) -> str | None:
    """Sign up or log in as a browser would; None when it worked, else the page's reason."""
    page = person.get(address)
    answer = person.post(
        address,
        data={
            "email": login,
            "password": password,
            "csrfmiddlewaretoken": person.cookies.get("csrftoken", ""),
        },
        headers={"Referer": str(page.url)},
    )
    if answer.status_code == 302:  # on success it leads on; the form comes back with its errors
        return None
    said = [" ".join(reason.split()) for reason in _FIELD_ERROR.findall(answer.text)]
    return "; ".join(said) or f"status {answer.status_code}"


def _json(answer: Any) -> Any:
    if answer.status_code != 200:
        raise ServiceError(
            f"{answer.request.url.copy_with(query=None)}: answered {answer.status_code}; "
            "the server's log says more"
        )
    return answer.json()
