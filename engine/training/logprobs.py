"""Log-probabilities of answers from the last hidden states and the output layer, on a CPU.

TRL splits the vocabulary into chunks and recomputes each chunk's logits in the backward pass.
Here the rows are split. A row's gradient is a factor, known in the backward pass, times
``weight[target] - p @ weight``, which the forward pass computes while it has the row's
probabilities: two products with the vocabulary instead of three, and no recomputation. Each row is
summed whole and rounded once, so in 16 bits nothing drifts (TRL needs 32-bit products for that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

LOGITS: Final = 1 << 24  # at once: 64 MiB in 32 bits, and as much for their probabilities
KNOWN: Final = ("entropy", "mean_logits", "is_top1")


class AnswerLogProbs(torch.autograd.Function):
    """For each row: the target's log-probability, the entropy, the mean logit, and whether the
    target is the likeliest token. Only the first is differentiable, and only in ``hidden``.

    Args:
        hidden: ``[rows, hidden]`` states, in the dtype of ``weight``.
        weight: ``[vocabulary, hidden]`` of the output layer.
        targets: ``[rows]`` token ids.
        wanted: names of :data:`KNOWN` besides the log-probabilities; the others are None.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, wanted: Collection[str]
    ) -> tuple[Tensor | None, ...]:
        ctx.set_materialize_grads(False)
        size = max(1, LOGITS // len(weight))
        slopes = torch.empty_like(hidden)
        found: dict[str, list[Tensor]] = {name: [] for name in ("log_probs", *KNOWN)}
        parts = (rows.split(size) for rows in (hidden, targets[:, None], slopes))
        for states, wants, slope in zip(*parts, strict=True):
            logits = (states @ weight.T).float()
            chances = logits.softmax(dim=-1)
            for name, values in _seen(logits, chances, wants).items():
                found[name].append(values)
            if ctx.needs_input_grad[0]:
                chances.scatter_add_(1, wants, chances.new_full(wants.shape, -1.0))
                torch.mm(chances.to(weight.dtype), weight, out=slope)
        ctx.save_for_backward(slopes)
        made = {name: torch.cat(values) for name, values in found.items()}
        told = [made[name] if name in wanted else None for name in KNOWN]
        ctx.mark_non_differentiable(*(values for values in told if values is not None))
        return made["log_probs"], *told

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factors: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        if factors is None:
            return None, None, None, None
        return (slopes * -factors[:, None]).to(slopes.dtype), None, None, None


def _seen(logits: Tensor, chances: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The values of :data:`KNOWN` from fp32 logits, their softmax and ``[rows, 1]`` targets."""
    best, at = logits.max(dim=-1, keepdim=True)
    total = best - chances.gather(1, at).log()  # logsumexp; the likeliest is far from zero
    mean = (chances * logits).sum(dim=-1, keepdim=True)
    return {
        "log_probs": (logits.gather(1, targets) - total).squeeze(1),
        "entropy": (total - mean).squeeze(1),
        "mean_logits": logits.mean(dim=-1),
        "is_top1": (at == targets).squeeze(1),
    }
