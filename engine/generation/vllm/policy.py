"""Decide how a trained policy is served, always on the weights that it was trained on.

An adapter that was trained on a 4-bit base answers on that base, quantised in the same way; where
this vLLM can't quantise, the model that was merged from the dequantised base and checked takes its
place. An adapter is never put on other weights than it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch

from engine.generation.local import policy_words
from engine.generation.vllm.command import Dtype, Launch, cache_for, card_share, rank_for
from engine.generation.vllm.reading import adapter_rank
from engine.machine.devices import gpus, memory
from engine.models.adapters import WEIGHTS
from engine.models.loading import compute_dtype
from engine.planning.memory import bytes_a_token, parameters_of
from engine.store.layout import hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from engine.generation.vllm.reading import Reading
    from engine.interfaces import Devices
    from engine.machine.vllm import Executable
    from engine.schema.cards import ModelCard

NAMES: Final[dict[torch.dtype, Dtype]] = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a policy is served. ``words``: which weights answer. ``adapter``: loaded while the server
    runs; ``name``: its name in requests. ``merge``: whether base and adapter must be merged into a
    model first."""

    words: str
    launch: Launch
    adapter: Path | None = None
    name: str = ""
    merge: bool = False


def policy(
    card: ModelCard,
    adapter: Path | None,
    reading: Reading,
    executable: Executable,
    devices: Devices,
    length: int,
) -> Policy:
    """Serve the base in the card's precision, with the adapter on it."""
    source = card.weights
    nf4 = source.precision == "nf4"
    dtype = _dtype(card)
    launch = Launch(
        executable=str(executable.path),
        version=executable.version,
        origin=str(source.hub or source.path),
        model=str(reading.folder.absolute()),
        revision=source.revision or "",
        nf4=nf4,
        dtype=dtype,
        length=length,
        rank=rank_for(adapter_rank(adapter) if adapter else 0),
        gpus=devices.gpus,
        threads=devices.threads,
        cache_gib=0 if devices.gpus else _cache(card, length),
        card_share=_share(card, devices),
        trust_remote_code=source.trust_remote_code,
    )
    words = policy_words(source.precision, adapter is not None, dtype)
    return Policy(words, launch, adapter, _name(adapter) if adapter else "")


def without_adapters(found: Policy) -> Policy:
    """Serve a bare base on its own server, for models whose adapters vLLM can't load."""
    return replace(found, launch=replace(found.launch, rank=0))


def merged(found: Policy) -> Policy:
    """Serve the same policy as plain 16-bit weights, from the folder they are merged into."""
    assert found.adapter is not None
    revision = f"{found.launch.revision}+{found.name}"
    launch = replace(found.launch, model="", revision=revision, nf4=False, rank=0)
    words = f"base and adapter merged, computed in {launch.dtype}"
    return Policy(words, launch, found.adapter, merge=True)


def _dtype(card: ModelCard) -> Dtype:
    """Return the builtin engine's data type; but a 4-bit base always computes in 16 bits, which
    vLLM's quantised layout needs."""
    precision = card.weights.precision
    found = NAMES[compute_dtype(precision)]
    return "bfloat16" if precision == "nf4" and found == "float32" else found


def _name(adapter: Path) -> str:
    """Name an adapter by its content, so that copies in other folders share the name."""
    return f"adapter-{hash_file(adapter / WEIGHTS)[:16]}"


def _cache(card: ModelCard, length: int) -> int:
    return cache_for(bytes_a_token(card), length, memory()[0] / 1024)


def _share(card: ModelCard, devices: Devices) -> float:
    """Return the share of each GPU's memory to use, leaving room for the parity check's model."""
    totals = [card.total for card in gpus() if card.index in devices.gpus]
    return card_share(parameters_of(card), card.weights.precision, min(totals, default=0.0))
