"""What a phase does now, in words: the one place that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.durations import duration
from engine.schema.rates import rate_text

if TYPE_CHECKING:
    from engine.store.phase_log import PhaseView


def doing(view: PhaseView) -> list[str]:
    """How far it is, how fast, how long still, and what it is at, as far as each is known.

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
