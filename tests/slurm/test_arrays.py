"""Evaluations that are alike are one job array: each task is found, seen and stopped by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from engine.machine.state import phase_state
from engine.scheduling import queue
from engine.scheduling.launchers.slurm import arrays
from engine.scheduling.launchers.slurm.arrays import tasks_of
from engine.schema.jsonfile import read_json
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.conductor_dir import ConductorDir
from engine.store.layout import RunsFolder
from tests.engine.fakes import until, write_run
from tests.slurm.standins import STUDENT, chain
from tests.slurm.test_handing_over import ended_well

TASKS = ("pocket-sums", "pocket-boxes", "pocket-compass", "gsm8k")


def wide(seed=0):
    """annotate -> instruct -> four evaluations."""
    run = chain(seed)
    annotate, instruct, _ = run.phases
    asked = (
        EvaluateSpec(
            seed=seed, model=STUDENT, adapter=instruct.id, task=TaskRef(name=task), prompt="cot"
        )
        for task in TASKS
    )
    return run.model_copy(update={"phases": (annotate, instruct, *asked)})


def launched(cluster, *run_ids):
    specs = [write_run(cluster.runs, run_id, wide(seed)) for seed, run_id in enumerate(run_ids)]
    queue.enqueue(cluster.runs, run_ids, cluster.request)
    return [[cluster.runs.phase(phase.id) for phase in spec.phases] for spec in specs]


def handle(phase):
    return read_json(phase.last_attempt().process)["handle"]


def submissions(cluster):
    return [call for call in cluster.calls if call.startswith("sbatch")]


@pytest.fixture
def handed_over(cluster, monkeypatch):
    (phases,) = launched(cluster, "one")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    return phases, looking


def test_evaluations_of_one_student_are_an_array_that_waits_for_it(cluster, handed_over):
    phases, _ = handed_over
    assert len(submissions(cluster)) == 3
    assert [job[0] for job in cluster.jobs] == ["100", "101", *(f"102_{n}" for n in range(4))]
    assert [handle(phase)["job"] for phase in phases] == [job[0] for job in cluster.jobs]
    assert {phase_state(phase).state for phase in phases} == {"pending"}
    script = phases[2].last_attempt().script
    text = script.read_text()
    assert "#SBATCH --array=0-3\n" in text
    assert "#SBATCH --dependency=afterok:101\n" in text
    log = text.partition('--output="')[2].partition('"')[0]
    for number, phase in enumerate(phases[2:]):
        attempt = phase.last_attempt()
        assert attempt.script.samefile(script)
        Path(log.replace("%a", str(number))).write_text("started on n1\n")
        assert attempt.queue_log.read_text() == "started on n1\n"


def test_what_is_ready_in_several_runs_is_one_array(cluster, monkeypatch):
    runs = launched(cluster, "one", "two")
    for phases in runs:
        ended_well(phases[0])
        ended_well(phases[1])
    cluster.conductor(monkeypatch).step()
    assert len(submissions(cluster)) == 1
    assert "--dependency" not in runs[0][2].last_attempt().script.read_text()
    assert [handle(p)["task"] for phases in runs for p in phases[2:]] == list(range(8))


def test_what_needs_something_else_is_no_task_of_it(cluster, monkeypatch):
    (first, second) = launched(cluster, "one", "two")
    cluster.conductor(monkeypatch).step()
    assert len(submissions(cluster)) == 6, "each waits for its own student"
    assert handle(first[2])["name"] != handle(second[2])["name"]


def test_an_array_is_no_larger_than_the_site_allows(cluster, monkeypatch):
    cluster.site.write_text(cluster.site.read_text() + "jobs: 4\n")
    (phases,) = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    assert [job[0] for job in cluster.jobs] == ["100", "101", "102_0", "102_1"]
    assert phases[4].last_attempt() is None


def test_each_task_has_its_own_state_and_tells_how_far_the_others_are(cluster, handed_over):
    phases, _ = handed_over
    cluster.set(2, "RUNNING", node="n1")
    cluster.set(3, "PENDING", "JobArrayTaskLimit")
    jobs = cluster.jobs  # as Slurm writes those that have not begun
    jobs[3][0], jobs[4:] = "102_[1-3%2]", []
    cluster.write(jobs)
    evaluations = phases[2:]
    evaluations[0].last_attempt().queue_log.write_text("started on n1\n")
    found = [phase_state(phase) for phase in evaluations]
    assert [one.state for one in found] == ["running", "pending", "pending", "pending"]
    said = [one.where or one.why for one in found]
    assert [f"job 102_{n}" in words for n, words in enumerate(said)] == [True] * 4
    assert all(words.endswith("; 0 of 4 of its array are done") for words in said)
    ended_well(evaluations[0])
    assert "1 of 4 of its array are done" in phase_state(evaluations[3]).why
    told = [phase.last_attempt().queued for phase in evaluations]
    assert not any("of its array" in log.read_text() for log in told if log.exists())


def test_one_task_is_stopped_by_itself(cluster, handed_over):
    phases, looking = handed_over
    phases[4].last_attempt().stop.touch()
    looking.step()
    assert [call for call in cluster.calls if call.startswith("scancel")] == ["scancel 102_2"]
    jobs = cluster.jobs
    del jobs[4]
    cluster.write(jobs)
    assert [phase_state(p).state for p in phases[2:]] == [
        "pending",
        "pending",
        "stopped",
        "pending",
    ]


def test_one_task_is_tried_again_by_itself(cluster, handed_over):
    phases, looking = handed_over
    for phase in phases[:2]:
        ended_well(phase)
    phases[3].last_attempt().queue_log.write_text("started on n1\n")
    cluster.set(3, "NODE_FAIL")
    looking.step()
    looking.step()
    assert [p.last_attempt().number for p in phases[2:]] == [1, 2, 1, 1]
    assert "task" not in handle(phases[3]), "alone, it is a job of its own"


def test_the_accounting_knows_tasks_too(cluster, handed_over):
    phases, _ = handed_over
    for phase in phases[:2]:
        ended_well(phase)
    name = handle(phases[2])["name"]
    cluster.write([])
    phases[2].last_attempt().queue_log.write_text("started on n1\n")
    lines = (f"102_0|OUT_OF_MEMORY|0:125|n1|{name}", f"102_[1-3]|CANCELLED by 0|0:0|None|{name}")
    (cluster.here / "accounting").write_text("\n".join(lines) + "\n")
    errors = [phase_state(phase).error for phase in phases[2:]]
    assert "OUT_OF_MEMORY: it took more memory" in errors[0]
    assert all("job 102_" in one and "CANCELLED" in one for one in errors[1:])


def test_a_refused_array_leaves_nothing(cluster, monkeypatch):
    (phases,) = launched(cluster, "one")
    ended_well(phases[0])
    ended_well(phases[1])
    (cluster.here / "refuse").write_text("sbatch: error: Job violates policy\n")
    looking = cluster.conductor(monkeypatch)
    looking.step()
    assert [phase.attempts() for phase in phases[2:]] == [[]] * 4
    folder = ConductorDir(cluster.runs.conductor).arrays
    assert list(folder.iterdir()) == []
    told = read_json(cluster.runs.conductor / "waiting.json")
    assert all("Job violates policy" in told[phase.id] for phase in phases[2:])
    (cluster.here / "refuse").unlink()
    looking.step()
    assert len(cluster.jobs) == 4


def test_folders_of_arrays_go_when_nothing_of_them_is_in_the_queue(
    cluster, handed_over, monkeypatch
):
    phases, _ = handed_over
    monkeypatch.setattr(arrays, "KEPT_S", -1.0)
    folder = ConductorDir(cluster.runs.conductor).arrays
    seen = cluster.launcher()._queue.look()
    arrays.clean(cluster.runs, seen.jobs)
    assert len(list(folder.iterdir())) == 1
    cluster.write(cluster.jobs[:2])
    arrays.clean(cluster.runs, cluster.launcher()._queue.look().jobs)
    assert list(folder.iterdir()) == []
    assert phases[2].last_attempt().path.is_dir()


def test_a_client_killed_while_it_hands_an_array_over_hands_no_task_over_twice(
    cluster, monkeypatch
):
    """Killed when ``sbatch`` is called, or when it has answered and nobody has noted that."""
    for number in range(4):
        cluster.runs = RunsFolder(cluster.here.parent / f"runs-{number}")
        cluster.runs.create()
        (phases,) = launched(cluster, "one")
        for phase in phases[:2]:
            ended_well(phase)
        (cluster.here / "kill").write_text(("before", "after")[number % 2])
        client = os.fork()
        if client == 0:
            try:
                cluster.conductor(monkeypatch).step()
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(client, 0)[1]) == signal.SIGKILL
        looking = cluster.conductor(monkeypatch)
        looking.step()
        assert {phase_state(phase).state for phase in phases[2:]} == {"pending"}
        assert [len(phase.attempts()) for phase in phases[2:]] == [1] * 4
        until(lambda n=number: len(cluster.jobs) >= 4 * (n + 1), "the last sbatch ends")
    tasks = [(job[5], job[0].partition("_")[2]) for job in cluster.jobs]
    assert len(tasks) == len(set(tasks)) == 16


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("7", ["7"]),
        ("7_3", ["7_3"]),
        ("7_[0-2,5]", ["7_0", "7_1", "7_2", "7_5"]),
        ("7_[4-5%1]", ["7_4", "7_5"]),
        ("7_[1,3,...]", ["7_[1,3,...]"]),  # cut off: none that we know
    ],
)
def test_tasks_as_slurm_writes_them(said, expected):
    assert [job for job, _ in tasks_of(said, "n")] == expected
