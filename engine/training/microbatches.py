"""Makes a DPO step independent of how its batch is split into micro-batches (passes).

TRL takes the mean over each pass, and the trainer the mean over the passes. So a short last pass
would weigh as much as a full one, and in the likelihood term a token in a pass of short answers
more than one in a pass of long answers. How a batch is split depends on the free memory, which
is not a setting.
"""

from __future__ import annotations

from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


class EvenPasses:
    """Weights a ``DPOTrainer``'s loss terms by their number of pairs, or of the chosen answers'
    tokens in the likelihood term ``sft``: in training relative to the passes of the same step, in
    evaluation relative to all held-out pairs, where the trainer itself weights passes by their
    pairs."""

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
        trainer.loss_weights = [
            weight * (tokens if term == "sft" else pairs)
            for term, weight in zip(trainer.loss_types, weights, strict=True)
        ]
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        finally:
            trainer.loss_weights = weights

    def _shares(self, inputs: dict[str, Any], training: bool) -> tuple[float, float]:
        """The weight of a pass relative to an average one, by its pairs and chosen tokens."""
        sizes = _sizes(inputs)
        if training:
            pairs, tokens = (sizes.to(self._usual.device) / self._usual).tolist()
            return pairs, tokens
        return 1.0, float(sizes[1] / sizes[0]) / self._tokens_of_a_chosen

    @cached_property
    def _tokens_of_a_chosen(self) -> float:
        """The mean number of tokens of a chosen answer among the held-out pairs."""
        trainer: Any = self
        return fmean(map(len, trainer.eval_dataset["chosen_ids"]))


def _sizes(batch: dict[str, Any]) -> Tensor:
    """The number of pairs and of chosen answers' tokens; a batch's first half are the chosen."""
    chosen = batch["completion_mask"].chunk(2, dim=0)[0][:, 1:]
    return torch.tensor([len(chosen), int(chosen.sum())], dtype=torch.float64)
