"""Faults of every kind in any order, many at a time: what must hold whatever comes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from engine.generation.endpoint import patience
from tests.engine.misbehaving_server import MisbehavingServer, cut, error, prompt_of, raw, reply
from tests.engine.odd_replies import (
    LOST_PAGE,
    body,
    chunks,
    completion,
    delta,
    hang_up,
    headed,
    packed,
    streamed,
    wrong_length,
)
from tests.engine.teaching import ask

if TYPE_CHECKING:
    from tests.engine.misbehaving_server import Handler

FAULTS = [
    cut,
    hang_up,
    raw(LOST_PAGE),
    raw(b""),
    raw(body()[:-30]),
    completion(choices=[]),
    completion(choice={"finish_reason": "abort"}),
    streamed(delta("x"), end=""),
    chunks(body()[:40], end=b"zz\r\n"),
    wrong_length(body()[:50], by=30),
    packed(body()[:20]),
    headed(204, {}, b""),
    error(429, "slow", retry_after=0.01),
    error(500, "broken"),
    error(502, "bad gateway"),
    error(503, "starting"),
    reply(""),
    reply("", finish="length"),
    reply("no", finish="content_filter"),
]
QUESTIONS = 40


@pytest.mark.parametrize("seed", range(8))
def test_each_is_answered_once_and_the_cap_holds(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.05)
    dice, lock, share = random.Random(seed), threading.Lock(), (0.1, 0.4, 0.7)[seed % 3]
    good: Counter[str] = Counter()

    def behave(handler: Handler, request: dict[str, Any]) -> None:
        with lock:
            fault = dice.choice(FAULTS) if dice.random() < share else None
            good[prompt_of(request)] += fault is None
        (fault or reply())(handler, request)

    cap = (None, 4.0, 50.0)[seed // 3]
    prices = {"price_in": 1000.0, "price_out": 10_000.0}
    with MisbehavingServer() as server:
        server.script.extend([behave] * 5000)
        found = ask(
            server, QUESTIONS, concurrency=(1, 4, 16)[seed % 3], http_retries=5, patience_s=2.0,
            max_spend=cap, **prices,
        )  # fmt: skip
    replies = [reply for several in found.replies.values() for reply in several]
    paid = [r.prompt_tokens * 0.001 + r.completion_tokens * 0.01 for r in replies]
    possible = [b.prompt_tokens * 0.001 + b.completion_tokens * 0.01 for b in found.broken]
    assert cap is None or sum(paid + possible) <= cap
    assert max(good.values()) <= 1, "a good reply was asked for again"
    answered = {key for key, text in found.final.items() if text.startswith("answer to")}
    assert answered == {f"q{prompt.split()[-1]}" for prompt in good if good[prompt]}
    assert all(r.final for several in found.replies.values() for r in several[-1:]) or found.problem
    assert (len(found.final) == QUESTIONS) == (found.problem == "")
