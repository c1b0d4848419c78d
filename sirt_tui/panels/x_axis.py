"""The x axes of curves: steps, time that the phase was at work, epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from sirt_tui.widgets.chart import GrowingSeries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.runs import PhaseStatus
    from engine.store.phase_log import PhaseView
    from sirt_tui.widgets.chart.axes import X

Over = Literal["steps", "time", "epochs"]
AXES: dict[Over, X] = {"steps": "counts", "time": "seconds", "epochs": "figures"}


def offered(views: Iterable[PhaseView]) -> list[Over]:
    """List the possible axes; epochs only if every log reports them."""
    moments = [view.moments for view in views]
    epochs = all(len(m) and m[-1].epoch is not None for m in moments)
    return ["steps", "time", "epochs"] if epochs else ["steps", "time"]


def following(now: Over, views: Iterable[PhaseView]) -> Over:
    """Return the axis after the present one; steps count as present if that one is not possible."""
    there = offered(views)
    at = there.index(now) if now in there else 0
    return there[(at + 1) % len(there)]


class Places:
    """Positions of a growing log's steps on the x axis, which never decrease."""

    def __init__(self) -> None:
        self._places: dict[int, float] = {}
        self._taken = 0
        self._last = -math.inf

    def take(self, view: PhaseView, over: Over) -> dict[int, float] | None:
        """Return each step's seconds or epochs, in the same dict each time; None for steps."""
        if over == "steps":
            return None
        moments = view.moments
        for moment in moments.last(len(moments) - self._taken):
            at = moment.worked if over == "time" else moment.epoch
            self._last = max(self._last, 0.0 if at is None else at)
            self._places.setdefault(moment.step, self._last)
        self._taken = len(moments)
        return self._places


class Points:
    """The points of growing curves, each in the same two lists from one drawing to the next."""

    def __init__(self) -> None:
        self._grown: dict[tuple[str, int, bool, str, Over], GrowingSeries] = {}
        self._places: dict[tuple[str, int, bool, Over], Places] = {}

    def of(self, phase: PhaseStatus, name: str, over: Over) -> tuple[list[float], list[float]]:
        """Return x and y of a phase's metric."""
        log = (phase.id, phase.attempt, phase.reading)
        places = self._places.setdefault((*log, over), Places()).take(phase.view, over)
        grown = self._grown.setdefault((*log, name, over), GrowingSeries())
        return grown.take(phase.view.metrics[name], places)
