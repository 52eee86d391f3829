"""A stand-in of the Hugging Face Hub for the tests: real HTTP on loopback.

It speaks the part of the protocol that huggingface_hub 2.4 and datasets 5.2 use for one kind of
repository, datasets: who am I, create, look at, list, preupload, the batch, upload and verify of
large files, NDJSON commits with a parent, tags, pull requests, and download with ranges. What a
request meets is decided as the Hub does: tokens, parent commits, large files that are known.

    with Hub() as hub:
        hub.allow("hf_secret", "org")
        subprocess.run([...], env=hub.environment("hf_secret", home))

Faults are asked for by method and path: `hub.fail("POST", "/commit/", status=500)`.
"""

import base64
import hashlib
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".parquet", ".png", ".spacy")
PAGE = 5
"""Entries a page of a listing: small, so that the tests meet more than one."""


@dataclass(frozen=True)
class Blob:
    """The bytes of a file, and whether they are in the store of large files."""

    data: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        content = self.data
        if self.large:
            content = f"oid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    oid: str
    files: Mapping[str, Blob]
    message: str
    description: str = ""


@dataclass
class PullRequest:
    number: int
    commit: Commit
    title: str
    status: str = "open"


@dataclass
class Repo:
    private: bool
    commits: list[Commit]
    tags: dict[str, str] = field(default_factory=dict)
    requests: list[PullRequest] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def find(self, revision: str) -> Commit | None:
        if revision in ("main", "refs/heads/main"):
            return self.head
        if pull := re.fullmatch(r"refs/pr/(\d+)", revision):
            return next((r.commit for r in self.requests if r.number == int(pull[1])), None)
        oid = self.tags.get(revision, revision)
        known = [*self.commits, *(request.commit for request in self.requests)]
        return next((commit for commit in known if commit.oid == oid), None)


@dataclass
class Fault:
    """What happens to the next requests that match: a status; or the line goes dead, before the
    request is carried out or after; or it hangs until `release` is set. `first` is called before
    any of these."""

    method: str
    path: str
    times: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: Literal["before", "after"] | None = None
    release: threading.Event | None = None
    first: Callable[[], object] = lambda: None
    met: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: str | None

    def json(self) -> Any:
        return json.loads(self.body)


class RefusedError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        super().__init__(message)
        self.answer = Answer(status, json.dumps({"error": message}).encode(), headers)


def as_json(value: Any, **headers: str) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


class Hub:
    """The stand-in: what it stores, what it was asked, and which faults wait."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        """The large files, by SHA-256."""
        self.log: list[tuple[str, str, int]] = []
        """Method, path and status of every request."""
        self.part_size: int | None = None
        """Large files of more bytes go up in parts of so many."""
        self._owners: dict[str, tuple[str, ...]] = {}
        self._faults: list[Fault] = []
        self._parts: dict[tuple[str, int], bytes] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # Another host name than the Hub's own, as that of a store is: no token may go there.
        self.store_url = f"http://localhost:{self.port}/store"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for fault in self._faults:
            if fault.release:
                fault.release.set()
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """Forget everything, as a Hub that nobody has used yet."""
        with self._lock:
            for known in (self.repos, self.store, self.log, self._owners, self._parts):
                known.clear()
            self._faults.clear()
            self.part_size = None

    # --- For the tests -----------------------------------------------------------------------

    def allow(self, token: str, *owners: str) -> None:
        """Let a token write to the repositories of these users or organisations."""
        self._owners[token] = owners

    def environment(self, token: str | None, home: Path) -> dict[str, str]:
        """What a client process needs in its environment to talk to this Hub and no other."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **({"HF_TOKEN": token} if token else {}),
        }

    def fail(self, method: str, path: str, *, times: int = 1, **how: Any) -> Fault:
        """Let the next `times` requests of a method whose path holds `path` meet a fault."""
        fault = Fault(method, path, times, **how)
        self._faults.append(fault)
        return fault

    def asked(self, method: str, path: str) -> int:
        """How many requests of a method had a path that holds `path`."""
        return sum(m == method and path in p for m, p, _ in self.log)

    def writes(self) -> list[str]:
        """The requests that may change something, as `METHOD path`."""
        harmless = ("/validate-yaml", "/preupload/", "/paths-info/")
        return [
            f"{method} {path}"
            for method, path, _ in self.log
            if method not in ("GET", "HEAD") and not any(part in path for part in harmless)
        ]

    def make(self, name: str, files: Mapping[str, bytes] | None = None, **how: bool) -> Repo:
        """A repository as one made on the site has it: with a first commit."""
        known = {".gitattributes": b"*.parquet filter=lfs\n", **(files or {})}
        blobs = {path: self._blob(path, data) for path, data in known.items()}
        repo = Repo(how.get("private", False), [self._commit(blobs, "initial commit")])
        self.repos[name] = repo
        return repo

    def change(self, name: str, **files: bytes) -> None:
        """A commit of somebody else; `_` in a name stands for the full stop."""
        repo = self.repos[name]
        blobs = {p.replace("_", "."): self._blob(p, data) for p, data in files.items()}
        repo.commits.append(self._commit({**repo.head.files, **blobs}, "by hand"))

    def merge(self, name: str, number: int) -> None:
        """Merge a pull request."""
        repo = self.repos[name]
        request = next(r for r in repo.requests if r.number == number)
        repo.commits.append(self._commit(request.commit.files, "merge"))
        request.status = "merged"

    # --- Answering -----------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        for method, pattern, respond in self._routes():
            if method == request.method and (match := re.fullmatch(pattern, request.path)):
                with self._lock:
                    try:
                        return respond(request, *(unquote(part or "") for part in match.groups()))
                    except RefusedError as refusal:
                        return refusal.answer
        return Answer(404, b'{"error": "not part of this stand-in"}')

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times and fault.method == method and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        name = r"([\w.-]+/[\w.-]+)"
        api = f"/api/datasets/{name}"
        yield "GET", "/api/whoami-v2", self._whoami
        yield "POST", "/api/repos/create", self._create
        yield "POST", "/api/validate-yaml", self._validate_yaml
        yield "GET", api, self._info
        yield "GET", f"{api}/revision/([^/]+)", self._info
        yield "GET", f"{api}/refs", self._refs
        yield "GET", f"{api}/tree/([^/]+)(?:/(.+))?", self._tree
        yield "POST", f"{api}/paths-info/([^/]+)", self._paths_info
        yield "GET", f"{api}/discussions", self._discussions
        yield "POST", f"{api}/preupload/([^/]+)", self._preupload
        yield "POST", f"{api}/commit/([^/]+)", self._commit_files
        yield "POST", f"{api}/tag/([^/]+)", self._tag
        yield "POST", rf"/datasets/{name}\.git/info/lfs/objects/batch", self._batch
        yield "PUT", r"/store/(\w+)", self._put
        yield "PUT", r"/store/(\w+)/(\d+)", self._put_part
        yield "POST", r"/store/(\w+)/complete", self._complete
        yield "POST", r"/store/(\w+)/verify", self._verify
        yield "GET", r"/store/(\w+)", self._fetch
        for method in ("HEAD", "GET"):
            yield method, f"/datasets/{name}/resolve/([^/]+)/(.+)", self._resolve

    # --- Rights --------------------------------------------------------------------------------

    def user_of(self, header: str | None) -> str | None:
        """The user of an Authorization header; None without one."""
        if header is None:
            return None
        token = header.removeprefix("Bearer ")
        if token not in self._owners:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return token

    def _may_write(self, request: Request, owner: str) -> None:
        if request.user is None:
            raise RefusedError(401, "Invalid username or password.")
        if owner not in self._owners[request.user]:
            raise RefusedError(
                403, f"You don't have the rights to write under the namespace {owner}"
            )

    def _visible(self, request: Request, name: str) -> Repo:
        repo = self.repos.get(name)
        owner = name.split("/")[0]
        mine = request.user is not None and owner in self._owners[request.user]
        if repo is None or (repo.private and not mine):
            raise RefusedError(404 if request.user else 401, "Repository not found", "RepoNotFound")
        return repo

    def _revision(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # --- Reading -------------------------------------------------------------------------------

    def _whoami(self, request: Request) -> Answer:
        if request.user is None:
            raise RefusedError(401, "Invalid username or password.")
        first, *others = self._owners[request.user]
        return as_json({"type": "user", "name": first, "orgs": [{"name": n} for n in others]})

    def _info(self, request: Request, name: str, revision: str = "main") -> Answer:
        repo = self._visible(request, name)
        commit = self._revision(repo, revision)
        return as_json(
            {
                "_id": "0",
                "id": name,
                "author": name.split("/")[0],
                "sha": commit.oid,
                "private": repo.private,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )

    def _refs(self, request: Request, name: str) -> Answer:
        repo = self._visible(request, name)

        def ref(name: str, ref: str, target: str) -> dict[str, str]:
            return {"name": name, "ref": ref, "targetCommit": target}

        return as_json(
            {
                "branches": [ref("main", "refs/heads/main", repo.head.oid)],
                "converts": [],
                "tags": [ref(tag, f"refs/tags/{tag}", oid) for tag, oid in repo.tags.items()],
            }
        )

    def _tree(self, request: Request, name: str, revision: str, folder: str = "") -> Answer:
        commit = self._revision(self._visible(request, name), revision)
        entries: dict[str, dict[str, Any]] = {}
        prefix = f"{folder}/" if folder and folder != "None" else ""
        for path in sorted(commit.files):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts)):
                inner = prefix + "/".join(parts[:depth])
                entries[inner] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": inner}
            entries[path] = _entry(path, commit.files[path])
        if request.query.get("recursive", "False").lower() != "true":
            entries = {p: e for p, e in entries.items() if "/" not in p[len(prefix) :]}
        if prefix and not entries:
            raise RefusedError(404, f"{folder} does not exist", "EntryNotFound")
        start = int(request.query.get("cursor", "0"))
        page = list(entries.values())[start : start + PAGE]
        if start + PAGE >= len(entries):
            return as_json(page)
        recursive = request.query.get("recursive", "False")
        more = f"{self.url}{request.path}?recursive={recursive}&cursor={start + PAGE}"
        return as_json(page, Link=f'<{more}>; rel="next"')

    def _paths_info(self, request: Request, name: str, revision: str) -> Answer:
        commit = self._revision(self._visible(request, name), revision)
        if request.headers.get("content-type", "").startswith("application/json"):
            paths = request.json()["paths"]
        else:
            paths = parse_qs(request.body.decode())["paths"]
        found = []
        for path in [paths] if isinstance(paths, str) else paths:
            if path in commit.files:
                found.append(_entry(path, commit.files[path]))
            elif any(known.startswith(f"{path}/") for known in commit.files):
                found.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": path})
        return as_json(found)

    def _discussions(self, request: Request, name: str) -> Answer:
        repo = self._visible(request, name)
        wanted = request.query.get("status")
        found = [
            {
                "num": pull.number,
                "title": pull.title,
                "author": {"name": name.split("/")[0]},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": pull.status,
                "isPullRequest": True,
                "repo": {"name": name, "type": "dataset"},
            }
            for pull in repo.requests
            if wanted in (None, pull.status)
        ]
        return as_json({"discussions": found, "count": len(found), "start": 0})

    def _resolve(self, request: Request, name: str, revision: str, path: str) -> Answer:
        commit = self._revision(self._visible(request, name), revision)
        blob = commit.files.get(path)
        if blob is None:
            raise RefusedError(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": commit.oid}
        if not blob.large:
            return Answer(200, blob.data, {**headers, "ETag": f'"{blob.oid}"'})
        return Answer(
            302,
            b"",
            {
                **headers,
                "ETag": f'"{blob.sha256}"',
                "X-Linked-Etag": f'"{blob.sha256}"',
                "X-Linked-Size": str(len(blob.data)),
                "Location": f"{self.store_url}/{blob.sha256}",
            },
        )

    def _fetch(self, request: Request, sha256: str) -> Answer:
        data = self.store[sha256]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return Answer(200, data)
        first = int(wanted[1])
        last = min(int(wanted[2] or len(data)), len(data) - 1)
        return Answer(
            206, data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        )

    # --- Writing -------------------------------------------------------------------------------

    def _create(self, request: Request) -> Answer:
        asked = request.json()
        owner = asked["organization"] or self._owners.get(request.user or "", ("",))[0]
        name = f"{owner}/{asked['name']}"
        self._may_write(request, owner)
        address = {"url": f"{self.url}/datasets/{name}", "name": name}
        if asked.get("type") != "dataset":
            raise RefusedError(400, "only datasets here")
        if name in self.repos:
            conflict = {**address, "error": "You already created this dataset repo"}
            return Answer(409, json.dumps(conflict).encode())
        self.make(name, private=asked.get("visibility") == "private")
        return as_json(address)

    def _validate_yaml(self, request: Request) -> Answer:
        import yaml  # type: ignore[import-untyped]

        found = re.match(r"---\n(.*?)\n---", request.json()["content"], re.DOTALL)
        errors: list[str] = []
        try:
            data = yaml.safe_load(found[1]) if found else {}
            licences = data.get("license", [])
            for licence in licences if isinstance(licences, list) else [licences]:
                if not re.fullmatch(r"[a-z0-9.-]+", str(licence)):
                    errors.append(f'"license" must be one of the known ones, not {licence}')
        except yaml.YAMLError as error:
            errors.append(str(error))
        body = {"errors": [{"message": error} for error in errors], "warnings": []}
        return Answer(400 if errors else 200, json.dumps(body).encode())

    def _preupload(self, request: Request, name: str, revision: str) -> Answer:
        self._may_write(request, name.split("/")[0])
        commit = self._revision(self._visible(request, name), revision)

        def advise(path: str) -> dict[str, Any]:
            blob = commit.files.get(path)
            large = path.endswith(LARGE)
            oid = None if blob is None else blob.sha256 if blob.large else blob.oid
            mode = "lfs" if large else "regular"
            return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

        return as_json({"files": [advise(file["path"]) for file in request.json()["files"]]})

    def _batch(self, request: Request, name: str) -> Answer:
        self._may_write(request, name.split("/")[0])
        objects = []
        for wanted in request.json()["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            entry: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.store:
                entry["actions"] = {
                    "upload": self._upload_action(oid, size),
                    "verify": {"href": f"{self.url}/store/{oid}/verify"},
                }
            objects.append(entry)
        return as_json({"transfer": "basic", "objects": objects})

    def _upload_action(self, oid: str, size: int) -> dict[str, Any]:
        if self.part_size is None or size <= self.part_size:
            return {"href": f"{self.store_url}/{oid}"}
        count = -(-size // self.part_size)
        parts = {str(n): f"{self.store_url}/{oid}/{n}" for n in range(1, count + 1)}
        header = {"chunk_size": str(self.part_size), **parts}
        return {"href": f"{self.url}/store/{oid}/complete", "header": header}

    def _put(self, request: Request, oid: str) -> Answer:
        return self._keep(oid, request.body)

    def _put_part(self, request: Request, oid: str, number: str) -> Answer:
        self._parts[oid, int(number)] = request.body
        return Answer(200, b"", {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})

    def _complete(self, request: Request, oid: str) -> Answer:
        asked = request.json()
        numbers = [part["partNumber"] for part in asked["parts"]]
        return self._keep(asked["oid"], b"".join(self._parts[oid, n] for n in numbers))

    def _keep(self, oid: str, data: bytes) -> Answer:
        if hashlib.sha256(data).hexdigest() != oid:
            raise RefusedError(400, "these bytes have another SHA-256")
        self.store[oid] = data
        return Answer(200)

    def _verify(self, request: Request, oid: str) -> Answer:
        asked = request.json()
        if len(self.store.get(oid, b"")) != asked["size"]:
            raise RefusedError(404, "object not found")
        return Answer(200, b"{}")

    def _commit_files(self, request: Request, name: str, revision: str) -> Answer:
        self._may_write(request, name.split("/")[0])
        repo = self._visible(request, name)
        header, *operations = [json.loads(line) for line in request.body.splitlines()]
        asked = header["value"]
        base = self._revision(repo, revision)
        pull = request.query.get("create_pr") == "1"
        if (parent := asked.get("parentCommit")) is not None:
            if pull:
                base = self._revision(repo, parent)
            elif parent != base.oid:
                raise RefusedError(
                    412, "A commit has happened since. Please refresh and try again."
                )
        files = dict(base.files)
        for operation in operations:
            self._apply(files, operation["key"], operation["value"])
        commit = self._commit(files, asked["summary"], asked["description"])
        answer: dict[str, Any] = {
            "success": True,
            "commitOid": commit.oid,
            "commitUrl": f"{self.url}/datasets/{name}/commit/{commit.oid}",
        }
        if pull:
            number = len(repo.requests) + 1
            repo.requests.append(PullRequest(number, commit, asked["summary"]))
            answer["pullRequestUrl"] = f"{self.url}/datasets/{name}/discussions/{number}"
        else:
            repo.commits.append(commit)
        return as_json(answer)

    def _apply(self, files: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            files[path] = Blob(base64.b64decode(value["content"]), large=False)
        elif key == "lfsFile":
            if value["oid"] not in self.store:
                raise RefusedError(400, f"the large file {path} was not uploaded")
            files[path] = Blob(self.store[value["oid"]], large=True)
        elif key == "deletedFile":
            if path not in files:
                raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
            del files[path]
        else:
            raise RefusedError(400, f"unknown operation {key}")

    def _tag(self, request: Request, name: str, revision: str) -> Answer:
        self._may_write(request, name.split("/")[0])
        repo = self._visible(request, name)
        tag = request.json()["tag"]
        if tag in repo.tags:
            raise RefusedError(409, "Tag reference exists already")
        repo.tags[tag] = self._revision(repo, revision).oid
        return Answer(200, b"{}")

    def _blob(self, path: str, data: bytes) -> Blob:
        blob = Blob(data, path.endswith(LARGE))
        if blob.large:
            self.store[blob.sha256] = data
        return blob

    def _commit(self, files: Mapping[str, Blob], message: str, description: str = "") -> Commit:
        oid = hashlib.sha1(f"{next(self._numbers)} {message}".encode()).hexdigest()
        return Commit(oid, dict(files), message, description)


def _entry(path: str, blob: Blob) -> dict[str, Any]:
    entry = {"type": "file", "oid": blob.oid, "size": len(blob.data), "path": path}
    if blob.large:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 130}
    return entry


def _make_handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Not to stderr: `hub.log` has it."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # a client that was killed
                self.close_connection = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self._read_body()
            fault = hub.take_fault(self.command, parts.path)
            if fault:
                fault.met.set()
                fault.first()
                if fault.release:
                    fault.release.wait(60)
                if fault.drop == "before" or fault.release:
                    return self._hang_up(parts.path)
                if fault.status:
                    return self._send(parts.path, Answer(fault.status, b"", fault.headers))
            answer = self._answer(parts.path, parts.query, body)
            if fault and fault.drop == "after":
                return self._hang_up(parts.path)
            return self._send(parts.path, answer)

        do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

        def _answer(self, path: str, query: str, body: bytes) -> Answer:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = {name: values[-1] for name, values in parse_qs(query).items()}
            if path.startswith("/store/"):
                if path.count("/") == 2 and "authorization" in headers:
                    return Answer(400, b"a token was sent to the store")
                user = None
            else:
                try:
                    user = hub.user_of(headers.get("authorization"))
                except RefusedError as refusal:
                    return refusal.answer
            return hub.answer(Request(self.command, path, asked, headers, body, user))

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _hang_up(self, path: str) -> None:
            hub.log.append((self.command, path, 0))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _send(self, path: str, answer: Answer) -> None:
            hub.log.append((self.command, path, answer.status))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    return Handler
