"""All code that depends on private parts of TRL, PEFT and transformers' trainer.

Written for the releases in ``CHECKED``; ``tests/training/test_compat.py`` fails when another one is
installed, or when a private thing is gone. (What loading needs of bitsandbytes and torch is in
:mod:`engine.models.compat`: it must not import TRL.)
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
import trl.trainer.utils
from safetensors import SafetensorError
from trl import DPOTrainer, SFTTrainer

from engine.machine import ranks
from engine.store.writing import follow_umask
from engine.training import checkpoints
from engine.training.dealing import Dealt
from engine.training.guards import own_weights
from engine.training.logprobs import KNOWN, AnswerLogProbs
from engine.training.microbatches import EvenPasses
from engine.training.reference import REMEMBERED, keep_scores, kept_scores
from engine.training.sharedprompts import share_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHECKED: Final = {"trl": "1.16", "peft": "0.21", "transformers": "5.23"}

# TRL and PEFT still ask for it by its old name.
warnings.filterwarnings("ignore", message=".*gradient_checkpointing.* is deprecated")

# Score only the tokens that the loss counts, not the prompt as well: what TRL does on GPUs, and
# leaves out elsewhere for accelerators that compile every shape. A fifth of a DPO step on a CPU.
trl.trainer.utils._use_triton = lambda _device: True

TRLS_LOG_PROBS: Final = trl.trainer.utils._ChunkedLogProbFunction


class _LogProbs:
    """Replaces TRL's log-probability function, with the same arguments and results: ours on a CPU
    for a plain, frozen output layer; TRL's everywhere else."""

    @staticmethod
    def apply(
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        chunk: int,
        softcap: float | None = None,
        scale: float = 1.0,
        outputs: Sequence[str] = (),
    ) -> tuple[torch.Tensor | None, ...]:
        plain = bias is None and softcap is None and temperature == scale == 1.0
        frozen = not weight.requires_grad and weight.dtype == hidden.dtype
        here = hidden.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if plain and frozen and here and {*outputs} <= {"log_probs", *KNOWN}:
            log_probs, entropy, mean, best = AnswerLogProbs.apply(hidden, weight, targets, outputs)
            return log_probs, entropy, None, mean, best
        given: Any = (hidden, weight, bias, targets, temperature, chunk, softcap, scale, outputs)
        found: tuple[torch.Tensor | None, ...] = TRLS_LOG_PROBS.apply(*given)
        return found


trl.trainer.utils._ChunkedLogProbFunction = _LogProbs


class _Lean:
    """Leaves out what TRL's trainers do besides training; reports a full disk in one line."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """A model that is split among processes can't be resumed, says transformers' trainer: its
        optimiser would have to be split too. Ours has the adapter alone, whole in each process."""
        args = named["args"]
        args.save_only_model = is_sharded(named["model"])
        super().__init__(*given, **named)
        args.save_only_model = False

    def create_model_card(self, *_: Any, **__: Any) -> None: ...

    def _send_telemetry(self) -> None:
        """Send no telemetry: nothing leaves this machine."""

    def floating_point_ops(self, _: Any) -> int:
        """Not computed, since it would walk over all parameters in every pass."""
        return 0

    def _save(self, output_dir: str, state_dict: Any = None) -> None:
        """Save only the trained adapter. The reference is rebuilt from its own phase, never
        restored; tokenizer and settings are the phase's inputs."""
        trainer: Any = self
        trainer.model.create_or_update_model_card = lambda _folder: None
        if trainer.args.should_save:
            trainer.model.save_pretrained(
                output_dir,
                state_dict=state_dict or own_weights(trainer.model),
                selected_adapters=["default"],
                save_embedding_layers=False,
            )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        trainer: Any = self
        folder = Path(trainer.args.output_dir)
        if not folder.is_dir():  # moved, or deleted: a library would make it anew
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            ranks.meet()  # each process has written its random state
        except (OSError, RuntimeError, SafetensorError) as error:
            torn = folder / checkpoints.name(trainer.state.global_step)
            shutil.rmtree(torn, ignore_errors=True)
            raise _disk_error(error, folder) from error
        if ranks.is_first():
            follow_umask(folder / checkpoints.name(trainer.state.global_step))


def _disk_error(error: Exception, folder: Path) -> OSError:
    """The system's disk error, which torch and safetensors hide in a message of their own."""
    if isinstance(error, OSError) and error.errno:
        return OSError(error.errno, f"{os.strerror(error.errno)} (checkpoint)", str(folder))
    full = "No space left" in str(error) or shutil.disk_usage(folder).free < 1 << 20
    reason = os.strerror(errno.ENOSPC) if full else str(error).strip().splitlines()[0]
    return OSError(errno.ENOSPC if full else errno.EIO, f"{reason} (checkpoint)", str(folder))


class InstructTrainer(_Lean, Dealt, SFTTrainer):
    """An SFT trainer for examples that are already tokenised, cut and labelled."""


class PairTrainer(_Lean, EvenPasses, Dealt, DPOTrainer):
    """A DPO trainer for pairs that are already tokenised and cut."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _reference_scores(self, rows: list[dict[str, Any]]) -> Columns:
        both = self.compute_ref_log_probs(self.model, prepared(self, rows))
        return tuple(logps.tolist() for logps in both)

    def share_prompts(self) -> bool:
        """Read a pair's prompt once for both answers, in all passes from now on, where the model
        allows it; returns whether."""
        if is_sharded(self.model):
            return False  # its layers must be called as ever, to be put together
        rows = [*self.train_dataset, *self.eval_dataset]
        longest = max(rows, key=lambda row: sum(map(len, row.values())))
        batch = prepared(self, [longest])
        self.model.eval()
        with self.accelerator.autocast():
            ids, mask = batch["input_ids"], batch["attention_mask"]
            return share_prompts(self.model.get_base_model(), ids, mask)

    def remember_reference(
        self, file: Path, seen: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        """Score all pairs under the reference once instead of in every pass. ``file`` keeps the
        scores for a next attempt. ``seen`` is called with the number scored and the total.

        Only correct in fp32: 16-bit rounding depends on how a batch is padded, and would no
        longer cancel between policy and reference.
        """
        splits = {split: getattr(self, split) for split in ("train_dataset", "eval_dataset")}
        sizes = {split: len(rows) for split, rows in splits.items()}
        scores = ranks.from_first(lambda: kept_scores(file, sizes))
        if scores is None:
            found = score_all(self, list(splits.values()), self._reference_scores, seen)
            scores = {
                split: dict(zip(REMEMBERED, map(list, columns), strict=True))
                for split, columns in zip(splits, found, strict=True)
            }
            if ranks.is_first():
                keep_scores(file, scores)
        for split, rows in splits.items():
            scored = rows
            for name, column in scores[split].items():
                scored = scored.add_column(name, column)
            setattr(self, split, scored)
        self.precompute_ref_logps = True


Columns = tuple[list[float], ...]


def score_all(
    trainer: Any,
    splits: Sequence[Any],
    score: Callable[[list[dict[str, Any]]], Columns],
    seen: Callable[[int, int], None],
) -> list[Columns]:
    """What ``score`` finds for the rows of each split, by column. The processes share the rows.
    ``seen`` is called with the number scored and the total."""
    size = trainer.args.per_device_train_batch_size
    parts = [(rows, first) for rows in splits for first in range(0, len(rows), size)]
    found, done, total = [], 0, sum(map(len, splits))
    seen(done, total)
    parts_each = math.ceil(len(parts) / ranks.world())
    own = [*ranks.mine(parts), parts[0]][:parts_each]  # all compute equally often
    for rows, first in own:
        part = [rows[i] for i in range(first, min(first + size, len(rows)))]
        found.append(score(part))
        done = min(total, done + len(part) * ranks.world())
        seen(done, total)
    of_all = ranks.gathered(found)
    in_order = iter(of_all[i % len(of_all)][i // len(of_all)] for i in range(len(parts)))
    return [
        tuple(
            [value for column in same for value in column]
            for same in zip(*(next(in_order) for _ in range(0, len(rows), size)), strict=True)
        )
        for rows in splits
    ]


def prepared(trainer: Any, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows of the trainer's dataset, collated into one batch on its device."""
    batch: dict[str, Any] = trainer._prepare_inputs(trainer.data_collator(list(rows)))
    return batch


def go_on_counting(trainer: Any, tokens: float | None) -> None:
    """Count the tokens that are read on from those that were before a checkpoint."""
    trainer._total_train_tokens = int(tokens or 0)


def is_sharded(model: Any) -> bool:
    """Whether the model's weights are split among the processes."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def log_probs(trainer: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Log-probabilities ``[pairs]`` of the chosen and rejected answers under the current model."""
    inputs = {k: batch[k] for k in ("input_ids", "attention_mask")}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    with torch.no_grad(), trainer.accelerator.autocast():
        found = trainer.model(**inputs, labels=labels, use_cache=False, fused_lm_head=True)
    halves: tuple[torch.Tensor, ...] = found.log_probs.sum(dim=1).chunk(2, dim=0)
    return halves


def preference_loss(trainer: Any, batch: dict[str, Any]) -> tuple[float, float]:
    """Plain DPO's loss and reward margin on a prepared batch, whatever the objective set."""
    objective = trainer.loss_types, trainer.loss_weights
    trainer.loss_types, trainer.loss_weights = ["sigmoid"], [1.0]
    trainer.model.eval()
    try:
        with torch.no_grad(), trainer.compute_loss_context_manager():
            loss = float(DPOTrainer.compute_loss(trainer, trainer.model, batch))
    finally:
        trainer.loss_types, trainer.loss_weights = objective
    margin = float(trainer._metrics["eval"]["rewards/margins"][-1])
    trainer._metrics["eval"].clear()
    return loss, margin
