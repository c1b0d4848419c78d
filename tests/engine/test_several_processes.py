"""Phases that work in two processes do what one would, and outlive the loss of one."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from engine.interfaces import Devices
from engine.machine import processes
from engine.machine.devices import environment
from engine.machine.state import phase_state
from engine.schema import events as ev
from engine.schema.settings import (
    GenerationSettings,
    InstructSettings,
    LoraSettings,
    RefineSettings,
)
from engine.schema.specs import EvaluateSpec, InstructSpec, RefineSpec, TaskRef
from engine.store.eventlog import EventReader
from engine.store.layout import PREDICTIONS, REPLIES, PhaseDir, RunsFolder
from tests.engine import fakes
from tests.engine.fakes import until
from tests.engine.training_helpers import Attempt, Lab, demonstration, pair, student

if TYPE_CHECKING:
    import subprocess

    from engine.schema.phase import PhaseSpec
    from engine.store.layout import AttemptDir

pytestmark = pytest.mark.slow
TWO = Devices(on_cpu=2)
CHECKOUT = str(Path(__file__).resolve().parents[2])
CLOSE = 1e-5


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process imports the whole training stack first."""
    monkeypatch.setattr(fakes, "DEADLINE_S", 300.0)


@pytest.fixture
def alone(tmp_path: Path) -> Lab:
    """Where a phase works in this process."""
    return Lab(RunsFolder(tmp_path / "alone"))


@pytest.fixture
def together(tmp_path: Path) -> Lab:
    """Where it works in two processes."""
    return Lab(RunsFolder(tmp_path / "together"))


def begin(
    lab: Lab, spec: PhaseSpec, *options: str
) -> tuple[PhaseDir, AttemptDir, subprocess.Popen[bytes]]:
    folder = lab.runs.phase(spec.id)
    folder.create(spec)
    attempt = folder.new_attempt()
    words = ["phase", str(folder.path), str(attempt.path), "--processes", "2", *options]
    child = processes.spawn(
        (sys.executable, "-m", "engine", *words),
        attempt.stdout,
        attempt.stderr,
        environment(TWO) | {"PYTHONPATH": CHECKOUT},
    )
    return folder, attempt, child


def finish(lab: Lab, spec: PhaseSpec, *options: str) -> Attempt:
    folder, attempt, child = begin(lab, spec, *options)
    assert child.wait() == 0, attempt.stderr.read_text()[-3000:]
    return replace(of(attempt), figures=folder.manifest()["figures"])


def of(attempt: AttemptDir) -> Attempt:
    events = EventReader(attempt.events).read(100_000, 1e6)
    return Attempt(PhaseDir(attempt.path.parent), {}, events)


def second_of(child: subprocess.Popen[bytes]) -> psutil.Process:
    """The second of a phase's two processes."""

    def found() -> list[psutil.Process]:
        return [p for p in psutil.Process(child.pid).children() if p.environ().get("RANK") == "1"]

    return until(found)[0]


def check_same(one: Attempt, two: Attempt, *names: str) -> None:
    """The same curves and the same adapter, but for rounding."""
    for name in names:
        curves = [dict(attempt.series(name)) for attempt in (one, two)]
        assert curves[0].keys() >= curves[1].keys() != set()
        assert max(abs(curves[0][step] - curves[1][step]) for step in curves[1]) < CLOSE, name
    for key, weights in one.adapter.items():
        assert (weights - two.adapter[key]).abs().max() < CLOSE, key


def test_instructing_gives_the_same_losses_and_adapter(alone: Lab, together: Lab) -> None:
    """Answers of many lengths, and a last step of an epoch with one row for two processes."""
    taught = [
        demonstration(i, output="She has some. " * (1 + i % 4) + f"The answer is {i + i % 5}.")
        for i in range(21)
    ]
    settings = InstructSettings(
        epochs=1, batch_size=4, learning_rate=1e-3, checkpoint_every=3, look_prompts=1,
        lora=LoraSettings(dropout=0.0),
    )  # fmt: skip
    specs = [
        InstructSpec(student=student(), demonstrations=lab.annotated(taught), settings=settings)
        for lab in (alone, together)
    ]
    one, two = alone.attempt(specs[0]), finish(together, specs[1])
    check_same(one, two, "loss", "grad_norm", "mean_token_accuracy")
    assert (one.figures["world"], two.figures["world"]) == (1, 2)
    (started,) = two.of(ev.PhaseStarted)
    assert started.devices == ("cpu", "cpu")
    assert started.details["processes"] == 2


def test_a_refinement_that_lost_a_process_goes_on_to_the_same_end(
    alone: Lab, together: Lab
) -> None:
    settings = RefineSettings(
        batch_size=5, learning_rate=1e-3, warmup_steps=1, evaluate_every=2, max_steps=7,
        sft_weight=0.3, look_prompts=1,
    )  # fmt: skip
    specs = [
        RefineSpec(
            student=student(),
            adapter=None,
            pairs=lab.elicited([pair(i) for i in range(23)]),
            settings=settings,
        )
        for lab in (alone, together)
    ]
    one = alone.attempt(specs[0])

    folder, attempt, child = begin(together, specs[1])
    second = second_of(child)
    until(lambda: b'"checkpoint_saved"' in read(attempt.events))
    second.send_signal(signal.SIGKILL)
    assert child.wait() != 0
    assert not folder.done
    processes.write_exit_code(attempt, child.returncode)
    said = phase_state(folder).error
    assert f"process 2 of 2 (node {os.uname().nodename}) died: signal 9" in said

    two = finish(together, specs[1], "--shard")
    assert two.of(ev.Progress)[0].resumed >= 2
    assert "the weights are split" in " ".join(m.text for m in two.of(ev.Message))
    check_same(one, two, "loss", "eval_loss", "rewards/margins")
    begun = dict(of(attempt).series("loss"))
    assert all(abs(dict(one.series("loss"))[step] - begun[step]) < CLOSE for step in begun)
    scores = [(a.folder.out / "pair_scores.jsonl").read_text() for a in (one, two)]
    assert len(scores[0].splitlines()) == len(scores[1].splitlines()) == 23


def read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_two_processes_share_questions_and_one_finishes_what_they_began(
    alone: Lab, together: Lab
) -> None:
    spec = EvaluateSpec(
        model=student(),
        task=TaskRef(name="pocket-sums"),
        prompt="cot",
        limit=60,
        generation=GenerationSettings(max_batch=6),
    )
    one = alone.attempt(spec)
    folder, attempt, child = begin(together, spec)
    until(lambda: len(lines(folder)) > 12)
    second_of(child).send_signal(signal.SIGKILL)
    child.wait()
    begun = lines(folder)
    assert "process 2 of 2" in attempt.death.read_text()
    assert not folder.done
    two = together.attempt(spec)
    assert (two.folder.out / PREDICTIONS).read_bytes() == (
        one.folder.out / PREDICTIONS
    ).read_bytes()
    assert lines(folder)[: len(begun)] == begun
    assert sorted(lines(folder)) == sorted(lines(one.folder)), "nothing was asked twice"
    assert two.of(ev.Progress)[0].resumed == len(begun)


def lines(folder: PhaseDir) -> list[bytes]:
    return read(folder.work / REPLIES).splitlines()
