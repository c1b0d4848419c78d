"""Bring to this machine what phases read from the hub: nodes of a cluster often have no way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine import catalog
from engine.planning.downloads import hub_home, to_fetch
from engine.schema.cards import LocalWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.schema.cards import ModelCard
    from engine.schema.settings import Split
    from engine.schema.specs import PhaseSpec, TaskRef


class Needed(NamedTuple):
    """What phases read from the hub: models with their tokenizers, and splits of benchmarks."""

    models: tuple[ModelCard, ...]
    rows: tuple[tuple[TaskRef, Split], ...]


def needed(phases: Iterable[PhaseSpec]) -> Needed:
    """Each once, in the phases' order; what is in a local folder or file is left out."""
    phases = tuple(phases)
    cards = dict.fromkeys(phase.card for phase in phases if phase.card is not None)
    rows = dict.fromkeys(phase.reads for phase in phases if phase.reads is not None)
    return Needed(
        tuple(card for card in cards if _hub(card)),
        tuple(one for one in rows if one[0].source.hub and not one[0].source.is_local),
    )


def missing(phases: Iterable[PhaseSpec]) -> list[str]:
    """What of it is not in this machine's cache, in words; asks nobody."""
    found = needed(phases)
    told = [f"{card.name} ({_hub(card)})" for card in found.models if to_fetch(card)]
    tasks = dict.fromkeys(task for task, _ in found.rows)
    return told + [f"the rows of {task.name}" for task in tasks if not _has_rows(task)]


def fetch(phases: Iterable[PhaseSpec], tell: Callable[[str], None]) -> None:
    """Download what is missing, and look whether it can be read; ``UserError`` at the first that
    can't be had."""
    from engine.models import loading

    found = needed(phases)
    for card in found.models:
        source = card.source
        assert isinstance(source, LocalWeights)
        tell(f"{card.name}: {loading.fetch(source, card.name)}")
    for task, split in found.rows:
        rows = catalog.task(task.name).load(task.source, split)
        tell(f"{task.name}, {split}: {len(rows)} questions")


def _hub(card: ModelCard) -> str:
    source = card.source
    return (source.hub or "") if isinstance(source, LocalWeights) else ""


def _has_rows(task: TaskRef) -> bool:
    """As the library that reads them names its folders; it is not imported for that."""
    cache = os.environ.get("HF_DATASETS_CACHE") or hub_home() / "datasets"
    name = str(task.source.hub).replace("/", "___").lower()
    folder = Path(cache)
    return folder.is_dir() and any(child.name.lower() == name for child in folder.iterdir())
