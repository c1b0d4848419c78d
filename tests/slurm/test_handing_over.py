"""Handing phases over: a whole chain at once, each once, whoever is killed at whatever moment."""

from __future__ import annotations

import os
import random
import shutil
import signal

import pytest

from engine.interfaces import Devices
from engine.machine.state import phase_state
from engine.scheduling import queue
from engine.scheduling.launchers.slurm import starting as module
from engine.schema.jsonfile import read_json
from engine.store.layout import RunsFolder
from tests.engine.fakes import until, write_run
from tests.slurm.standins import chain


def launched(cluster, *run_ids):
    """Runs of three phases each, queued for the cluster."""
    specs = [write_run(cluster.runs, run_id, chain(seed)) for seed, run_id in enumerate(run_ids)]
    queue.enqueue(cluster.runs, run_ids, cluster.request)
    return [cluster.runs.phase(phase.id) for spec in specs for phase in spec.phases]


def ended_well(phase):
    staged = phase.path / "staged"
    staged.mkdir()
    phase.publish(staged, {})


def test_a_whole_chain_is_handed_over_at_once(cluster, monkeypatch):
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    numbers = [job[0] for job in cluster.jobs]
    assert len(numbers) == 3
    scripts = [phase.last_attempt().script.read_text() for phase in phases]
    assert "--dependency" not in scripts[0]
    assert f"#SBATCH --dependency=afterok:{numbers[0]}\n" in scripts[1]
    assert f"#SBATCH --dependency=afterok:{numbers[1]}\n" in scripts[2]
    assert all("--kill-on-invalid-dep=yes" in text for text in scripts[1:])
    assert all("#SBATCH --time=1:00:00\n" in text for text in scripts)
    assert {phase_state(phase).state for phase in phases} == {"pending"}
    assert [read_json(p.last_attempt().process)["handle"]["job"] for p in phases] == numbers


def test_phases_that_ask_the_same_wait_for_each_other_in_the_queue(cluster, monkeypatch):
    asks = chain().phases[0]
    other = asks.model_copy(update={"settings": asks.settings.model_copy(update={"keep": "all"})})
    for run_id, phase in (("one", asks), ("two", other)):
        write_run(cluster.runs, run_id, chain().model_copy(update={"phases": (phase,)}))
    queue.enqueue(cluster.runs, ["one", "two"], cluster.request)
    cluster.conductor(monkeypatch).step()
    first = read_json(cluster.runs.phase(asks.id).last_attempt().process)["handle"]["job"]
    script = cluster.runs.phase(other.id).last_attempt().script.read_text()
    assert f"--dependency=afterany:{first}" in script


def test_no_more_than_the_site_allows_are_in_the_queue(cluster, monkeypatch):
    cluster.site.write_text(cluster.site.read_text() + "jobs: 2\n")
    phases = launched(cluster, "one", "two")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    looking.step()
    assert len(cluster.jobs) == 2
    ended_well(phases[0])
    cluster.set(0, "COMPLETED")
    looking.step()
    looking.step()
    assert len(cluster.jobs) == 3
    tried = [phase.last_attempt() is not None for phase in phases]
    assert tried == [True, True, False, True, False, False], "the longest chains come first"


def test_a_refusal_leaves_nothing_and_is_shown(cluster, monkeypatch):
    phases = launched(cluster, "one")
    refusal = cluster.here / "refuse"
    refusal.write_text("sbatch: error: Batch job submission failed: Job violates policy\n")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    assert [phase.attempts() for phase in phases] == [[], [], []]
    told = read_json(cluster.runs.conductor / "waiting.json")
    assert "Job violates policy" in told[phases[0].id]
    refusal.write_text("sbatch: error: invalid account\n")
    looking.step()
    told = read_json(cluster.runs.conductor / "waiting.json")
    assert "invalid account" in told[phases[0].id]  # the newest reason counts
    refusal.unlink()
    looking.step()
    assert len(cluster.jobs) == 3
    assert read_json(cluster.runs.conductor / "waiting.json") == {}


def test_a_submission_that_is_not_waited_for_is_found_in_the_queue(cluster, monkeypatch):
    """sbatch has put the job into the queue, and does not come back."""
    sbatch = cluster.here / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("echo $number\n", "exec sleep 30\n"))
    monkeypatch.setattr("engine.scheduling.launchers.slurm.submit.SUBMIT_S", 0.5)
    phases = launched(cluster, "one")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    assert phase_state(phases[0]).state == "pending"
    looking.step()
    assert len({job[5] for job in cluster.jobs}) == len(cluster.jobs)
    assert phases[0].last_attempt().number == 1


def test_a_job_inherits_nothing_of_an_allocation_and_no_keys(cluster, monkeypatch):
    launched(cluster, "one")
    foreign = ("SLURM_CPU_BIND", "SBATCH_QOS", "SQUEUE_FORMAT", "SACCT_FORMAT", "PMIX_RANK")
    for name in (*foreign, "OPENAI_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("MINE", "kept")
    cluster.conductor(monkeypatch).step()
    lines = (cluster.here / "env-100").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert not names & {*foreign, "OPENAI_API_KEY", "HF_TOKEN"}
    assert {"MINE=kept", "SLURM_CONF=/etc/slurm.conf"} <= set(lines)


@pytest.mark.slow
def test_a_client_killed_while_it_hands_over_hands_nothing_over_twice(cluster, monkeypatch):
    """Sixty kills, each between ``sbatch`` being called and its answer being written down."""
    chance = random.Random(0)
    for number in range(10):
        cluster.runs = RunsFolder(cluster.here.parent / f"runs-{number}")
        cluster.runs.create()
        phases = launched(cluster, "one", "two")
        for _ in phases:
            (cluster.here / "kill").write_text(chance.choice(["before", "after"]))
            client = os.fork()
            if client == 0:
                try:
                    looking = cluster.conductor(monkeypatch)
                    while len(looking.running) < len(phases):
                        looking.step()
                finally:
                    os._exit(0)
            assert os.WTERMSIG(os.waitpid(client, 0)[1]) == signal.SIGKILL
        looking = cluster.conductor(monkeypatch)
        looking.step()
        assert all(len(phase.attempts()) == 1 for phase in phases)
        assert {phase_state(phase).state for phase in phases} == {"pending"}
    until(
        lambda: len(cluster.jobs) >= 60, "the last sbatch, whose client is dead, comes to its end"
    )
    names = [job[5] for job in cluster.jobs]
    assert len(names) == len(set(names)) == 60


def test_an_answer_from_before_the_job_was_taken_says_nothing_of_it(cluster, monkeypatch):
    """The queue is asked while sbatch still works, and the job is there only afterwards."""
    (phase, *_) = launched(cluster, "one")
    launcher = cluster.launcher(kept_s=60.0)
    attempt = phase.new_attempt()
    submitted = module.submit

    def slowly(*given):
        launcher.poll({attempt: {"name": "sirt:other", "job": "7", "at": 0.0}})
        return submitted(*given)

    monkeypatch.setattr(module, "submit", slowly)
    handle = launcher.start(phase, attempt, Devices())
    assert launcher.poll({attempt: handle})[attempt].state == "pending"


def test_an_ended_job_of_the_same_name_says_nothing_of_the_next(cluster, monkeypatch):
    """What was taken back is handed over again before the queue is asked again."""
    (phase, *_) = launched(cluster, "one")
    launcher = cluster.launcher(kept_s=60.0)
    attempt = phase.new_attempt()
    first = launcher.start(phase, attempt, Devices())
    cluster.set(0, "CANCELLED")
    assert launcher.poll({attempt: first})[attempt].state == "exited"
    shutil.rmtree(attempt.path)
    attempt = phase.new_attempt()
    again = launcher.start(phase, attempt, Devices())
    assert (again["name"], again["job"]) == (first["name"], "101")
    for handle in (again, again | {"job": ""}):
        assert launcher.poll({attempt: handle})[attempt].state == "pending"


def test_a_client_killed_before_it_has_called_sbatch_hands_over_the_next_time(cluster, monkeypatch):
    (phase, *_) = launched(cluster, "one")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("engine.scheduling.launchers.slurm.starting.submit", killed)
        dying = cluster.conductor(patch)
        with pytest.raises(KeyboardInterrupt):
            dying.step()
    assert phase.last_attempt().process.exists()
    looking = cluster.conductor(monkeypatch)
    until(lambda: looking.step() and len(cluster.jobs) == 3)
    assert len(cluster.jobs) == 3
    assert phase.last_attempt().number == 1
