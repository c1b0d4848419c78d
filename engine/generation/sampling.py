"""Sample with a separate random stream for every item, whatever batch it is in.

Adding independent Gumbel noise to logits / T and taking the argmax draws exactly from
softmax(logits / T) (the Gumbel-max trick). The noise is a hash of the item's seed, the step and
the token's id, so it needs no generator state: an item gets the same noise alone, among others,
and after a restart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import LogitsProcessor, TopPLogitsWarper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.schema.cards import Sampling

REACH: Final = 32 * math.log(2) + math.log(24 * math.log(2)) + 0.01  # largest less smallest noise
GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: steps fall far apart


def stream_keys(seeds: Sequence[int], device: Any) -> Tensor:
    """Return ``[rows]`` int64 keys; any integer is a seed, taken modulo 2^64."""
    return torch.tensor([_signed(s) for s in seeds], dtype=torch.int64, device=device)


def _signed(number: int) -> int:
    """Return the number modulo 2^64, in the range of int64."""
    return ((number & ((1 << 64) - 1)) ^ (1 << 63)) - (1 << 63)


def exponential_noise(keys: Tensor, step: int, vocabulary: int) -> Tensor:
    """Return ``[rows, vocabulary]`` fp32 draws from Exp(1), a function of key, step and token id;
    their -log is Gumbel noise."""
    tokens = torch.arange(vocabulary, dtype=torch.int32, device=keys.device)
    return _draws(keys[:, None], step, tokens[None, :])


def _draws(keys: Tensor, step: int, tokens: Tensor) -> Tensor:
    """Draw for each token of each row, in the shape that ``keys`` and ``tokens`` broadcast to.

    The 31 random bits are kept where it matters: small draws, which make an unlikely token win,
    are exact down to 2^-32.
    """
    row = _mix64(keys + _signed((step + 1) * GOLDEN))
    low, high = row.to(torch.int32), (row >> 32).to(torch.int32)
    bits = _mix32(_mix32((tokens * -1640531527) ^ low) + high)
    uniform = ((bits & 0x7FFFFFFF).to(torch.float32) + 0.5) * 2.0**-31
    return -torch.log1p(-uniform.clamp(max=1 - 2.0**-24))


def _mix64(x: Tensor) -> Tensor:
    """The finaliser of splitmix64; int64 products wrap, shifts are made logical by a mask."""
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * -4658895280553007687
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * -7723592293110705685
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def _mix32(x: Tensor) -> Tensor:
    """A 32-bit finaliser with low bias (C. Wellons, "lowbias32"), on wrapping int32."""
    x = (x ^ ((x >> 16) & 0xFFFF)) * 0x7FEB352D
    x = (x ^ ((x >> 15) & 0x1FFFF)) * -2073254261
    return x ^ ((x >> 16) & 0xFFFF)


def choose(logits: Tensor, keys: Tensor, step: int, sampling: Sampling) -> Tensor:
    """Choose each row's next token, ``[rows]``, from ``[rows, vocabulary]`` logits.

    Greedy at temperature 0; else drawn from softmax(logits / T), cut to its nucleus of mass
    ``top_p`` and renormalised.
    """
    if sampling.temperature > 0 and sampling.top_p == 1 and logits.device.type == "cpu":
        return _drawn_among_likely(logits.float(), keys, step, sampling.temperature)
    return perturb(logits, keys, step, sampling).argmax(dim=-1)


def _drawn_among_likely(logits: Tensor, keys: Tensor, step: int, temperature: float) -> Tensor:
    """Draw the same token, with noise only for tokens that can win. The noise of two tokens differs
    by less than :data:`REACH`, which leaves a handful at T = 0.1; noise for the whole vocabulary
    takes longer than the model. (A GPU draws for all tokens at once: that costs nothing there, and
    finding the likely ones would make it wait.)"""
    floor = logits.amax(dim=-1, keepdim=True) - temperature * REACH
    rows, tokens = (logits >= floor).nonzero(as_tuple=True)
    noise = _draws(keys[rows], step, tokens.to(torch.int32))
    values = logits[rows, tokens] / temperature - noise.log()
    best = values.new_full((len(logits),), -torch.inf).scatter_reduce(0, rows, values, "amax")
    winners = (values == best[rows]).nonzero().squeeze(1).flip(0)  # the first of equals, as argmax
    return torch.empty_like(keys).scatter_(0, rows[winners], tokens[winners])


def perturb(logits: Tensor, keys: Tensor, step: int, sampling: Sampling) -> Tensor:
    """Add noise to logits, so that their argmax is the sample."""
    logits = logits.float()
    if sampling.temperature == 0:
        return logits
    logits = logits / sampling.temperature
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(None, logits)
    return logits - exponential_noise(keys, step, logits.shape[-1]).log()


class SeededNoise(LogitsProcessor):
    """Adds the noise within ``generate(do_sample=False)``, which takes the argmax itself."""

    def __init__(self, keys: Tensor, prompt_tokens: int, sampling: Sampling) -> None:
        self.keys, self.prompt_tokens, self.sampling = keys, prompt_tokens, sampling

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return perturb(scores, self.keys, input_ids.shape[1] - self.prompt_tokens, self.sampling)
