"""Keys are in environments only: a conductor without one makes way for one that has it."""

from __future__ import annotations

import pytest

from engine.machine import processes
from engine.machine.state import phase_state
from engine.planning.graph import key_variables
from engine.scheduling import daemon, queue
from engine.scheduling.queue import DeviceRequest
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.specs import AnnotateSpec, EvaluateSpec, TaskRef
from engine.store.layout import RunsFolder
from tests.engine.fakes import PROGRAM, chain, go, until, write_run

TASK = TaskRef(name="pocket-sums")


def endpoint(key: str | None) -> ModelCard:
    source = Endpoint(
        kind="openai_compatible", base_url="http://localhost", model="m", api_key_env=key
    )
    return ModelCard(name="t", family="f", source=source)


def test_the_variables_that_hold_the_keys_of_phases() -> None:
    phases = (
        AnnotateSpec(teacher=endpoint("ONE"), task=TASK),
        EvaluateSpec(model=endpoint("TWO"), task=TASK, prompt="cot"),
        EvaluateSpec(model=endpoint(None), task=TASK, prompt="cot"),
        *chain().phases,
    )
    assert key_variables(phases) == {"ONE", "TWO"}


@pytest.mark.slow  # real conductors
def test_a_conductor_without_a_key_makes_way_and_what_it_started_goes_on(tmp_path, monkeypatch):
    runs = RunsFolder(tmp_path / "runs")
    spec = write_run(runs, "r", chain(), {"do": "wait"})
    annotate = runs.phase(spec.phases[0].id)
    queue.enqueue(runs, ["r"], DeviceRequest(cpu=True))
    daemon.ensure_running(runs, PROGRAM)
    first = until(lambda: daemon.holder(runs))
    until(lambda: phase_state(annotate).state == "running")

    daemon.make_way(runs, ["SOME_KEY"])  # nor has this process the key
    assert daemon.holder(runs) == first
    monkeypatch.setenv("SOME_KEY", "k")
    daemon.make_way(runs, ["OTHER_KEY"])
    assert daemon.holder(runs) == first
    daemon.make_way(runs, ["SOME_KEY"])
    assert daemon.holder(runs) is None

    daemon.ensure_running(runs, PROGRAM)
    second = until(lambda: daemon.holder(runs))
    daemon.make_way(runs, ["SOME_KEY"])
    assert daemon.holder(runs) == second
    go(annotate)
    until(lambda: all(runs.phase(phase.id).done for phase in spec.phases))
    assert len(annotate.attempts()) == 1
    until(lambda: daemon.holder(runs) is None)


@pytest.mark.slow  # a real conductor
def test_a_conductor_whose_folder_was_deleted_and_made_anew_leaves_it_to_the_next(tmp_path):
    runs = RunsFolder(tmp_path / "runs")
    write_run(runs, "r", chain(), {"do": "wait"})
    queue.enqueue(runs, ["r"], DeviceRequest(cpu=True))
    daemon.ensure_running(runs, PROGRAM)
    first = until(lambda: daemon.holder(runs))
    runs.root.rename(tmp_path / "old")
    spec = write_run(runs, "r", chain())
    queue.enqueue(runs, ["r"], DeviceRequest(cpu=True))
    daemon.ensure_running(runs, PROGRAM)
    until(lambda: not processes.is_alive(first))
    until(lambda: all(runs.phase(phase.id).done for phase in spec.phases))
    assert [len(runs.phase(phase.id).attempts()) for phase in spec.phases] == [1, 1, 1]
    go(RunsFolder(tmp_path / "old").phase(spec.phases[0].id))
