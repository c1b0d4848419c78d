"""Reads what the two answers of a preference pair share, their prompt above all, once a pair.

TRL reads ``prompt + chosen`` and ``prompt + rejected`` as two rows. Here they are one row, ``prompt
+ chosen + rejected``: the rejected answer has the positions it would have after the prompt, and a
mask hides the chosen answer from it. The states that come out are laid out in TRL's two rows
again, so losses and figures are TRL's own. Exact: no sum has other terms, only another order.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

ATTENTION: Final = {"full_attention", "sliding_attention"}  # kinds of layers that take a mask
# Relative distance of states read either way; another mask than ours moves them by far more.
CLOSE: Final = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True, slots=True)
class Packing:
    """Pairs as one row each. ``ids`` and ``positions``: ``[pairs, packed]``; ``visible``: which
    position (last) each one (last but one) attends to, ``[pairs, 1, packed, packed]``; ``places``:
    where the two rows' tokens are in a pair's row, ``[2 * pairs, length]``."""

    ids: Tensor
    positions: Tensor
    visible: Tensor
    places: Tensor

    def unpacked(self, states: Tensor) -> Tensor:
        """States ``[pairs, packed, hidden]`` as the two rows' ``[2 * pairs, length, hidden]``."""
        pairs = torch.arange(len(states), device=states.device).repeat(2)
        return states[pairs[:, None], self.places.to(states.device)]


def pack(ids: Tensor, mask: Tensor) -> Packing:
    """Pack right-padded rows ``[2 * pairs, length]``, of which the first half are the chosen."""
    chosen, rejected = ids.chunk(2)
    ends = mask.sum(dim=1, keepdim=True)
    end, other_end = ends.chunk(2)
    both = mask.chunk(2)[0] * mask.chunk(2)[1]
    shared = ((chosen == rejected) & (both == 1)).long().cumprod(dim=1).sum(dim=1, keepdim=True)

    at = torch.arange(int((end + other_end - shared).max()), device=ids.device)
    last = ids.shape[1] - 1
    positions = torch.where(at < end, at, at - end + shared).clamp(max=last)
    packed = torch.where(at < end, chosen.gather(1, positions), rejected.gather(1, positions))

    query, key = at[:, None], at[None, :]
    seen = (query < end[..., None]) | (key < shared[..., None]) | (key >= end[..., None])
    visible = ((key <= query) & seen)[:, None]

    along = torch.arange(last + 1, device=ids.device).expand_as(chosen)
    moved = torch.where(along < shared, along, along - shared + end)
    places = torch.cat([along, moved]).clamp(max=len(at) - 1)
    return Packing(packed, positions, visible, places)


def share_prompts(model: Any, ids: Tensor, mask: Tensor) -> bool:
    """Make a model with TRL's fused output layer read pairs packed when it scores them, if it can;
    returns whether. What is generated with it meanwhile is read as ever.

    It can where its attention takes any mask and the given pair's states come out the same. Give
    the longest pair, which a window of attention would cut first.
    """
    backbone, score = model.base_model, model.forward
    read = backbone.forward
    if not _takes_any_mask(backbone):
        return False

    def sharing(*, input_ids: Tensor, attention_mask: Tensor, **more: Any) -> Any:
        packing = pack(input_ids, attention_mask)
        given = {"attention_mask": packing.visible, "position_ids": packing.positions}
        found = read(input_ids=packing.ids, **given, **more)
        found.last_hidden_state = packing.unpacked(found.last_hidden_state)
        return found

    @functools.wraps(score)
    def scoring(*args: Any, fused_lm_head: bool = False, **more: Any) -> Any:
        if not fused_lm_head:
            return score(*args, **more)
        backbone.forward = sharing
        try:
            return score(*args, fused_lm_head=True, **more)
        finally:
            backbone.forward = read

    with torch.no_grad():
        usual, ours = (
            states(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[mask == 1]
            for states in (read, sharing)
        )
    if not (usual - ours).norm() <= CLOSE[usual.dtype] * usual.norm():
        return False
    model.forward = scoring
    return True


def _takes_any_mask(backbone: Any) -> bool:
    """Whether a mask of ours and positions can be given: to ``sdpa``, on a GPU too, not to flash
    attention or state-space layers. Mixed experts are balanced by TRL's rows, so not to them."""
    config = backbone.config
    if config._attn_implementation != "sdpa" or getattr(config, "output_router_logits", False):
        return False
    layers = set(getattr(config, "layer_types", None) or ())
    return layers <= ATTENTION and "position_ids" in inspect.signature(backbone.forward).parameters
