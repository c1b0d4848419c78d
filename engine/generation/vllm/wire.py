"""Single HTTP requests to our vLLM server, such as a health check or loading an adapter."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.generation.vllm.folder import Server

TIMEOUT_S: Final = 600.0  # a request may wait behind many others


class Refused(Exception):
    """The server refused a request, as the message says; ``status`` is 0 without an answer."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


def call(
    server: Server,
    path: str,
    body: dict[str, Any] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Send a GET, or a POST of ``body``, and return the answer; :class:`Refused` unless status 200.

    Straight to this machine, whatever proxies the environment names.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    try:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        said = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(error_message(said) or answer.reason, answer.status)
    return said


def is_well(server: Server, timeout_s: float) -> bool:
    try:
        call(server, "/health", timeout_s=timeout_s)
    except Refused:
        return False
    return True


def error_message(said: str) -> str:
    """Return an error body's message in one line."""
    try:
        found = json.loads(said)
        found = found.get("error", found)
        words = str(found.get("message") or found)
    except (ValueError, AttributeError):
        words = said
    return " ".join(words.split())[:300]
