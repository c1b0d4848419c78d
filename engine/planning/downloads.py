"""Which models a plan has to fetch from the hub first, found without a network.

The hub's library keeps what it has fetched in a cache folder; see
https://huggingface.co/docs/huggingface_hub/guides/manage-cache for its layout.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from engine.planning.own_folder import expanded

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.cards import ModelCard

# makers on the hub who ask, of most of their models, that an account accepts the licence
GATED: Final = ("meta-llama/", "google/gemma", "google/shieldgemma", "mistralai/", "CohereForAI/")
BYTES_A_WEIGHT: Final = 2  # most are kept in 16 bits
INDEX: Final = "model.safetensors.index.json"


def hub_home() -> Path:
    """Where the hub's libraries keep things, as they find it."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(os.environ.get("HF_HOME") or f"{caches}/huggingface")


def cache_folder() -> Path:
    """The hub's cache folder of models, as its library finds it."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return expanded(given) if given else hub_home() / "hub"


def is_gated(hub: str) -> bool:
    """Whether a model's maker is known to ask for its licence to be accepted."""
    return hub.startswith(GATED)


def is_cached(hub: str, revision: str | None = None) -> bool:
    """Whether a model's configuration and all its weights were fetched."""
    folder = cache_folder() / f"models--{hub.replace('/', '--')}"
    try:
        pointer = folder / "refs" / (revision or "main")
        commit = pointer.read_text().strip() if pointer.is_file() else revision or ""
        snapshot = folder / "snapshots" / commit
        return bool(commit) and (snapshot / "config.json").is_file() and _has_weights(snapshot)
    except OSError:
        return False


def _has_weights(snapshot: Path) -> bool:
    """Links to files that are not there yet don't count."""
    index = snapshot / INDEX
    if not index.is_file():
        return any(file.is_file() for file in snapshot.glob("*.safetensors"))
    try:
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all((snapshot / part).is_file() for part in parts)


def to_fetch(card: ModelCard) -> str:
    """What a card's model needs before it can be loaded; empty for one that is here."""
    weights = card.source.weights
    if weights is None or not weights.hub or is_cached(weights.hub, weights.revision):
        return ""
    size = f", about {_gigabytes(card.parameters)}" if card.parameters else ""
    said = f"{weights.hub} is not on this machine: it is downloaded when first used{size}"
    if is_gated(weights.hub):
        said += (
            f"; accept its licence at huggingface.co/{weights.hub} first, and give a token of that "
            "account (hf auth login, or HF_TOKEN)"
        )
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        said += "; HF_HUB_OFFLINE is set, so that it can't be"
    return said


def in_short(card: ModelCard) -> str:
    """The same in a few characters: ``↓2.5 GB, licence``."""
    weights = card.source.weights
    if not to_fetch(card) or weights is None or not weights.hub:
        return ""
    size = _gigabytes(card.parameters) if card.parameters else ""
    return f"↓{size}{', licence' if is_gated(weights.hub) else ''}"


def _gigabytes(parameters: float) -> str:
    size = parameters * BYTES_A_WEIGHT / 1e9
    return f"{size:.0f} GB" if size >= 10 else f"{size:.1f} GB"
