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

    Raises ServiceError where the server does not answer or the email is taken or refused.
    """
    import httpx

    login = (email or f"{_login_name(name)}@vipol.example").lower()
    accounts = load_annotators(server)
    if login in accounts:
        return accounts[login]
    password = secrets.token_urlsafe(12)
    try:
        with (
            httpx.Client(base_url=server.url, trust_env=False, timeout=60) as administrator,
            httpx.Client(base_url=server.url, trust_env=False, timeout=60) as person,
        ):
            administrator.headers["Authorization"] = f"Token {server.token}"
            invitation = _json(administrator.get("/api/invite"))["invite_url"]
            _sign_up(person, invitation, login, password)
            token = _json(person.get("/api/current-user/token"))["token"]
            identity = _json(person.get("/api/current-user/whoami"))["id"]
            renamed = administrator.patch(f"/api/users/{identity}/", json={"first_name": name})
            _json(renamed)
    except httpx.HTTPError as error:
        raise ServiceError(
            f"{server.url}: wanted to make the account {login}; the server does not answer "
            f"({type(error).__name__}); see vipol studio status"
        ) from None
    annotator = Annotator(name, login, password, token)
    accounts[login] = annotator
    write_private(
        server.folder / _ACCOUNTS,
        {
            one.email: {"name": one.name, "password": one.password, "token": one.token}
            for one in accounts.values()
        },
    )
    return annotator


def load_annotators(server: Server) -> dict[str, Annotator]:
    """The accounts made with `create_annotator` on this server, by email."""
    stored = read_private(server.folder / _ACCOUNTS) or {}
    return {
        email: Annotator(account["name"], email, account["password"], account["token"])
        for email, account in stored.items()
    }


def _login_name(name: str) -> str:
    """A name as the local part of an address: Latin letters and digits, joined by hyphens."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    latin = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode()).strip("-")
    if not latin:
        raise ServiceError(f"{name!r} gives no login name; give an email as well")
    return latin


def _sign_up(person: Any, invitation: str, login: str, password: str) -> None:
    page = person.get(invitation)
    answer = person.post(
        invitation,
        data={
            "email": login,
            "password": password,
            "csrfmiddlewaretoken": person.cookies.get("csrftoken", ""),
        },
        headers={"Referer": str(page.url)},
    )
    if answer.status_code != 302:  # on success it leads on; the form comes back with its errors
        said = re.findall(r'class="[^"]*error[^"]*"[^>]*>\s*([^<]+)', answer.text)
        raise ServiceError(
            f"the account {login} was refused: {'; '.join(map(str.strip, said)) or answer.status_code}"
            "; take another email, or log in with the password that it has"
        )


def _json(answer: Any) -> Any:
    if answer.status_code != 200:
        raise ServiceError(
            f"{answer.request.url.copy_with(query=None)}: answered {answer.status_code}; "
            "the server's log says more"
        )
    return answer.json()
