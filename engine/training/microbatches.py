"""Makes a DPO step independent of how its batch is split into micro-batches (passes).

TRL takes the mean over each pass, and the trainer the mean over the passes. So a short last pass
would weigh as much as a full one, and in the likelihood term a token in a pass of short answers
more than one in a pass of long answers. How a batch is split depends on the free memory, which
is not a setting.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from engine.machine import ranks
from engine.training.dealing import STAND_IN

if TYPE_CHECKING:
    from torch import Tensor


class EvenPasses:
    """Weights a ``DPOTrainer``'s loss terms by their number of pairs, or of the chosen answers'
    tokens in the likelihood term ``sft``: in training relative to the passes of the same step, in
    evaluation relative to all held-out pairs. (A single process's trainer weights passes by their
    pairs there itself.)"""

    _usual: Tensor  # (2,): pairs and chosen answers' tokens of this step's passes, on the mean

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        trainer: Any = self
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)  # type: ignore[misc]
        if batches:
            mine = torch.stack([_sizes(batch) for batch in batches]).mean(dim=0, keepdim=True)
            self._usual = trainer.accelerator.gather(mine.to(device)).mean(dim=0)
        return batches, items

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        trainer: Any = self
        weights = trainer.loss_weights
        pairs, tokens = self._shares(inputs, model.training)
        trainer.stands_in = inputs.pop(STAND_IN, False)
        trainer.loss_weights = [
            weight * (tokens if term == "sft" else pairs)
            for term, weight in zip(trainer.loss_types, weights, strict=True)
        ]
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        finally:
            trainer.loss_weights, trainer.stands_in = weights, False

    def _shares(self, inputs: dict[str, Any], training: bool) -> tuple[float, float]:
        """The weight of a pass relative to an average one, by its pairs and chosen tokens."""
        sizes = _sizes(inputs)
        usual = self._usual if training else self._usual_held_out
        if not training and ranks.world() == 1:
            usual = usual * sizes[0] / usual[0]
        pairs, tokens = (sizes.to(usual.device) / usual).tolist()
        return pairs, tokens

    @cached_property
    def _usual_held_out(self) -> Tensor:
        """Pairs and chosen tokens of a pass over the held-out pairs, on the mean."""
        trainer: Any = self
        chosen = [len(ids) for ids in trainer.eval_dataset["chosen_ids"]]
        passes = len(trainer.get_eval_dataloader()) * ranks.world()
        return torch.tensor([len(chosen), sum(chosen)], dtype=torch.float64) / passes


def _sizes(batch: dict[str, Any]) -> Tensor:
    """The number of pairs and of chosen tokens; a batch's first half are the chosen."""
    if STAND_IN in batch:
        return torch.zeros(2, dtype=torch.float64)
    chosen = batch["completion_mask"].chunk(2, dim=0)[0][:, 1:]
    return torch.tensor([len(chosen), int(chosen.sum())], dtype=torch.float64)
