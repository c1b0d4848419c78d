"""Answers to the same few prompts at each look at a training, with the weights as they are then.

A look is taken before the first step, every ``every`` steps and after the last. It changes nothing
of the training: the random state and the mode of every module are put back. The answers are kept
in the phase's work folder, so that a retry that comes by the same step again answers nothing twice.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import TrainerCallback

from engine.generation.backends import Request, backend, end_ids
from engine.generation.generate import out_of_memory
from engine.generation.parity import settle
from engine.generation.questions import context_of, read_reply
from engine.schema.cards import Sampling
from engine.schema.records import Look
from engine.schema.settings import LOOK_TOKENS
from engine.store.jsonlines import append_records, whole_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from engine.models.loading import Loaded
    from engine.schema.records import Finish, Verdict
    from engine.training.reporter import Watcher

LOSSES: Final = {"loss": "loss", "eval_loss": "held_out_loss"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that is asked at each look. ``ids``: its prompt's tokens; ``score``: reads an
    answer; ``trained_on``: whether the training sees the question too."""

    item: str
    text: str
    ids: list[int]
    target: str
    trained_on: bool
    score: Callable[[str, Finish], Verdict] | None = None


class Looks(TrainerCallback):
    """Takes the looks. ``file``: where answers are kept; ``computing``: makes the context in which
    the trainer computes; ``backend``: that of the settings of generation."""

    def __init__(
        self,
        watcher: Watcher,
        loaded: Loaded,
        prompts: Sequence[Prompt],
        every: int,
        file: Path,
        computing: Callable[[], AbstractContextManager[Any]],
        backend: str = "auto",
    ) -> None:
        self._watcher = watcher
        self._loaded = loaded
        context = context_of(loaded.model.config) or 10**9
        self._prompts = [prompt for prompt in prompts if len(prompt.ids) < context]
        self._context = context
        self._every = every
        self._file = file
        self._computing = computing
        self._backend = backend
        self._known = {(look.step, look.item) for look in whole_records(file, Look)}

    def on_train_begin(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any
    ) -> None:
        """Look before progress is counted, so that its time is not the first step's."""
        if state.global_step % self._every == 0:
            self._look(state)

    def on_step_begin(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any
    ) -> None:
        if state.global_step % self._every == 0:
            self._look(state)

    def on_save(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any
    ) -> None:
        """Look before the checkpoint counts, so that a retry from it lacks no answer."""
        if state.global_step % self._every == 0 or state.global_step >= state.max_steps:
            self._look(state)

    def _look(self, state: TrainerState) -> None:
        step = state.global_step
        new = [prompt for prompt in self._prompts if (step, prompt.item) not in self._known]
        if not new or not state.is_world_process_zero:
            return
        self._watcher.activity(f"answering {len(new)} prompts, to see how answers change")
        try:
            answers = self._answers(new)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self._prompts = []  # whatever the reason: the training itself must go on
            self._watcher.warn(
                f"no memory to answer prompts at step {step}: none are asked from here on",
                "look-memory",
            )
        else:
            losses = {name: _last(state, key) for key, name in LOSSES.items()}
            append_records(
                self._file,
                [Look(step=step, epoch=state.epoch, **losses, **answer) for answer in answers],
            )
            self._known |= {(step, prompt.item) for prompt in new}
        self._watcher.activity("training")

    def _answers(self, prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
        loaded = self._loaded
        ends = end_ids(loaded)
        limits = [min(LOOK_TOKENS, self._context - len(prompt.ids)) for prompt in prompts]
        greedy = Sampling(temperature=0.0, max_new_tokens=LOOK_TOKENS)
        request = Request([p.ids for p in prompts], limits, [0] * len(prompts), ends, greedy)
        with undisturbed(loaded.model), self._computing():
            name = settle(loaded, self._backend, lambda _text: None)
            written = backend(name)(loaded, request)
        found = []
        for prompt, tokens in zip(prompts, written, strict=True):
            reply = read_reply(loaded.tokenizer, len(prompt.ids), tokens, ends)
            verdict = prompt.score(reply.text, reply.finish) if prompt.score else None
            found.append(
                {
                    "item": prompt.item,
                    "prompt": prompt.text,
                    "target": prompt.target,
                    "trained_on": prompt.trained_on,
                    "text": reply.text,
                    "finish": reply.finish,
                    "verdict": verdict,
                }
            )
        return found


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Put the model into evaluation; afterwards each module's mode and the random state are what
    they were."""
    modes = [(module, module.training) for module in model.modules()]
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(gpus):
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def _last(state: TrainerState, key: str) -> float | None:
    """The last value that was logged, None if there is none or it is no number."""
    logged = (entry[key] for entry in reversed(state.log_history) if key in entry)
    value = next(logged, None)
    return float(value) if value is not None and math.isfinite(value) else None
