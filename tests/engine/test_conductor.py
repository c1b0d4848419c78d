"""Real conductors and real phase processes, killed for real; recipes are scripted (fakes)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from engine.interfaces import Poll
from engine.machine import processes
from engine.machine.state import phase_state, poll_attempt
from engine.scheduling import daemon, queue
from engine.scheduling.policy import problem
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.schema.jsonfile import read_json
from engine.store.conductor_dir import ConductorDir
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder
from tests.engine.fakes import COUNTED, PROGRAM, chain, go, until, write_run

CPU = DeviceRequest(cpu=True)


pytestmark = pytest.mark.slow  # real processes, started and killed


@pytest.fixture
def runs(tmp_path):
    """A runs folder; whatever still works in it is killed at the end."""
    folder = RunsFolder(tmp_path / "runs")
    folder.create()
    yield folder
    who = daemon.holder(folder)
    if who:
        kill(who["pid"])
    for phase in folder.phase_dirs():
        for attempt in phase.attempts():
            if attempt.process.exists():
                handle = read_json(attempt.process)["handle"]
                if handle["pid"] != os.getpid() and processes.is_alive(handle):
                    processes.kill_group(handle["pid"])


def kill(pid: int, how: int = signal.SIGKILL) -> None:
    os.kill(pid, how)


def conduct(runs: RunsFolder) -> None:
    daemon.ensure_running(runs, PROGRAM)


def launch(runs: RunsFolder, run_id: str, spec, *scripts, devices: DeviceRequest = CPU):
    write_run(runs, run_id, spec, *scripts)
    queue.enqueue(runs, [run_id], devices)
    conduct(runs)
    return [runs.phase(p.id) for p in spec.phases]


def said(runs: RunsFolder) -> str:
    log = ConductorDir(runs.conductor).log
    return log.read_text() if log.exists() else ""


def state(phase) -> str:
    return phase_state(phase).state


def is_over(runs: RunsFolder) -> bool:
    return daemon.holder(runs) is None


def working(phase):
    """The phase's living process, once its recipe is at work."""

    def found():
        attempt = phase.last_attempt()
        at_work = attempt and attempt.events.exists() and b"activity" in attempt.events.read_bytes()
        return at_work and attempt.process.exists() and read_json(attempt.process)["handle"]

    return until(found, f"{phase.id} works")


def conductor_pid(runs: RunsFolder) -> int:
    return until(lambda: daemon.holder(runs), "a conductor")["pid"]


# --- going through ---


def begun_by(phase):
    """``warm``: it was forked from that process; ``phase``: it was spawned."""
    events = EventReader(phase.last_attempt().events).read()
    return events[0].details["argv"][1]


def test_runs_go_through_share_a_phase_and_leave_and_then_the_conductor_leaves(runs):
    one, two = chain(1), chain(2)
    write_run(runs, "two", two)
    queue.enqueue(runs, ["two"], CPU)
    phases = launch(runs, "one", one)
    until(lambda: read_queue(runs).run_ids == (), "both runs finished")
    until(lambda: is_over(runs), "the idle conductor left")
    assert one.phases[0].id == two.phases[0].id
    assert len(list(runs.phase_dirs())) == 5
    assert [len(p.attempts()) for p in runs.phase_dirs()] == [1] * 5
    assert begun_by(phases[1]) == "warm"
    assert phases[1].last_attempt().exit_code.read_text() == "0\n"


def test_a_failed_branch_blocks_its_own_and_no_other_until_it_is_retried(runs):
    good, bad = chain(1), chain(2)
    write_run(runs, "good", good)
    queue.enqueue(runs, ["good"], CPU)
    failing = launch(runs, "bad", bad, {}, {"do": "fail"})
    until(lambda: "nothing left to do" in said(runs))
    assert read_queue(runs).run_ids == ("bad",)
    assert phase_state(failing[1]).error == "scripted to fail"
    assert f"{failing[1].id} (failed, attempt 1) blocks {failing[2].id}" in said(runs)
    (failing[1].path / "script.json").write_text("{}")
    queue.retry(runs, "bad")
    conduct(runs)
    until(lambda: read_queue(runs).run_ids == ())
    assert [len(p.attempts()) for p in failing] == [1, 2, 1]


def test_a_retry_has_the_threads_of_the_attempt_before(runs):
    phase = launch(runs, "one", chain(), {}, {"do": "fail"})[1]
    until(lambda: state(phase) == "failed")
    owner = phase.last_attempt().process
    given = read_json(owner)
    owner.write_text(json.dumps(given | {"devices": {"gpus": [], "threads": 3}}))
    (phase.path / "script.json").write_text("{}")
    queue.retry(runs, "one")
    conduct(runs)
    until(lambda: read_queue(runs).run_ids == ())
    assert read_json(phase.last_attempt().process)["devices"]["threads"] == 3


def test_the_bound_on_cpu_phases_and_the_order_of_the_queue_are_kept(runs):
    waits = [{}, {"do": "wait"}]
    queue.set_limits(runs, cpu_slots=1)
    first, second = chain(1), chain(2)
    write_run(runs, "second", second, *waits)
    write_run(runs, "first", first, *waits)
    queue.enqueue(runs, ["second", "first"], CPU)
    queue.move(runs, "first", 0)
    conduct(runs)
    ahead, behind = (runs.phase(s.phases[1].id) for s in (first, second))
    working(ahead)
    assert state(behind) == "waiting"
    go(ahead)
    working(behind)
    assert state(ahead) == "done"


# --- one conductor ---


def test_only_one_conducts_however_many_are_started(runs):
    phase = launch(runs, "one", chain(), {"do": "wait"})[0]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: conduct(runs), range(4)))
    handle = working(phase)
    pid = conductor_pid(runs)
    second = subprocess.run([*PROGRAM, "conductor", str(runs.root)], timeout=20, check=True)
    assert second.returncode == 0
    until(lambda: f"leaves: pid {pid} on" in said(runs))
    assert conductor_pid(runs) == pid
    assert processes.is_alive(handle)


def test_no_run_is_overlooked_by_a_conductor_that_is_leaving(runs, monkeypatch):
    monkeypatch.setenv("SIRT_CONDUCTOR_IDLE_S", "0")
    for number in range(6):
        launch(
            runs,
            f"r{number}",
            chain(teacher_seed=number).model_copy(
                update={"phases": chain(teacher_seed=number).phases[:1]}
            ),
        )
        until(lambda: read_queue(runs).run_ids == (), f"run {number} finished")


def test_it_survives_hang_up_and_a_request_to_leave_leaves_phases_running(runs):
    phase = launch(runs, "one", chain(), {"do": "wait"})[0]
    handle = working(phase)
    pid = conductor_pid(runs)
    assert os.getsid(pid) == pid != os.getsid(0)
    kill(pid, signal.SIGHUP)
    kill(handle["pid"], signal.SIGHUP)
    kill(pid, signal.SIGTERM)
    until(lambda: is_over(runs))
    assert "told to leave; 1 phases go on" in said(runs)
    assert state(phase) == "running"
    go(phase)
    until(lambda: state(phase) == "done")


# --- killed ---


@pytest.mark.parametrize("which", [0, 1], ids=["spawned", "forked"])
def test_a_killed_conductor_is_followed_by_one_that_adopts(runs, which):
    scripts = [{}, {}]
    scripts[which] = {"do": "wait"}
    phases = launch(runs, "one", chain(), *scripts)
    working(phases[which])
    before = conductor_pid(runs)
    kill(before)
    until(lambda: is_over(runs))
    assert state(phases[which]) == "running"
    conduct(runs)
    until(lambda: f"{phases[which].id} attempt 1: adopted" in said(runs))
    go(phases[which])
    until(lambda: read_queue(runs).run_ids == ())
    assert [len(p.attempts()) for p in phases] == [1, 1, 1]


def test_a_killed_phase_is_lost_with_its_exit_code_and_goes_on_when_retried(runs):
    phases = launch(runs, "one", chain(), {}, {"do": "die"})
    until(lambda: state(phases[1]) == "lost")
    first = phases[1].last_attempt()
    until(first.exit_code.exists)
    assert poll_attempt(first) == Poll("exited", -signal.SIGKILL)
    until(lambda: f"{phases[1].id} attempt 1: lost, killed (signal 9)" in said(runs))
    (phases[1].path / "script.json").write_text("{}")
    queue.retry(runs, "one")
    conduct(runs)
    until(lambda: read_queue(runs).run_ids == ())


def test_an_attempt_whose_starter_was_killed_too_early_is_taken_back(runs):
    spec = write_run(runs, "one", chain())
    never = runs.phase(spec.phases[0].id).new_attempt()
    queue.enqueue(runs, ["one"], CPU)
    conduct(runs)
    until(lambda: read_queue(runs).run_ids == ())
    assert "never started; taken back" in said(runs)
    assert never.process.exists()  # the number was used again


def test_killed_at_any_moment_and_retried_it_ends_with_the_same_results(runs, tmp_path):
    calm = RunsFolder(tmp_path / "calm")
    counting = [{"do": "count"}] * 3
    undisturbed = launch(calm, "one", chain(), *counting)
    until(lambda: read_queue(calm).run_ids == ())
    phases = launch(runs, "one", chain(), *counting)
    moments = [0.0, 0.07, 0.6, 0.16, 0.3] * 3
    victims = itertools.cycle(["conductor", "phases", "both", "conductor", "both", "phases"])
    for number, moment in enumerate(moments):
        if number >= len(moments) / 2:  # by now a first attempt is there to be hit
            until(lambda: at_work(phases) or all(p.done for p in phases))
        began = time.monotonic()
        until(lambda b=began, m=moment: time.monotonic() > b + m)
        kill_some(runs, phases, next(victims))
        queue.retry(runs, "one")
        conduct(runs)
    until(lambda: all(p.done for p in phases))
    assert sum(len(p.attempts()) for p in phases) > 3
    for quiet, disturbed in zip(undisturbed, phases, strict=True):
        assert quiet.manifest()["files"] == disturbed.manifest()["files"]
        assert disturbed.manifest()["figures"]["counted"] == COUNTED


def at_work(phases) -> bool:
    return any(state(p) == "running" for p in phases)


def kill_some(runs, phases, victims: str) -> None:
    living = []
    if victims in ("conductor", "both"):
        living.append(daemon.holder(runs))
    if victims in ("phases", "both"):
        attempts = [p.last_attempt() for p in phases]
        living += [read_json(a.process)["handle"] for a in attempts if a and a.process.exists()]
    living = [who for who in living if who and processes.is_alive(who)]
    for who in living:
        with contextlib.suppress(ProcessLookupError):
            kill(who["pid"])
    for who in living:  # a dying phase counts as running, so isn't retried
        assert processes.wait_gone(who, 10)


# --- stopping ---


def test_a_stopped_phase_ends_by_itself_and_leaves_the_queue_to_others(runs):
    phase = launch(runs, "one", chain(), {"do": "wait"})[0]
    working(phase)
    assert queue.request_stop(runs, "one") == [phase.id]
    until(lambda: state(phase) == "stopped")
    until(lambda: is_over(runs))
    assert read_queue(runs).run_ids == ()


def test_a_phase_that_does_not_stop_is_killed_with_all_its_processes(runs):
    phase = launch(runs, "one", chain(), {"do": "hang", "child": True})[0]
    handle = working(phase)
    child = until(lambda: psutil.Process(handle["pid"]).children())[0]
    queue.request_stop(runs, "one")
    until(lambda: state(phase) == "stopped")
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert "did not stop; killed" in said(runs)


def test_a_conductor_started_for_it_enforces_a_stop_it_did_not_hear(runs):
    phase = launch(runs, "one", chain(), {"do": "hang"})[0]
    handle = working(phase)
    kill(conductor_pid(runs))
    until(lambda: is_over(runs))
    queue.request_stop(runs, "one")
    conduct(runs)
    until(lambda: not processes.is_alive(handle))


# --- things that go wrong under it ---


def test_without_the_preimported_process_phases_are_spawned(runs, monkeypatch):
    monkeypatch.setenv("SIRT_FAKE_WARM", "broken")
    phases = launch(runs, "one", chain())
    until(lambda: read_queue(runs).run_ids == ())
    assert begun_by(phases[1]) == "phase"
    assert "the pre-imported process has ended (exit code 1)" in said(runs)


def test_a_run_deleted_under_it_and_a_damaged_one_are_passed_over(runs):
    phase = launch(runs, "gone", chain(1), {"do": "wait"})[0]
    handle = working(phase)
    subprocess.run(["rm", "-rf", phase.path, runs.run_folder("gone")], check=True)
    write_run(runs, "broken", chain(3))
    runs.run_file("broken").write_text("{")
    queue.enqueue(runs, ["broken"], CPU)
    launch(runs, "fine", chain(2, teacher_seed=2))
    until(lambda: "fine" not in read_queue(runs).run_ids)
    assert "run gone is passed over: it was deleted" in said(runs)
    assert "run broken is passed over" in said(runs)
    assert processes.is_alive(handle)  # nobody asked it to stop
    processes.kill_group(handle["pid"])


def test_a_request_that_no_card_here_can_meet_is_named_and_others_go_on(runs):
    impossible = DeviceRequest(gpus=(99,))
    launch(runs, "greedy", chain(1, teacher_seed=1), devices=impossible)
    launch(runs, "modest", chain(2, teacher_seed=2))
    until(lambda: read_queue(runs).run_ids == ("greedy",))
    assert problem(impossible, ()) in said(runs)
    until(lambda: is_over(runs))


def test_it_costs_next_to_nothing_while_it_waits(runs):
    phase = launch(runs, "one", chain(), {"do": "wait"})[0]
    working(phase)
    me = psutil.Process(conductor_pid(runs))
    before, began = me.cpu_times(), time.monotonic()
    until(lambda: time.monotonic() - began > 1)
    after = me.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.25
