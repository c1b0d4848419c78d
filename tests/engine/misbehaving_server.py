"""A chat endpoint on loopback that misbehaves as told: real sockets, scripted faults.

Each request takes the next behaviour of ``script``; when that is used up, it is answered well.
``delivered`` counts, by prompt, the replies that a client was still there to take: what a
provider would bill.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Behaviour = Callable[["Handler", dict[str, Any]], None]

PATIENCE_S = 20.0
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def reply(
    text: str | None = None, finish: str = "stop", usage: dict[str, int] | None = USAGE, **more: Any
) -> Behaviour:
    """A well-formed completion; without ``text``, what the server's ``answer`` makes of it."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        prompt = prompt_of(body)
        said = handler.owner.answer(prompt) if text is None else text
        message = {"role": "assistant", "content": said, **more}
        handler.send(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            }
            | ({"usage": usage} if usage else {}),
            prompt,
        )

    return behave


def error(status: int, message: str, retry_after: float | None = None, **more: Any) -> Behaviour:
    """An error body in OpenAI's form."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.send(status, {"error": {"message": message, **more}}, headers=headers)

    return behave


def echo_key(status: int = 401) -> Behaviour:
    """Refuses, and repeats the key in its message."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        key = handler.headers["Authorization"]
        handler.send(status, {"error": {"message": f"Incorrect API key: {key}", "header": key}})

    return behave


def raw(payload: bytes, kind: str = "application/json") -> Behaviour:
    """200 with whatever body."""
    return lambda handler, body: handler.send_bytes(200, payload, {"Content-Type": kind})


def cut(handler: Handler, body: dict[str, Any]) -> None:
    """Promises a body, sends half of it, and hangs up."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    handler.close_connection = True


def hang(handler: Handler, body: dict[str, Any]) -> None:
    """Never answers: waits until the client goes or the server is closed."""
    handler.wait_until(handler.owner.closing)
    handler.close_connection = True


def when(gate: threading.Event, then: Behaviour | None = None) -> Behaviour:
    """Answers once a gate is open; nobody is billed if the client has gone meanwhile."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if handler.wait_until(gate):
            (then or reply())(handler, body)
        else:
            handler.close_connection = True

    return behave


def wait_for(condition: Callable[[], bool], deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    @property
    def owner(self) -> MisbehavingServer:
        return self.server.owner

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.next(body)(self, body)

    def send(
        self,
        status: int,
        value: dict[str, Any],
        prompt: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        if self.client_gone():
            self.close_connection = True
            return
        if prompt is not None:
            self.owner.bill(prompt)
        payload = json.dumps(value).encode()
        self.send_bytes(status, payload, {"Content-Type": "application/json"} | (headers or {}))

    def send_bytes(self, status: int, payload: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def client_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def wait_until(self, gate: threading.Event) -> bool:
        """False when the client went away first, or the server is closed."""
        closing = self.owner.closing
        for _ in range(int(PATIENCE_S / 0.02)):
            if gate.wait(0.02):
                return not self.client_gone()
            if closing.is_set() or self.client_gone():
                break
        return False

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # as many may connect at once, however busy the machine
    owner: MisbehavingServer

    def handle_error(self, *_: object) -> None:
        """A client that was killed is part of the test."""


@dataclass
class MisbehavingServer:
    """Use as a context manager; listens on loopback, on a free port if none is given.

    ``answer``: prompt -> text of a good reply. ``requests``: the bodies, as they came in.
    ``at_once``: requests being handled now.
    """

    answer: Callable[[str], str] = lambda prompt: f"answer to {prompt}"
    script: deque[Behaviour] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)
    closing: threading.Event = field(default_factory=threading.Event)
    host: str = "127.0.0.1"
    port: int = 0
    most_at_once: int = 0
    at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._server = type("Server", (Server,), {"address_family": family})(
            (self.host, self.port), Handler
        )
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._server.server_port}/v1"

    def next(self, body: dict[str, Any]) -> Behaviour:
        with self._lock:
            self.requests.append(body)
            behaviour = self.script.popleft() if self.script else reply()

        def counted(handler: Handler, body: dict[str, Any]) -> None:
            with self._lock:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                behaviour(handler, body)
            finally:
                with self._lock:
                    self.at_once -= 1

        return counted

    def bill(self, prompt: str) -> None:
        with self._lock:
            self.delivered[prompt] += 1
