"""What a model's folder says of it, without loading it."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 2  # of a key or value in the cache
UNKNOWN_BYTES = 2.0**17  # a token of a 7B model without grouped heads takes four times as much
LONGEST_HEADER = 2**27


@dataclass(frozen=True, slots=True)
class Facts:
    """``context``: tokens that it can look at, None where it doesn't say. ``bytes_a_token``: what
    keys and values of one take. ``parameters``: its weights, 0 where they can't be counted."""

    context: int | None
    bytes_a_token: float
    parameters: int

    @property
    def billions(self) -> float:
        return self.parameters / 1e9


def read_facts(folder: Path) -> Facts:
    """From ``config.json`` and the headers of the weights' files."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        heads = int(config["num_attention_heads"])
        size = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
        cached = 2 * int(config.get("num_key_value_heads") or heads) * size
        each = float(BYTES * int(config["num_hidden_layers"]) * cached)
        context = config.get("max_position_embeddings")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        context, each = None, UNKNOWN_BYTES
    context = context if isinstance(context, int) else None
    return Facts(context, each, sum(map(_count, folder.glob("*.safetensors"))))


def _count(file: Path) -> int:
    """Weights in a safetensors file, by its header; 0 for a damaged one."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(min(length, LONGEST_HEADER)))
        return sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return 0


def adapter_rank(adapter: Path) -> int:
    """Of a LoRA adapter's folder; 0 where it doesn't say."""
    try:
        return int(json.loads((adapter / "adapter_config.json").read_text())["r"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
