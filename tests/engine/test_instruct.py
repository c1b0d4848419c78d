"""Instruction-tuning: what is learnt from, when it stops and resumes, what it must not hide."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from engine.models.loading import load
from engine.models.tokenizing import prepare_prompt
from engine.phases.context import Context, Stopped
from engine.phases.instruct import IGNORED, tokenise
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.settings import InstructSettings, LoraSettings
from engine.schema.specs import InstructSpec
from engine.store.layout import ADAPTER, CHECKPOINTS, RunsFolder
from engine.tasks.prompts import render
from engine.training import checkpoints, compat, guards
from engine.training import trainer as tr
from tests.engine.training_helpers import Lab, demonstration, same, student

if TYPE_CHECKING:
    from collections.abc import Callable

FAST = InstructSettings(epochs=2, learning_rate=1e-3, checkpoint_every=3, look_prompts=0)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(RunsFolder(tmp_path))


def spec_for(lab: Lab, count: int = 12, **fields: Any) -> InstructSpec:
    demonstrations = lab.annotated([demonstration(i) for i in range(count)])
    fields = {"student": student(), "settings": FAST} | fields
    return InstructSpec(demonstrations=demonstrations, **fields)


def at_step(step: int, act: Callable[[Context], None]) -> Callable[[ev.Event, Context], None]:
    def watch(event: ev.Event, ctx: Context) -> None:
        if isinstance(event, ev.Metric) and event.step == step and "loss" in event.values:
            act(ctx)

    return watch


@pytest.mark.slow
def test_it_learns_and_tells(lab: Lab) -> None:
    attempt = lab.attempt(spec_for(lab))
    losses = [loss for _, loss in attempt.series("loss")]
    assert losses[-1] < losses[0]
    assert attempt.figures["steps"] == 6
    assert attempt.figures["moved_weights"] > 99
    assert attempt.figures["optimizer"] == "adamw_torch"
    assert [p.done for p in attempt.of(ev.Progress)] == list(range(7))
    assert [c.step for c in attempt.of(ev.CheckpointSaved)] == [3, 6]
    assert not [m for m in attempt.of(ev.Message) if m.level != "info"]
    (sample,) = attempt.of(ev.Sample)
    assert sample.label == "first training example"
    assert sample.text == demonstration(0).output + "<|end|>"
    assert sample.prompt.endswith("Answer:<|end|><|assistant|>")
    again = load(student(), attempt.folder.out / ADAPTER, trainable=True)
    assert same(guards.adapter_weights(again.model), attempt.adapter)


def test_prompts_are_those_of_generation_and_only_outputs_are_learnt() -> None:
    tokenizer = load(student()).tokenizer
    one = demonstration(3)
    examples = tokenise(tokenizer, [one], InstructSettings(input_prompt="cot"))
    prompt = prepare_prompt(tokenizer, render(one.instruction, one.question, style="cot"))
    (ids,), (labels,) = examples.input_ids, examples.labels
    assert ids[: len(prompt)] == prompt
    assert labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert labels[len(prompt) :] == ids[len(prompt) :]
    assert tokenizer.decode(ids[len(prompt) :]) == one.output + tokenizer.eos_token


@pytest.mark.slow
def test_only_kept_demonstrations_and_a_nested_part_of_them(lab: Lab) -> None:
    all_of_them = [demonstration(i, kept=i % 4 > 0) for i in range(16)]
    spec = InstructSpec(
        student=student(), demonstrations=lab.annotated(all_of_them), fraction=50, settings=FAST
    )
    assert lab.attempt(spec).figures["examples"] == 6
    rejected = [demonstration(i, kept=False, output="no") for i in range(3)]
    other = Lab(RunsFolder(lab.runs.root / "other"))
    spec = InstructSpec(student=student(), demonstrations=other.annotated(rejected))
    with pytest.raises(UserError, match="none of 3 demonstrations"):
        other.attempt(spec)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [2, 4])
def test_a_stopped_training_goes_on_to_the_same_bits(
    lab: Lab, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tr, "examples_at_once", lambda *_: at_once)
    undisturbed = lab.attempt(spec_for(lab, seed=5))
    other = Lab(RunsFolder(lab.runs.root / "other"))
    spec = spec_for(other, seed=5)
    for step in (2, 4):
        with pytest.raises(Stopped):
            other.attempt(spec, at_step(step, lambda ctx: ctx.attempt.stop.touch()))
    monkeypatch.setattr(tr, "examples_at_once", lambda *_: 1)  # less memory is free now
    resumed = other.attempt(spec)
    assert [p.done for p in resumed.of(ev.Progress)] == [5, 6]
    assert resumed.of(ev.Progress)[0].resumed == 5
    assert same(resumed.adapter, undisturbed.adapter)
    assert resumed.figures == undisturbed.figures
    for name in ("loss", "num_tokens"):
        assert resumed.series(name) == undisturbed.series(name)[5:]


@pytest.mark.slow
def test_a_torn_checkpoint_is_not_resumed_from(lab: Lab) -> None:
    spec = spec_for(lab)
    undisturbed = lab.attempt(spec, publish=False)
    folder = undisturbed.folder.work / CHECKPOINTS
    (folder / "checkpoint-6" / "optimizer.pt").write_bytes(b"torn")
    (folder / "checkpoint-9").mkdir()
    (folder / "checkpoint-9" / "adapter_model.safetensors").write_bytes(b"")
    resumed = lab.attempt(spec)
    assert resumed.of(ev.Progress)[0].done == 3
    assert sorted(p.name for p in folder.iterdir()) == ["checkpoint-3", "checkpoint-6"]
    assert resumed.figures == undisturbed.figures


@pytest.mark.slow
def test_a_finished_training_is_only_published(lab: Lab) -> None:
    spec = spec_for(lab)
    before = lab.attempt(spec, publish=False)
    after = lab.attempt(spec)
    assert not after.of(ev.Progress)
    assert after.figures == before.figures


@pytest.mark.slow
def test_killed_while_it_saves(lab: Lab) -> None:
    """SIGKILL in the middle of a checkpoint; the next attempt ends with the same bits."""
    undisturbed = lab.attempt(spec_for(lab))
    other = Lab(RunsFolder(lab.runs.root / "other"))
    spec = spec_for(other)
    script = """
import os, signal, sys
from pathlib import Path
from engine.store.layout import RunsFolder
from engine.schema.specs import InstructSpec
from engine.training.compat import InstructTrainer
from tests.engine.training_helpers import Lab
def die(self, folder):
    if self.state.global_step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, folder)
save = InstructTrainer._save_rng_state
InstructTrainer._save_rng_state = die
Lab(RunsFolder(Path(sys.argv[1]))).attempt(InstructSpec.model_validate_json(sys.argv[2]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(other.runs.root), spec.model_dump_json()],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    torn = other.runs.phase(spec.id).work / CHECKPOINTS / "checkpoint-6"
    assert torn.is_dir()
    resumed = other.attempt(spec)
    assert resumed.of(ev.Progress)[0].done == 3
    assert same(resumed.adapter, undisturbed.adapter)


def test_what_is_too_long_is_counted(lab: Lab) -> None:
    texts = ["", "word " * 60, ""]
    demonstrations = [demonstration(i, output=text) for i, text in enumerate(texts)]
    settings = FAST.model_copy(update={"max_length": 90})
    spec = InstructSpec(
        student=student(), demonstrations=lab.annotated(demonstrations), settings=settings
    )
    attempt = lab.attempt(spec)
    assert attempt.figures["truncated"] == 1
    assert attempt.warned("truncated")
    assert attempt.warned("batch-capped")
    assert attempt.figures["batch_size"] == 3
    with pytest.raises(UserError, match="max_length: 5 leaves no output"):
        lab.attempt(spec.model_copy(update={"settings": FAST.model_copy(update={"max_length": 5})}))


@pytest.mark.slow
def test_weights_that_do_not_move_are_reported(lab: Lab) -> None:
    still = FAST.model_copy(update={"learning_rate": 1e-12, "warmup_ratio": 0.0})
    attempt = lab.attempt(spec_for(lab, settings=still))
    assert attempt.figures["moved_weights"] < 1
    assert attempt.warned("moved-weights-low")


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_training(lab: Lab) -> None:
    settings = FAST.model_copy(update={"epochs": 4.0})
    poisoned = compat.InstructTrainer.compute_loss

    def poison(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = poisoned(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step >= 4 else loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat.InstructTrainer, "compute_loss", poison)
        with pytest.raises(UserError, match="not a number for 5 steps"):
            lab.attempt(spec := spec_for(lab, settings=settings))
    folder = lab.runs.phase(spec.id).work / CHECKPOINTS
    newest = checkpoints.newest(folder, pytest.fail)
    assert newest is not None
    assert newest.name == "checkpoint-3"


@pytest.mark.slow
def test_a_full_disk_is_one_clear_line(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] No space left on device")

    monkeypatch.setattr(compat.InstructTrainer, "_save_optimizer_and_scheduler", full)
    spec = spec_for(lab)
    with pytest.raises(OSError, match="No space left on device") as caught:
        lab.attempt(spec)
    folder = lab.runs.phase(spec.id).work / CHECKPOINTS
    assert caught.value.filename == str(folder)
    assert not list(folder.iterdir())


def test_names_that_do_not_fit_are_explained(lab: Lab) -> None:
    lora = LoraSettings(targets=("q_prok",))
    spec = spec_for(lab, settings=FAST.model_copy(update={"lora": lora}))
    with pytest.raises(UserError, match=r"'q_prok' names no module.*'q_proj'"):
        lab.attempt(spec)
    with pytest.raises(UserError, match=r"'adamw_trch' is unknown.*'adamw_torch'"):
        tr.optimizer_for("adamw_trch", torch.device("cpu"))


def test_the_card_says_which_modules_get_an_adapter(lab: Lab) -> None:
    card = student(lora_targets=("o_proj",))
    adapter = lab.attempt(spec_for(lab, student=card)).adapter
    assert {key.split(".")[-3] for key in adapter} == {"o_proj"}


@pytest.mark.parametrize(
    ("batch", "at_once", "world", "expected"),
    [(4, 64, 1, (4, 1)), (128, 48, 1, (32, 4)), (128, 1, 4, (1, 32)), (7, 3, 2, (2, 2))],
)
def test_layout_keeps_the_effective_batch(
    batch: int, at_once: int, world: int, expected: tuple[int, int], monkeypatch: Any
) -> None:
    monkeypatch.setattr(tr.ranks, "world", lambda: world)
    monkeypatch.setattr(tr.ranks, "gathered", lambda value: [value] * world)
    layout = tr.solve_layout(batch, at_once, None)
    assert (layout.per_device, layout.accumulation) == expected
    assert layout.batch == batch


def test_guards_fire() -> None:
    ids = torch.tensor([[5, 6, 2, 0], [5, 2, 7, 0]])
    inside = torch.tensor([[False, True, True, False], [False, False, True, False]])
    guards.check_end_of_text(ids[:1], inside[:1], end=2)
    with pytest.raises(UserError, match="outside the loss"):
        guards.check_end_of_text(ids, inside, end=2)
    with pytest.raises(UserError, match="no parameter"):
        guards.trainable_values(torch.nn.Linear(2, 2).requires_grad_(False))
    start = {"A": torch.tensor([1.0, 2.0, 3.0, 4.0]), "B": torch.zeros(4)}
    now = {"A": torch.tensor([1.0, 2.0, 3.0, 4.5]), "B": torch.ones(4)}
    assert guards.moved_weights(start, now) == 25.0
    guards.check_changed(start, now)
    with pytest.raises(UserError, match="changed no weight"):
        guards.check_changed(start, dict(start))
