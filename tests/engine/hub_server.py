"""As much of the hub as an upload needs, on loopback: repositories in memory."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Hub:
    """What was asked for and what is kept. ``refuse``: answer everything with this status."""

    address: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refuse: int | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self._body())

        def do_PUT(self) -> None:
            hub.blobs[self.path.rpartition("/")[2]] = self._body()
            self._send(200, {})

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, body: bytes) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            hub.tokens.add(self.headers.get("Authorization", ""))
            if hub.refuse is not None:
                self._send(hub.refuse, {"error": "refused"})
                return
            self._send(*reply(hub, self.command, self.path.partition("?")[0], body))

        def _send(self, status: int, value: Any) -> None:
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(hub: Hub, method: str, path: str, body: bytes) -> tuple[int, Any]:
    if path == "/api/repos/create":
        told = json.loads(body)
        name = f"{told.get('organization') or 'me'}/{told['name']}"
        if name in hub.repos:
            return 409, {"error": "You already created it", "url": f"{hub.address}/{name}"}
        hub.repos[name] = {".gitattributes": b""}
        private = told.get("private", told.get("visibility") == "private")
        hub.private[name] = bool(private)
        return 200, {"url": f"{hub.address}/{name}", "name": name}
    if path == "/api/validate-yaml":
        return 200, {"errors": [], "warnings": []}
    if path.endswith(".git/info/lfs/objects/batch"):
        objects = [
            {
                "oid": one["oid"],
                "size": one["size"],
                "actions": {"upload": {"href": f"{hub.address}/blob/{one['oid']}"}},
            }
            for one in json.loads(body)["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}
    name = "/".join(path.split("/")[3:5])
    kept = hub.repos.get(name)
    if kept is None:
        return 404, {"error": f"no such repository or page: {method} {path}"}
    if "/tree/" in path:
        return 200, [
            {"type": "file", "path": p, "size": len(raw), "oid": "0"} for p, raw in kept.items()
        ]
    if path.endswith("/preupload/main"):
        files = json.loads(body)["files"]
        return 200, {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
        }
    if path.endswith("/commit/main"):
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                kept[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                kept[value["path"]] = hub.blobs[value["oid"]]
        return 200, {
            "commitUrl": f"{hub.address}/{name}/commit/abc",
            "commitOid": "abc",
            "success": True,
        }
    siblings = [{"rfilename": p} for p in kept]
    return 200, {"id": name, "sha": "abc", "private": hub.private[name], "siblings": siblings}
