"""Say in words what a phase is doing now; nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.durations import duration
from engine.schema.rates import rate_text

if TYPE_CHECKING:
    from engine.store.phase_log import PhaseView


def doing(view: PhaseView) -> list[str]:
    """Say how far a phase is, how fast, how long it still takes and what it does, where known.

    Nothing is counted before the first step and after the last: then only the words hold.
    """
    found = view.progress
    if found is None or not view.counting:
        over = found is not None and 0 < found.total <= found.done
        return [view.activity or ("finishing" if over else "starting")]
    if view.waiting:
        return [f"{found.done}/{found.total}", view.activity]
    parts = [f"{found.done}/{found.total} {found.unit}"]
    if view.rate:
        parts += [rate_text(view.rate, found.unit), f"{duration(view.seconds_left)} left"]
    return parts + [view.activity] * bool(view.activity)
