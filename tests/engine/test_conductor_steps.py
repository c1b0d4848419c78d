"""The conductor's loop step by step, in this process: starts that fail, and what it adopts."""

from __future__ import annotations

import errno

import pytest

from engine.interfaces import Capacity, Devices, Poll
from engine.machine import processes
from engine.scheduling import queue
from engine.scheduling.loop import Conductor, Timing
from engine.scheduling.servers import Servers
from tests.engine.fakes import chain, until, write_run
from tests.engine.test_conductor import CPU, runs  # noqa: F401

pytestmark = pytest.mark.slow


class FullDisk:
    """A launcher for which there is no space at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.started: list[str] = []

    def capacity(self, held, at_once):
        return Capacity(cpu=4)

    def start(self, phase, attempt, devices):
        if self.failures:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left on device", str(attempt.path))
        self.started.append(phase.id)
        return processes.identity()

    def poll(self, handles):
        return dict.fromkeys(handles, Poll("running"))

    def cancel(self, handles):
        pass


def test_a_start_that_fails_leaves_no_attempt_and_is_tried_later(runs, caplog):  # noqa: F811
    spec = write_run(runs, "one", chain())
    phase = runs.phase(spec.phases[0].id)
    queue.enqueue(runs, ["one"], CPU)
    launcher = FullDisk(failures=1)
    timing = Timing(look=0, back_off=0.2)
    looking = Conductor(runs, launcher, Servers(runs), lambda: True, lambda: None, timing)
    assert looking.step()
    assert (launcher.started, phase.attempts()) == ([], [])
    assert "No space left on device" in caplog.text
    assert looking.step()  # not at once again
    assert launcher.started == []
    until(lambda: looking.step() and launcher.started == [phase.id])
    assert phase.last_attempt().number == 1


def test_adopting_keeps_the_devices_of_what_runs(runs, monkeypatch):  # noqa: F811
    spec = write_run(runs, "one", chain())
    phase = runs.phase(spec.phases[1].id)
    attempt = phase.new_attempt()
    processes.write_owner(attempt, "local", processes.identity(), Devices((3,), 2))
    looking = Conductor(runs, FullDisk(0), Servers(runs), lambda: True, lambda: None, Timing())
    looking.adopt()
    assert looking.running[phase.id].devices == Devices((3,), 2)
    assert looking.running[phase.id].slot == "gpu"


def test_phases_that_ask_the_same_are_not_started_beside_each_other(runs):  # noqa: F811
    first = chain()
    asks = first.phases[0]
    keeps_all = asks.model_copy(
        update={"settings": asks.settings.model_copy(update={"keep": "all"})}
    )
    assert keeps_all.generation_key == asks.generation_key
    for run_id, phase in (("one", asks), ("two", keeps_all)):
        write_run(runs, run_id, first.model_copy(update={"phases": (phase,)}))
    queue.enqueue(runs, ["one", "two"], CPU)
    launcher = FullDisk(failures=0)
    looking = Conductor(runs, launcher, Servers(runs), lambda: True, lambda: None, Timing(look=0))
    until(lambda: looking.step() and launcher.started)
    for _ in range(5):
        looking.step()
    assert launcher.started == [asks.id]
    launcher.poll = lambda handles: dict.fromkeys(handles, Poll("exited", 0))
    until(lambda: looking.step() and len(launcher.started) > 1)
    assert keeps_all.id in launcher.started
