"""HTTP as it is spoken by servers that hardly can, and addresses that nobody has."""

from __future__ import annotations

import socket

import pytest

from tests.engine.misbehaving_server import MisbehavingServer
from tests.engine.odd_replies import body, verbatim
from tests.engine.teaching import ask

BODY = body()
HEAD = b"Content-Length: %d\r\n\r\n" % len(BODY)
WHOLE = b"HTTP/1.1 200 OK\r\n" + HEAD + BODY
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.parametrize(
    "response",
    [
        CONTINUE * 500 + WHOLE,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WHOLE,
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
        b"HTTP/1.1 299 Sure\r\n" + HEAD + BODY,
        b"HTTP/1.1 200 \r\nX-Odd: \xff\xfe\r\nSet-Cookie: a=b\r\n" + HEAD + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    ],
)
def test_a_whole_reply_is_read(server: MisbehavingServer, response: bytes) -> None:
    server.script.append(verbatim(response))
    found = ask(server)
    assert found.final == {"q0": "The answer is 4."}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "response",
    [
        b"",
        BODY,
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.1 999999 \xff\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        CONTINUE,
        b"HTTP/1.1 429 \x1b[31mred\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_response_is_waited_out(server: MisbehavingServer, response: bytes) -> None:
    server.script.append(verbatim(response))
    found = ask(server)
    assert found.final == {"q0": "answer to question 0"}
    assert "\x1b" not in found.words
    server.script.extend([verbatim(response)] * 9)
    found = ask(server)
    assert found.replies == {}
    assert "2 tries" in found.problem


def test_connections_that_the_server_closes_unsaid_are_no_faults(
    server: MisbehavingServer,
) -> None:
    server.script.extend([verbatim(WHOLE)] * 6)
    found = ask(server, 6)
    assert len(found.final) == 6
    assert len(server.requests) == 6
    assert found.told == []


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "304"),
        (b"HTTP/1.1 307 R\r\nLocation: http://[::bad\r\nContent-Length: 0\r\n\r\n", "307"),
        (b"HTTP/1.1 307 R\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "file:"),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x\r\nContent-Length: 0\r\n\r\n",
         "api_key_env"),
    ],
)  # fmt: skip
def test_what_no_waiting_mends_ends_it_at_once(
    server: MisbehavingServer, response: bytes, words: str
) -> None:
    server.script.extend([verbatim(response)] * 9)
    found = ask(server, http_retries=5, patience_s=60.0)
    assert len(server.requests) == 1
    assert words in found.problem


def test_tls_to_a_plain_port_is_named(server: MisbehavingServer) -> None:
    found = ask(server, base_url=server.url.replace("http:", "https:"), http_retries=0)
    assert "SSL" in found.problem
    assert "'base_url'" in found.problem


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[zz]/v1"])
def test_an_address_that_can_not_be_is_refused_at_once(server: MisbehavingServer, url: str) -> None:
    found = ask(server, base_url=url, patience_s=60.0)
    assert f"base_url: {url!r} is no address" in found.problem


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_reached() -> None:
    try:
        with MisbehavingServer(host="::1") as server:
            assert ask(server).final == {"q0": "answer to question 0"}
    except OSError as error:
        pytest.skip(f"no loopback over IPv6: {error}")
