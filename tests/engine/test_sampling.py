"""Noise for the tokens that can win draws what noise for all tokens draws."""

from __future__ import annotations

import math

import pytest
import torch

from engine.generation.sampling import (
    REACH,
    choose,
    exponential_noise,
    perturb,
    stream_keys,
)
from engine.schema.cards import Sampling


@pytest.mark.parametrize("temperature", [0.01, 0.1, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_likely_tokens_alone_give_the_same_draw(temperature: float, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(3)
    sampling = Sampling(temperature=temperature)
    for step in range(20):
        logits = (torch.randn(8, 3000, generator=random) * 3).to(dtype)
        keys = stream_keys(range(100 * step, 100 * step + 8), "cpu")
        wanted = perturb(logits, keys, step, sampling).argmax(dim=-1)
        assert torch.equal(choose(logits, keys, step, sampling), wanted)


def test_tokens_that_cannot_be_drawn_and_a_flat_choice() -> None:
    sampling, keys = Sampling(temperature=0.5), stream_keys([1, 2], "cpu")
    barred = torch.full((2, 9), -math.inf)
    barred[0, 4] = barred[1, 7] = 1.0
    assert choose(barred, keys, 0, sampling).tolist() == [4, 7]
    flat = torch.zeros(2, 9)
    wanted = perturb(flat, keys, 5, sampling).argmax(dim=-1)
    assert torch.equal(choose(flat, keys, 5, sampling), wanted)


def test_noise_never_reaches_further_than_is_reckoned_with() -> None:
    noise = -exponential_noise(stream_keys(range(64), "cpu"), 0, 50_000).log()
    assert float(noise.max() - noise.min()) < REACH
    bits = torch.tensor([0.5, 2**31 - 0.5]) * 2.0**-31
    ends = -(-torch.log1p(-bits.clamp(max=1 - 2.0**-24))).log()
    assert float(ends.max() - ends.min()) < REACH
