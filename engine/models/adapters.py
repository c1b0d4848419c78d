"""A trained adapter's files, and how they are published."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from engine.schema.jsonfile import read_json
from engine.store.writing import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.cards import ModelCard

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"


def export(checkpoint: Path, target: Path, card: ModelCard, commit: str | None) -> None:
    """Copy a checkpoint's adapter to its published folder, in PEFT's standard form.

    It names its base model by hub id and ``commit``; a local folder, which others don't have, is
    named by its card and its content's hash (no valid hub id). Lists, which PEFT keeps as sets,
    are sorted, so that equal adapters are equal files.
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
