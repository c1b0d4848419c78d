"""A reply has a size, a request a deadline, and prompts go where the card says."""

from __future__ import annotations

import json
import resource
import time
from typing import Any

import pytest

from engine.generation.endpoint.limits import BYTES_PER_TOKEN, most_bytes
from engine.schema.cards import Sampling
from tests.engine.misbehaving_server import MisbehavingServer, raw, reply, wait_for
from tests.engine.odd_replies import body, completion, endless, headed, packed, trickle
from tests.engine.teaching import KEY, ask

TOKENS = Sampling(max_new_tokens=20)
ROOM = most_bytes(TOKENS)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_bytes_that_trickle_in_do_not_extend_the_deadline(
    server: MisbehavingServer, where: str
) -> None:
    server.script.append(trickle(where))
    began = time.monotonic()
    found = ask(server, timeout_s=0.4, http_retries=0)
    assert time.monotonic() - began < 3
    assert "no reply within 0.4 s (1 try)" in found.problem
    assert "timeout_s" in found.problem
    assert [b.key for b in found.broken] == ["q0"], "the server may have written all of it"
    wait_for(lambda: server.at_once == 0)


def test_a_connection_that_does_not_come_about_is_not_called_timeout_s(
    server: MisbehavingServer,
) -> None:
    found = ask(server, base_url="http://127.0.0.1:9/v1", http_retries=0)
    assert "no connection" in found.problem
    assert "timeout_s" not in found.problem
    assert found.broken == []


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_a_packed_reply_is_read(server: MisbehavingServer, how: str) -> None:
    server.script.append(packed(body(), how))
    assert ask(server).final == {"q0": "The answer is 4."}


@pytest.mark.parametrize(
    "flood",
    [
        endless,
        packed(body() + b" " * 200 * 2**20),
        packed(body() + b" " * 200 * 2**20, "deflate"),
        completion(message={"content": "word " * 2**20}),
        completion(padding="x" * ROOM),
    ],
)
def test_reading_stops_where_no_reply_can_be_that_long(
    server: MisbehavingServer, flood: Any
) -> None:
    server.script.extend([reply(), flood])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = ask(server, 3, sampling=TOKENS, timeout_s=30.0, price_out=1000.0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60 * 1024, f"{grown} KiB more"
    assert set(found.replies) == {"q0"}
    assert "reading stopped" in found.problem
    assert "max_new_tokens" in found.problem
    assert [b.completion_tokens for b in found.broken] == [20]


def test_a_text_longer_than_its_tokens_can_be_ends_the_phase(server: MisbehavingServer) -> None:
    longest = "x" * (20 * BYTES_PER_TOKEN)
    server.script.append(completion(message={"content": longest}))
    assert ask(server, sampling=TOKENS).final == {"q0": longest}
    server.script.append(completion(message={"content": longest + "x"}))
    found = ask(server, sampling=TOKENS)
    assert found.replies == {}
    assert "more than 20 tokens can have" in found.problem


def test_a_flood_in_an_error_is_not_read_to_its_end(server: MisbehavingServer) -> None:
    server.script.append(headed(500, {}, b"x" * (ROOM + 1)))
    found = ask(server, http_retries=0)
    assert "the server failed" in found.problem
    assert len(found.problem) < 400


def test_what_is_packed_otherwise_or_damaged_is_no_reply(server: MisbehavingServer) -> None:
    server.script.extend([packed(body(), "br")])
    assert "compressed as br" in ask(server, http_retries=0).problem
    server.script.extend([headed(200, {"Content-Encoding": "gzip"}, body())])
    assert "cut" in ask(server, http_retries=0).problem


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_prompts_do_not_follow_to_another_server(
    server: MisbehavingServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    with MisbehavingServer() as elsewhere:
        there = f"{elsewhere.url}/chat/completions?key={KEY}"
        server.script.append(headed(status, {"Location": there}))
        found = ask(server, api_key_env="SIRT_TEST_KEY")
        assert elsewhere.requests == []
    assert f"redirects to {elsewhere.url}" in found.problem
    assert "prompts are not sent there" in found.problem
    assert KEY not in found.words


def test_a_redirect_within_the_server_is_followed_a_few_times(server: MisbehavingServer) -> None:
    here = headed(307, {"Location": "/v1/elsewhere/chat/completions"})
    server.script.append(here)
    assert ask(server).final == {"q0": "answer to question 0"}
    server.script.extend([here] * 20)
    assert "in a circle" in ask(server).problem
    assert len(server.requests) == 2 + 6


def test_nesting_without_an_end_is_no_reply(server: MisbehavingServer) -> None:
    server.script.append(raw(b'{"choices":' * 100_000))
    server.script.append(raw(b'"\\"' * 300_000))
    began = time.monotonic()
    found = ask(server, http_retries=2, sampling=Sampling(max_new_tokens=512))
    assert found.final == {"q0": "answer to question 0"}
    assert time.monotonic() - began < 10


def test_headers_without_end_are_no_reply(server: MisbehavingServer) -> None:
    server.script.append(headed(200, {"X-Long": "y" * 500_000}, body()))
    found = ask(server, http_retries=0)
    assert "no connection, or it was cut" in found.problem


def test_a_proxy_that_can_not_be_used_is_named(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://nowhere:1")
    found = ask(server)
    assert "ALL_PROXY" in found.problem
    assert json.dumps(found.told) == "[]"
