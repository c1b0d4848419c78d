"""Servers that take requests otherwise, and replies that come in other shapes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.generation.endpoint import patience
from engine.interfaces import Begun, Question
from engine.schema.cards import Sampling
from tests.engine.misbehaving_server import MisbehavingServer, error, reply
from tests.engine.odd_replies import completion, delta, only_streams, streamed
from tests.engine.teaching import KEY, ask, questions

WARM = Sampling(temperature=0.3, top_p=0.9, max_new_tokens=20)


@pytest.mark.parametrize(
    ("objection", "gone"),
    [
        (error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
               "'max_completion_tokens' instead.", code="unsupported_parameter"), "max_tokens"),
        (error(400, "Please use max_completion_tokens and not max_tokens here"), "max_tokens"),
        (error(400, "Unrecognized request argument supplied: seed"), "seed"),
        (error(422, "Extra inputs are not permitted", param="body.seed"), "seed"),
        (error(400, "unknown field `top_p`"), "top_p"),
        (error(400, "Unsupported value: 'temperature' does not support 0.3 with this model. Only "
               "the default (1) value is supported.", param="temperature",
               code="unsupported_value"), "temperature"),
        (error(400, "invalid temperature: only 1 is allowed for this model"), "temperature"),
        (error(400, "temperature cannot be changed for this model"), "temperature"),
        (error(400, "top_p is deprecated for this model"), "top_p"),
    ],
)  # fmt: skip
def test_a_parameter_that_is_not_known_or_fixed_is_left_out_and_told_once(
    server: MisbehavingServer, objection: Any, gone: str
) -> None:
    def objects(handler: Any, body: dict[str, Any]) -> None:
        (objection if gone in body else reply())(handler, body)

    server.script.extend([objects] * 9)
    found = ask(server, 6, concurrency=3, sampling=WARM)
    assert len(found.final) == 6
    assert 7 <= len(server.requests) <= 9  # the three that were under way may all have had it
    first, last = server.requests[0], server.requests[-1]
    kept = {name: value for name, value in first.items() if name != gone}
    if gone == "max_tokens":
        kept["max_completion_tokens"] = 20
    shared = kept.keys() - {"messages", "seed"}
    assert {k: last[k] for k in shared} == {k: kept[k] for k in shared}
    assert gone not in last
    assert len(found.told) == 1
    assert f"does not take {gone}" in found.told[0]


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens must be between 1 and 256",
        "max_tokens is too large: 512. This model supports at most 256 completion tokens",
        "'max_tokens' of 512 exceeds the limit of 256",
        "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context "
        "length is 100 tokens and your request has 20 input tokens",
        "temperature must be less than or equal to 0.2",
        "top_p 0.9 is greater than 0.5",
    ],
)
def test_a_value_that_is_too_large_is_not_put_otherwise(
    server: MisbehavingServer, words: str
) -> None:
    server.script.extend([error(400, words)] * 50)
    found = ask(server, 30, sampling=WARM)
    assert found.replies == {}
    assert words in found.problem
    assert found.told == []
    assert len(server.requests) == 5, "a few tell that it is not the question"
    assert all(r.keys() == server.requests[0].keys() for r in server.requests)


def test_both_names_of_the_limit_unknown_is_an_error(server: MisbehavingServer) -> None:
    server.script.extend([error(400, "unknown parameter max_tokens")])
    server.script.extend([error(400, "unknown parameter max_completion_tokens")] * 9)
    assert "unknown parameter max_completion_tokens" in ask(server).problem


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens",
        "Input is too long for requested model.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Range of input length should be [1, 6144]",
        "the prompt (9000) exceeds the window",
    ],
)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_question_too_large_fails_alone_in_the_servers_words(
    server: MisbehavingServer, words: str, place: int
) -> None:
    server.script.extend([error(400, words) if i == place else reply() for i in range(5)])
    found = ask(server, 5)
    finishes = {key: replies[-1].finish for key, replies in found.replies.items()}
    assert finishes == {f"q{i}": "refused" if i == place else "stop" for i in range(5)}
    refused = found.replies[f"q{place}"]
    assert [(r.text, r.final) for r in refused] == [("", True)]
    assert words in refused[0].why
    assert found.problem == ""
    assert [f"q{place}: " in line and words in line for line in found.told] == [True]


def test_many_too_large_in_a_row_are_the_servers_not_the_questions(
    server: MisbehavingServer,
) -> None:
    server.script.extend([reply(), *[error(400, "maximum context length is 0")] * 99])
    found = ask(server, 60)
    assert set(found.replies) == {"q0"}
    assert "maximum context length is 0" in found.problem


def test_what_is_rejected_otherwise_is_for_a_retry(server: MisbehavingServer) -> None:
    server.script.extend([reply(), error(400, "no thanks"), reply()])
    found = ask(server, 3)
    assert set(found.final) == {"q0", "q2"}
    assert "1 of 3 questions got no reply while others did (q1: 400: no thanks" in found.problem


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
@pytest.mark.parametrize("status", [429, 403, 400])
def test_an_empty_account_is_told_as_one(server: MisbehavingServer, code: str, status: int) -> None:
    server.script.extend([error(status, "You are out of luck", code=code)] * 9)
    found = ask(server, 3, http_retries=5, patience_s=60.0)
    assert len(server.requests) == 1
    assert "no money is left" in found.problem
    assert "You are out of luck" in found.problem
    assert "concurrency" not in found.words
    server.script.clear()
    server.script.append(error(402, "Insufficient Balance"))
    assert "top up the account" in ask(server).problem


def test_a_server_that_only_streams_is_read_as_a_stream(server: MisbehavingServer) -> None:
    server.script.extend([only_streams] * 9)
    found = ask(server, 3)
    assert found.final == {f"q{i}": f"answer to question {i}" for i in range(3)}
    assert [(r.prompt_tokens, r.completion_tokens) for r in found.replies["q1"]] == [(10, 5)]
    assert len(server.requests) == 4
    assert server.requests[-1]["stream_options"] == {"include_usage": True}
    assert found.told == ["m answers in streams only; its replies are read so"]


def test_a_stream_that_nobody_asked_for_is_read_too(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    server.script.append(
        streamed(
            {"choices": []},
            delta(None, reasoning_content="add "),
            delta(None, reasoning_content="them"),
            {"choices": [{"index": 1, "delta": {"content": "another"}}]},
            delta("it is " + KEY[:9]),
            delta([{"type": "text", "text": KEY[9:]}]),
            delta("", "length"),
            {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 20}},
        )
    )
    (said,) = ask(server, api_key_env="SIRT_TEST_KEY").replies["q0"]
    assert (said.text, said.thinking, said.finish) == ("it is ***", "add them", "length")
    assert (said.prompt_tokens, said.completion_tokens) == (4, 20)


@pytest.mark.parametrize(
    ("message", "text", "thinking"),
    [
        ([{"type": "text", "text": "The answer "}, {"type": "text", "text": "is 4."}],
         "The answer is 4.", ""),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "add"}]},
          {"type": "text", "text": "4"}], "4", "add"),
        ([{"type": "reasoning", "text": "add"}, {"type": "output_text", "text": "4"}], "4", "add"),
        ([{"type": "thinking", "thinking": "add"}, {"type": "image_url"},
          {"type": "text", "text": "4"}], "4", "add"),
        ({"type": "text", "text": "4"}, "4", ""),
    ],
)  # fmt: skip
def test_content_in_parts_is_joined_and_thinking_kept_apart(
    server: MisbehavingServer, message: Any, text: str, thinking: str
) -> None:
    server.script.append(completion(message={"content": message}))
    (said,) = ask(server).replies["q0"]
    assert (said.text, said.thinking, said.finish) == (text, thinking, "stop")


@pytest.mark.parametrize(
    ("message", "usage"),
    [
        ({"content": None}, {}),
        ({"content": None, "reasoning_content": "add, and"}, {}),
        ({"content": "", "reasoning": "add, and"}, {}),
        ({"content": [{"type": "thinking", "thinking": "add, and"}]}, {}),
        ({"content": ""}, {"completion_tokens_details": {"reasoning_tokens": 20}}),
    ],
)
def test_all_tokens_spent_on_thinking_is_said_and_not_paid_again(
    server: MisbehavingServer, message: Any, usage: Any
) -> None:
    spent = {"prompt_tokens": 10, "completion_tokens": 20} | usage
    server.script.append(
        completion(message=message, choice={"finish_reason": "length"}, usage=spent)
    )
    found = ask(server)
    (said,) = found.replies["q0"]
    assert (said.text, said.finish, said.final) == ("", "length", True)
    assert said.why == "all of its 20 tokens were spent on thinking"
    assert len(server.requests) == 1
    assert [said.why in line and "max_new_tokens" in line for line in found.told] == [True]


def test_an_answer_that_is_to_be_finished_is_sent_and_counted_as_a_whole(
    server: MisbehavingServer,
) -> None:
    begun = Begun("So far " * 50, "Therefore")
    whole = [Question("q0", "question 0", 1, begun=begun)]
    found = ask(server, whole, price_in=1000.0, max_spend=0.1)
    assert "less than one reply may cost (0.19 USD" in found.problem
    ask(server, whole, price_in=1000.0, max_spend=0.2)
    assert [turn["role"] for turn in server.requests[0]["messages"]] == [
        "user", "assistant", "user",
    ]  # fmt: skip


def test_a_refusal_by_policy_is_the_providers_not_a_fault(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.02)
    inner = {"innererror": {"code": "ResponsibleAIPolicyViolation"}}
    server.script.extend([error(400, "no", code="content_filter"), error(400, "no", **inner)])
    found = ask(server, questions(2), content_retries=0)
    assert [r.finish for replies in found.replies.values() for r in replies] == ["filtered"] * 2
