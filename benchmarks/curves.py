"""CPU of one redraw of a chart: 5 curves x 10,000 points, with axes, legend and smoothing.

    python -m benchmarks.curves

Beside it, where they are installed, the two chart widgets that exist for Textual, given the same
points raw. A redraw is drawing all lines of a 200 x 50 widget: afresh with a new point on every
curve, and where the points are those of before (a cursor that moves).
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import statistics
import time
from itertools import accumulate
from typing import TYPE_CHECKING

from textual.app import App

from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.widget import Widget

CURVES, POINTS, REPEATS, SIZE = 5, 10_000, 30, (200, 50)


def data() -> list[Series]:
    chance = random.Random(0)
    walks = [list(accumulate(chance.gauss() for _ in range(POINTS))) for _ in range(CURVES)]
    return [Series(f"run {n}", list(range(POINTS)), walk) for n, walk in enumerate(walks)]


class One(App[None]):
    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget

    def compose(self):  # type: ignore[no-untyped-def]
        yield self._widget


def cpu_ms(widget: Widget, prepare: Callable[[], None], redraw: Callable[[], object]) -> float:
    """Median CPU milliseconds of a redraw, the first three left out."""

    async def flow() -> float:
        async with One(widget).run_test(size=SIZE) as pilot:
            prepare()
            await pilot.pause()
            took = []
            for _ in range(REPEATS + 3):
                began = time.process_time()
                redraw()
                took.append(1_000 * (time.process_time() - began))
            return statistics.median(took[3:])

    return asyncio.run(flow())


def ours(smoothing: bool, growing: bool) -> float:
    chart, curves = Chart(), data()

    def prepare() -> None:
        if smoothing:
            chart.action_smooth(3)

    def redraw() -> None:
        for curve in curves if growing else ():
            curve.x.append(curve.x[-1] + 1)
            curve.y.append(curve.y[-1])
        chart.show(curves)
        for y in range(SIZE[1]):
            chart.render_line(y)

    return cpu_ms(chart, prepare, redraw)


def textual_plot() -> float:
    from textual_plot import PlotWidget

    plot, curves = PlotWidget(), data()

    def redraw() -> None:
        plot.clear()
        for curve in curves:
            plot.plot(curve.x, curve.y)
        plot._render_plot()

    return cpu_ms(plot, lambda: None, redraw)


def textual_plotext() -> float:
    from textual_plotext import PlotextPlot

    plot, curves = PlotextPlot(), data()

    def redraw() -> None:
        plot.plt.clear_data()
        for curve in curves:
            plot.plt.plot(curve.x, curve.y)
        plot.render()

    return cpu_ms(plot, lambda: None, redraw)


def main() -> None:
    own = ours(smoothing=False, growing=True)
    print(f"{'chart':<36}{'CPU ms':>8}{'x ours':>8}")
    print(f"{'ours, raw':<36}{own:>8.1f}{1:>8.1f}")
    for what, smoothing, growing in (
        ("ours, raw, same points", False, False),
        ("ours, smoothed over raw", True, True),
        ("ours, smoothed over raw, same points", True, False),
    ):
        found = ours(smoothing, growing)
        print(f"{what:<36}{found:>8.1f}{found / own:>8.1f}")
    for name, measure in (("textual_plot", textual_plot), ("textual_plotext", textual_plotext)):
        if importlib.util.find_spec(name) is None:
            print(f"{name:<36}not installed")
            continue
        found = measure()
        print(f"{name:<36}{found:>8.1f}{found / own:>8.1f}")


if __name__ == "__main__":
    main()
