"""Teachers behind an endpoint, through the real SDK and real sockets."""

from __future__ import annotations

import json
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from engine.generation.endpoint.limits import Throttle, estimate_tokens
from engine.generation.endpoint.openai_compatible import EndpointProvider
from engine.interfaces import Question, Reply
from engine.schema.cards import Endpoint, ModelCard, Sampling
from engine.schema.errors import UserError
from engine.schema.settings import GenerationSettings
from tests.engine.misbehaving_server import (
    MisbehavingServer,
    cut,
    echo_key,
    error,
    hang,
    raw,
    reply,
    wait_for,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.interfaces import Batch

KEY = "sk-planted-0123456789"


@pytest.fixture
def told() -> list[str]:
    return []


def endpoint(server: MisbehavingServer, told: list[str], spent: float = 0.0, **fields: Any) -> Any:
    source = {"concurrency": 4, "timeout_s": 5.0, "http_retries": 2, "patience_s": 0.0} | fields
    sampling = source.pop("sampling", Sampling(temperature=0.7, max_new_tokens=20))
    url = source.pop("base_url", server.url)
    card = ModelCard(
        name="gpt",
        family="gpt",
        source=Endpoint(kind="openai_compatible", base_url=url, model="m", **source),
        sampling=sampling,
    )
    return EndpointProvider(card, GenerationSettings(), told.append, spent)


def questions(count: int) -> list[Question]:
    return [Question(f"q{i}", f"question {i}", seed=1000 + i) for i in range(count)]


def answers(teacher: Any, asked: list[Question], done: Any = frozenset()) -> dict[str, list[Reply]]:
    found: dict[str, list[Reply]] = {}
    collect(teacher.answer(asked, done), found)
    return found


def collect(batches: Iterable[Batch], found: dict[str, list[Reply]]) -> None:
    for batch in batches:
        for question, answered in batch:
            found.setdefault(question.key, []).append(answered)


def failure(teacher: Any, asked: list[Question]) -> tuple[dict[str, list[Reply]], UserError]:
    """What was yielded before the error, and the error."""
    found: dict[str, list[Reply]] = {}
    with pytest.raises(UserError) as caught:
        collect(teacher.answer(asked), found)
    assert "\n" not in str(caught.value)
    return found, caught.value


def test_answers_every_question_with_the_cards_sampling(
    server: MisbehavingServer, told: list[str]
) -> None:
    teacher = endpoint(server, told, sampling=Sampling(temperature=0.7, top_p=0.9))
    found = answers(teacher, questions(9), done={"q3"})
    assert set(found) == {f"q{i}" for i in range(9)} - {"q3"}
    assert found["q5"] == [Reply("answer to question 5", "stop", 10, 5, final=True)]
    sent = {b["messages"][0]["content"]: b for b in server.requests}
    assert sent["question 5"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "question 5"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 512,
        "seed": 1005,
    }
    assert told == []


def test_keeps_to_the_cards_concurrency(server: MisbehavingServer, told: list[str]) -> None:
    gate = threading.Event()
    server.script.extend([when(gate)] * 4)
    replies = endpoint(server, told, concurrency=4).answer(questions(12))
    assert next(replies) == []  # while the server holds all of them, the caller can look around
    gate.set()
    assert sum(len(batch) for batch in replies) == 12
    assert server.most_at_once == 4


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_http_errors_are_waited_out(
    server: MisbehavingServer, told: list[str], status: int
) -> None:
    server.script.extend([error(status, "busy", retry_after=0.05)] * 2)
    found = answers(endpoint(server, told, concurrency=1), questions(1))
    assert found["q0"] == [Reply("answer to question 0", "stop", 10, 5)]
    assert len(server.requests) == 3


def test_backs_off_on_429_once_a_burst_and_recovers(
    server: MisbehavingServer, told: list[str]
) -> None:
    gate = threading.Event()
    server.script.extend([when(gate, error(429, "slow down", retry_after=0.05))] * 4)
    teacher = endpoint(server, told)
    replies = teacher.answer(questions(4))
    assert next(replies) == []  # all four are in flight
    gate.set()
    assert sum(len(batch) for batch in replies) == 4
    assert len(told) == 1
    assert "429" in told[0]
    assert "at most 2 of 4" in told[0]
    before = teacher._throttle.limit
    assert 2 < before < 4
    answers(teacher, questions(8))
    assert before < teacher._throttle.limit <= 4


def test_throttle_never_falls_below_one() -> None:
    told: list[str] = []
    throttle = Throttle(4, told.append)
    for _ in range(5):
        throttle._halve("20")
    assert throttle.limit == 1.0
    assert len(told) == 2
    assert "wait 20 s" in told[0]


@pytest.mark.parametrize(
    ("fault", "finish"),
    [
        (reply(""), "empty"),
        (reply("  \n"), "empty"),
        (reply("", finish="length"), "length"),
        (reply("no.", finish="content_filter"), "filtered"),
        (reply("", refusal="I can't."), "filtered"),
    ],
)
def test_content_faults_are_asked_again_and_every_paid_reply_is_yielded(
    server: MisbehavingServer, told: list[str], fault: Any, finish: str
) -> None:
    server.script.append(fault)
    found = answers(endpoint(server, told), questions(1))["q0"]
    assert [(r.finish, r.final) for r in found] == [(finish, False), ("stop", True)]
    assert server.requests[0]["seed"] != server.requests[1]["seed"]


def test_content_retries_are_bounded_and_count_those_on_file(
    server: MisbehavingServer, told: list[str]
) -> None:
    server.script.extend([reply("")] * 9)
    found = answers(endpoint(server, told, content_retries=2), questions(1))
    assert [r.final for r in found["q0"]] == [False, False, True]
    on_file = [Question("q0", "question 0", 1, tries=2)]
    found = answers(endpoint(server, told, content_retries=2), on_file)
    assert [r.final for r in found["q0"]] == [True]


def test_replies_of_careless_servers_are_read_and_counted(
    server: MisbehavingServer, told: list[str]
) -> None:
    bare = {"choices": [{"message": {"content": "half \ud800 pair"}}]}
    usage = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    server.script.extend([raw(json.dumps(bare | usage).encode())])
    found = answers(endpoint(server, told), questions(1))
    assert found["q0"] == [Reply("half ? pair", "stop", 7, 3)]
    assert told == []


def test_a_cut_off_answer_is_final(server: MisbehavingServer, told: list[str]) -> None:
    server.script.append(reply("It is", finish="length"))
    found = answers(endpoint(server, told), questions(1))
    assert found["q0"] == [Reply("It is", "length", 10, 5, final=True)]


def test_a_prompt_that_the_provider_refuses_fails_alone(
    server: MisbehavingServer, told: list[str]
) -> None:
    server.script.append(error(400, "filtered", code="content_filter"))
    found = answers(endpoint(server, told, content_retries=0, concurrency=1), questions(2))
    assert [r.finish for r in found["q0"]] == ["filtered"]
    assert [r.finish for r in found["q1"]] == ["stop"]


def test_parameters_that_the_server_rejects_are_put_otherwise_once(
    server: MisbehavingServer, told: list[str]
) -> None:
    server.script.extend(
        [
            error(400, "'max_tokens' is not supported; use 'max_completion_tokens'"),
            error(422, "Extra inputs are not permitted", param="seed"),
        ]
    )
    answers(endpoint(server, told, concurrency=1), questions(2))
    assert len(server.requests) == 4
    assert server.requests[-1]["max_completion_tokens"] == 20
    assert "max_tokens" not in server.requests[-1]
    assert "seed" not in server.requests[-1]
    assert len(told) == 2


def test_missing_usage_is_estimated_and_told_once(
    server: MisbehavingServer, told: list[str]
) -> None:
    server.script.extend([reply("four", usage=None)] * 3)
    found = answers(endpoint(server, told), questions(3))
    assert found["q0"][0].prompt_tokens == estimate_tokens("question 0") == 5
    assert found["q0"][0].completion_tokens == 2
    assert len(told) == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (echo_key(401), "check the key in SIRT_TEST_KEY"),
        (echo_key(403), "access refused"),
        (error(404, "no such model"), "no model 'm' there"),
        (error(429, "quota", retry_after=0.02), "over the server's limit"),
        (error(500, "x" * 5000, retry_after=0.02), "the server failed"),
        (error(429, "come back tomorrow", retry_after=86400), "retry after 1 d"),
        (cut, "no connection, or it was cut"),
        (hang, "no reply within 0.2 s"),
    ],
)
def test_lasting_failures_are_one_line_that_says_where_and_what_to_do(
    server: MisbehavingServer,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    behaviour: Any,
    words: str,
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    retries = 0 if behaviour in (cut, hang) else 1  # half a second passes between them
    server.script.extend([reply(), *[behaviour] * 20])
    teacher = endpoint(
        server,
        told,
        concurrency=1,
        api_key_env="SIRT_TEST_KEY",
        http_retries=retries,
        timeout_s=0.2 if behaviour is hang else 5.0,
    )
    found, problem = failure(teacher, questions(3))
    assert set(found) == {"q0"}
    assert words in str(problem)
    assert server.url in str(problem)
    assert len(str(problem)) < 500
    texts = [str(problem), repr(problem), *traceback.format_exception(problem), *told]
    assert KEY not in "".join(texts)
    assert problem.__cause__ is None
    assert problem.__context__ is None


def test_what_is_in_flight_when_something_fails_is_still_yielded(
    server: MisbehavingServer, told: list[str]
) -> None:
    gate = threading.Event()
    server.script.extend([error(404, "gone"), when(gate), when(gate)])
    replies = endpoint(server, told, concurrency=3).answer(questions(9))
    assert next(replies) == []
    gate.set()
    found: dict[str, list[Reply]] = {}
    with pytest.raises(UserError, match="gone"):
        collect(replies, found)
    assert len(found) == 2
    assert len(server.requests) == 3


def test_nothing_listens(server: MisbehavingServer, told: list[str]) -> None:
    dead = "http://127.0.0.1:9/v1"
    _, problem = failure(endpoint(server, told, base_url=dead, http_retries=0), questions(2))
    assert dead in str(problem)
    assert "'base_url' in card 'gpt'" in str(problem)


def test_a_key_is_needed_only_where_the_card_names_one(
    server: MisbehavingServer, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIRT_TEST_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    named = endpoint(server, told, api_key_env="SIRT_TEST_KEY")
    assert answers(named, questions(2), done={"q0", "q1"}) == {}
    _, problem = failure(named, questions(1))
    assert "SIRT_TEST_KEY is not set" in str(problem)
    monkeypatch.setenv("SIRT_TEST_KEY", f"{KEY}\u2011")
    _, problem = failure(named, questions(1))
    assert KEY not in repr(problem)

    server.script.append(echo_key())
    _, problem = failure(endpoint(server, told), questions(1))
    assert KEY not in str(problem), "another provider's key must not be sent"
    assert "api_key_env" in str(problem)


def test_a_key_that_comes_back_in_an_answer_is_not_kept(
    server: MisbehavingServer, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    server.script.append(reply(f"your key is {KEY}"))
    found = answers(endpoint(server, told, api_key_env="SIRT_TEST_KEY"), questions(1))
    assert found["q0"][0].text == "your key is ***"


def test_spend_cap_is_never_exceeded(server: MisbehavingServer, told: list[str]) -> None:
    """A reply costs 5 of its 20 tokens' worth, so the cap binds while requests are in flight."""
    priced = {"price_in": 1000.0, "price_out": 10_000.0}
    most = 5 * 0.001 + 20 * 0.01  # what a question is taken to cost before it is sent
    paid = 10 * 0.001 + 5 * 0.01
    teacher = endpoint(server, told, spent=0.5, max_spend=1.0, **priced)
    found, problem = failure(teacher, questions(40))
    assert 1.0 - most - 10 * 0.001 < 0.5 + len(found) * paid <= 1.0
    assert len(server.requests) == len(found)
    assert str(problem).startswith("spend cap of 1.00 USD reached: 0.8")
    assert f"{len(found)} of 40 answered; raise 'max_spend'" in str(problem)


def test_spend_cap_holds_for_what_is_in_flight(server: MisbehavingServer, told: list[str]) -> None:
    """Even if every answer were of full length."""
    full = {"prompt_tokens": 5, "completion_tokens": 20}
    gate = threading.Event()
    server.script.extend([when(gate, reply(usage=full))] * 9)
    priced = {"price_in": 1000.0, "price_out": 10_000.0}
    teacher = endpoint(server, told, max_spend=0.45, concurrency=8, **priced)
    replies = teacher.answer(questions(9))
    assert next(replies) == []
    assert len(server.requests) == 2
    gate.set()
    with pytest.raises(UserError, match=r"cap of 0.45 USD reached: 0.41 USD spent, 2 of 9"):
        list(replies)


def test_closing_cancels_and_leaves_nothing_behind(
    server: MisbehavingServer, told: list[str]
) -> None:
    server.script.extend([reply(), hang, hang, hang])
    replies = endpoint(server, told).answer(questions(4))
    assert next(batch for batch in replies if batch)
    next(batch for batch in replies if len(server.requests) == 4)  # empty, while all three hang
    replies.close()
    wait_for(lambda: server.at_once == 0)  # the client has hung up on all three
