"""A judge between two recorded runs: asked over real HTTP, in both orders, paid once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

from engine.commands.judging import comparables
from engine.interfaces import Devices
from engine.phases.context import Stopped
from engine.phases.replies import ReplyStore
from engine.queries.judgements import judgement_of, judgements
from engine.scheduling.launchers.local import ENGINE, phase_command
from engine.schema import events as ev
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.errors import UserError
from engine.schema.follow_ups import JudgeSpec
from engine.schema.settings import JudgeSettings
from engine.schema.specs import TaskRef
from engine.store.layout import PREDICTIONS, REPLIES, RunsFolder
from engine.store.run import read_run
from engine.store.sealing import accept
from tests.engine.judging.helpers import (
    BARE,
    BLOCKS,
    TEACHER,
    ask,
    attempt,
    card,
    longer,
    spec_of,
)
from tests.engine.misbehaving_server import MisbehavingServer, error, reply


def test_each_pair_is_asked_in_both_orders_and_the_log_tells_how_far_and_whom_it_prefers(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    spec = spec_of(runs, card(server))
    made = attempt(runs, spec)
    found = judgement_of(runs, spec, (TEACHER, BARE))
    assert found.tally.first.count == found.tally.questions == 24  # the teacher gives steps
    assert found.tally.flips.count == 0
    assert found.tally.first_place.value == 0.5
    assert found.tally.agrees.count == found.tally.agrees.total > 12
    last = made.of(ev.Progress)[-1]
    assert [len(server.requests), last.done, last.total, last.unit] == [48, 48, 48, "verdicts"]
    assert made.of(ev.Cost)[-1].spent == pytest.approx(48 * 0.015)
    assert made.figures["spent"] == pytest.approx(48 * 0.015)
    prompts = {body["messages"][0]["content"] for body in server.requests}
    pairs = {frozenset(b.groups()) for b in map(BLOCKS.search, prompts) if b}
    assert (len(prompts), len(pairs)) == (48, 24)
    name = read_run(runs, TEACHER).name
    assert {sample.label for sample in made.of(ev.Sample)} == {f"prefers {name}"}
    assert "of 24, equal 0, undecided 0, sign test p 1.2e-07" in made.figures["summary"]
    assert made.figures["first" if spec.names[0] == name else "second"] == 24


def test_a_judge_that_minds_the_place_decides_nothing(runs: RunsFolder) -> None:
    with MisbehavingServer(answer=lambda _: "Verdict: A") as server:
        found = ask(runs, card(server)).tally
    assert found.undecided.count == found.flips.count == 24
    assert found.first_place.value == 1.0
    assert found.agrees.count == found.disagrees.count == 0


def test_nothing_is_paid_twice(runs: RunsFolder, server: MisbehavingServer) -> None:
    judge = card(server)
    few = ask(runs, judge, limit=5)
    assert len(server.requests) == 10
    whole = ask(runs, judge)  # more questions include fewer
    assert len(server.requests) == 48
    turned = ask(runs, judge, BARE, TEACHER)  # the other way round
    assert len(server.requests) == 48
    assert set(server.delivered.values()) == {1}
    assert (turned.a, turned.b) == (whole.b, whole.a)
    assert turned.tally.second == whole.tally.first
    assert turned.tally.agrees == whole.tally.agrees
    assert turned.tally.first_place == whole.tally.first_place
    assert (few.tally.questions, whole.tally.questions) == (5, 24)
    assert judgements(runs, [TEACHER, BARE]) == [whole]
    assert judgements(runs, [BARE, TEACHER]) == [turned]
    assert judgements(runs, [TEACHER]) == []


def any_spec(source: str = "http://a", version: int = 1, **more: Any) -> JudgeSpec:
    endpoint = Endpoint(kind="openai_compatible", base_url=source, model="m", price_in=2.0)
    return JudgeSpec(
        phases=("evaluate-" + "0" * 16, "evaluate-" + "1" * 16),
        names=("one", "two"),
        judge=ModelCard(name="j", family="f", source=endpoint),
        task=TaskRef(name="gsm8k"),
        prompt="cot",
        prompt_version=version,
        **more,
    )


def test_another_judge_wording_or_number_of_questions_is_another_judgement() -> None:
    few = any_spec(settings=JudgeSettings(limit=5))
    assert len({s.id for s in (any_spec(), any_spec("http://b"), any_spec(version=2), few)}) == 4
    assert few.generation_key == any_spec().generation_key


def test_the_name_of_a_judgements_folder_of_0_1_is_the_key_of_its_replies() -> None:
    assert any_spec().generation_key == "56edcb098d6aaedf"
    own = any_spec(settings=JudgeSettings(method="answer"), seed=3)
    assert own.generation_key == "6a8704822116c4ce"


def test_goes_on_after_a_failure(runs: RunsFolder, server: MisbehavingServer) -> None:
    server.script.extend([*[reply()] * 9, error(400, "out of luck")])
    with pytest.raises(UserError, match="out of luck"):
        ask(runs, card(server))
    assert judgements(runs, [TEACHER, BARE]) == []
    kept = sum(server.delivered.values())
    assert kept >= 9
    assert ask(runs, card(server)).tally.questions == 24
    assert sum(server.delivered.values()) == 48
    assert set(server.delivered.values()) == {1}


def test_stops_between_replies_and_goes_on(runs: RunsFolder, server: MisbehavingServer) -> None:
    spec = spec_of(runs, card(server, concurrency=1))

    def stop(event: ev.Event, ctx: Any) -> None:
        if isinstance(event, ev.Sample) and event.item:
            ctx.attempt.stop.touch()

    with pytest.raises(Stopped):
        attempt(runs, spec, on_event=stop)
    kept = sum(server.delivered.values())
    assert 0 < kept < 48
    assert attempt(runs, spec).of(ev.Progress)[-1].resumed == kept
    assert set(server.delivered.values()) == {1}
    assert sum(server.delivered.values()) == 48


@pytest.mark.slow
def test_killed_midway_it_asks_nothing_twice(runs: RunsFolder, server: MisbehavingServer) -> None:
    """The process dies while a reply is under way: it was not delivered, so it is not paid."""
    spec = spec_of(runs, card(server, concurrency=1))
    folder = runs.phase(spec.id)
    folder.create(spec)
    child: list[subprocess.Popen[bytes]] = []

    def kill_at_the_seventh(prompt: str) -> str:
        if len(server.requests) == 7:
            os.kill(child[0].pid, signal.SIGKILL)
            child[0].wait()
        return longer(prompt)

    server.answer = kill_at_the_seventh
    command = phase_command(ENGINE, folder, folder.new_attempt(), Devices())
    assert command[0] == sys.executable
    child.append(subprocess.Popen(command))
    assert child[0].wait(timeout=120) == -signal.SIGKILL
    assert not folder.done
    assert len(ReplyStore(folder.work / REPLIES)) == 6
    attempt(runs, spec)
    assert set(server.delivered.values()) == {1}
    assert sum(server.delivered.values()) == 48


def test_the_spend_cap_holds_over_attempts(runs: RunsFolder, server: MisbehavingServer) -> None:
    for _ in range(2):
        with pytest.raises(UserError, match=r"spend cap of 1\.20 USD reached"):
            ask(runs, card(server, max_spend=1.2))
    assert 0 < 0.015 * len(server.requests) <= 1.2
    assert set(server.delivered.values()) == {1}


def test_the_same_text_is_a_tie_that_nobody_is_asked_about(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    spec = spec_of(runs, card(server))
    one, other = (runs.phase(phase) for phase in spec.phases)
    shutil.copyfile(one.out / PREDICTIONS, other.out / PREDICTIONS)
    accept(other)
    found = ask(runs, card(server)).tally
    assert found.same == found.tie.count == 24
    assert not server.requests


def test_what_cannot_be_compared_says_so(runs: RunsFolder) -> None:
    with pytest.raises(UserError, match="share no finished evaluation with different answers"):
        comparables(runs, TEACHER, TEACHER)
    with pytest.raises(UserError, match="did you mean 'pocket-sums'"):
        comparables(runs, TEACHER, BARE, ["pocket-sum"])
    assert len(comparables(runs, TEACHER, BARE, prompts=["cot"])) == 3
