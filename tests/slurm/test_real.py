"""On a real Slurm: chains, refusals, limits on time, preemption, kills of whatever can be killed.

Phases are scripted (:mod:`tests.engine.fakes`), but for the one that trains.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.machine.state import phase_state
from engine.scheduling import daemon, queue
from engine.scheduling.policy import DeviceRequest
from engine.schema.allocation import Allocation
from engine.schema.settings import InstructSettings
from engine.schema.specs import InstructSpec
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder
from tests.engine.fakes import COUNTED, PROGRAM, go, write_run
from tests.engine.training_helpers import Lab, demonstration, student
from tests.slurm.standins import chain
from tests.slurm.test_arrays import wide

if TYPE_CHECKING:
    from tests.slurm.real import Slurm

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
CHECKOUT = str(Path(__file__).resolve().parents[2])


WEIGHTS = ("out/adapter/adapter_model.safetensors",)
SLOW_MOTION = """
import sys, time
from engine.__main__ import main
from engine.training.reporter import Reporter
step_ends = Reporter.on_step_end
def slowly(self, *given, **named):
    time.sleep(12)
    return step_ends(self, *given, **named)
Reporter.on_step_end = slowly
sys.exit(main(sys.argv[3:]))
"""


class SlurmLab:
    """A runs folder, a site, and conductors that hand phases over to a real Slurm."""

    def __init__(self, slurm: Slurm, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slurm = slurm
        self.runs = RunsFolder(root / "runs")
        self.runs.create()
        self.site = root / "site.yaml"
        self.environment = root / "env"
        (self.environment / "bin").mkdir(parents=True)
        python = self.environment / "bin" / "python"
        words = " ".join(PROGRAM)
        python.write_text(f'#!/bin/sh\nshift 2\nexec {words} "$@"\n')  # for python -m engine
        python.chmod(0o755)
        for name, value in slurm.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SIRT_SLURM_LOOK_S", "0.3")
        monkeypatch.setenv("PYTHONPATH", CHECKOUT)
        self.describe()

    def describe(self, time: str = "10:00", memory: str = "300M", **more: str) -> None:
        lines = [f"{key}: {value}" for key, value in {"partition": "gpu", **more}.items()]
        need = f'{{time: "{time}", memory: {memory}, gpus: 0, cpus: 1}}'
        self.site.write_text("\n".join([*lines, f"environment: {self.environment}",
                                        f"phases: {{all: {need}}}", ""]))  # fmt: skip

    @property
    def request(self) -> DeviceRequest:
        return DeviceRequest(launcher=f"slurm:{self.site}")

    def launch(self, run_id: str, spec, *scripts):
        write_run(self.runs, run_id, spec, *scripts)
        queue.enqueue(self.runs, [run_id], self.request)
        self.conduct()
        return [self.runs.phase(phase.id) for phase in spec.phases]

    def conduct(self) -> None:
        daemon.ensure_running(self.runs, PROGRAM)

    def begun(self, phase) -> None:
        """Wait for its job to work."""
        self.slurm.until(lambda: phase.last_attempt() and allocations(phase), "it has begun")
        self.slurm.until(lambda: phase_state(phase).state == "running", "it runs")

    def kill_conductor(self) -> None:
        who = self.slurm.until(lambda: daemon.holder(self.runs), "a conductor")
        os.kill(who["pid"], 9)


@pytest.fixture
def lab(slurm, tmp_path, monkeypatch):
    from engine.scheduling.launchers.slurm.queries import shared_queue

    shared_queue.cache_clear()
    found = SlurmLab(slurm, tmp_path, monkeypatch)
    yield found
    slurm.run("scancel", "--user=root", check=False)
    who = daemon.holder(found.runs)
    if who:
        os.kill(who["pid"], 9)
    shared_queue.cache_clear()


def allocations(phase):
    events = EventReader(phase.last_attempt().events).read(10_000, 10_000)
    return [event for event in events if isinstance(event, Allocation)]


def test_a_chain_goes_on_without_a_conductor_and_the_next_look_knows_all(lab):
    phases = lab.launch("one", chain(), {"do": "wait"})
    lab.slurm.until(lambda: all(p.last_attempt() for p in phases), "all handed over")
    lab.begun(phases[0])
    lab.kill_conductor()
    assert [phase_state(p).state for p in phases[1:]] == ["pending", "pending"]
    go(phases[0])
    lab.slurm.until(lambda: all(p.done for p in phases), "the chain is done")
    assert [len(p.attempts()) for p in phases] == [1, 1, 1]
    lab.conduct()
    lab.slurm.until(lambda: queue.read_queue(lab.runs).entries == (), "the run is off the queue")


def test_a_failed_phase_takes_the_rest_back_and_a_retry_goes_on(lab):
    phases = lab.launch("one", chain(), {"do": "fail"})
    lab.slurm.until(lambda: phase_state(phases[0]).state == "failed", "it has failed")
    lab.slurm.until(lambda: not phases[2].attempts(), "the last is taken back")
    assert phase_state(phases[0]).error == "scripted to fail"
    (phases[0].path / "script.json").unlink()
    queue.retry(lab.runs, "one")
    lab.conduct()
    lab.slurm.until(lambda: phases[2].done, "the chain is done")


def test_the_time_limit_is_gone_through_in_as_many_allocations_as_it_takes(lab):
    """A minute an allocation; it counts on and asks for another one before it is ended."""
    lab.describe(time="1:00", partition="short")
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    (phase,) = lab.launch("one", spec, {"do": "count", "every": 5.0})
    lab.slurm.until(lambda: phase.done, "counted", within_s=400)
    assert (phase.work / "counted").read_text().split() == [str(n) for n in range(COUNTED)]
    assert len(phase.attempts()) == 1
    assert len(allocations(phase)) >= 2
    assert [one.number for one in allocations(phase)] == list(range(1, len(allocations(phase)) + 1))


def test_a_training_that_outlives_its_limit_ends_with_the_same_bits(lab, tmp_path):
    """The real program: a pocket student in slow motion, twelve seconds a step."""
    settings = InstructSettings(epochs=2, learning_rate=1e-3, checkpoint_every=3, look_prompts=0)
    made = [Lab(RunsFolder(tmp_path / "undisturbed")), Lab(lab.runs)]
    demonstrations = {one.annotated([demonstration(i) for i in range(12)]) for one in made}
    spec = InstructSpec(student=student(), demonstrations=demonstrations.pop(), settings=settings)
    assert not demonstrations
    undisturbed = made[0].attempt(spec)
    (tmp_path / "slow.py").write_text(SLOW_MOTION)
    python = lab.environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/slow.py "$@"\n')
    lab.describe(time="2:00", memory="3000M")  # half a minute for its imports
    (phase,) = lab.launch("one", chain().model_copy(update={"phases": (spec,)}))
    lab.slurm.until(lambda: phase.done, "trained", within_s=500)
    assert len(allocations(phase)) >= 2
    assert len(phase.attempts()) == 1
    trained = {file: phase.manifest()["files"][file]["sha256"] for file in WEIGHTS}
    before = undisturbed.folder.manifest()["files"]
    assert trained == {file: before[file]["sha256"] for file in WEIGHTS}


def test_what_comes_first_takes_the_node_and_the_phase_goes_on_later(lab):
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    (phase,) = lab.launch("one", spec, {"do": "wait"})
    lab.begun(phase)
    urgent = lab.slurm.run(
        "sbatch", "--parsable", "-p", "high", "--nodes=2", "--exclusive", "-o", "/dev/null",
        "--wrap", "sleep 5",
    ).strip()  # fmt: skip
    lab.slurm.until(lambda: phase_state(phase).state == "pending", "it gave way")
    lab.slurm.run("scancel", urgent)
    lab.slurm.until(lambda: len(allocations(phase)) == 2, "it goes on", within_s=200)
    go(phase)
    lab.slurm.until(lambda: phase.done, "done")
    assert len(phase.attempts()) == 1


def test_stopping_ends_the_job(lab, monkeypatch):
    from engine.commands import run_changes

    monkeypatch.setattr(daemon, "ENGINE", PROGRAM)
    phases = lab.launch("one", chain(), {"do": "wait"})
    lab.begun(phases[0])
    lab.slurm.until(phases[2].last_attempt, "all handed over")
    run_changes.stop(lab.runs, ["one"])
    lab.slurm.until(lambda: {phase_state(p).state for p in phases} == {"stopped"}, "all stopped")
    lab.slurm.until(lambda: not lab.slurm.run("squeue", "-h").strip(), "nothing is in the queue")


def test_each_task_of_an_array_is_told_requeued_and_stopped_by_itself(lab):
    waits = [{"do": "finish"}, {"do": "finish"}, *[{"do": "wait"}] * 4]
    *_, first, second, third, fourth = lab.launch("one", wide(), *waits)
    evaluations = first, second, third, fourth
    for phase in evaluations:
        lab.begun(phase)
    jobs = [allocations(phase)[0].job for phase in evaluations]
    assert [job.partition("_")[2] for job in jobs] == ["0", "1", "2", "3"]
    assert len({job.partition("_")[0] for job in jobs}) == 1
    lab.slurm.run("scontrol", "requeue", jobs[1])
    lab.slurm.until(lambda: len(allocations(second)) == 2, "it goes on", within_s=200)
    assert [one.job for one in allocations(second)] == [jobs[1]] * 2
    third.last_attempt().stop.touch()
    lab.slurm.until(lambda: phase_state(third).state == "stopped", "it is stopped")
    assert [phase_state(p).state for p in (first, second, fourth)] == ["running"] * 3
    go(first)
    lab.slurm.until(lambda: first.done, "one is done")
    lab.slurm.until(lambda: "1 of 4 of its array are done" in phase_state(fourth).where, "told")
    go(second)
    go(fourth)
    lab.slurm.until(lambda: second.done and fourth.done, "the others are done")
    assert [len(p.attempts()) for p in evaluations] == [1] * 4


def test_a_controller_that_is_down_makes_nothing_fail(lab):
    phases = lab.launch("one", chain(), {"do": "wait"})
    lab.begun(phases[0])
    lab.slurm.until(phases[2].last_attempt, "all handed over")
    lab.slurm.kill("slurmctld", signal.SIGTERM)  # killed, it would forget its newest jobs
    try:
        lab.slurm.until(lambda: "unknown for now" in phase_state(phases[1]).why, "it is unknown")
        assert [phase_state(p).state for p in phases] == ["running", "pending", "pending"]
    finally:
        lab.slurm.start_controller()
    go(phases[0])
    lab.slurm.until(lambda: phases[2].done, "the chain is done", within_s=120)
    assert [len(p.attempts()) for p in phases] == [1, 1, 1]


def test_a_node_that_dies_takes_nothing_with_it(lab):
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    (phase,) = lab.launch("one", spec, {"do": "wait"})
    lab.begun(phase)
    node = allocations(phase)[0].node
    lab.slurm.kill(f"slurmd-{node}")
    try:
        lab.slurm.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        lab.slurm.until(lambda: len(allocations(phase)) == 2, "it goes on", within_s=200)
        assert allocations(phase)[1].node != node
    finally:
        lab.slurm.start_node(node)
        lab.slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
    go(phase)
    lab.slurm.until(lambda: phase.done, "done")


def test_what_ends_before_it_starts_is_told_with_slurms_own_words(lab):
    (lab.environment / "bin" / "python").unlink()
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    (phase,) = lab.launch("one", spec)
    lab.slurm.until(lambda: phase_state(phase).state == "lost", "it has ended")
    said = phase_state(phase).error
    assert "the program did not begin" in said
    assert "started on n" in said
    assert "No such file" in said


def test_an_allocation_around_us_binds_no_job(lab, tmp_path):
    """Handed over from inside a job that is bound to its cores by an option of its own."""
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    write_run(lab.runs, "one", spec)
    queue.enqueue(lab.runs, ["one"], lab.request)
    words = " ".join((*PROGRAM, "conductor", str(lab.runs.root)))
    lab.slurm.run(
        "sbatch", "--wait", "-o", str(tmp_path / "outer.log"), "--comment=outer",
        "--wrap", f"export SBATCH_PARTITION=none SLURM_CPU_BIND=bogus; {words}",
    )  # fmt: skip
    phase = lab.runs.phase(spec.phases[0].id)
    lab.slurm.until(lambda: phase.done, "done")
    assert allocations(phase)[0].job != ""
