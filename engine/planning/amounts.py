"""How many questions phases work on, planned or finished."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from engine import catalog
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.settings import Split
    from engine.schema.specs import PhaseSpec, TaskRef
    from engine.store.layout import PhaseDir


def amounts_of(phases: Iterable[PhaseSpec], runs: RunsFolder) -> dict[str, int]:
    """Phase -> its questions, at most: how many the gate keeps isn't known before. 0 for a phase
    whose inputs can't be read."""
    planned = {spec.id: spec for spec in phases}
    found: dict[str, int] = {}

    def find(phase_id: str) -> int:
        if phase_id not in found:
            found[phase_id] = 0  # where it can't be read
            with suppress(OSError, UserError):
                spec = planned.get(phase_id) or runs.phase(phase_id).spec()
                found[phase_id] = spec.questions(_rows, {name: find(name) for name in spec.inputs})
        return found[phase_id]

    return {phase_id: find(phase_id) for phase_id in planned}


@lru_cache(maxsize=100_000)
def work_of(folder: PhaseDir) -> float:
    """The floating-point operations of a finished phase, as :meth:`PhaseSpec.passes` counts them;
    0 where its questions can't be counted. Cached: they never change."""
    try:
        spec = folder.spec()
    except (OSError, UserError):
        return 0.0
    questions = amounts_of([spec], RunsFolder(folder.path.parent.parent))[spec.id]
    return spec.passes(questions) if questions else 0.0


def _rows(task: TaskRef, split: Split) -> int:
    return catalog.task(task.name).sizes[split == "test"]
