"""An attempt that goes on in a next allocation: one log, one attempt, and no endless circle."""

from __future__ import annotations

import fcntl
import os
from threading import Thread

import pytest

from engine.interfaces import Devices
from engine.machine.allocation import BARREN, GOES_ON, JOB
from engine.scheduling import runner
from engine.scheduling.runner import barren, run_attempt
from engine.schema.allocation import Allocation
from engine.schema.events import PhaseFinished, PhaseStarted, Progress
from engine.schema.kinds import PHASES, resolve
from engine.store.eventlog import EventReader, EventWriter, note
from engine.store.phase_log import fold_all
from tests.engine import fakes
from tests.engine.fakes import until, write_run
from tests.slurm.standins import chain


@pytest.fixture
def attempt(cluster, monkeypatch):
    """An attempt of a scripted phase that counts, in a job."""
    monkeypatch.setenv(JOB, "7")
    monkeypatch.setattr(runner.signal, "signal", lambda *_: None)
    monkeypatch.setattr(resolve(PHASES["annotate"]), "recipe", "tests.engine.fakes:scripted")
    spec = write_run(cluster.runs, "one", chain(), {"do": "count"})
    phase = cluster.runs.phase(spec.phases[0].id)
    return phase, phase.new_attempt()


def events(attempt):
    reader = EventReader(attempt.events)
    found = reader.read()
    return found, fold_all(found), reader


def test_a_phase_that_is_asked_to_save_goes_on_in_the_same_attempt(attempt, monkeypatch):
    phase, one = attempt
    one.goes_on.touch()
    assert run_attempt(phase, one, Devices()) == GOES_ON
    found, view, _ = events(one)
    assert not any(isinstance(event, PhaseFinished) for event in found)
    assert view.outcome is None
    one.goes_on.unlink()
    assert run_attempt(phase, one, Devices()) == 0
    found, view, reader = events(one)
    assert (view.outcome, view.gaps, reader.corrupt) == ("done", 0, 0)
    assert [e.number for e in found if isinstance(e, Allocation)] == [1, 2]
    assert view.latest["allocation"].said.startswith("job 7 on ")
    assert (phase.work / "counted").read_text().split() == [str(n) for n in range(fakes.COUNTED)]


def test_asked_to_stop_for_good_counts_more_than_going_on(attempt):
    phase, one = attempt
    one.goes_on.touch()
    one.stop.touch()
    assert run_attempt(phase, one, Devices()) == runner.OUTCOME_CODES["stopped"]
    assert events(one)[1].outcome == "stopped"


def test_a_log_whose_last_line_was_cut_off_is_continued(attempt):
    _, one = attempt
    with EventWriter(one.events, one.alive) as writer:
        for done in range(3):
            writer.emit(Progress(done=done, total=9, unit="lines"))
    whole = one.events.read_bytes()
    one.events.write_bytes(whole[:-20])  # killed while it wrote
    with EventWriter(one.events, one.alive) as writer:
        writer.emit(Progress(done=3, total=9, unit="lines"))
    found, view, reader = events(one)
    assert [event.done for event in found] == [0, 1, 3]
    assert (view.gaps, reader.corrupt) == (0, 1)


def test_allocations_that_bring_it_no_further_come_to_an_end(attempt):
    phase, one = attempt
    (phase.path / "script.json").write_text('{"do": "wait"}')
    for _ in range(BARREN):
        one.goes_on.touch()
        assert run_attempt(phase, one, Devices()) == GOES_ON
    assert run_attempt(phase, one, Devices()) == runner.OUTCOME_CODES["failed"]
    assert "brought it no further" in events(one)[1].error


def test_what_counts_as_getting_further():
    def log(*reached):
        for done in reached:
            yield Allocation(job="1", node="n")
            yield PhaseStarted(phase="p", attempt=1, host="h", pid=1)
            if done is not None:
                yield Progress(done=done, total=9, unit="steps")

    assert barren(log()) == 0
    assert barren(log(None, None)) == 2
    assert barren(log(3, 3, 3)) == 2
    assert barren(log(3, 3, 4)) == 0
    assert barren(log(4, 2, None)) == 2


def test_a_process_on_a_node_that_was_given_up_is_asked_to_leave(attempt, monkeypatch):
    phase, one = attempt
    monkeypatch.setattr(runner, "OTHER_ATTEMPT_TIMEOUT_S", 0.0)
    monkeypatch.setattr(runner, "SAVING_TIMEOUT_S", 20.0)
    there = os.open(phase.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(there, fcntl.LOCK_EX)

    def left():
        until(one.goes_on.exists)
        os.close(there)

    other = Thread(target=left)
    other.start()
    assert run_attempt(phase, one, Devices()) == 0
    other.join()
    assert not one.goes_on.exists()


def test_why_it_waited_stands_in_its_log(attempt):
    phase, one = attempt
    note(one.queued, "job 7: waits: other jobs come first (Priority)")
    one.goes_on.touch()
    run_attempt(phase, one, Devices())
    note(one.queued, "job 7: back in the queue")
    one.goes_on.unlink()
    run_attempt(phase, one, Devices())
    said = [m.text for m in events(one)[1].messages if m.text.startswith("in the queue: ")]
    assert said == [
        "in the queue: job 7: waits: other jobs come first (Priority)",
        "in the queue: job 7: back in the queue",
    ]


def test_fewer_cores_than_were_asked_for_are_told(attempt, monkeypatch):
    phase, one = attempt
    monkeypatch.setattr(runner, "cores", lambda: 2)
    run_attempt(phase, one, Devices(threads=8))
    (told,) = (w for w in events(one)[1].warnings if w.code == "cores")
    assert "asked for 8 cores, and may use 2" in told.text
