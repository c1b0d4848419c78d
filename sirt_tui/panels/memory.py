"""Plot memory and utilisation of the last measured phase over time, a curve per device."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from engine.store.phase_log import Tail
from sirt_tui.format import number
from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings
from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import Binding, BindingType

    from engine.store.phase_log import PhaseView
    from sirt_tui.panels.run_panel import RunView

MIB_A_GIB = 1024.0


class MemoryPanel(RunPanel, Vertical):
    """Shows memory (GiB) or utilisation (per cent); ``u`` switches between them."""

    NAME = "memory"
    BORDER_TITLE = "memory"
    KEYS: ClassVar[tuple[Binding, ...]] = bindings("memory")
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._use = False

    def compose(self) -> ComposeResult:
        yield Chart("seconds")

    def action_change(self) -> None:
        self._use = not self._use
        if self.of is not None:
            self.draw(self.of)

    def draw(self, of: RunView) -> None:
        measured = [p for p in of.status.phases if len(p.view.resources)]
        selected = [p for p in measured if of.chosen is not None and p.id == of.chosen.id]
        running = [p for p in measured if p.state == "running"]
        shown = (selected or running or measured)[-1:]
        other = "memory" if self._use else "use"
        series = (use_of if self._use else memory_of)(shown[0].view) if shown else []
        most = (use_of if self._use else memory_of)(highest(shown[0].view)) if shown else []
        peaks = ", ".join(f"{one.name} {number(peak)}" for one in most if (peak := _peak(one)))
        what = f"{shown[0].spec.title}  {self.key('memory_or_use')} {other}" if shown else ""
        unit = "use, %" if self._use else "memory, GiB"
        entitle(self, f"{unit}, peak {peaks}" if peaks else unit, what)
        self.query_one(Chart).show(series)


def highest(view: PhaseView) -> PhaseView:
    """The highest figures alone, which a long phase may have reached before what is drawn."""
    return replace(view, resources=Tail([view.highest], 1)) if view.highest else view


def _peak(series: Series) -> float:
    return max((float(y) for y in series.y if isfinite(y)), default=0.0)


def memory_of(view: PhaseView) -> list[Series]:
    """Return memory in GiB, of the process tree and of each GPU."""
    readings = list(view.resources)
    process = [reading.rss / MIB_A_GIB for reading in readings]
    return [_series(view, "process", process), *_gpus(view, "used", 1 / MIB_A_GIB)]


def use_of(view: PhaseView) -> list[Series]:
    """Return utilisation in per cent, of the CPU (100 per core) and of each GPU."""
    return [
        _series(view, "CPU", [reading.cpu for reading in view.resources]),
        *_gpus(view, "utilisation", 1.0),
    ]


def _gpus(view: PhaseView, field: str, scale: float) -> list[Series]:
    readings = list(view.resources)
    count = max((len(reading.gpus) for reading in readings), default=0)
    nothing: dict[str, float] = {}
    return [
        _series(
            view,
            f"GPU {n}",
            [
                (r.gpus[n] if n < len(r.gpus) else nothing).get(field, float("nan")) * scale
                for r in readings
            ],
        )
        for n in range(count)
    ]


def _series(view: PhaseView, name: str, values: list[float]) -> Series:
    readings = list(view.resources)
    began = min(view.started or readings[0].ts, readings[0].ts)
    return Series(name, [(reading.ts - began).total_seconds() for reading in readings], values)
