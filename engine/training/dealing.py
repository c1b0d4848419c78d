"""Deals the rows of each training step among the processes, so that together they compute what one
process would: the same rows in each step, each of them once.

Accelerate's own sharding repeats rows at the end of an epoch, so that all processes get equally
many, and TRL's figures are gathered as if they did. Here some get one row less. One that is left
without any in a pass still has to take part: it reads a row that counts for nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import SequentialSampler
from transformers.trainer_pt_utils import BatchRebalanceSampler

from engine.machine import ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

    from torch import Tensor
    from torch.utils.data import Sampler

STAND_IN: Final = "stand_in"  # key of a batch that counts for nothing


class Deal(BatchRebalanceSampler):
    """This process's rows of each pass, in batches of at most ``at_once``, some maybe empty.

    ``order``: of all rows; ``step``: rows of a step, which all processes take together. (A subclass
    of the sampler that transformers takes as dealt already.)
    """

    def __init__(self, order: Sampler[int], step: int, at_once: int) -> None:
        self._order = order
        self._step = step
        self._at_once = at_once

    def __iter__(self) -> Iterator[list[int]]:
        rows: list[int] = []
        for row in self._order:
            rows.append(row)
            if len(rows) == self._step:
                yield from self._passes(rows)
                rows = []
        yield from self._passes(rows)

    def _passes(self, rows: Sequence[int]) -> Iterator[list[int]]:
        own = list(ranks.mine(rows))
        for number in range(self._count(len(rows))):
            yield own[number * self._at_once : (number + 1) * self._at_once]

    def _count(self, rows: int) -> int:
        """How many passes these rows take, in every process."""
        return math.ceil(math.ceil(rows / ranks.world()) / self._at_once)

    def __len__(self) -> int:
        whole, rest = divmod(len(self._order), self._step)
        return whole * self._count(self._step) + self._count(rest)

    def set_epoch(self, epoch: int) -> None:
        if isinstance(self._order, SeedableRandomSampler):
            self._order.set_epoch(epoch)


class Dealt:
    """Makes a trainer deal its rows by :class:`Deal` where there are several processes."""

    stands_in = False  # while it reads a row that counts for nothing

    def _get_train_sampler(self, train_dataset: Sized | None = None) -> Any:
        trainer: Any = self
        if ranks.world() == 1:
            return super()._get_train_sampler(train_dataset)  # type: ignore[misc]
        rows = trainer.train_dataset if train_dataset is None else train_dataset
        args = trainer.args
        order = SeedableRandomSampler(rows, data_seed=args.data_seed)
        return Deal(order, trainer.step_rows, args.per_device_train_batch_size)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        trainer: Any = self
        if ranks.world() == 1:
            return super()._get_eval_sampler(eval_dataset)  # type: ignore[misc]
        at_once = trainer.args.per_device_eval_batch_size
        return Deal(SequentialSampler(eval_dataset), at_once * ranks.world(), at_once)

    def deal(self, step: int) -> None:
        """To be called before training: ``step`` rows go into each step."""
        trainer: Any = self
        if ranks.world() == 1:
            return
        trainer.step_rows = step
        trainer.data_collator = _standing_in(trainer.data_collator, trainer)
        trainer.accelerator.gather = _mean_of(trainer.accelerator.gather, trainer)


def _standing_in(
    collate: Callable[[Sequence[Any]], dict[str, Any]], trainer: Any
) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """``collate``, that for no rows returns a batch of one row that counts for nothing."""

    def collated(given: Sequence[Any]) -> dict[str, Any]:
        if given:
            return collate(given)
        batch = collate([trainer.train_dataset[0]])
        if "labels" in batch:
            batch["labels"] = torch.full_like(batch["labels"], -100)
            return batch
        return batch | {STAND_IN: True}

    return collated


def _mean_of(gather: Callable[[Any], Any], trainer: Any) -> Callable[[Any], Any]:
    """``gather``, that of a list of figures returns their mean over all processes, as a list of
    one: these may have different numbers of rows, and nothing but the mean is made of it. What is
    figured of a row that stands in is left out."""

    def gathered(figures: Tensor) -> Tensor:
        if trainer.stands_in:
            figures = torch.zeros_like(figures)
        if figures.dim() != 1:
            found: Tensor = gather(figures)
            return found
        count = 0 if trainer.stands_in else len(figures)
        both = torch.stack([figures.float().sum(), torch.tensor(float(count)).to(figures.device)])
        total, rows = gather(both[None]).sum(dim=0)
        return (total / rows)[None]

    return gathered
