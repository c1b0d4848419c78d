"""What each optimiser step takes, whichever of transformers' trainers takes it."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds by the clock and of CPU (all threads), and the tokens read, without padding."""

    wall: float
    cpu: float
    tokens: int


class StepClock(TrainerCallback):
    """Times the steps of every trainer that trains while it watches. Loading, looks at held-out
    rows and checkpoints are no part of a step.

    ``stop``: when it is set, the training ends with the step that it is at.

    Attributes:
        steps: in their order.
        optimizer: the class of the optimiser that took them.
    """

    def __init__(self, stop: Event | None = None) -> None:
        self.stop = stop
        self.steps: list[Step] = []
        self.optimizer = ""
        self._passes: list[Tensor] = []
        self._began = (0.0, 0.0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        kept = Trainer.train, Trainer.training_step
        clock = self

        def train(trainer: Any, *args: Any, **more: Any) -> Any:
            trainer.add_callback(clock)
            return kept[0](trainer, *args, **more)

        def training_step(trainer: Any, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            clock._passes.append(inputs["attention_mask"].sum())
            return kept[1](trainer, model, inputs, *args, **more)

        Trainer.train, Trainer.training_step = train, training_step
        try:
            yield
        finally:
            Trainer.train, Trainer.training_step = kept

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._passes.clear()
        self._began = self._now()

    def on_step_end(
        self, _args: Any, _state: Any, control: Any, optimizer: Any = None, **_: Any
    ) -> None:
        wall, cpu = (now - began for now, began in zip(self._now(), self._began, strict=True))
        self.steps.append(Step(wall, cpu, sum(int(count) for count in self._passes)))
        self.optimizer = type(getattr(optimizer, "optimizer", optimizer)).__name__
        if self.stop is not None and self.stop.is_set():
            control.should_training_stop = True

    def _now(self) -> tuple[float, float]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    @property
    def timed(self) -> list[Step]:
        """All steps but the first, in which libraries warm up, where there is another."""
        return self.steps[1:] or self.steps

    def figures(self) -> dict[str, float]:
        """Medians of the timed steps; a rate is that of all of them together."""
        timed = self.timed
        tokens = sum(step.tokens for step in timed)
        return {
            "steps": len(self.steps),
            "step_s": round(statistics.median(step.wall for step in timed), 3),
            "step_cpu_s": round(statistics.median(step.cpu for step in timed), 3),
            "tokens_per_step": round(tokens / len(timed)),
            "tokens_per_s": round(tokens / sum(step.wall for step in timed), 1),
            "tokens_per_cpu_s": round(tokens / sum(step.cpu for step in timed), 1),
        }
