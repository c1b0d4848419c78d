"""A Llama of random weights, small enough to be made in a moment."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def small_llama(vocabulary: int, **settings: Any) -> LlamaForCausalLM:
    """The same weights every time; ``settings`` are those of its configuration."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        **settings,
    )
    return LlamaForCausalLM(config).eval()
