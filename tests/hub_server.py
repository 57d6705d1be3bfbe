"""A stand-in for the hub's API, on this machine: enough of it to push a model and load it again."""

import hashlib
import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

TOKEN = "hf_right"
LARGE = (".safetensors",)


@dataclass
class Hub:
    """What was sent: files by repository, revision and path."""

    address: str = ""
    cache: str = ""
    """Where those who ask keep what they were given."""
    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: list[tuple[str, str, list[str]]] = field(default_factory=list)
    uploads: int = 0
    break_at: int = -1
    """The number of the upload at which the connection breaks."""


@contextmanager
def serving() -> Iterator[Hub]:
    """Run the stand-in inside a with block."""
    hub = Hub()
    handler = type("Handler", (Answers,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answers(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"error": "Invalid username or password."})
            return
        path = unquote(self.path.partition("?")[0])
        for pattern, method in ROUTES:
            if (found := re.fullmatch(pattern, path)) is not None:
                code, content = method(self, body, *found.groups())
                self.answer(code, content)
                return
        self.answer(404, {"error": f"no {path}"})

    def do_PUT(self) -> None:
        self.hub.uploads += 1
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hub.uploads == self.hub.break_at:
            self.answer(403, {"error": "Storage is full."})
            return
        self.hub.objects[hashlib.sha256(content).hexdigest()] = content
        self.answer(200, {})

    def do_HEAD(self) -> None:
        self.file(body=False)

    def do_GET(self) -> None:
        asked = re.fullmatch(rf"{MODEL}/refs", unquote(self.path.partition("?")[0]))
        if asked is None:
            self.file(body=True)
            return
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit_of(name)}
            for name in self.hub.repositories[asked[1]]
        ]
        self.answer(200, {"branches": branches, "converts": [], "tags": []})

    def file(self, *, body: bool) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", unquote(self.path.partition("?")[0]))
        files = self.hub.repositories.get(found[1], {}).get(self.revision(found[2])) if found else None
        if files is None or found is None or found[3] not in files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = files[found[3]]
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit_of(self.revision(found[2])))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def revision(self, asked: str) -> str:
        every = {name for branches in self.hub.repositories.values() for name in branches}
        return next((name for name in every if asked in (name, commit_of(name))), asked)

    def answer(self, code: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if code >= 400:
            self.send_header("X-Error-Message", content["error"])
        self.end_headers()
        self.wfile.write(data)

    def create(self, body: bytes) -> tuple[int, Any]:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            return 409, {"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"}
        self.hub.repositories[name] = {"main": {".gitattributes": b"*.safetensors filter=lfs\n"}}
        self.hub.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
        return 200, {"url": f"{self.hub.address}/{name}"}

    def branch(self, _: bytes, name: str, branch: str) -> tuple[int, Any]:
        branches = self.hub.repositories[name]
        if branch in branches:
            return 409, {"error": "Reference already exists"}
        branches[branch] = dict(branches["main"])
        return 200, {}

    def paths_info(self, body: bytes, name: str, revision: str) -> tuple[int, Any]:
        files = self.hub.repositories[name][revision]
        asked = [path for path in parse_qs(body.decode()).get("paths", []) if path in files]
        return 200, [entry(path, files[path]) for path in asked]

    def validate(self, _: bytes) -> tuple[int, Any]:
        return 200, {"errors": [], "warnings": []}

    def preupload(self, body: bytes, _name: str, _revision: str) -> tuple[int, Any]:
        files = json.loads(body)["files"]
        return 200, {
            "files": [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if is_large(one["path"]) else "regular",
                    "oid": None,
                }
                | {"shouldIgnore": False}
                for one in files
            ]
        }

    def batch(self, body: bytes, _name: str) -> tuple[int, Any]:
        objects = json.loads(body)["objects"]
        return 200, {
            "transfer": "basic",
            "objects": [
                one | {"actions": {"upload": {"href": f"{self.hub.address}/objects/{one['oid']}"}}}
                for one in objects
            ],
        }

    def commit(self, body: bytes, name: str, revision: str) -> tuple[int, Any]:
        files = self.hub.repositories[name][revision]
        sent = []
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                continue
            sent.append(value["path"])
        self.hub.commits.append((name, revision, sent))
        oid = commit_of(revision)
        return 200, {
            "success": True,
            "commitOid": oid,
            "commitUrl": f"{self.hub.address}/{name}/commit/{oid}",
        }


def is_large(path: str) -> bool:
    return path.endswith(LARGE)


def commit_of(revision: str) -> str:
    return hashlib.sha1(revision.encode(), usedforsecurity=False).hexdigest()


def entry(path: str, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "file", "path": path, "oid": "0" * 40, "size": len(content)}
    if is_large(path):
        found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return found


MODEL = r"/api/models/([^/]+/[^/]+)"
ROUTES = (
    (r"/api/repos/create", Answers.create),
    (rf"{MODEL}/branch/([^/]+)", Answers.branch),
    (rf"{MODEL}/paths-info/([^/]+)", Answers.paths_info),
    (r"/api/validate-yaml", Answers.validate),
    (rf"{MODEL}/preupload/([^/]+)", Answers.preupload),
    (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", Answers.batch),
    (rf"{MODEL}/commit/([^/]+)", Answers.commit),
)
