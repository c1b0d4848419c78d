"""Say in words what a phase is doing now, or what it waits for; nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.allocation import Allocation
from engine.schema.durations import duration
from engine.schema.rates import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.runs import PhaseStatus
    from engine.store.phase_log import PhaseView


def doing(view: PhaseView, rate: bool = True) -> list[str]:
    """Say how far a phase is, how long it still takes, how fast it is and what it does, as far as
    known. ``rate``: whether there is room for the rate.

    Nothing is counted before the first step and after the last: then only the words hold.
    """
    found = view.progress
    if found is None or not view.counting:
        over = found is not None and 0 < found.total <= found.done
        return [view.activity or ("finishing" if over else "starting")]
    if view.waiting:
        return [f"{found.done}/{found.total}", view.activity]
    parts = [f"{found.done}/{found.total} {found.unit}"]
    if view.seconds_left is not None:
        parts.append(f"{duration(view.seconds_left)} left")
    if rate and view.rate:
        parts.append(rate_text(view.rate, found.unit))
    return parts + [view.activity] * bool(view.activity)


def steps(view: PhaseView) -> list[str]:
    """Say what :func:`doing` says, with the newest loss of a training after its steps."""
    parts, losses = doing(view), view.metrics.get("loss")
    if not (losses and view.counting):
        return parts
    return [parts[0], f"loss {losses[-1][1]:.4g}", *parts[1:]]


def placed(phase: PhaseStatus) -> str:
    """Say where a running phase is on a cluster, until when at the latest, and how often it went
    back to the queue: ``job 7 on n1, gpu:1, until 28 Nov 14:30 at the latest; requeued twice``."""
    return phase.where and phase.where + _requeued(phase)


def _requeued(phase: PhaseStatus) -> str:
    last = phase.view.latest.get("allocation")
    times = (last.number - (phase.state == "running")) if isinstance(last, Allocation) else 0
    if times < 1:
        return ""
    return f"; requeued {('once', 'twice')[times - 1] if times < 3 else f'{times} times'}"


def waits_for(phase: PhaseStatus, phases: Iterable[PhaseStatus]) -> str:
    """Say what keeps a phase from starting: a device, or the phases before it; "" when nothing
    does."""
    if phase.waits:
        return phase.waits + _requeued(phase) * (phase.state == "pending")
    if phase.state not in ("waiting", "queued", "blocked"):
        return ""
    known = {one.id: one for one in phases}
    blockers = [known[name] for name in phase.blocked_by if name in known]
    if blockers:
        return f"after {', '.join(f'{one.spec.title} ({one.state})' for one in blockers)}"
    before = [known[name] for name in phase.spec.inputs if name in known]
    before = [one for one in before if one.state != "done"]
    return f"after {' and '.join(one.spec.title for one in before)}" if before else ""
