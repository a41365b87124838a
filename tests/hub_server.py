"""A small Hugging Face hub on loopback: what huggingface_hub asks of the real one to make, fill and read a repository.

Of its protocol are here: repositories, branches, commits (small files in base64, large ones by git LFS), listings and
downloads. Not here: Xet, which the client uses by default with the real hub, pull requests, and rights but a token.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"
LARGE = 4096  # bytes, from which a file is one for LFS


class Hub:
    """repos: {OWNER/NAME: {revision: {path: bytes}}}, commits by their number, branches by their names."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.heads: dict[str, dict[str, str]] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.private: set[str] = set()

    def commit(self, repo: str, branch: str, files: dict[str, bytes]) -> str:
        """Adds files to what a branch has -> the commit."""
        before = self.repos[repo].get(self.heads[repo].get(branch, ""), {})
        content = {**before, **files}
        digest = hashlib.sha1(json.dumps([repo, *sorted((k, _sha(v)) for k, v in content.items())]).encode())
        self.repos[repo][digest.hexdigest()] = content
        self.heads[repo][branch] = digest.hexdigest()
        return digest.hexdigest()

    def make(self, repo: str) -> None:
        if repo not in self.repos:
            self.repos[repo], self.heads[repo] = {}, {}
            self.commit(repo, "main", {".gitattributes": b""})


@contextmanager
def running() -> Iterator[tuple[Hub, str]]:
    """-> the hub and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self._path()
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._error(401, "", "Invalid username or password.")
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
            if repo in self.hub.repos:
                return self._error(409, "", "You already created this model repo", url=f"{self._base()}/{repo}")
            self.hub.make(repo)
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(repo)
            return self._json({"url": f"{self._base()}/{repo}"})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/(.+)", path):
            repo, branch = found.groups()
            if branch in self.hub.heads[repo]:
                return self._error(409, "", "Reference already exists")
            self.hub.heads[repo][branch] = self.hub.heads[repo]["main"]
            return self._json({})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            files = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["size"] >= LARGE else "regular",
                    "shouldIgnore": False,
                }
                for each in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        if re.fullmatch(r"/[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            asked = json.loads(body)["objects"]
            objects = [{**each, "actions": {"upload": {"href": f"{self._base()}/lfs/{each['oid']}"}}} for each in asked]
            return self._json({"transfer": "basic", "objects": objects})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            repo, branch = found.groups()
            files = {}
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = self.hub.objects[value["oid"]]
            commit = self.hub.commit(repo, branch, files)
            return self._json({"commitUrl": f"{self._base()}/{repo}/commit/{commit}", "commitOid": commit})
        self._error(404, "", "not here")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        oid = self._path().rpartition("/")[2]
        assert _sha(body) == oid
        self.hub.objects[oid] = body
        self._json({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self._path()
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            commit = self._commit(found[1], found[2] or "main")
            if commit:
                siblings = [{"rfilename": name} for name in self.hub.repos[found[1]][commit]]
                private = found[1] in self.hub.private
                self._json(
                    {"id": found[1], "modelId": found[1], "sha": commit, "siblings": siblings, "private": private}
                )
            return None
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)/?", path):
            commit = self._commit(found[1], found[2])
            if commit:
                files = self.hub.repos[found[1]][commit]
                entries = [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    | (
                        {"lfs": {"oid": _sha(content), "size": len(content), "pointerSize": 134}}
                        if _large(content)
                        else {}
                    )
                    for name, content in files.items()
                ]
                self._json(entries)
            return None
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            commit = self._commit(found[1], found[2])
            if not commit:
                return None
            content = self.hub.repos[found[1]][commit].get(found[3])
            if content is None:
                return self._error(404, "EntryNotFound", "Entry not found")
            headers = {"X-Repo-Commit": commit, "ETag": f'"{_sha(content)}"'}
            return self._send(200, content, {"Content-Type": "application/octet-stream", **headers})
        return self._error(404, "", "not here")

    def _commit(self, repo: str, revision: str) -> str | None:
        if repo not in self.hub.repos:
            self._error(404, "RepoNotFound", "Repository not found")
            return None
        commit = self.hub.heads[repo].get(revision, revision)
        if commit not in self.hub.repos[repo]:
            self._error(404, "RevisionNotFound", "Invalid rev id")
            return None
        return commit

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _base(self) -> str:
        return f"http://{self.headers['Host']}"

    def _error(self, code: int, kind: str, message: str, **more: str) -> None:
        headers = {"X-Error-Code": kind} if kind else {}
        self._send(code, json.dumps({"error": message, **more}).encode(), {"X-Error-Message": message, **headers})

    def _json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _large(content: bytes) -> bool:
    return len(content) >= LARGE
