"""A server that is away, or busy, is waited for, and what is waited for is said."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from engine.generation.endpoint import patience
from engine.generation.endpoint.faults import Fault, seconds_to_wait
from engine.generation.endpoint.patience import Patience, Spell
from engine.schema.cards import Endpoint
from engine.schema.durations import duration
from tests.engine.misbehaving_server import MisbehavingServer, error, raw, reply
from tests.engine.odd_replies import LOST_PAGE, hang_up, headed
from tests.engine.teaching import KEY, ask, questions, teacher

DEFAULTS = Endpoint(kind="openai_compatible", base_url="http://x", model="m")
BUSY = b'{"error": {"message": "busy"}}'


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    return now


def tries(clock: list[float], fault: Fault, **fields: Any) -> float:
    """Seconds until a server that never gets well is given up."""
    waits = Patience(DEFAULTS.model_copy(update=fields))
    spell, began = Spell(), clock[0]
    while (pause := waits.pause(fault, spell, clock[0])) is not None:
        assert 0 < pause <= patience.LONGEST_PAUSE_S
        assert "waiting for the server" in waits.waiting
        clock[0] += pause
    return clock[0] - began


@pytest.mark.parametrize("kind", ["connection", "server", "reply", "timeout", "limit"])
def test_a_server_that_is_away_is_waited_for_three_minutes(clock: list[float], kind: Any) -> None:
    assert 180 <= tries(clock, Fault(kind, "gone")) < 200
    assert tries(clock, Fault(kind, "gone"), patience_s=0.0) < 20
    assert 1000 <= tries(clock, Fault(kind, "gone"), patience_s=1000.0) < 1020


def test_what_is_waited_for_is_said_with_its_times(clock: list[float]) -> None:
    waits, spell = Patience(DEFAULTS), Spell()
    assert waits.waiting == ""
    for _ in range(20):
        pause = waits.pause(Fault("connection", "refused"), spell, clock[0])
        assert pause is not None
        clock[0] += pause
    pause = waits.pause(Fault("connection", "refused"), spell, clock[0])
    assert pause is not None
    passed = clock[0] - 1000
    times = f"for {duration(passed)}, tries again in {duration(pause)}"
    assert waits.waiting == f"waiting for the server: no connection {times}"
    waits.well()
    assert waits.waiting == ""


def test_a_silence_that_is_longer_than_usual_is_said(clock: list[float]) -> None:
    waits = Patience(DEFAULTS)
    clock[0] += 60
    assert waits.waiting == "", "nobody knows yet how long a reply takes"
    for _ in range(10):
        clock[0] += 4
        waits.well()
    clock[0] += 30
    assert waits.waiting == ""
    clock[0] += 30
    assert waits.waiting == "waiting for the server: no reply for 1 min"
    waits.well()
    assert waits.waiting == ""


def test_a_restarted_server_is_found_again(server: MisbehavingServer) -> None:
    """Nobody listens at first; what was asked then is answered, and nothing was billed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told: list[str] = []
    one = teacher(
        server, told, concurrency=3, patience_s=60.0, base_url=f"http://127.0.0.1:{port}/v1"
    )
    batches = one.answer(questions(5))
    while not one.waiting:
        assert next(batches) == []
    assert "no connection" in one.waiting
    with MisbehavingServer(port=port) as restarted:
        found = {question.key for batch in batches for question, _ in batch}
        assert len(restarted.requests) == 5
    assert found == {f"q{i}" for i in range(5)}
    assert one.waiting == ""
    assert one.broken_off() == []
    assert len(told) == 2
    assert "waits and tries again" in told[0]
    assert "× no connection" in told[1]


def test_trouble_of_one_is_no_waiting_while_others_come(server: MisbehavingServer) -> None:
    gate = threading.Event()

    def behave(handler: Any, request: dict[str, Any]) -> None:
        if request["messages"][0]["content"].endswith(" 0") and not gate.is_set():
            raw(BUSY)(handler, request)
        else:
            reply()(handler, request)

    server.script.extend([behave] * 200)
    one = teacher(server, [], concurrency=2, http_retries=50)
    found: list[str] = []
    for batch in one.answer(questions(20)):
        found += [question.key for question, _ in batch]
        if len(found) == 19:
            assert one.waiting == ""
            gate.set()
    assert found[-1] == "q0"


def later(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("20", 20, 20),
        ("0.5", 0.5, 0.5),
        ("-7", 0, 0),
        ("  3 ", 3, 3),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0, 0),
        ("9" * 40, 1e39, 1e41),
        ("inf", 1e300, float("inf")),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str, low: float, high: float) -> None:
    seconds = seconds_to_wait(header)
    assert seconds is not None
    assert low <= seconds <= high
    assert len(duration(seconds)) < 20


def test_a_date_is_so_many_seconds_from_now() -> None:
    ahead = seconds_to_wait(later(90))
    assert ahead is not None
    assert 85 <= ahead <= 90
    assert seconds_to_wait(later(-90)) == 0


@pytest.mark.parametrize(
    "header", ["", "soon", "nan", "GMT", "1e", "Fri, 31 Feb 2026 99:99:99 GMT", "\x00", KEY, "-"]
)
def test_junk_is_no_retry_after(header: str) -> None:
    assert seconds_to_wait(header) is None


@pytest.mark.parametrize(
    "header",
    ["86400", later(90_000), "9" * 30, "inf", "1e308"],
    ids=["seconds", "date", "digits", "inf", "1e308"],  # a date in the name differs by worker
)
@pytest.mark.parametrize("status", [429, 503])
def test_who_is_told_to_come_back_much_later_is_told_so_after_one_try(
    server: MisbehavingServer, header: str, status: int
) -> None:
    server.script.extend([headed(status, {"Retry-After": header}, BUSY)] * 9)
    found = ask(server, http_retries=5, patience_s=60.0)
    assert len(server.requests) == 1
    assert "1 try" in found.problem
    assert "retry after" in found.problem
    assert "GMT" not in found.words
    assert "9999" not in found.words


@pytest.mark.parametrize("header", ["soon", "-5", "nan", KEY, f"{KEY}; x", "GMT"])
def test_a_retry_after_that_says_nothing_is_told_to_nobody(
    server: MisbehavingServer, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    server.script.extend([headed(429, {"Retry-After": header}, BUSY)] * 2)
    found = ask(server, api_key_env="SIRT_TEST_KEY")
    assert len(server.requests) == 2
    assert header not in found.words
    assert KEY not in found.words
    assert "over the server's limit" in found.problem


def test_a_key_in_any_header_or_reason_is_told_to_nobody(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIRT_TEST_KEY", KEY)
    leaky = {"Retry-After": KEY, "Content-Type": KEY, "X-Request-Id": KEY, "Location": KEY}
    for status in (200, 302, 400, 401, 404, 429, 500):
        server.script.extend([headed(status, leaky, KEY.encode())])
        found = ask(server, http_retries=0, api_key_env="SIRT_TEST_KEY")
        assert found.problem
        assert KEY not in found.words + repr(found.broken), status


def test_pages_of_a_server_under_maintenance_are_waited_out(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.05)
    pages = [raw(LOST_PAGE, "text/html"), error(502, "bad gateway"), hang_up, error(503, "up soon")]
    server.script.extend(pages * 2)
    found = ask(server, 3, concurrency=3, patience_s=60.0)
    assert len(found.final) == 3
    assert found.problem == ""
    assert len(server.requests) == 8 + 3
