"""Processes that are started, seen, stopped and killed; recordings that are played again."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from engine.interfaces import Devices, Poll
from engine.machine import processes
from engine.machine.state import final_event, phase_state
from engine.scheduling.launchers import warm
from engine.scheduling.launchers.forked import MAX_FAILURES, Forks
from engine.scheduling.launchers.local import LocalLauncher, phase_command
from engine.scheduling.launchers.replay import replay
from engine.scheduling.phase_process import become
from engine.schema.errors import UserError
from engine.schema.events import Activity, PhaseFinished, PhaseStarted
from engine.schema.jsonfile import read_json
from engine.schema.specs import AnnotateSpec
from engine.store.eventlog import EventReader, EventWriter
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
from engine.store.phase_log import fold_all
from tests.engine.fakes import PROGRAM, chain, go, until, write_run


@pytest.fixture
def phase(tmp_path):
    runs = RunsFolder(tmp_path / "runs")
    spec = write_run(runs, "r", chain(), {"do": "wait"})
    return runs.phase(spec.phases[0].id)


@pytest.fixture
def forked(tmp_path):
    launcher = Forks(tmp_path / "warm.log", PROGRAM)
    until(launcher.ready)
    yield launcher
    launcher.close()


def at_work(attempt: AttemptDir) -> None:
    until(lambda: attempt.events.exists() and b"activity" in attempt.events.read_bytes())


# a phase outlives its launcher by design, which Python finds worth a word
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


# --- who is meant ---


def test_a_process_is_its_pid_its_start_its_boot_and_its_host():
    me = processes.identity()
    assert processes.probe(me) == "running"
    assert processes.probe(me | {"started": me["started"] - 1}) == "exited"  # the pid used again
    assert processes.probe(me | {"boot": "another"}) == "exited"
    assert processes.probe(me | {"host": "elsewhere"}) == "unknown"
    with pytest.raises(ProcessLookupError):
        processes.identity(2**22 + 1)


def test_a_zombie_is_not_alive():
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    who = processes.identity(pid)
    until(lambda: processes.probe(who) == "exited")
    os.waitpid(pid, 0)


# --- a plain process ---


def test_a_spawned_phase_has_its_own_session_and_files_and_its_exit_code_is_kept(phase):
    launcher, attempt = LocalLauncher(PROGRAM), phase.new_attempt()
    handle = launcher.start(phase, attempt, Devices())
    at_work(attempt)
    assert os.getsid(handle["pid"]) == handle["pid"]
    mine = {attempt: handle}
    assert launcher.poll(mine) == {attempt: Poll("running")}
    assert LocalLauncher().poll(mine) == {attempt: Poll("running")}  # of any later process
    go(phase)
    until(lambda: launcher.poll(mine) == {attempt: Poll("exited", 0)})
    assert LocalLauncher().poll(mine) == {attempt: Poll("exited", 0)}
    assert b"cuda ''" in attempt.events.read_bytes()
    assert phase.done


def test_a_phase_says_itself_who_runs_it_when_its_starter_could_not(phase):
    launcher, attempt = LocalLauncher(PROGRAM), phase.new_attempt()
    handle = launcher.start(phase, attempt, Devices())
    at_work(attempt)
    assert read_json(attempt.process)["handle"] == handle
    attempt.stop.touch()
    until(lambda: launcher.poll({attempt: handle})[attempt].state == "exited")
    assert phase_state(phase).state == "stopped"


def test_a_phase_is_told_its_devices():
    phase, attempt = PhaseDir(Path("/p")), AttemptDir(Path("/p/attempt-001"))

    def told(devices):
        return " ".join(phase_command(("py", "-m", "engine"), phase, attempt, devices))

    start = "py -m engine phase /p /p/attempt-001 --threads"
    assert told(Devices((1, 3), 2)) == f"{start} 2 --gpus 1,3"
    assert told(Devices((1,), 4, nodes=2)) == f"{start} 4 --gpus 1 --nodes 2"
    assert told(Devices(threads=4, on_cpu=2)) == f"{start} 4 --processes 2"


def test_further_processes_of_an_attempt_only_compute(phase, monkeypatch):
    monkeypatch.setattr(AnnotateSpec, "recipe", "tests.engine.fakes:scripted")
    monkeypatch.setenv("RANK", "1")
    attempt = phase.new_attempt()
    go(phase)
    assert become(phase, attempt, Devices((0, 1)), "local") == 0
    assert sorted(p.name for p in attempt.path.iterdir()) == ["rank-1"]
    assert b"cuda" in (attempt.path / "rank-1" / "events.jsonl").read_bytes()
    assert not phase.done
    attempt.stop.touch()  # the common one
    assert (attempt.path / "rank-1" / "stop").exists()


def test_a_phase_whose_attempt_was_taken_back_does_nothing(phase):
    attempt = phase.new_attempt()
    attempt.path.rmdir()
    with pytest.raises(FileNotFoundError):
        become(phase, attempt, Devices(), "local")
    assert not phase.work.exists()


# --- a forked process ---


def test_a_forked_phase_is_as_free_as_a_spawned_one(phase, forked):
    attempt = phase.new_attempt()
    handle = forked.start(phase, attempt, Devices((1,), 1))
    at_work(attempt)
    assert os.getsid(handle["pid"]) == handle["pid"]
    assert read_json(attempt.process)["launcher"] == "local"
    assert b"cuda '1'" in attempt.events.read_bytes()
    go(phase)
    until(lambda: LocalLauncher().poll({attempt: handle})[attempt] == Poll("exited", 0))


@pytest.mark.parametrize("gone", ["launcher", "preimported"])
def test_a_forked_phase_outlives_its_launcher_and_the_process_it_came_from(phase, forked, gone):
    attempt = phase.new_attempt()
    handle = forked.start(phase, attempt, Devices())
    at_work(attempt)
    origin = psutil.Process(psutil.Process(handle["pid"]).ppid())
    if gone == "launcher":
        forked.close()
    else:
        origin.kill()
        until(lambda: origin.status() == psutil.STATUS_ZOMBIE if origin.is_running() else True)
    assert processes.is_alive(handle)
    go(phase)
    until(lambda: phase_state(phase).state == "done")
    if gone == "launcher":  # it stays to write the exit code, and then leaves
        until(attempt.exit_code.exists)
        until(lambda: forked.reap() or not origin.is_running())


def test_a_killed_preimported_process_is_told_and_replaced(phase, forked):
    attempt = phase.new_attempt()
    forked._process.kill()
    forked._process.wait()
    with pytest.raises(OSError, match=r"Broken pipe|has ended"):
        forked.start(phase, attempt, Devices())
    assert forked.usable
    until(forked.ready)
    handle = forked.start(phase, attempt, Devices())
    attempt.stop.touch()
    until(lambda: not processes.is_alive(handle))
    assert final_event(attempt).outcome == "stopped"


def test_one_that_never_comes_up_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("SIRT_FAKE_WARM", "broken")
    launcher = Forks(tmp_path / "log", PROGRAM)
    for _ in range(MAX_FAILURES):
        assert launcher.usable
        with pytest.raises(OSError, match="exit code 1"):
            until(launcher.ready)
    assert not launcher.usable


def test_a_process_with_threads_is_not_forked():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    reason = warm.unsafe_to_fork()
    done.set()
    thread.join()
    assert "threads" in reason


def test_a_starter_is_told_why_a_fork_was_refused(phase, tmp_path):
    launcher = Forks(tmp_path / "log", (*PROGRAM, "--threads"))
    until(launcher.ready)
    with pytest.raises(OSError, match="can't fork: it has 2 threads"):
        launcher.start(phase, phase.new_attempt(), Devices())


# --- a recording ---


def recorded(phase) -> AttemptDir:
    attempt = phase.new_attempt()
    with EventWriter(attempt.events, attempt.alive) as writer:
        first = PhaseStarted(phase=phase.id, attempt=1, host="h", pid=1)
        writer.emit(first)
        for seconds, event in ((10, Activity(text="a")), (40, PhaseFinished(outcome="done"))):
            later = first.ts.timestamp() + seconds
            writer.emit(
                event.model_copy(
                    update={"ts": type(first.ts).fromtimestamp(later, first.ts.tzinfo)}
                )
            )
    staged = phase.path / "staged"
    staged.mkdir()
    (staged / "value.txt").write_text("42")
    phase.publish(staged, {"answer": 42})
    return attempt


def test_a_recording_is_played_at_the_chosen_speed(phase, tmp_path):
    source, copy, pauses = recorded(phase), PhaseDir(tmp_path / "other" / phase.id), []
    attempt = replay(source, copy, speed=10, sleep=pauses.append)
    assert pauses == pytest.approx([0, 1, 3])
    events = EventReader(attempt.events).read()
    assert [e.seq for e in events] == [0, 1, 2]
    assert events[-1].ts.timestamp() - events[0].ts.timestamp() < 5  # times are of the replay
    assert fold_all(events).outcome == "done"
    assert copy.manifest() == phase.manifest()
    again = replay(source, copy, sleep=pauses.append)
    assert (again.number, fold_all(EventReader(again.events).read()).attempt) == (2, 2)


def test_nothing_to_play(phase, tmp_path):
    with pytest.raises(UserError, match="no events to replay"):
        replay(phase.new_attempt(), PhaseDir(tmp_path / "x"))
