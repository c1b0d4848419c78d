"""Draw what a run's phases measured as curves, one metric at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from engine.schema.counts import counted
from engine.schema.metrics import DRAWN, metrics_of
from sirt_tui.format import number
from sirt_tui.panels import x_axis
from sirt_tui.panels.plots import thresholds
from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings
from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import Binding, BindingType

    from engine.queries.runs import PhaseStatus
    from engine.schema.metrics import Metric
    from sirt_tui.panels.run_panel import RunView

Key = tuple[str, str]  # phase, name of the metric


class CurvesPanel(RunPanel, Vertical):
    """Shows a metric's curves: the loss of the phase under the cursor as soon as it has a point,
    until a person chooses another. ``X`` changes the x axis."""

    NAME = "curves"
    BORDER_TITLE = "curves"
    KEYS: ClassVar[tuple[Binding, ...]] = bindings("curves")
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._chosen: Key | None = None
        self._by_person = False
        self._phases: Sequence[PhaseStatus] = ()
        self._over: x_axis.Over = "steps"
        self._points = x_axis.Points()

    def compose(self) -> ComposeResult:
        yield Chart()

    def draw(self, of: RunView) -> None:
        """Draw the metric that a person chose, or else the first one of the phase under the cursor;
        see :meth:`follow`."""
        self._phases = of.status.phases
        selected = of.chosen.id if of.chosen is not None else ""
        if not self._by_person:
            mine = (key for key in self._there() if key[0] == selected)
            self._chosen = next(mine, self._chosen)
        self._draw()

    @property
    def by_person(self) -> bool:
        """Whether a person chose the curve that is drawn."""
        return self._by_person

    def follow(self) -> None:
        """Forget what a person chose: the next drawing is of the phase under the cursor, or what it
        was before where that has none."""
        self._by_person = False

    def begin_again(self) -> None:
        """Choose the curve as if nothing had been chosen."""
        self._chosen, self._by_person = None, False

    def action_group(self, step: int) -> None:
        there = self._there()
        if there:
            keys = list(there)
            self.go_to(keys[(keys.index(self._shown(there)) + step) % len(keys)])

    def metrics(self) -> dict[str, Key]:
        """Return the curves that have a point, by what they are called."""
        rounds = self._there().items()
        return {f"{metric.name}, {phase.spec.title}": key for key, (phase, metric) in rounds}

    def go_to(self, key: Key) -> None:
        """Draw this curve."""
        self._chosen, self._by_person = key, True
        self._draw()
        self.screen.refresh_bindings()  # there is something to go back from

    def action_x_axis(self) -> None:
        there = self._there()
        if there:
            phase, _ = there[self._shown(there)]
            self._over = x_axis.following(self._over, [phase.view])
            self._draw()

    def _draw(self) -> None:
        there = self._there()
        if not there:
            entitle(self, "curves")
            ended = all(phase.state == "done" for phase in self._phases)
            none = "no curves: nothing was trained" if ended else "no points yet"
            reading = any(phase.reading for phase in self._phases)
            self.query_one(Chart).show((), empty="reading…" if reading else none)
            return
        shown = self._shown(there)
        phase, metric = there[shown]
        kind = phase.spec.kind
        over = self._over if self._over in x_axis.offered([phase.view]) else "steps"
        keys = "reading what was before  " if phase.reading else ""
        names = {"next": "next", "log_scale": "log", "smoother": "smooth", "x_axis": over}
        if self.screen.maximized is self:
            names |= {"cursor_right": "values", "zoom_in": "closer", "reset": "as it was"}
        keys += "  ".join(
            (counted(len(there), "curve"), *(f"{self.key(k)} {w}" for k, w in names.items()))
        )
        rounds = [p.id for p in self._phases if p.spec.kind == kind]
        which = f", round {rounds.index(phase.id) + 1}" if len(rounds) > 1 else ""
        entitle(self, f"{kind} {metric.name}{which}", keys)
        series = [
            Series(legend, *self._points.of(phase, name, over))
            for name, legend in metric.series.items()
            if name in phase.view.metrics
        ]
        if all(len(one.y) == 1 for one in series):
            values = ", ".join(f"{one.name} {number(one.y[0])}" for one in series)
            self.query_one(Chart).show((), empty=f"measured once: {values}")
            return
        levels = thresholds(metric, phase.spec)
        self.query_one(Chart).show(series, levels, x_axis.AXES[over], most=metric.most)

    def _there(self) -> dict[Key, tuple[PhaseStatus, Metric]]:
        """Return the phase and metric of all curves that have a point."""
        return {
            (phase.id, metric.name): (phase, metric)
            for phase in self._phases
            for metric in metrics_of(phase.spec.kind)
            if not phase.view.metrics.keys().isdisjoint(metric.series)
        }

    def _shown(self, there: dict[Key, tuple[PhaseStatus, Metric]]) -> Key:
        """Return the chosen curve, or else the first one of the running phase or of the last phase
        of the most informative kind."""
        if self._chosen in there:
            return self._chosen
        last = {phase.id: phase for phase, _ in reversed(there.values())}.values()
        running = [phase for phase in last if phase.state == "running"]
        telling = [phase for kind in DRAWN for phase in last if phase.spec.kind == kind]
        first = (*running, *telling)[0]
        return next(key for key in there if key[0] == first.id)
