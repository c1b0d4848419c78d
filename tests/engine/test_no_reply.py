"""What comes under status 200 and is no reply of the model: waited out, never filed as one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.interfaces import Reply
from tests.engine.misbehaving_server import MisbehavingServer, cut, error, raw, reply
from tests.engine.odd_replies import (
    LOST_PAGE,
    body,
    chunks,
    completion,
    delta,
    hang_up,
    headed,
    streamed,
    wrong_length,
)
from tests.engine.teaching import KEY, ask

JSON = {"Content-Type": "application/json"}
NOT_BILLED = [
    raw(LOST_PAGE, "text/html"),
    raw(LOST_PAGE),
    raw(b""),
    raw(b"null"),
    raw(b"[]"),
    raw(b"\xff\xfe\x00", "application/octet-stream"),
    raw(b'{"error": {"message": "overloaded", "code": 503}}'),
    raw(b'{"error": "try later"}'),
    raw(b'{"object": "error", "message": "no worker", "code": 500}'),
    raw(b'{"detail": "no worker"}'),
    completion(choices=[]),
    completion(choices={}),
    completion(choices=["text"]),
    completion(choice={"message": None}),
    completion(choice={"message": {}}),
    completion(choice={"message": "text"}),
    headed(204, {}, b""),
    hang_up,
]
MAY_BE_BILLED = [
    raw(body()[:-30]),
    cut,
    wrong_length(body()[:40], by=60),
    chunks(body()[:40], end=b""),
    chunks(body()[:40], end=b"zz\r\n"),
    completion(choice={"finish_reason": "network_error"}),
    completion(choice={"finish_reason": ["stop"]}),
    completion(choice={"finish_reason": 1}),
    completion(choice={"error": {"message": "upstream broke", "code": 502}}),
    completion(message={"content": 5}),
    completion(message={"content": ["a", "list"]}),
    completion(message={"content": [{"type": "image", "text": "x"}]}),
    streamed(delta("The ans"), end=""),
    streamed(delta("The ans"), {"error": {"message": "worker died"}}),
]


pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.parametrize("odd", range(len(NOT_BILLED + MAY_BE_BILLED)))
def test_is_waited_out_and_the_question_asked_again(server: MisbehavingServer, odd: int) -> None:
    server.script.append((NOT_BILLED + MAY_BE_BILLED)[odd])
    found = ask(server, price_in=1000.0, price_out=1000.0)
    assert found.replies == {"q0": [Reply("answer to question 0", "stop", 10, 5)]}
    assert [b.key for b in found.broken] == ["q0"] * (odd >= len(NOT_BILLED))
    assert found.problem == ""
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1], "the seed is for other words of the model"
    assert any("waits and tries again" in line for line in found.told)
    assert any("requests that brought no reply: 1 ×" in line for line in found.told)


@pytest.mark.parametrize("odd", range(len(NOT_BILLED + MAY_BE_BILLED)))
def test_is_never_final_however_often_it_comes(server: MisbehavingServer, odd: int) -> None:
    server.script.extend([reply(), *[(NOT_BILLED + MAY_BE_BILLED)[odd]] * 9])
    found = ask(server, 3, http_retries=0, content_retries=0)
    assert set(found.replies) == {"q0"}
    assert found.problem.startswith(server.url)


def test_one_question_that_breaks_every_time_ends_the_others_no_earlier(
    server: MisbehavingServer,
) -> None:
    broken = raw(b'{"error": "busy"}')
    server.answer = lambda prompt: f"so: {prompt}"
    good = reply()

    def behave(handler: Any, request: dict[str, Any]) -> None:
        is_third = request["messages"][0]["content"].endswith(" 2")
        (broken if is_third else good)(handler, request)

    server.script.extend([behave] * 100)
    found = ask(server, 12, concurrency=2)
    assert set(found.final) == {f"q{i}" for i in range(12)} - {"q2"}
    assert "1 of 12 questions got no reply while others did (q2: an error under" in found.problem
    assert "busy" in found.problem
    assert "2 tries" in found.problem


@pytest.mark.parametrize("fault", [raw(LOST_PAGE), error(500, "worker died")])
def test_questions_that_break_the_server_do_not_block_all_others(
    server: MisbehavingServer, fault: Any
) -> None:
    """As many as are sent at a time: without one more, nothing could show that others work."""
    good = reply()

    def behave(handler: Any, request: dict[str, Any]) -> None:
        breaks = request["messages"][0]["content"] in ("question 0", "question 1")
        (fault if breaks else good)(handler, request)

    server.script.extend([behave] * 500)
    found = ask(server, 20, concurrency=2, http_retries=3, patience_s=60.0)
    assert set(found.final) == {f"q{i}" for i in range(2, 20)}
    assert "2 of 20 questions got no reply while others did" in found.problem


def test_what_an_error_under_200_says_is_taken_at_its_word(server: MisbehavingServer) -> None:
    server.script.append(raw(b'{"error": {"code": "insufficient_quota", "message": "empty"}}'))
    found = ask(server, patience_s=60.0)
    assert "no money is left" in found.problem
    assert len(server.requests) == 1
    too_long = b'{"error": {"code": 400, "message": "maximum context length is 100 tokens"}}'
    server.script.extend([reply(), raw(too_long), reply()])
    found = ask(server, 3)
    assert found.replies["q1"][-1].finish == "refused"


@pytest.mark.parametrize(
    "whole",
    [
        wrong_length(body(), by=60),
        chunks(body()[:9], body()[9:], end=b""),
        chunks(*[body()[i : i + 1] for i in range(len(body()))]),
        streamed(delta("The answer is 4."), delta(None, "stop"), {"usage": {}}, end=""),
        raw(b"\xef\xbb\xbf" + body()),
        raw(body().decode().encode("utf-16")),
        raw(body(), "text/html"),
        raw(b"\n\n  " + body()),
        completion(error=None, extra=[1.0, float("nan")]),
        raw(body()[:-1] + b', "n": ' + b"9" * 6000 + b"}"),
        raw(body()[:-1] + b', "deep": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        raw(body()[:-1] + b', "deep": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_000 + b"}"),
        completion(
            choices=[
                {"index": 1, "message": {"content": "another"}, "finish_reason": "stop"},
                json.loads(body())["choices"][0],
                json.loads(body())["choices"][0],
            ]
        ),
        completion(message={"tool_calls": [{"id": "x"}]}, choice={"finish_reason": "tool_calls"}),
        completion(choice={"finish_reason": "STOP"}),
        completion(choice={"finish_reason": "eos_token"}),
        completion(choice={"finish_reason": None}),
    ],
)
def test_what_is_whole_is_a_reply_however_it_is_wrapped(
    server: MisbehavingServer, whole: Any
) -> None:
    server.script.append(whole)
    found = ask(server)
    assert found.final == {"q0": "The answer is 4."}
    assert len(server.requests) == 1
    assert found.broken == []


def test_bytes_that_are_no_utf8_are_shown_as_such(server: MisbehavingServer) -> None:
    server.script.append(raw(body().replace(b"answer", b"answ\xffer")))
    assert ask(server).final == {"q0": "The answ\ufffder is 4."}


def test_a_key_in_an_odd_body_is_told_to_nobody(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    padding = b" " * 380  # so that a cut at 400 bytes would leave half a key
    server.script.extend([raw(b"<p>" + padding + KEY.encode() + b"</p>"), reply()])
    found = ask(server, api_key_env="SIRT_TEST_KEY")
    assert "***" in found.words
    assert KEY[:8] not in found.words
