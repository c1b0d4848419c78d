"""What else can come back from a chat endpoint: behaviours for the misbehaving server."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import TYPE_CHECKING, Any

from tests.engine.misbehaving_server import USAGE, prompt_of, raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.misbehaving_server import Behaviour, Handler

LOST_PAGE = b"<html><body>We are back in a minute</body></html>"


def body(**fields: Any) -> bytes:
    """A whole completion's JSON, with some of it replaced; ``None`` takes a field out."""
    message = {"role": "assistant", "content": "The answer is 4."} | fields.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | fields.pop("choice", {})
    whole = {"id": "x", "choices": [choice], "usage": USAGE} | fields
    return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()


def completion(**fields: Any) -> Behaviour:
    return raw(body(**fields))


def headed(status: int, headers: dict[str, str], payload: bytes = b"{}") -> Behaviour:
    return lambda handler, _: handler.send_bytes(status, payload, headers)


def streamed(*events: dict[str, Any] | str, end: str = "data: [DONE]\n\n") -> Behaviour:
    """A stream of events, whatever was asked for."""
    lines = [e if isinstance(e, str) else f"data: {json.dumps(e)}\n\n" for e in events]
    return raw("".join([*lines, end]).encode(), "text/event-stream")


def delta(content: Any = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "delta": {"content": content} | more, "finish_reason": reason}]
    }


def only_streams(handler: Handler, request: dict[str, Any]) -> None:
    if not request.get("stream"):
        handler.send(400, {"error": {"message": "set stream=true, others are not answered"}})
        return
    said = handler.owner.answer(prompt_of(request))
    half = len(said) // 2
    streamed(
        ": keep alive\n\n",
        delta("", role="assistant"),
        delta(said[:half]),
        delta(said[half:]),
        delta(None, "stop"),
        {"choices": [], "usage": USAGE},
    )(handler, request)


def trickle(where: str, every_s: float = 0.05) -> Behaviour:
    """One byte now and then, for ever: of the headers or of the body."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.close_connection = True
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        handler.wfile.write(head + (b"X-Pad: " if where == "headers" else b"\r\n"))
        while not handler.owner.closing.is_set() and not handler.client_gone():
            handler.wfile.write(b" ")
            time.sleep(every_s)

    return behave


def endless(handler: Handler, _: dict[str, Any]) -> None:
    """As fast as it is taken, until the client hangs up."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + body()[:-1] + b', "pad": "')
    while not handler.owner.closing.is_set():
        handler.wfile.write(b"x" * 65_536)


def packed(payload: bytes, how: str = "gzip") -> Behaviour:
    pack: Callable[[bytes], bytes] = {"gzip": gzip.compress, "deflate": zlib.compress}.get(
        how, lambda same: same
    )
    return headed(200, {"Content-Type": "application/json", "Content-Encoding": how}, pack(payload))


def wrong_length(payload: bytes, by: int) -> Behaviour:
    """A Content-Length that is not the body's; then the connection is closed."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.close_connection = True
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(payload) + by}\r\n\r\n"
        handler.wfile.write(head.encode() + payload)

    return behave


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> Behaviour:
    """A chunked body."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(end)

    return behave


def hang_up(handler: Handler, _: dict[str, Any]) -> None:
    """Without a word."""
    handler.close_connection = True


def verbatim(response: bytes) -> Behaviour:
    """These bytes, and the connection is closed without a word about it."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.close_connection = True
        handler.wfile.write(response)

    return behave
