"""The queue file: order, stop, retry."""

from __future__ import annotations

import threading

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.interfaces import Devices
from engine.machine import processes
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.schema.errors import UserError
from engine.schema.events import PhaseFinished
from engine.store.eventlog import EventWriter
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.engine.fakes import chain, write_run

CPU = DeviceRequest(cpu=True)


@pytest.fixture
def runs(tmp_path):
    folder = RunsFolder(tmp_path / "runs")
    write_run(folder, "one", chain(1))
    write_run(folder, "two", chain(2))
    return folder


def attempt_of(runs, run_id, number, outcome=None):
    """A living attempt (this process runs it), or one that has ended."""
    phase = runs.phase(read_run(runs, run_id).spec.phases[number].id)
    attempt = phase.new_attempt()
    processes.write_owner(attempt, "local", processes.identity(), Devices())
    if outcome:
        with EventWriter(attempt.events, attempt.alive) as writer:
            writer.emit(PhaseFinished(outcome=outcome))
    return phase.id, attempt


def test_how_many_cpu_phases_at_once_is_set_and_taken_back_by_command(runs):
    def said(*words):
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), "queue", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "CPU phases at once: 2" in said("--cpu-slots", "2")
    assert read_queue(runs).cpu_slots == 2
    assert "CPU phases" not in said("--cpu-slots", "0")
    assert read_queue(runs).cpu_slots is None


def test_order_is_kept_and_changed(runs):
    queue.enqueue(runs, ["one", "two"], CPU)
    queue.enqueue(runs, ["one"], DeviceRequest(gpu_count=2))  # keeps its place
    assert read_queue(runs).run_ids == ("one", "two")
    assert read_queue(runs).entries[0].devices.gpu_count == 2
    assert queue.move(runs, "two", 0).run_ids == ("two", "one")
    assert [one.moved for one in queue.read_queue(runs).entries] == [True, False]
    assert queue.move(runs, "two", 99).run_ids == ("one", "two")
    assert queue.remove(runs, "one").run_ids == ("two",)
    assert queue.hold(runs, "two", True).entry("two").hold


def test_simultaneous_changes_are_all_kept(runs):
    names = [f"run-{i}" for i in range(8)]
    threads = [threading.Thread(target=queue.enqueue, args=(runs, [name], CPU)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_queue(runs).run_ids) == names


def test_a_retry_forgives_what_has_ended_and_only_that(runs):
    failed, _ = attempt_of(runs, "one", 0, "failed")
    alive, _ = attempt_of(runs, "one", 1)
    entry = queue.retry(runs, "one").entry("one")
    assert entry.forgiven == {failed: 1}
    assert alive not in entry.forgiven


def test_queueing_again_forgives_an_attempt_that_is_about_to_stop(runs):
    queue.enqueue(runs, ["one"], CPU)
    stopping, _ = attempt_of(runs, "one", 1)
    assert queue.request_stop(runs, "one") == [stopping]
    assert queue.enqueue(runs, ["one"], CPU).entry("one").forgiven == {stopping: 1}


def test_a_stop_spares_what_another_queued_run_needs(runs):
    queue.enqueue(runs, ["one", "two"], CPU)
    _, shared = attempt_of(runs, "one", 0)
    own, own_attempt = attempt_of(runs, "one", 1)
    assert queue.request_stop(runs, "one") == [own]
    assert own_attempt.stop.exists()
    assert not shared.stop.exists()
    assert read_queue(runs).run_ids == ("two",)


def test_clear_errors(runs):
    with pytest.raises(UserError, match="run 'one' is not in the queue: it is empty"):
        queue.move(runs, "one", 0)
    queue.enqueue(runs, ["one"], CPU)
    with pytest.raises(UserError, match="run 'onee' is not in the queue: did you mean 'one'"):
        queue.move(runs, "onee", 0)
    with pytest.raises(UserError, match="no run 'tow': did you mean 'two'"):
        read_run(runs, "tow")
    runs.queue.write_text('{"entries": [{"run_id": 3}]}')
    with pytest.raises(UserError, match=r"queue\.json: entries\.0\.run_id: .*mend it"):
        read_queue(runs)
