"""How long phases that have not begun will take, for a run that is at work."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from engine.machine import devices
from engine.machine.vllm import is_installed
from engine.planning.engines import served_model
from engine.planning.estimate import amounts_of, rough_seconds
from engine.planning.history import history_of, likeness

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
    amounts = amounts_of(specs, runs)
    on_gpu, served = bool(devices.gpus()), is_installed(runs.root)
    found: dict[str, float] = {}
    for spec in specs:
        took = [w.seconds for w in past.get(likeness(spec), ()) if w.seconds is not None]
        is_served = bool(served_model(spec, on_gpu, served))
        rough = rough_seconds(spec, amounts[spec.id], on_gpu, is_served)
        expected = median(took) if took else rough
        if expected is not None:
            found[spec.id] = expected
    return found
