"""A runs folder of a group: whoever comes second follows the job of whoever came first."""

from __future__ import annotations

import os

import pytest

from engine.machine import processes
from engine.machine.state import phase_state
from engine.scheduling import queue
from engine.scheduling.launchers.slurm.queries import Queue
from engine.store.writing import write_json
from tests.engine.fakes import write_run
from tests.slurm.standins import chain
from tests.slurm.test_faring import begins
from tests.slurm.test_handing_over import launched


@pytest.fixture
def annas(cluster, monkeypatch):
    """A chain that anna handed over, whose jobs only a question for hers shows."""
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    for phase in phases:
        owner = processes.read_object(phase.last_attempt().process)
        owner["handle"]["user"] = "anna"
        write_json(phase.last_attempt().process, owner)
    (cluster.here / "annas").write_text((cluster.here / "queue").read_text())
    cluster.write([])
    return phases


def test_a_second_client_follows_the_job_of_the_first(cluster, annas, monkeypatch):
    write_run(cluster.runs, "two", chain())  # the same phases in a run of one's own
    queue.enqueue(cluster.runs, ["two"], cluster.request)
    looking = cluster.conductor(monkeypatch)
    for _ in range(3):
        looking.step()
    assert [phase_state(phase).state for phase in annas] == ["pending"] * 3
    assert [len(phase.attempts()) for phase in annas] == [1, 1, 1]
    assert len([call for call in cluster.calls if call.startswith("sbatch")]) == 3
    annas[0].last_attempt().stop.touch()
    assert "only anna can cancel it while it waits" in phase_state(annas[0]).why


@pytest.mark.parametrize("private", [True, False])
def test_where_nobody_sees_the_jobs_of_others_their_absence_says_nothing(
    cluster, annas, monkeypatch, private
):
    (cluster.here / "annas").write_text("")
    kinds = "jobs,usage" if private else "none"
    (cluster.here / "config").write_text(f"PrivateData             = {kinds}\nX = 1\n")
    begins(annas[0])
    os.utime(annas[0].last_attempt().path, (1, 1))  # its last sign of life
    looking = cluster.conductor(monkeypatch)
    looking.step()
    found = [phase_state(phase) for phase in annas]
    if private:
        assert [one.state for one in found] == ["unreachable", "pending", "pending"]
        assert "a job of anna" in found[1].why
        assert [len(phase.attempts()) for phase in annas] == [1, 1, 1]
    else:
        assert found[0].state == "lost"


def test_only_those_users_are_asked_for_who_have_jobs_here(cluster):
    asked = Queue(0.0)
    asked.look()
    asked.heed(["anna", ""])
    asked.look()
    assert cluster.calls[-2].startswith("squeue --me ")
    assert ",anna " in cluster.calls[-1]
