"""A trained adapter as it is published."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from engine.schema.jsonfile import read_json
from engine.store.layout import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.cards import ModelCard

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"


def export(checkpoint: Path, target: Path, card: ModelCard, commit: str | None) -> None:
    """Put a checkpoint's adapter where it is published, in PEFT's standard form.

    It names its base as anybody finds it: the hub's id and ``commit``; a folder is no place
    elsewhere and gives its card's name and its content's hash, which is no valid hub id. Lists,
    which PEFT keeps as sets, are put in order: equal adapters are equal files.
    """
    target.mkdir(exist_ok=True)
    shutil.copyfile(checkpoint / WEIGHTS, target / WEIGHTS)
    source = card.weights
    told = read_json(checkpoint / CONFIG) | {
        "base_model_name_or_path": source.hub or f"{card.name}@{source.revision}",
        "revision": commit,
    }
    write_json(target / CONFIG, {k: _in_order(v) for k, v in sorted(told.items())})


def _in_order(value: Any) -> Any:
    names = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return sorted(value) if names else value
