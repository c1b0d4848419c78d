"""On a real Slurm: one phase on two nodes."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from engine.machine.state import phase_state
from engine.scheduling import queue
from engine.schema.settings import InstructSettings, LoraSettings
from engine.schema.specs import InstructSpec
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder
from tests.engine.fakes import go
from tests.engine.test_several_processes import check_same, read
from tests.engine.training_helpers import Attempt, Lab, demonstration, student
from tests.slurm.standins import chain
from tests.slurm.test_real import allocations, lab  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slurm.test_real import SlurmLab

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def test_a_training_on_two_nodes_loses_one_and_ends_as_on_one(
    lab: SlurmLab,  # noqa: F811
    tmp_path: Path,
) -> None:
    settings = InstructSettings(
        epochs=2, batch_size=4, learning_rate=1e-3, checkpoint_every=2, look_prompts=0,
        lora=LoraSettings(dropout=0.0),
    )  # fmt: skip
    made = [Lab(RunsFolder(tmp_path / "alone")), Lab(lab.runs)]
    taught = {one.annotated([demonstration(i) for i in range(14)]) for one in made}
    spec = InstructSpec(student=student(), demonstrations=taught.pop(), settings=settings)
    alone = made[0].attempt(spec)

    python = lab.environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    lab.site.write_text(
        f"partition: gpu\nenvironment: {lab.environment}\n"
        'phases: {all: {time: "10:00", memory: 3000M, gpus: 0, cpus: 1, nodes: 2}}\n'
    )
    (phase,) = lab.launch("one", chain().model_copy(update={"phases": (spec,)}))
    attempt = lab.slurm.until(phase.last_attempt, "handed over")
    lab.slurm.until(lambda: b'"checkpoint_saved"' in read(attempt.events), "saved", 200)
    (second,) = [one for one in psutil.process_iter() if _rank(one) == (str(attempt.path), "1")]
    node = second.environ()["SLURMD_NODENAME"]
    second.send_signal(signal.SIGKILL)
    lab.slurm.until(lambda: phase_state(phase).state in ("lost", "failed"), "it has ended")
    assert f"process 2 of 2 (node {node}) died: signal 9" in phase_state(phase).error

    queue.retry(lab.runs, "one")
    lab.conduct()
    lab.slurm.until(lambda: phase.done, "trained", within_s=200)
    events = EventReader(phase.last_attempt().events).read(100_000, 1e6)
    two = Attempt(phase, phase.manifest()["figures"], events)
    check_same(alone, two, "loss", "grad_norm")
    assert two.figures["world"] == 2


def test_on_two_nodes_work_is_saved_and_goes_on_in_a_next_allocation(lab: Lab) -> None:  # noqa: F811
    lab.site.write_text(
        f"partition: gpu\nenvironment: {lab.environment}\n"
        'phases: {all: {time: "10:00", memory: 1500M, gpus: 0, cpus: 1, nodes: 2}}\n'
    )
    spec = chain().model_copy(update={"phases": chain().phases[:1]})
    (phase,) = lab.launch("one", spec, {"do": "wait"})
    attempt = lab.slurm.until(phase.last_attempt, "handed over")
    second = attempt.of_rank(1)
    lab.slurm.until(lambda: b"cuda" in read(second.events), "both work", within_s=200)
    lab.slurm.until(lambda: b"cuda" in read(attempt.events), "both work")
    lab.slurm.run("scancel", "--batch", "--signal=USR1", attempt.job.read_text().strip())
    lab.slurm.until(lambda: len(allocations(phase)) == 2, "it goes on", within_s=200)
    go(phase)
    lab.slurm.until(lambda: phase.done, "done", within_s=200)
    assert len(phase.attempts()) == 1
    assert not attempt.death.exists()


def _rank(process: psutil.Process) -> tuple[str, str] | None:
    """The attempt that a process works on, and which of its processes it is."""
    try:
        words, told = process.cmdline(), process.environ()
    except psutil.Error:
        return None
    where = next((w for w in words if os.path.basename(w).startswith("attempt-")), "")  # noqa: PTH119
    return (where, told.get("RANK", "")) if process.pid != os.getpid() else None
