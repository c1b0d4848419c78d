"""Receive replies within bounds: limited bytes, limited time, and only from the server that the
card names.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from engine.generation.endpoint.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.generation.endpoint.faults import Kind

MOST_REDIRECTS = 5
OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
UNREADABLE = frozenset({"br", "zstd", "compress"})
IDLE_S = 2.0  # servers close idle connections after five seconds and more
CUT = "sirt_cut"


class Broken(Exception):
    """Carries a fault through the SDK, which does not catch it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that reads whole responses, within limits of time and size.

    Args:
        connect_s: seconds for a connection.
        deadline_s: seconds for all of a request: connecting, sending, headers, body.
        most_bytes: of a body, decompressed.
        proxies: whether those that the environment names are used; not for this machine itself.

    Any failure is :class:`Broken`. A body that the other end cut is handed on as far as it came,
    with ``CUT`` among the response's extensions: what it holds may be whole all the same.
    """

    def __init__(
        self, connect_s: float, deadline_s: float, most_bytes: int, proxies: bool = True
    ) -> None:
        self._connect_s = min(connect_s, deadline_s)
        self._deadline_s = deadline_s
        self._most_bytes = most_bytes
        super().__init__(
            timeout=httpx2.Timeout(None, connect=self._connect_s),
            headers={"Accept-Encoding": "identity"},
            limits=httpx2.Limits(keepalive_expiry=IDLE_S),
            trust_env=proxies,
        )

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """Send as the SDK asks, but always read the whole response."""
        reached: set[str] = set()

        async def trace(event: str, _: object) -> None:
            if event.endswith(".complete"):
                reached.add(event.split(".")[1])

        request.extensions = {**request.extensions, "trace": trace}
        try:
            async with asyncio.timeout(self._deadline_s):
                try:
                    return await self._fetch(request)
                except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                    if reached & {"connect_tcp", "receive_response_headers"}:
                        raise
                    return await self._fetch(request)  # its idle connection had been closed
        except Broken:
            raise
        except httpx2.ConnectTimeout:
            fault = Fault("connection", f"no connection within {self._connect_s:g} s")
        except (TimeoutError, httpx2.TimeoutException):
            words = f"no reply within {self._deadline_s:g} s"
            fault = Fault("timeout", words, billed="send_request_body" in reached)
        except Exception as error:  # whatever it is may hold the request, and with it the key
            words = " ".join(str(_innermost(error)).split()) or type(error).__name__
            billed = "receive_response_headers" in reached
            fault = Fault("connection", f"no connection, or it was cut ({words})", billed=billed)
        raise Broken(fault)

    async def _fetch(self, request: httpx2.Request) -> httpx2.Response:
        for _ in range(MOST_REDIRECTS + 1):
            response = await super().send(request, stream=True, follow_redirects=False)
            try:
                onward = response.next_request
                if onward is None:
                    return await self._whole(response, request)
            finally:
                await response.aclose()
            if onward.method != request.method or _origin(onward.url) != _origin(request.url):
                raise Broken(Fault("phase", f"redirects to {onward.url}", response.status_code))
            request = onward
        raise Broken(Fault("phase", f"redirects in a circle ({request.url})", response.status_code))

    async def _whole(self, response: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding in UNREADABLE:
            raise Broken(Fault("reply", f"compressed as {encoding}, though not asked to"))
        packed = encoding in ("gzip", "x-gzip", "deflate")
        body, cut = bytearray(), False
        pieces = (
            _unpacked(response.aiter_raw(), self._most_bytes) if packed else response.aiter_raw()
        )
        try:
            async for piece in pieces:
                body += piece
                if len(body) > self._most_bytes:
                    raise Broken(self._too_much(response))
        except (httpx2.NetworkError, httpx2.ProtocolError, zlib.error):
            cut = True
        whole = httpx2.Response(
            response.status_code,
            headers=[(k, v) for k, v in response.headers.raw if k.lower() not in OF_THE_BODY],
            content=bytes(body),
            request=request,
        )
        whole.extensions[CUT] = cut
        return whole

    def _too_much(self, response: httpx2.Response) -> Fault:
        words = f"sent more than {self._most_bytes / 2**20:.1f} MiB for one reply; reading stopped"
        kind: Kind = "phase" if response.is_success else "server"
        return Fault(kind, words, response.status_code, billed=response.is_success)


def _innermost(error: BaseException) -> BaseException:
    return _innermost(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


async def _unpacked(raw: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Decompress in pieces of bounded size; ``zlib.error`` if the data is damaged or cut."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as its first bytes say
    async for chunk in raw:
        left = chunk
        while left:
            if decoder.eof:  # gzip may come in several members
                decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            yield decoder.decompress(left, most + 1)
            left = decoder.unconsumed_tail or decoder.unused_data
    if not decoder.eof:
        raise zlib.error("cut")
