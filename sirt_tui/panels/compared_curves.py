"""Draw one metric of several runs in one chart, with each run's letter and colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from engine.schema.metrics import DRAWN, metrics_of, title_of
from sirt_tui.panels import comparison, x_axis
from sirt_tui.panels.titles import entitle
from sirt_tui.widgets.chart import Chart, GrowingSeries, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.phase_log import PhaseView
    from sirt_tui.shell import Shell


class ComparedCurves(Chart):
    """The chart. ``views``: each run's logs by phase; ``metric``: the drawn phase and metric."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.views: Sequence[dict[str, PhaseView]] = ()
        self.metric = ("refine", "loss")
        self._over: x_axis.Over = "steps"

    @property
    def over(self) -> x_axis.Over:
        return self._over if self._over in x_axis.offered(self._drawn().values()) else "steps"

    def show_views(self, views: Sequence[dict[str, PhaseView]]) -> None:
        self.views = views
        there = self._metrics()
        if there and self.metric not in there:
            self.metric = there[0]
        if there:
            self._show_curves()

    def next_metric(self, step: int) -> None:
        """Draw the next metric that any of the runs has, or the one before."""
        if there := self._metrics():
            at = there.index(self.metric) if self.metric in there else -1
            self.metric = there[(at + step) % len(there)]
            self._show_curves()

    def metrics(self) -> list[tuple[str, str]]:
        """List the phase and metric of all curves that any of the runs has."""
        return self._metrics()

    def go_to(self, metric: tuple[str, str]) -> None:
        self.metric = metric
        self._show_curves()

    def next_x_axis(self) -> None:
        self._over = x_axis.following(self.over, self._drawn().values())
        self._show_curves()

    def _show_curves(self) -> None:
        over, series = self.over, []
        for number, view in self._drawn().items():
            places = x_axis.Places().take(view, over)
            x, y = GrowingSeries().take(view.metrics[self.metric[1]], places)
            series.append(Series(comparison.letter(number), x, y, comparison.colour(number)))
        self.show(series, x=x_axis.AXES[over])
        key = cast("Shell", self.app).key("next")
        entitle(self, f"{title_of(*self.metric)}  over {over}  {key} next curve")

    def _metrics(self) -> list[tuple[str, str]]:
        """List the phase and metric of every curve, with the rounds of a kind in order."""
        phases = sorted({phase for views in self.views for phase in views})
        return [
            (phase, series)
            for kind in DRAWN
            for metric in metrics_of(kind)
            for series in metric.series
            for phase in phases
            if phase.split()[0] == kind
            and any(series in views[phase].metrics for views in self.views if phase in views)
        ]

    def _drawn(self) -> dict[int, PhaseView]:
        """Return the logs that have this curve, by the run's number."""
        phase, metric = self.metric
        found = {n: views[phase] for n, views in enumerate(self.views) if phase in views}
        return {n: view for n, view in found.items() if metric in view.metrics}
