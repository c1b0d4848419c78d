"""What is paid, what may have been paid, and a cap that holds over both."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from engine.generation.endpoint.limits import estimate_tokens
from engine.interfaces import Reply
from engine.schema.cards import Sampling
from tests.engine.misbehaving_server import MisbehavingServer, cut, error, hang, raw, reply, when
from tests.engine.odd_replies import body, completion
from tests.engine.teaching import ask, questions, teacher

PRICED = {"price_in": 1000.0, "price_out": 10_000.0}  # a reply of 10 + 5 tokens costs 0.06


pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": -10, "completion_tokens": 5}',
        '{"prompt_tokens": 10, "completion_tokens": -5}',
        '{"prompt_tokens": true, "completion_tokens": 5}',
        '{"prompt_tokens": 10, "completion_tokens": false}',
        '{"prompt_tokens": 10, "completion_tokens": NaN}',
        '{"prompt_tokens": Infinity, "completion_tokens": 5}',
        '{"prompt_tokens": 10, "completion_tokens": 1' + "0" * 400 + "}",
        '{"prompt_tokens": 1e400, "completion_tokens": 5}',
        '{"prompt_tokens": "10", "completion_tokens": "5"}',
        '{"prompt_tokens": 10, "completion_tokens": 4.5}',
        '{"prompt_tokens": [10], "completion_tokens": {"all": 5}}',
        '{"prompt_tokens": 10}',
        '{"prompt_tokens": 10, "completion_tokens": 0}',
        '{"prompt_tokens": 10, "completion_tokens": 5000000000}',
    ],
)
def test_figures_that_can_not_be_are_estimated_and_told(
    server: MisbehavingServer, usage: str
) -> None:
    whole = body(usage=None)[:-1] + f', "usage": {usage}}}'.encode()
    server.script.extend([raw(whole)] * 2)
    found = ask(server, 2, **PRICED, max_spend=9.0)
    said = estimate_tokens("The answer is 4.")
    for key in ("q0", "q1"):
        assert found.replies[key] == [Reply("The answer is 4.", "stop", 5, said)]
    assert found.problem == ""
    assert len(found.told) == 1
    assert "token counts that can't be" in found.told[0]


def test_whole_figures_written_as_floats_are_figures(server: MisbehavingServer) -> None:
    server.script.append(completion(usage={"prompt_tokens": 7.0, "completion_tokens": 3.0}))
    assert ask(server).replies["q0"][0].prompt_tokens == 7


@pytest.mark.parametrize("usage", ["x", [], {}, None, 5])
def test_no_figures_are_told_as_such(server: MisbehavingServer, usage: Any) -> None:
    server.script.append(completion(usage=usage))
    found = ask(server)
    assert ["without token counts" in line for line in found.told] == [True]


@pytest.mark.parametrize("at_once", [1, 8, 32])
def test_replies_beyond_their_limit_stop_it_before_the_cap_is_passed(
    server: MisbehavingServer, at_once: int
) -> None:
    """Four times what the limit says; the cap allows ten replies of the limit."""
    long = {"prompt_tokens": 10, "completion_tokens": 80}
    server.script.extend([completion(usage=long)] * 99)
    found = ask(server, 60, concurrency=at_once, **PRICED, max_spend=2.0)
    paid = len(server.requests) * (10 * 0.001 + 80 * 0.01)
    assert paid <= 2.0
    assert len(found.final) == len(server.requests), "what was paid is kept"
    assert "80 tokens where 'max_new_tokens' allows 20" in found.problem
    assert "can't be held" in found.problem


def test_an_end_mark_that_is_counted_on_top_stops_nothing_and_is_reserved(
    server: MisbehavingServer,
) -> None:
    over = {"prompt_tokens": 10, "completion_tokens": 21}
    server.script.extend([completion(usage=over)] * 99)
    found = ask(server, 60, concurrency=8, **PRICED, max_spend=2.0)
    paid = len(server.requests) * (10 * 0.001 + 21 * 0.01)
    assert 1.7 < paid <= 2.0
    assert "cap of 2.00 USD reached" in found.problem


def test_a_full_reply_that_nobody_counted_is_within_its_limit(server: MisbehavingServer) -> None:
    full = {"content": "nineteen words make " * 4}  # 80 bytes, estimated as 40 tokens otherwise
    server.script.extend([completion(message=full, usage=None)] * 9)
    found = ask(server, 9, **PRICED, max_spend=20.0)
    assert found.problem == ""
    assert {r.completion_tokens for replies in found.replies.values() for r in replies} == {20}
    server.script.extend([completion(message={"content": "x" * 400}, usage=None)] * 9)
    assert "can't be held" in ask(server, 9, **PRICED, max_spend=20.0).problem


def test_a_limit_that_is_ignored_is_only_told_where_there_is_no_cap(
    server: MisbehavingServer,
) -> None:
    long = {"prompt_tokens": 10, "completion_tokens": 80}
    server.script.extend([completion(usage=long)] * 3)
    found = ask(server, 3)
    assert len(found.final) == 3
    assert len(found.told) == 1
    assert "does not keep to it" in found.told[0]


def test_a_cap_below_one_reply_is_refused_before_anything_is_sent(
    server: MisbehavingServer,
) -> None:
    found = ask(server, 3, **PRICED, max_spend=0.2)
    assert server.requests == []
    assert "max_spend of 0.20 USD is less than one reply may cost" in found.problem
    assert "20 tokens" in found.problem


def test_replies_that_broke_off_count_against_the_cap(server: MisbehavingServer) -> None:
    """Each may have cost 0.205; the cap of one holds four of them and not a fifth."""
    server.script.extend([cut] * 50)
    found = ask(server, 3, http_retries=50, **PRICED, max_spend=1.0)
    assert len(server.requests) == len(found.broken) == 4
    assert "cap of 1.00 USD reached" in found.problem
    assert "0.82 USD possibly" in found.problem
    assert [(b.prompt_tokens, b.completion_tokens) for b in found.broken] == [(5, 20)] * 4


def test_what_a_broken_reply_has_counted_is_taken_from_it(server: MisbehavingServer) -> None:
    server.script.append(completion(choice={"finish_reason": "worker_lost"}))
    found = ask(server)
    assert [(b.prompt_tokens, b.completion_tokens) for b in found.broken] == [(10, 5)]
    assert "worker_lost" in found.broken[0].why


def test_errors_and_refused_connections_are_not_billed(server: MisbehavingServer) -> None:
    server.script.extend([error(503, "starting"), error(429, "slow", retry_after=0.01)])
    found = ask(server, http_retries=5)
    assert found.broken == []
    assert found.final == {"q0": "answer to question 0"}


def test_landing_takes_in_what_is_under_way_and_sends_no_more(server: MisbehavingServer) -> None:
    gate = threading.Event()
    server.script.extend([when(gate)] * 4)
    told: list[str] = []
    one = teacher(server, told, concurrency=4)
    batches = one.answer(questions(9))
    assert next(batches) == []
    assert one.land()
    gate.set()
    landed = [question.key for batch in batches for question, _ in batch]
    assert sorted(landed) == ["q0", "q1", "q2", "q3"]
    assert len(server.requests) == 4
    assert told == ["stopping: 4 replies under way, waited for 5 s at most"]
    assert one.broken_off() == []


def test_landing_is_bounded_and_what_was_cut_short_may_be_billed(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.generation.endpoint.flight.LANDING_S", 0.2)
    server.script.extend([reply(), hang, hang])
    told: list[str] = []
    one = teacher(server, told, concurrency=3, timeout_s=60.0)
    batches = one.answer(questions(9), done={f"q{i}" for i in range(3, 9)})
    [(answered, _)] = next(batch for batch in batches if batch)
    assert one.land()
    assert [batch for batch in batches if batch] == []
    assert {b.key for b in one.broken_off()} == {"q0", "q1", "q2"} - {answered.key}


def test_nothing_is_under_way_while_all_wait_for_their_next_try(
    server: MisbehavingServer,
) -> None:
    server.script.extend([error(503, "starting", retry_after=30)] * 2)
    one = teacher(server, [], concurrency=2, patience_s=60.0)
    batches = one.answer(questions(2))
    while not one.waiting:
        assert next(batches) == []
    assert not one.land()


def test_closing_says_what_it_cut_short(server: MisbehavingServer) -> None:
    server.script.extend([hang] * 2)
    one = teacher(server, [], concurrency=2, sampling=Sampling(max_new_tokens=20))
    batches = one.answer(questions(2))
    assert next(batches) == []
    batches.close()  # type: ignore[attr-defined]
    assert json.dumps(sorted(b.key for b in one.broken_off())) == '["q0", "q1"]'
