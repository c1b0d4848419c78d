"""Which curves a page of charts draws: a metric a chart, of one run or of several runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.schema.metrics import DRAWN, FIGURES, Metric, metrics_of, title_of
from engine.schema.specs import RefineSpec
from sirt_tui.format import number
from sirt_tui.widgets.chart import Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.queries.runs import PhaseStatus
    from engine.schema.phase import PhaseSpec


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a run's number, its phase, the metric's name in the log and in the legend."""

    run: int
    phase: PhaseStatus
    name: str
    legend: str

    @property
    def extent(self) -> tuple[object, ...]:
        """Which log the curve is of, and how far it goes: a log only grows."""
        phase = self.phase
        points = len(phase.view.metrics[self.name])
        return (self.run, self.name, phase.id, phase.attempt, phase.reading, points)


@dataclass(frozen=True, slots=True)
class Plot:
    """The curves of one chart, under a title that no other has."""

    title: str
    lines: tuple[Line, ...]
    levels: tuple[Threshold, ...] = ()
    most: float = math.inf  # the highest value that there can be

    @property
    def names(self) -> str:
        """All that a search may find it by, in small letters."""
        told = (f"{line.name} {line.legend}" for line in self.lines)
        return f"{self.title} {' '.join(told)}".lower()


def plots(runs: Sequence[Mapping[str, PhaseStatus]]) -> list[Plot]:
    """Return a plot for each metric that was measured, the most telling phases first.

    ``runs``: each run's phases by name (``refine``, ``refine 2``). One run's curves that belong
    together (train, held out) share a chart; of several runs each curve has its own chart.
    """
    names = sorted({name for phases in runs for name in phases}, key=_place)
    found = []
    for name in names:
        there = [(n, phases[name]) for n, phases in enumerate(runs) if name in phases]
        for metric in _metrics(name.split()[0], [phase for _, phase in there]):
            found += _plots(name, metric, there, several=len(runs) > 1)
    return found


def single_values(runs: Sequence[Mapping[str, PhaseStatus]]) -> list[str]:
    """Return what was measured only once, as ``refine loss at step 0: 0.6931``; of several runs,
    their values in order. The most telling phases come first."""
    found: dict[str, list[str]] = {}
    for phases in runs:
        for name, phase in phases.items():
            listed = _listed(name.split()[0])
            for metric, points in phase.view.metrics.items():
                if metric not in listed and len(points) == 1:
                    called = f"{name} {FIGURES.get(metric, metric)}"
                    found.setdefault(called, []).append(number(points[0][1]))
    ordered = sorted(found.items(), key=lambda one: _place(one[0]))
    return [f"{title}: {' and '.join(dict.fromkeys(values))}" for title, values in ordered]


def thresholds(metric: Metric, spec: PhaseSpec) -> tuple[Threshold, ...]:
    """Return the metric's reference level; a loss with a likelihood term does not begin at ln 2."""
    more = isinstance(spec, RefineSpec) and metric.name == "loss" and spec.settings.sft_weight
    return () if metric.line is None or more else (Threshold(*metric.line),)


def _place(name: str) -> tuple[int, str]:
    kind = name.split(maxsplit=1)[0]
    return (DRAWN.index(kind) if kind in DRAWN else len(DRAWN)), name


def _metrics(kind: str, phases: Sequence[PhaseStatus]) -> list[Metric]:
    """Return the kind's metrics, then those that were logged more than once under names that nobody
    listed."""
    listed = _listed(kind)
    several = (n for p in phases for n, points in p.view.metrics.items() if len(points) > 1)
    logged = dict.fromkeys(several)
    return [*metrics_of(kind), *(Metric(n, (kind,), {n: n}) for n in logged if n not in listed)]


def _listed(kind: str) -> set[str]:
    return {name for metric in metrics_of(kind) for name in metric.series}


def _plots(
    name: str, metric: Metric, there: Sequence[tuple[int, PhaseStatus]], several: bool
) -> list[Plot]:
    lines = [
        Line(run, phase, series, legend)
        for series, legend in metric.series.items()
        for run, phase in there
        if phase.view.metrics.get(series)
    ]
    levels = tuple(dict.fromkeys(t for line in lines for t in thresholds(metric, line.phase.spec)))
    title = f"{name} {metric.name}"
    if not several:
        return [Plot(title, tuple(lines), levels, metric.most)] if lines else []
    found = []
    for series in metric.series:
        mine = tuple(line for line in lines if line.name == series)
        found += [Plot(title_of(name, series), mine, levels, metric.most)] if mine else []
    return found
