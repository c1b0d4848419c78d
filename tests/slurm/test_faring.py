"""How jobs fare: the folder first, then the queue, then the accounting; and no answer is none."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from engine.commands import run_changes
from engine.interfaces import Devices
from engine.machine import processes
from engine.machine.state import phase_state
from engine.scheduling import queue
from engine.scheduling.launchers.slurm import program
from engine.scheduling.launchers.slurm.queries import Queue, queued
from engine.scheduling.queue import read_queue
from engine.schema.events import PhaseFinished
from engine.store.eventlog import EventReader, EventWriter
from engine.store.run import read_record
from tests.engine.fakes import until, write_run
from tests.slurm.standins import chain
from tests.slurm.test_handing_over import ended_well, launched

JOBS = ["annotate", "instruct", "evaluate"]


def states(cluster):
    spec = read_record(cluster.runs, "one").spec
    return [phase_state(cluster.runs.phase(phase_id)).state for phase_id in spec.phase_ids]


def begins(phase, node="n1"):
    phase.last_attempt().queue_log.write_text(f"started on {node}\n")


def finishes(phase, outcome="failed"):
    attempt = phase.last_attempt()
    with EventWriter(attempt.events, attempt.alive) as writer:
        writer.emit(PhaseFinished(outcome=outcome, error="its own words"))


@pytest.fixture
def handed_over(cluster, monkeypatch):
    """A chain in the cluster's queue, and the conductor that put it there."""
    phases = launched(cluster, "one")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    return phases, looking


def test_the_folder_is_believed_before_the_queue(cluster, handed_over):
    phases, _ = handed_over
    cluster.set(0, "RUNNING", node="n1")
    finishes(phases[0])
    assert phase_state(phases[0]).state == "failed"
    cluster.set(1, "FAILED")
    ended_well(phases[1])
    assert phase_state(phases[1]).state == "done"


def test_without_a_conductor_the_next_look_knows_all(cluster, handed_over):
    phases, _ = handed_over
    ended_well(phases[0])
    begins(phases[1])
    cluster.set(0, "COMPLETED")
    cluster.set(1, "RUNNING", node="n2")
    found = [phase_state(phase) for phase in phases]
    assert [one.state for one in found] == ["done", "running", "pending"]
    assert "on n2" in found[1].where
    assert "Priority" in found[2].why


@pytest.mark.parametrize("answer", ["down", "cut off", "hangs", "gone"])
def test_a_queue_that_does_not_answer_is_unknown_for_now(cluster, handed_over, monkeypatch, answer):
    phases, looking = handed_over
    squeue = cluster.here / "bin" / "squeue"
    match answer:
        case "down":
            (cluster.here / "down").touch()
        case "cut off":
            squeue.write_text("#!/bin/sh\nprintf '1|RUNNING|None|n1|N/A|sirt:x'\n")
        case "hangs":
            monkeypatch.setattr(program, "LOOK_S", 0.05)
            monkeypatch.setattr(program.ask, "__defaults__", (0.05, None, ()))
            squeue.write_text("#!/bin/sh\nexec sleep 5\n")
        case "gone":
            squeue.unlink()
    begins(phases[0])
    found = [phase_state(phase) for phase in phases]
    assert {one.state for one in found} <= {"pending", "running", "unreachable"}
    assert all("unknown for now" in one.why for one in found)
    looking.step()
    assert len(looking.running) == 3, "it asks again instead of starting anew"
    assert [len(phase.attempts()) for phase in phases] == [1, 1, 1]


def test_one_question_answers_for_all_and_for_a_while(cluster, handed_over):
    phases, _ = handed_over
    launcher = cluster.launcher(kept_s=60.0)
    before = cluster.calls
    for _ in range(3):
        handles = {
            p.last_attempt(): processes.read_object(p.last_attempt().process)["handle"]
            for p in phases
        }
        launcher.poll(handles)
    asked = cluster.calls[len(before) :]
    assert len(asked) == 1
    assert asked[0].startswith("squeue --me ")


def test_jobs_of_others_and_lines_of_another_kind_change_nothing(cluster, handed_over):
    with (cluster.here / "queue").open("a") as file:
        file.write("7|FAILED|None|n1|N/A|somebody's\n8|RUNNING|None|n1|N/A|bash\nno such line\n\n")
    ours, others = queued()
    assert (len(ours), [job.id for job in others]) == (3, ["7", "8"])
    assert states(cluster) == ["pending"] * 3


def test_an_id_that_comes_round_again_is_told_by_the_name(cluster, handed_over):
    jobs = cluster.jobs
    cluster.write([[jobs[0][0], "FAILED", "None", "n1", "N/A", "sirt:other:annotate-1:1"], *jobs])
    assert states(cluster) == ["pending"] * 3
    cluster.write([*jobs, [*jobs[0][:1], "FAILED", "None", "", "N/A", jobs[0][5]]])
    assert states(cluster)[0] == "pending", "of two the one that lives"


def test_the_accounting_is_asked_by_name_and_with_a_beginning(cluster, handed_over):
    phases, _ = handed_over
    begins(phases[0])
    name = cluster.jobs[0][5]
    cluster.write(cluster.jobs[1:])
    (cluster.here / "accounting").write_text(f"100|OUT_OF_MEMORY|0:125|n1|{name}\n")
    found = phase_state(phases[0])
    assert found.state == "lost"
    assert found.error.startswith("OUT_OF_MEMORY: ")
    (asked,) = {call for call in cluster.calls if call.startswith("sacct")}
    assert f"--name={name}" in asked
    begun = asked.partition("--starttime=")[2][:19]
    age = datetime.now(UTC) - datetime.fromisoformat(begun).replace(tzinfo=UTC)
    assert 3600 <= age.total_seconds() < 3700, "in UTC, and not from midnight on"


def test_without_accounting_the_exit_code_is_known_all_the_same(cluster, handed_over):
    phases, _ = handed_over
    (cluster.here / "bin" / "sacct").unlink()
    begins(phases[0])
    attempt = phases[0].last_attempt()
    attempt.events.touch()
    attempt.exit_code.write_text("137\n")
    attempt.stderr.write_text("last words\n")
    cluster.write([])
    found = phase_state(phases[0])
    assert found.state == "lost"
    assert "killed (signal 9)" in found.error
    assert "last words" in found.error


def test_jobs_that_a_controller_has_lost_are_handed_over_again_or_go_on(cluster, handed_over):
    phases, looking = handed_over
    begins(phases[0])
    phases[0].last_attempt().alive.touch()
    cluster.write([])
    found = [phase_state(phase).state for phase in phases]
    assert found == ["running", "waiting", "waiting"]
    looking.step()
    assert [job[5].rpartition(":")[0].split(":")[2] for job in cluster.jobs] == [
        phases[1].id,
        phases[2].id,
    ]
    assert [len(phase.attempts()) for phase in phases] == [1, 1, 1]


def test_what_is_unknown_is_told_once(cluster, handed_over):
    phases, looking = handed_over
    looking.step()
    (cluster.here / "down").touch()
    for _ in range(3):
        looking.step()
    said = [e.text for e in EventReader(phases[0].last_attempt().queued).read()]
    assert len(said) == 2
    assert said[1].startswith("unknown for now: ")
    assert said[1].endswith(f"last seen {said[0]}")


def test_what_ended_before_it_started_says_so_with_slurms_own_words(cluster, handed_over):
    phases, _ = handed_over
    phases[0].last_attempt().queue_log.write_text("slurmstepd: error: couldn't chdir\n")
    cluster.set(0, "FAILED")
    found = phase_state(phases[0])
    assert found.state == "lost"
    assert "ended before it started" in found.error
    assert "couldn't chdir" in found.error
    begins(phases[0])
    with phases[0].last_attempt().queue_log.open("a") as log:
        log.write("python: No such file or directory\n")
    assert "the program did not begin" in phase_state(phases[0]).error
    assert "No such file" in phase_state(phases[0]).error


def test_what_waits_for_a_phase_that_ended_badly_is_taken_back(cluster, handed_over):
    phases, looking = handed_over
    begins(phases[0])
    finishes(phases[0])
    cluster.set(0, "FAILED")
    for number in (1, 2):
        cluster.set(number, "CANCELLED", "DependencyNeverSatisfied")
    assert states(cluster) == ["failed", "waiting", "waiting"]
    looking.step()
    assert [len(phase.attempts()) for phase in phases] == [1, 0, 0]
    queue.retry(cluster.runs, "one")
    until(lambda: looking.step() and len(cluster.jobs) == 6)
    assert [phase.last_attempt().number for phase in phases] == [2, 1, 1]


def test_a_job_that_dies_once_its_phase_is_done_holds_nothing_up(cluster, handed_over):
    phases, looking = handed_over
    begins(phases[0])
    ended_well(phases[0])
    cluster.set(0, "FAILED")
    for number in (1, 2):
        cluster.set(number, "CANCELLED", "DependencyNeverSatisfied")
    assert states(cluster) == ["done", "waiting", "waiting"]
    until(lambda: looking.step() and len(cluster.jobs) == 5)
    assert states(cluster) == ["done", "pending", "pending"]
    assert [phase.last_attempt().number for phase in phases] == [1, 1, 1]


@pytest.mark.parametrize("state", ["NODE_FAIL", "BOOT_FAIL"])
def test_a_node_that_fails_is_tried_again_twice_by_itself(cluster, handed_over, state):
    phases, looking = handed_over
    for failure in (1, 2, 3):
        begins(phases[0])
        names = [job[5] for job in cluster.jobs]
        cluster.set(
            names.index(next(n for n in names if f"annotate-{phases[0].id[9:]}:{failure}" in n)),
            state,
        )
        for _ in range(3):
            looking.step()
        tried = min(failure + 1, 3)
        assert [attempt.number for attempt in phases[0].attempts()] == list(range(1, tried + 1))
    assert phase_state(phases[0]).state == "lost"
    assert phase_state(phases[0]).error.startswith(f"{state}: ")


def test_asked_to_stop_until_the_queue_confirms(cluster, handed_over, monkeypatch):
    phases, looking = handed_over
    monkeypatch.setattr(run_changes.daemon, "revive", lambda _runs: None)
    run_changes.stop(cluster.runs, ["one"])
    assert states(cluster) == ["pending"] * 3
    assert "asked to stop; the queue has not confirmed it yet" in phase_state(phases[0]).why
    looking._timing = looking._timing.__class__(look=0.0, grace=0.0)
    until(lambda: looking.step() and sum("scancel" in c for c in cluster.calls) > 3)
    for number in range(3):
        cluster.set(number, "CANCELLED")
    assert states(cluster) == ["stopped"] * 3
    looking.step()
    assert looking.running == {}
    retried = queue.retry(cluster.runs, "one").entry("one")
    assert retried.devices.launcher == cluster.request.launcher, "it goes on where it was"


def test_changes_of_the_reason_are_kept(cluster, handed_over):
    phases, looking = handed_over
    for reason in ("Priority", "Resources", "Resources", "QOSMaxJobsPerUserLimit"):
        cluster.set(0, "PENDING", reason)
        looking.step()
    said = [e.text for e in EventReader(phases[0].last_attempt().queued).read()]
    assert [text.rpartition("(")[2] for text in said if "(" in text] == [
        "Priority)",
        "Resources)",
        "QOSMaxJobsPerUserLimit)",
    ]


def test_slurms_words_do_not_block_whoever_looks(cluster, monkeypatch):
    """The time limit holds for every command."""
    squeue = cluster.here / "bin" / "squeue"
    squeue.write_text("#!/bin/sh\nexec sleep 30\n")
    monkeypatch.setattr(program.ask, "__defaults__", (0.1, None, ()))
    began = time.monotonic()
    assert "no answer within" in Queue(60.0).look().problem
    assert time.monotonic() - began < 5


def test_another_launchers_attempts_are_none_of_ours(cluster, handed_over):
    phases, _ = handed_over
    write_run(cluster.runs, "two", chain(7))
    other = cluster.runs.phase(chain(7).phases[0].id).new_attempt()
    processes.write_owner(other, "local", processes.identity(), Devices())
    assert read_queue(cluster.runs).run_ids == ("one",)
    assert not queue.is_elsewhere(cluster.runs.phase(other.path.parent.name))
    assert queue.is_elsewhere(phases[0])
