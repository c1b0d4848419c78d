"""How long phases that have not begun will take, for a run that is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.machine import devices
from engine.machine.state import gpus_of
from engine.planning.estimate import expectations
from engine.planning.history import history_of
from engine.planning.left import left
from engine.planning.memory import lone_threads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.layout import RunsFolder


class Awaited(NamedTuple):
    """A phase's seconds when it runs alone on its devices. ``whole``: it then has all cores, so
    that phases side by side are not done earlier than one after the other."""

    seconds: float
    whole: bool


def awaited(runs: RunsFolder, phase_ids: Iterable[str], alike: Iterable[str]) -> dict[str, Awaited]:
    """What a plan estimates for what is left of each phase of a run: what similar ones among
    ``alike`` took, or by the model's size, on as many GPUs as those before it. Phases of which
    nothing is known are left out."""
    past = history_of(runs.phase(phase_id) for phase_id in alike)
    specs = [runs.phase(phase_id).spec() for phase_id in phase_ids]
    on_gpu = bool(devices.gpus())
    gpus = max((gpus_of(runs.phase(spec.id)) or 1 for spec in specs), default=1)
    found = expectations(specs, runs, on_gpu, past)
    whole = {spec.id for spec in specs if not on_gpu and lone_threads(spec.card) > 1}
    return {
        spec.id: Awaited(seconds / gpus, spec.id in whole)
        for spec in specs
        if (seconds := found[spec.id].of(left(runs, spec)).seconds) is not None
    }
