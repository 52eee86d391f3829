"""The Hugging Face Hub: what a repository holds, asked with patience, errors in one line.

The token is that of `HF_TOKEN` or of the Hub's own login; it goes to the client library and into
no message.
"""

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from annotate.errors import DataError, ServiceError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LONGEST_WAIT = 900
"""Seconds that we wait at most when the Hub asks for patience."""

Result = TypeVar("Result")

_TRIES = 5
_PATIENCE = 10.0  # seconds, where the Hub does not say how long
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubFile:
    """What the Hub says of a file: SHA-256 of a large one, Git's hash of another."""

    blob: str
    sha256: str | None


@dataclass(slots=True)
class Hub:
    """The repository on the Hub, asked with patience; what goes wrong is a ServiceError."""

    repo: str
    api: "HfApi"
    wait: Callable[[float], None]
    token: str | None = field(repr=False)

    def ask(self, what: str, question: Callable[[], Result]) -> Result:
        """The answer to a question; a 429 is waited for, as the request was not carried out."""
        for attempt in range(1, _TRIES + 1):
            try:
                return question()
            except Exception as error:
                seconds = _seconds_to_wait(error)
                if seconds is None or seconds > LONGEST_WAIT or attempt == _TRIES:
                    self.fail(what, error)
            self.wait(seconds)
        raise AssertionError("the last attempt returns or raises")

    def fail(self, what: str, error: Exception) -> NoReturn:
        """Raise the one-line error of what the client library raised."""
        reason, advice = _explain(error, self.repo)
        text = f"{self.api.endpoint}: {what}: {reason}; {advice}"
        if self.token:
            text = text.replace(self.token, "[token]")
        raise ServiceError(" ".join(text.split())) from None


def _cause(error: BaseException) -> BaseException:
    """What an error of an upload thread wraps."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _seconds_to_wait(error: BaseException) -> float | None:
    """Seconds to wait after a 429, None for any other error."""
    from huggingface_hub.errors import HfHubHTTPError

    error = _cause(error)
    if not isinstance(error, HfHubHTTPError) or error.response.status_code != 429:
        return None
    after = error.response.headers.get("Retry-After", "")
    if after.isdigit():
        return float(after)
    try:
        then = parsedate_to_datetime(after)
    except ValueError:
        return _PATIENCE
    if then.tzinfo is None:  # how the parser reads -0000
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _explain(error: BaseException, repo: str) -> tuple[str, str]:
    """What went wrong and what to do next."""
    import httpx2
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    error = _cause(error)
    again = "run it again: what arrived is not sent again"
    if isinstance(error, LocalTokenNotFoundError):
        return "no token", "set HF_TOKEN or run hf auth login"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set", "unset it to publish"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no {repo}, or the token may not see it", "check the name and the token"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 401:
            return "the token was refused (401)", "set HF_TOKEN to a token that is valid"
        if status == 403:
            return (
                f"the token may not do this ({status})",
                f"take one with write permission for {repo.partition('/')[0]}",
            )
        if status in (409, 412):
            return f"somebody else changed {repo} meanwhile ({status})", "look at it and run again"
        if status == 429:
            seconds = _seconds_to_wait(error)
            return "too many requests (429)", f"run it again in {seconds or _PATIENCE:.0f} seconds"
        said = " ".join((error.server_message or "").split())[:150]
        reason = f"HTTP {status}" + (f" ({said})" if said else "")
        return reason, again if status >= 500 else "mend that and run it again"
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if isinstance(error, httpx2.HTTPError | OSError):
        return f"no answer ({reason})", again
    return reason, "mend that and run it again"


@dataclass(frozen=True, slots=True)
class HubState:
    """What a repository has: its newest commit, the files of that by path, tags with commits."""

    exists: bool = False
    private: bool = False
    head: str | None = None
    files: Mapping[str, HubFile] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def open_hub(repo: str, wait: Callable[[float], None] | None = None) -> Hub:
    """The repository `ORG/NAME` of the Hub of `HF_ENDPOINT`; nothing is asked yet.

    `wait` is called with the seconds that the Hub asks us to wait (default: waits). Raises
    DataError for a name that no repository has.
    """
    from huggingface_hub import HfApi, get_token

    if not _NAME.fullmatch(repo) or len(repo) > 96 or ".." in repo or "--" in repo:
        raise DataError(f"{repo}: no name of a dataset on the Hub; ORG/NAME was wanted")
    return Hub(repo, HfApi(library_name="vipol"), wait or time.sleep, get_token())


def read_state(hub: Hub) -> HubState:
    """What the repository has now; `exists` is false also where the token may not see it."""
    from huggingface_hub.errors import RepositoryNotFoundError

    repo, api = hub.repo, hub.api

    def read_info() -> Any:
        try:
            return api.repo_info(repo, repo_type="dataset")
        except RepositoryNotFoundError:
            return None

    info = hub.ask(f"reading {repo}", read_info)
    if info is None:
        return HubState()
    files = read_tree(hub, info.sha)
    refs = hub.ask(
        f"reading the tags of {repo}", lambda: api.list_repo_refs(repo, repo_type="dataset")
    )
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    return HubState(True, bool(info.private), info.sha, files, tags)


def read_tree(hub: Hub, revision: str) -> dict[str, HubFile]:
    """The files of a revision, by path."""
    from huggingface_hub.hf_api import RepoFile

    entries = hub.ask(
        f"listing {hub.repo}",
        lambda: list(
            hub.api.list_repo_tree(hub.repo, recursive=True, revision=revision, repo_type="dataset")
        ),
    )
    return {
        entry.path: HubFile(entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
        for entry in entries
        if isinstance(entry, RepoFile)
    }


def read_file(hub: Hub, state: HubState, name: str) -> bytes | None:
    """A small file of the repository as it is now; None where it has none."""
    if name not in state.files:
        return None
    with tempfile.TemporaryDirectory(prefix="vipol-publish-") as cache:
        path = hub.ask(
            f"reading {name} of {hub.repo}",
            lambda: hub.api.hf_hub_download(
                hub.repo, name, repo_type="dataset", revision=state.head, cache_dir=cache
            ),
        )
        return Path(path).read_bytes()


def is_same(found: HubFile | None, sha256: str, path: Path) -> bool:
    """Whether the Hub's file has the bytes of the one at `path`, whose SHA-256 is given."""
    if found is None:
        return False
    if found.sha256 is not None:
        return found.sha256 == sha256
    return found.blob == git_hash(path.read_bytes())


def git_hash(data: bytes) -> str:
    """The name that Git gives to a file's bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
