"""Every state that a job can have, and every kind of reason why one is pending."""

from __future__ import annotations

import pytest

from engine.interfaces import Devices
from engine.machine.processes import write_owner
from engine.machine.state import phase_state
from engine.scheduling.launchers.slurm import states
from engine.store.eventlog import note
from tests.engine.fakes import write_run
from tests.slurm.standins import chain

# state -> what the phase counts as: before it has begun, and after
STATES = {
    "PENDING": ("pending", "pending"),
    "CONFIGURING": ("pending", "pending"),
    "REQUEUED": ("pending", "pending"),
    "REQUEUE_FED": ("pending", "pending"),
    "REQUEUE_HOLD": ("pending", "pending"),
    "SPECIAL_EXIT": ("pending", "pending"),
    "RESV_DEL_HOLD": ("pending", "pending"),
    "PREEMPTED": ("pending", "pending"),
    "RUNNING": ("running", "running"),
    "COMPLETING": ("running", "running"),
    "SUSPENDED": ("running", "running"),
    "STOPPED": ("running", "running"),
    "SIGNALING": ("running", "running"),
    "STAGE_OUT": ("running", "running"),
    "RESIZING": ("running", "running"),
    "A_NEWER_WORD": ("pending", "running"),
    "COMPLETED": ("lost", "lost"),
    "FAILED": ("lost", "lost"),
    "CANCELLED": ("lost", "lost"),
    "TIMEOUT": ("lost", "lost"),
    "DEADLINE": ("lost", "lost"),
    "OUT_OF_MEMORY": ("lost", "lost"),
    "NODE_FAIL": ("lost", "lost"),
    "BOOT_FAIL": ("lost", "lost"),
    "REVOKED": ("lost", "lost"),
}
TOLD = {"TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "CANCELLED", "REVOKED"}


def test_each_state_counts_as_what_it_is(cluster, monkeypatch):
    spec = write_run(cluster.runs, "one", chain())
    phase = cluster.runs.phase(spec.phases[0].id)
    attempt = phase.new_attempt()
    launcher = cluster.launcher()
    monkeypatch.setattr("engine.catalog.launcher", lambda _: launcher)
    write_owner(attempt, "slurm:x", {"name": "sirt:x", "job": "7", "at": 0.0}, Devices())
    found = {}
    for state in STATES:
        cluster.write([["7", state, "None", "n1", "N/A", "sirt:x"]])
        fresh = phase_state(phase)
        attempt.events.touch()
        attempt.alive.touch()
        begun = phase_state(phase)
        attempt.events.unlink()
        attempt.alive.unlink()
        found[state] = fresh.state, begun.state
        said = begun.error or begun.where or begun.why
        if state in TOLD:
            assert said.startswith(f"{state}: ")
            assert len(said) > len(state) + 20, "and what to do"
        elif begun.state != "lost" and state not in ("PENDING", "RUNNING"):
            assert state in said
    assert found == STATES


@pytest.mark.parametrize(
    ("word", "outlook"),
    [
        ("None", "waits"),
        ("Priority", "waits"),
        ("Resources", "waits"),
        ("Dependency", "waits"),
        ("BeginTime", "waits"),
        ("(Priority)", "waits"),
        ("QOSMaxJobsPerUserLimit", "waits"),
        ("QOSGrpGRES", "waits"),
        ("QOSMaxGRESPerUser", "waits"),
        ("QOSMaxCpuPerUserLimit", "waits"),
        ("AssocGrpCpuLimit", "waits"),
        ("AssocMaxJobsLimit", "waits"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-4]", "waits"),
        ("SomethingNew", "waits"),
        ("DependencyNeverSatisfied", "needs you"),
        ("JobHeldUser", "needs you"),
        ("JobHeldAdmin", "needs you"),
        ("launch_failed_requeued_held", "needs you"),
        ("AssocGrpCPUMinutesLimit", "needs you"),
        ("AssocGrpBillingMinutes", "needs you"),
        ("QOSGrpCPUMinutesLimit", "needs you"),
        ("QOSUsageThreshold", "needs you"),
        ("InvalidAccount", "needs you"),
        ("InvalidQOS", "needs you"),
        ("PartitionDown", "needs you"),
        ("PartitionTimeLimit", "will never start"),
        ("PartitionNodeLimit", "will never start"),
        ("BadConstraints", "will never start"),
        ("QOSMaxWallDurationPerJobLimit", "will never start"),
        ("AssocMaxWallDurationPerJobLimit", "will never start"),
        ("QOSMaxGRESPerJob", "will never start"),
        ("QOSMaxCpuPerJobLimit", "will never start"),
        ("QOSMinGRES", "will never start"),
        ("ReqNodeNotAvail, Reserved for maintenance", "will never start"),
    ],
)
def test_each_reason_is_of_one_class_and_in_plain_words(word, outlook):
    found = states.reason(word)
    assert found.outlook == outlook
    bare = word.strip("()")
    assert bare == "None" or bare in found.said, "Slurm's own word is shown beside ours"
    assert len(found.said) > len(bare)


def test_what_would_start_is_said_of_what_never_will(cluster, monkeypatch):
    (cluster.here / "scontrol").write_text(
        "PartitionName=other Default=YES MaxTime=1-00:00:00 State=UP\n"
        "PartitionName=gpu Default=NO MaxTime=00:30:00 State=UP\n"
        "ReservationName=m StartTime=2099-01-01T00:00:00 Flags=MAINT,SPEC_NODES\n"
    )
    launcher = cluster.launcher()
    write_run(cluster.runs, "one", chain())
    attempt = cluster.runs.phase(chain().phases[0].id).new_attempt()
    said = []
    for reason in ("PartitionTimeLimit", "ReqNodeNotAvail, Reserved for maintenance"):
        cluster.write([["7", "PENDING", reason, "", "2099-01-01T08:00:00", "sirt:x"]])
        handle = {"name": "sirt:x", "job": "7", "at": 0.0}
        said.append(launcher.poll({attempt: handle})[attempt].why)
    assert "at most 00:30:00 would" in said[0]
    assert "a time of less than" in said[1]
    assert "expected to start 01 Jan" in said[0]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.", "OUT_OF_MEMORY"),
        ("error: *** JOB 5 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***", "TIMEOUT"),
        ("error: *** JOB 5 ON n1 CANCELLED AT 2026 DUE TO NODE FAILURE, SEE LOG ***", "NODE_FAIL"),
        ("error: *** JOB 5 ON n1 CANCELLED AT 2026 DUE TO PREEMPTION ***", "PREEMPTED"),
        ("error: *** JOB 5 ON n1 CANCELLED AT 2026 ***", "CANCELLED"),
        ("Traceback (most recent call last)", ""),
    ],
)
def test_slurms_own_file_tells_how_a_job_ended_where_nothing_else_does(line, state):
    assert states.of_log(f"started on n1\n{line}\n") == state


def test_a_state_that_the_conductor_saw_is_known_when_slurm_has_forgotten_it(cluster, monkeypatch):
    write_run(cluster.runs, "one", chain())
    phase = cluster.runs.phase(chain().phases[0].id)
    attempt = phase.new_attempt()
    attempt.queue_log.write_text("started on n1\n")
    note(attempt.queued, states.ended("OUT_OF_MEMORY"))
    found = cluster.launcher().poll({attempt: {"name": "sirt:x", "job": "7", "at": 0.0}})[attempt]
    assert found.state == "exited"
    assert found.why.startswith("OUT_OF_MEMORY: it took more memory")
