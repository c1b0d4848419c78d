"""Reports a training's progress as events, and decides when it must stop or give up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from transformers import TrainerCallback

from engine.machine import ranks
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.training import checkpoints, guards

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

NAN_STEPS = 5
_NOISE = ("epoch", "total_flos", "step")
_NOISE_ENDS = ("_runtime", "_per_second", "train_loss")


class Watcher(Protocol):
    """What a training reports its progress to, and asks whether it should stop."""

    @property
    def stop_requested(self) -> bool: ...
    def emit(self, event: ev.Event) -> None: ...
    def activity(self, text: str) -> None: ...
    def doing(self, text: str) -> None: ...
    def warn(self, text: str, code: str) -> None: ...
    def progress(self, done: int, total: int, unit: str, resumed: int = 0) -> None: ...
    def metric(self, step: int, epoch: float | None = None, **values: float) -> None: ...
    def keep_checkpoints(self) -> None: ...


def out_of_patience(state: TrainerState, patience_steps: int | None) -> bool:
    """Whether the held-out loss has not improved for the given number of steps."""
    best = state.best_global_step
    return patience_steps is not None and best and state.global_step - best >= patience_steps


class Reporter(TrainerCallback):
    """Turns the trainer's hooks into events and seals its checkpoints.

    Attributes:
        stopped: the training ended because somebody asked for it.
        nan_steps: how many of the last steps in a row had a loss that is not a number.
    """

    def __init__(
        self,
        watcher: Watcher,
        start: guards.Weights,
        layout: dict[str, int],
        resume: Path | None,
        patience_steps: int | None = None,
    ) -> None:
        self._watcher = watcher
        self._start = start
        self._layout = layout
        self._resumed = checkpoints.step_of(resume) if resume else 0
        self._patience_steps = patience_steps
        self.stopped = False
        self.nan_steps = 0
        self._passes = self._looked = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.best_global_step:  # the folder may lie elsewhere than when it was saved
            best = Path(args.output_dir) / checkpoints.name(state.best_global_step)
            state.best_model_checkpoint = str(best)
        self._tell_progress(state)
        self._watcher.activity("training")

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._passes = 0
        self._tell_pass(args, state)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._passes += 1
        self._tell_pass(args, state)

    def on_step_end(
        self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if ranks.anywhere(self._watcher.stop_requested):
            self.stopped = True
            control.should_save = control.should_training_stop = True
        if control.should_evaluate:
            self._looked = 0
            self._watcher.activity("evaluating on the held-out pairs")

    def on_prediction_step(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any,
        **_: Any,
    ) -> None:
        self._looked += 1
        self._watcher.doing(
            f"evaluating on the held-out pairs: batch {self._looked} of {len(eval_dataloader)}"
        )

    def on_evaluate(
        self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._watcher.activity("training")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **_: Any,
    ) -> None:
        values = {
            key: float(value)
            for key, value in logs.items()
            if key not in _NOISE and not key.endswith(_NOISE_ENDS)
        }
        if not values:
            return
        self._watcher.metric(state.global_step, state.epoch, **values)
        if "loss" in values:
            self._tell_progress(state)
            self._check_loss(values["loss"], state, control)

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any,
        **_: Any,
    ) -> None:
        if out_of_patience(state, self._patience_steps):
            control.should_training_stop = True
        if not ranks.is_first():
            return
        checkpoint = Path(args.output_dir) / checkpoints.name(state.global_step)
        checkpoints.seal(checkpoint, self._layout)
        self._watcher.keep_checkpoints()
        place = Path("work", *checkpoint.parts[-2:])
        self._watcher.emit(ev.CheckpointSaved(step=state.global_step, path=str(place)))
        moved = guards.moved_weights(self._start, guards.adapter_weights(model))
        self._watcher.metric(state.global_step, state.epoch, moved_weights=moved)

    def _tell_pass(self, args: TrainingArguments, state: TrainerState) -> None:
        passes = args.gradient_accumulation_steps
        here = f": pass {self._passes + 1} of {passes} of step {state.global_step + 1}"
        self._watcher.doing("training" + here * (passes > 1))

    def _tell_progress(self, state: TrainerState) -> None:
        self._watcher.progress(state.global_step, state.max_steps, "steps", self._resumed)

    def _check_loss(self, loss: float, state: TrainerState, control: TrainerControl) -> None:
        if math.isfinite(loss):
            self.nan_steps = 0
            return
        self.nan_steps += 1
        control.should_save = False  # a retry must not resume from poisoned weights
        if self.nan_steps == 1:
            self._watcher.warn(f"the loss is {loss} at step {state.global_step}", "nan-loss")
        if self.nan_steps == NAN_STEPS:
            raise UserError(
                f"the loss was not a number for {NAN_STEPS} steps in a row, up to step "
                f"{state.global_step}; lower learning_rate or max_grad_norm, or use fp32"
            )
