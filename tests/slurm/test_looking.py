"""A cluster as people look at it: partitions, jobs, what is held; on screens and in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import queue_changes
from engine.queries import cluster as around
from engine.queries.doing import placed
from engine.queries.runs import run_status
from engine.scheduling import daemon, queue
from engine.scheduling.launchers.slurm.jobs import of_nodes
from engine.scheduling.launchers.slurm.queries import shared_queue
from engine.scheduling.queue import read_queue
from engine.schema.allocation import Allocation
from engine.schema.errors import UserError
from engine.store.eventlog import EventWriter
from tests.engine.fakes import write_run
from tests.slurm.standins import chain
from tests.slurm.test_faring import begins
from tests.slurm.test_handing_over import launched
from tests.tui.helpers import settled, text_of
from tests.tui.test_devices_screen import on_devices

SINFO = "gpu*|up|1-00:00:00|idle|2\ngpu*|up|1-00:00:00|mixed~|1\nold|down|infinite|idle|3\n"


@pytest.fixture
def handed_over(cluster, monkeypatch):
    """A chain in the queue, the first job running with a limit."""
    monkeypatch.setenv("SIRT_SLURM_LOOK_S", "0")
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    shared_queue.cache_clear()
    around._shared.cache_clear()
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    (cluster.here / "sinfo").write_text(SINFO)
    jobs = cluster.jobs
    end = datetime.now(UTC) + timedelta(hours=2, seconds=30)
    jobs[0][1:5] = ["RUNNING", "None", "n1", "N/A"]
    jobs[0][6:9] = [f"{end:%Y-%m-%dT%H:%M:%S}", "4294", "gres/gpu:1"]
    others = [["7", "PENDING", "Priority"], ["8", "COMPLETED", "None"]]
    rest = ["", "N/A", "mine", "N/A", "1", "N/A", ""]
    cluster.write([*jobs, *(other + rest for other in others)])
    begins(phases[0])
    attempt = phases[0].last_attempt()
    with EventWriter(attempt.events, attempt.alive) as writer:
        for number in (1, 2, 3):
            writer.emit(Allocation(job=jobs[0][0], node="n1", number=number))
    yield phases
    shared_queue.cache_clear()
    around._shared.cache_clear()


def test_nodes_are_counted_by_partition_and_state():
    first, old = of_nodes(SINFO + "no such line\n")
    assert first.said == "2 idle, 1 mixed of 3 nodes; 1-00:00:00 at most"
    assert (first.name, old.said) == ("gpu (default)", "3 closed of 3 nodes; no limit")


def test_a_run_says_where_until_when_and_how_often_it_went_back(cluster, handed_over):
    first, second, _ = run_status(cluster.runs, "one").phases
    told = placed(first)
    assert told.startswith(f"job {cluster.jobs[0][0]} on n1, gpu:1, until ")
    assert told.endswith(" at the latest; requeued twice")
    assert (first.waits, second.where) == ("", "")
    assert "Priority" in second.waits
    shown = CliRunner().invoke(sirt, ["--runs", str(cluster.runs.root), "status", "one"])
    assert "requeued twice" in " ".join(shown.output.split())
    shown = CliRunner().invoke(sirt, ["devices"])
    assert "partition gpu (default): 2 idle, 1 mixed of 3 nodes" in shown.output
    assert "your other jobs: 1 pending" in shown.output


def test_what_waits_is_held_and_released_but_not_what_another_run_needs(cluster, handed_over):
    write_run(cluster.runs, "two", chain())
    queue.enqueue(cluster.runs, ["two"], cluster.request)
    queue_changes.hold(cluster.runs, "one", True)
    assert read_queue(cluster.runs).entry("one").hold
    assert not any("held" in job[2].lower() for job in cluster.jobs)
    queue_changes.hold(cluster.runs, "two", True)
    ours = cluster.jobs[:3]
    assert [job[2] for job in ours] == ["None", "JobHeldUser", "JobHeldUser"]
    waits = run_status(cluster.runs, "two").phases[1].waits
    assert "needs you: held by you" in waits
    given = ["--runs", str(cluster.runs.root), "queue", "--release", "two"]
    assert CliRunner().invoke(sirt, given).exit_code == 0
    assert [job[2] for job in cluster.jobs[:3]] == ["None", "Priority", "Priority"]
    (cluster.here / "deny").write_text("Access/permission denied for job 101\n")
    with pytest.raises(UserError, match=r"scontrol hold: Access/permission denied .* as they were"):
        queue_changes.hold(cluster.runs, "two", True)


@pytest.mark.slow
def test_the_devices_screen_shows_the_cluster_and_holds_its_jobs(cluster, handed_over):
    async def check(app, pilot):
        await settled(pilot, lambda: "2 idle, 1 mixed of 3 nodes" in text_of(app), "partitions")
        text = text_of(app)
        await pilot.press("h")
        await settled(pilot, lambda: cluster.jobs[1][2] == "JobHeldUser", "the jobs are held")
        await settled(pilot, lambda: "■ held" in text_of(app), "the run is held")
        await pilot.press("h")
        await settled(pilot, lambda: cluster.jobs[1][2] == "Priority", "the jobs are released")
        return text

    text = on_devices(cluster.runs, check, size=(200, 50))
    assert "your other jobs" in text
    assert "n1 gpu:1" in text
    assert "2 h" in text
    assert "4294" in text
