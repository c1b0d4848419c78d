"""How long phases that have not begun will take, for a run that is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.machine import devices
from engine.planning.estimate import expectations
from engine.planning.history import history_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.layout import RunsFolder


def expected_seconds(
    runs: RunsFolder, phase_ids: Iterable[str], alike: Iterable[str]
) -> dict[str, float]:
    """Seconds of each phase of a run, as a plan estimates them: what similar ones among ``alike``
    took, or by the model's size. Phases of which nothing is known are left out."""
    past = history_of(runs.phase(phase_id) for phase_id in alike)
    specs = [runs.phase(phase_id).spec() for phase_id in phase_ids]
    found = expectations(specs, runs, bool(devices.gpus()), past)
    return {name: one.seconds for name, one in found.items() if one.seconds is not None}
