"""A built dataset → the Hugging Face Hub: what would go, and sending it.

    plan_publication   folder and Hub → what differs; sends nothing
    publish            sends the differences in one commit and tags it with the version

The plan is made from what the Hub has now, never from notes about an earlier run. So a run that
broke off is finished by running it again, and a run with nothing to do sends nothing. Large files
go to the Hub's store before the commit; those that arrived are known there by their SHA-256.

The change log (`CHANGELOG.md`) is kept on the Hub: each publication puts a section on top of it.
The topmost section names the version of what is there.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from annotate.dataset.card import CARD
from annotate.dataset.folder import MANIFEST
from annotate.dataset.hub import (
    Hub,
    HubState,
    git_hash,
    is_same,
    open_hub,
    read_file,
    read_state,
    read_tree,
)
from annotate.dataset.publishable import CheckedFolder, check_folder
from annotate.dataset.split import SPLITS
from annotate.errors import DataError, ServiceError

CHANGES = "CHANGELOG.md"

FileState = Literal["new", "changed", "same", "gone"]

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)", re.ASCII)
_SECTION = re.compile(r"^## (\S+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the publication: its path in the repository, its size in bytes, and what becomes
    of it. `edited`: on the Hub somebody changed it since it was published; it would be replaced."""

    path: str
    size: int
    state: FileState
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """What would go where; `publish` sends it.

    `parent` is the commit that this was compared with, None where the repository is not there.
    `tag` says whether the version is tagged already. `open_request` is the number of an open pull
    request that holds the same. `user` is who the token belongs to, None without a token.
    """

    folder: Path
    repo: str
    endpoint: str
    user: str | None
    exists: bool
    private: bool
    pull_request: bool
    parent: str | None
    version: str
    tagged: bool
    files: tuple[PlannedFile, ...]
    changes: str
    """The whole change log as it would be on the Hub."""
    open_request: int | None = None

    @property
    def outgoing(self) -> list[PlannedFile]:
        """The files that a commit would add, change or remove."""
        return [file for file in self.files if file.state != "same"]

    @property
    def commits(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.outgoing) and self.open_request is None

    @property
    def tags(self) -> bool:
        """Whether the version would be tagged: a pull request is tagged once it is merged."""
        return not self.tagged and not (self.pull_request and self.outgoing)

    def __str__(self) -> str:
        return format_publication(self)


@dataclass(frozen=True, slots=True)
class Published:
    """What was done: the commit and the tag made by this run, None where there was no need."""

    publication: Publication
    commit: str | None = None
    tag: str | None = None
    pull_request: str | None = None
    """Address of the pull request that this run opened."""

    def __str__(self) -> str:
        return format_published(self)


# --- Planning ------------------------------------------------------------------------------------


def plan_publication(
    folder: Path,
    repo: str,
    *,
    version: str | None = None,
    note: str = "",
    private: bool = False,
    pull_request: bool = False,
    wait: Callable[[float], None] | None = None,
) -> Publication:
    """What publishing the dataset in `folder` as `repo` (`ORG/NAME`) would send. Sends nothing.

    version: of what is published, as 1.2.0. Without it: 1.0.0 first; then the next minor version
    where data changed, the next patch where only the card did.
    note: what changed, for the change log. private: a repository made new is private.
    pull_request: propose the change instead of making it.
    wait: called with the seconds that the Hub asks us to wait (default: waits).

    The token is that of `HF_TOKEN` or of the Hub's own login; a public repository can be looked
    at without.

    Raises DataError as `check_folder`, for a name that no repository has, a version that is
    published with other content, a repository that holds files of somebody else, and `private`
    for one that is public; ServiceError where the Hub refuses or does not answer.
    """
    checked = check_folder(folder)
    if version is not None and not _VERSION.fullmatch(version):
        raise DataError(f"{version}: no version; three numbers were wanted, as 1.2.0")
    hub = open_hub(repo, wait)
    user = hub.ask("asking whose the token is", hub.api.whoami)["name"] if hub.token else None
    state = read_state(hub)
    if private and state.exists and not state.private:
        raise DataError(
            f"{repo}: is public; --private is for one made new, change it in its settings"
        )
    published = _read_hub_manifest(hub, state)
    files = _compare(hub, state, checked, published)
    if published is None and state.files.keys() & {file.path for file in files}:
        name = min(state.files.keys() & {file.path for file in files})
        raise DataError(
            f"{repo}: holds {name}, which vipol publish did not put there; name another repository"
        )
    log = (read_file(hub, state, CHANGES) or b"").decode("utf-8", "replace")
    chosen, log = _plan_changes(repo, state, files, log, version, note, checked)
    files.append(_plan_log(state, log))
    plan = Publication(
        folder=folder,
        repo=repo,
        endpoint=str(hub.api.endpoint),
        user=user,
        exists=state.exists,
        private=state.private or (private and not state.exists),
        pull_request=pull_request,
        parent=state.head,
        version=chosen,
        tagged=chosen in state.tags,
        files=tuple(sorted(files, key=lambda file: file.path)),
        changes=log,
    )
    if not (pull_request and plan.outgoing and state.exists):
        return plan
    return replace(plan, open_request=_find_request(hub, plan, checked))


def _read_hub_manifest(hub: Hub, state: HubState) -> dict[str, str] | None:
    """The files that an earlier publication put there, with their SHA-256."""
    data = read_file(hub, state, MANIFEST)
    if data is None:
        return None
    try:
        files = json.loads(data)["files"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{hub.repo}: its {MANIFEST} is not that of a dataset; name another repository"
        ) from None


def _compare(
    hub: Hub, state: HubState, checked: CheckedFolder, published: Mapping[str, str] | None
) -> list[PlannedFile]:
    files: list[PlannedFile] = []
    before = published or {}
    for name, (sha256, size) in checked.files.items():
        found = state.files.get(name)
        if is_same(found, sha256, checked.folder / name):
            files.append(PlannedFile(name, size, "same"))
        elif found is None:
            files.append(PlannedFile(name, size, "new"))
        else:
            edited = _was_edited(hub, state, name, before.get(name))
            files.append(PlannedFile(name, size, "changed", edited))
    for name in sorted((before.keys() & state.files.keys()) - checked.files.keys()):
        edited = _was_edited(hub, state, name, before[name])
        files.append(PlannedFile(name, 0, "gone", edited))
    return files


def _was_edited(hub: Hub, state: HubState, name: str, published: str | None) -> bool:
    """Whether the file on the Hub is another than the one that was published there."""
    if published is None:
        return False
    sha256 = state.files[name].sha256
    if sha256 is None:
        sha256 = hashlib.sha256(read_file(hub, state, name) or b"").hexdigest()
    return sha256 != published


def _plan_changes(
    repo: str,
    state: HubState,
    files: Sequence[PlannedFile],
    log: str,
    version: str | None,
    note: str,
    checked: CheckedFolder,
) -> tuple[str, str]:
    """The version of the publication, and the change log with its section on top."""
    section = _SECTION.search(log)
    current = section.group(1) if section else None
    outgoing = [file for file in files if file.state != "same"]
    chosen = version or _next_version(repo, current, outgoing)
    if chosen == current and not outgoing:
        return chosen, log
    if chosen == current or chosen in state.tags or chosen in _SECTION.findall(log):
        raise DataError(
            f"{repo}: version {chosen} is published there with other content; choose a later one"
        )
    text = _format_section(chosen, current, outgoing, note, checked)
    start = section.start() if section else len(log)
    head = log[:start].rstrip("\n") or "# Changes"
    return chosen, f"{head}\n\n{text}\n{log[start:]}".rstrip("\n") + "\n"


def _next_version(repo: str, current: str | None, outgoing: Sequence[PlannedFile]) -> str:
    if current is None:
        return "1.0.0"
    if not outgoing:
        return current
    numbers = _VERSION.fullmatch(current)
    if not numbers:
        raise DataError(f"{repo}: its version is {current!r}; say which one comes next (--version)")
    major, minor, patch = map(int, numbers.groups())
    if any(file.path.endswith(".parquet") for file in outgoing):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def _format_section(
    version: str,
    current: str | None,
    outgoing: Sequence[PlannedFile],
    note: str,
    checked: CheckedFolder,
) -> str:
    lines = [f"## {version}", ""]
    # A line of the note that looks like the heading of a section would be read as a version.
    lines += [f"- {' '.join(line.split())}" for line in note.splitlines() if line.strip()]
    if current is None:
        lines.append("- First publication.")
    else:
        for state, title in (("new", "New"), ("changed", "Changed"), ("gone", "Removed")):
            names = [f"`{file.path}`" for file in outgoing if file.state == state]
            names = [name for name in names if MANIFEST not in name]
            if names:
                lines.append(f"- {title}: {', '.join(names)}.")
    for config in sorted({config for config, _ in checked.rows}):
        counts = [
            f"{split} {checked.rows[config, split]:,}"
            for split in SPLITS
            if (config, split) in checked.rows
        ]
        lines.append(f"- Rows of `{config}`: {', '.join(counts)}.")
    return "\n".join(lines) + "\n"


def _plan_log(state: HubState, log: str) -> PlannedFile:
    found, data = state.files.get(CHANGES), log.encode()
    if found is None:
        return PlannedFile(CHANGES, len(data), "new")
    same = found.sha256 is None and found.blob == git_hash(data)
    return PlannedFile(CHANGES, len(data), "same" if same else "changed")


def _find_request(hub: Hub, plan: Publication, checked: CheckedFolder) -> int | None:
    """The number of an open pull request that holds what the plan would send."""
    requests = hub.ask(
        f"listing the pull requests of {hub.repo}",
        lambda: list(
            hub.api.get_repo_discussions(
                hub.repo,
                repo_type="dataset",
                discussion_type="pull_request",
                discussion_status="open",
            )
        ),
    )
    for request in requests:
        there = read_tree(hub, f"refs/pr/{request.num}")
        if all(
            is_same(there.get(name), sha256, checked.folder / name)
            for name, (sha256, _) in checked.files.items()
        ) and not any(file.path in there for file in plan.files if file.state == "gone"):
            return int(request.num)
    return None


# --- Sending -------------------------------------------------------------------------------------


def publish(
    plan: Publication,
    *,
    progress: Callable[[int, int], None] | None = None,
    wait: Callable[[float], None] | None = None,
) -> Published:
    """Carry a plan out: make the repository, upload, commit once, tag the version.

    `progress` is called with the bytes sent and all. Sends nothing where the plan has nothing to
    send. Raises ServiceError where there is no token, where the Hub refuses or does not answer,
    and where somebody committed since the plan was made. Whatever was done by then, planning and
    publishing again does the rest.
    """
    hub = open_hub(plan.repo, wait)
    if not hub.token:
        raise ServiceError(f"{plan.endpoint}: no token; set HF_TOKEN or run hf auth login")
    parent = plan.parent if plan.exists else _create(hub, plan.private)
    commit = address = tag = None
    if plan.commits:
        with _no_bars():
            info = _commit(hub, plan, parent, progress)
        commit, address = info.oid, info.pr_url
    if plan.tags:
        at = commit or parent
        hub.ask(
            f"tagging {plan.repo} as {plan.version}",
            lambda: hub.api.create_tag(
                plan.repo, tag=plan.version, revision=at, repo_type="dataset", exist_ok=True
            ),
        )
        tag = plan.version
    return Published(plan, commit, tag, address)


def _create(hub: Hub, private: bool) -> str:
    """Make the repository; its first commit."""
    repo, api = hub.repo, hub.api
    hub.ask(
        f"making {repo}",
        lambda: api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True),
    )
    info = hub.ask(f"reading {repo}", lambda: api.repo_info(repo, repo_type="dataset"))
    return str(info.sha)


def _commit(
    hub: Hub,
    plan: Publication,
    parent: str | None,
    progress: Callable[[int, int], None] | None,
) -> Any:
    """Upload the large files one by one, then commit everything at once."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    adding = [file for file in plan.outgoing if file.state != "gone"]
    additions = [
        CommitOperationAdd(
            file.path,
            plan.changes.encode() if file.path == CHANGES else plan.folder / file.path,
        )
        for file in adding
    ]
    _validate_card(hub, plan)
    done, total = 0, sum(file.size for file in adding)
    for file, addition in zip(adding, additions, strict=True):
        hub.ask(
            f"sending {file.path}",
            lambda addition=addition: hub.api.preupload_lfs_files(  # type: ignore[misc]
                plan.repo,
                [addition],
                repo_type="dataset",
                create_pr=plan.pull_request,
                free_memory=False,
            ),
        )
        done += file.size
        if progress:
            progress(done, total)
    removals = [CommitOperationDelete(file.path) for file in plan.outgoing if file.state == "gone"]
    section = _SECTION.split(plan.changes)
    return hub.ask(
        f"committing to {plan.repo}",
        lambda: hub.api.create_commit(
            plan.repo,
            [*additions, *removals],
            commit_message=f"Publish version {plan.version}",
            commit_description=section[2].strip() if len(section) > 2 else "",
            repo_type="dataset",
            create_pr=plan.pull_request,
            parent_commit=parent,
        ),
    )


def _validate_card(hub: Hub, plan: Publication) -> None:
    """Have the Hub look at the card's YAML before anything large is sent."""
    from huggingface_hub import DatasetCard

    card = DatasetCard((plan.folder / CARD).read_text(encoding="utf-8"))
    hub.ask("having the card's YAML checked", lambda: card.validate(repo_type="dataset"))


@contextmanager
def _no_bars() -> Iterator[None]:
    """Without the client's own progress bars: the library does not print."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


# --- Telling -----------------------------------------------------------------------------------


def format_publication(plan: Publication) -> str:
    """What would go, file by file, in lines of at most 80 columns where names are not longer."""
    address = f"{plan.endpoint}/datasets/{plan.repo}"
    there = "is there" if plan.exists else "would be made new"
    lines = [f"{plan.folder} → {address}", f"  the repository {there}, {_visibility(plan)}"]
    who = plan.user or "nobody: set HF_TOKEN or run hf auth login before publishing"
    lines.append(f"  token of {who}")
    for file in plan.files:
        note = "  EDITED ON THE HUB, would be replaced" if file.edited else ""
        lines.append(f"  {file.state:8} {_size(file.size):>9}  {file.path}{note}")
    sizes = sum(file.size for file in plan.outgoing)
    if plan.open_request is not None:
        lines.append(f"nothing to send: pull request {plan.open_request} is open with the same")
    elif plan.outgoing:
        how = "one pull request" if plan.pull_request else "one commit"
        lines.append(f"{len(plan.outgoing)} of {len(plan.files)} files, {_size(sizes)}, in {how}")
    else:
        lines.append("nothing to send: the Hub has the same")
    if plan.tags:
        lines.append(f"would be tagged {plan.version}")
    elif plan.tagged:
        lines.append(f"is tagged {plan.version}")
    else:
        lines.append(f"version {plan.version}; publish again when the pull request is merged")
    return "\n".join(lines)


def format_published(done: Published) -> str:
    """What was done, in a line or two."""
    plan = done.publication
    address = f"{plan.endpoint}/datasets/{plan.repo}"
    if done.pull_request:
        return (
            f"{address}: {len(plan.outgoing)} files of version {plan.version} proposed in "
            f"{done.pull_request}; publish again when it is merged, to tag it"
        )
    if plan.open_request is not None:
        return f"{address}: nothing sent; pull request {plan.open_request} holds the same"
    said = [f"{len(plan.outgoing)} files sent in commit {done.commit}"] if done.commit else []
    said += [f"tagged {done.tag}"] if done.tag else []
    return f"{address}: " + (", ".join(said) or f"nothing sent; it has version {plan.version}")


def _visibility(plan: Publication) -> str:
    return "private" if plan.private else "public"


def _size(count: int) -> str:
    """A number of bytes for people."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"
