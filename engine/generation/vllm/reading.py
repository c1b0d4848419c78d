"""Read a model without its weights: its tokenizer, its context, its end tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig, GenerationConfig

from engine.generation.backends import ends_of
from engine.generation.questions import context_of
from engine.models.adapters import CONFIG
from engine.models.loading import open_folder
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.interfaces import Tell
    from engine.schema.cards import ModelCard


@dataclass(frozen=True, slots=True)
class Reading:
    """A model without its weights. ``context``: its context length in tokens, None if unknown.
    ``ends``: ids that end a text."""

    folder: Path
    tokenizer: Any
    context: int | None
    ends: tuple[int, ...]


def read_model(card: ModelCard, tell: Tell, doing: Callable[[str], None]) -> Reading:
    """Read it; ``UserError`` when folder, tokenizer or configuration can't be used."""
    folder, tokenizer = open_folder(card, tell, doing)
    trust = card.weights.trust_remote_code
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust, local_files_only=True)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: config.json can't be used: {first}") from error
    try:
        ending = GenerationConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):  # most models have none
        ending = GenerationConfig.from_model_config(config)
    return Reading(folder, tokenizer, context_of(config), ends_of(tokenizer, ending))


def adapter_rank(adapter: Path) -> int:
    """Return the rank of the LoRA adapter in a folder."""
    try:
        return int(json.loads((adapter / CONFIG).read_text(encoding="utf-8"))["r"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{adapter}: {CONFIG}: no rank in it") from None
