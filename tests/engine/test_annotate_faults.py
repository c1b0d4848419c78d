"""An annotate phase whose teacher's server fails: nothing is lost, paid twice or made up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.phases import ask
from engine.phases.context import Stopped
from engine.phases.replies import ReplyStore
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.records import Prediction
from engine.schema.specs import EvaluateSpec
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, REPLIES
from tests.engine.annotating import (
    TeacherLab,
    cost,
    demonstrations,
    progress,
    right,
    spec_of,
    wrong,
)
from tests.engine.misbehaving_server import (
    MisbehavingServer,
    cut,
    error,
    prompt_of,
    raw,
    reply,
    wait_for,
    when,
)
from tests.engine.odd_replies import LOST_PAGE, completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.misbehaving_server import Handler


pytestmark = pytest.mark.usefixtures("hurry")


@pytest.fixture
def says() -> Callable[[str], str]:
    return right


def test_a_phase_that_lost_rows_is_not_done_and_a_retry_asks_for_these_alone(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    unlucky: set[str] = set()

    def behave(handler: Handler, request: dict[str, Any]) -> None:
        prompt = prompt_of(request)
        if len(unlucky) < 3:
            unlucky.add(prompt)
        (raw(LOST_PAGE) if prompt in unlucky else reply())(handler, request)

    server.script.extend([reply()] * 4 + [behave] * 99)
    spec = spec_of(server, http_retries=2)
    with pytest.raises(UserError, match=r"3 of 12 questions got no reply .*a retry asks for these"):
        lab.attempt(spec)
    assert not lab.runs.phase(spec.id).done
    assert progress(lab.views[0]) == (9, 12, 0)
    server.script.clear()
    folder = lab.attempt(spec)
    assert folder.manifest()["figures"]["kept"] == 12
    assert progress(lab.views[1]) == (12, 12, 9)
    assert set(server.delivered.values()) == {1}
    assert len(server.delivered) == 12


def test_replies_that_broke_off_are_shown_as_possibly_paid_for_good(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.script.extend([reply(), cut, reply()])
    spec = spec_of(server, concurrency=1, http_retries=1)
    folder = lab.attempt(spec)
    found = cost(lab.views[0])
    most = ReplyStore(folder.work / REPLIES).broken
    assert most[1] == 20
    assert found.possible == pytest.approx((most[0] * 1000 + most[1] * 10_000) / 1e6)
    assert found.requests == 12
    assert folder.manifest()["figures"]["possibly_spent"] == found.possible
    assert "possibly" in found.text


def test_what_may_have_been_paid_counts_in_a_retry(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.script.extend([cut] * 9)
    spec = spec_of(server, concurrency=1, http_retries=9, max_spend=1.0)
    for _ in range(2):
        with pytest.raises(UserError, match=r"cap of 1.00 USD reached"):
            lab.attempt(spec)
    assert cost(lab.views[0]).possible == cost(lab.views[1]).possible
    assert 0 < len(server.requests) < 9


def test_keeping_more_after_a_failure_pays_for_nothing(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.answer = wrong
    with pytest.raises(UserError, match="set annotate keep: all"):
        lab.attempt(spec_of(server))
    folder = lab.attempt(spec_of(server, keep="all"))
    assert len(server.requests) == 12
    assert folder.manifest()["figures"]["kept"] == 12
    assert folder.manifest()["figures"]["spent"] == 0


def test_what_an_unfinished_phase_has_asked_serves_another(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.script.extend([*[reply()] * 5, error(404, "gone")])
    with pytest.raises(UserError, match="gone"):
        lab.attempt(spec_of(server, concurrency=1))
    lab.attempt(spec_of(server, keep="all"))
    assert set(server.delivered.values()) == {1}
    assert len(server.delivered) == 12


def test_a_stop_takes_in_what_is_under_way(lab: TeacherLab, server: MisbehavingServer) -> None:
    gate = threading.Event()
    server.script.extend([reply(), *[when(gate)] * 4])
    spec = spec_of(server)
    folder = lab.runs.phase(spec.id)

    def stop() -> None:
        wait_for(lambda: server.at_once == 4 and len(server.delivered) == 1)
        folder.attempts()[-1].stop.touch()
        wait_for(lambda: any("under way" in str(e) for e in lab.events(folder)))
        gate.set()

    watching = threading.Thread(target=stop)
    watching.start()
    with pytest.raises(Stopped):
        lab.attempt(spec)
    watching.join()
    store = ReplyStore(folder.work / REPLIES)
    assert len(store) == len(server.requests) == 5
    assert store.broken == (0, 0)
    lab.attempt(spec)
    assert set(server.delivered.values()) == {1}


def test_waiting_is_shown_instead_of_a_rate(
    lab: TeacherLab, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "WAIT_EVERY_S", 0.0)
    server.script.extend([*[reply()] * 3, error(503, "starting", retry_after=1.2)])
    folder = lab.attempt(spec_of(server, concurrency=1, patience_s=60.0))
    activities = [e for e in lab.events(folder) if isinstance(e, ev.Activity)]
    waiting = [e.text for e in activities if e.waiting]
    assert waiting
    assert all(text.startswith("waiting for the server: the server failed") for text in waiting)
    after = activities[activities.index([e for e in activities if e.waiting][-1]) + 1]
    assert (after.text, after.waiting) == ("the server answers again", False)
    assert not lab.views[0].waiting


def test_events_hold_the_beginning_of_long_texts(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    long = "so " * 5_000
    server.answer = lambda prompt: long + right(prompt)
    spec = spec_of(server, concurrency=1)
    teacher = spec.teacher.model_copy(
        update={"sampling": spec.teacher.sampling.model_copy(update={"max_new_tokens": 500})}
    )
    used = {"prompt_tokens": 10, "completion_tokens": 480}
    server.script.extend([reply(usage=used)] * 12)
    folder = lab.attempt(spec.model_copy(update={"teacher": teacher}))
    samples = list(lab.views[0].samples)
    assert samples
    assert all(len(s.text) < 1.1 * ask.SHOWN for s in samples)
    assert all("characters in all" in s.text for s in samples)
    assert all(len(d.output) > 15_000 for d in demonstrations(folder))


def test_a_question_too_large_is_counted_as_unanswered(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    too_long = error(400, "maximum context length is 40 tokens")
    spent = completion(
        message={"content": None},
        choice={"finish_reason": "length"},
        usage={"prompt_tokens": 10, "completion_tokens": 20},
    )
    server.script.extend([reply(), too_long, spent])
    spec = spec_of(server, concurrency=1)
    first = lab.attempt(spec)
    dropped = first.manifest()["figures"]["dropped"]
    assert dropped == {"refused": 1, "all thinking": 1}
    assert any("maximum context length is 40" in m.text for m in lab.views[0].messages)
    scored = lab.attempt(
        EvaluateSpec(
            model=spec.teacher, task=spec.task, prompt="cot", split="train", limit=12,
            answers=first.id,
        )
    )  # fmt: skip
    figures = scored.manifest()["figures"]
    assert (figures["correct"], figures["total"]) == (10, 12)
    assert len(server.requests) == 12
    finishes = [p.finish for p in read_records(scored.out / PREDICTIONS, Prediction)]
    assert sorted(set(finishes)) == ["length", "refused", "stop"]
