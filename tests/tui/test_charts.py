"""Curves: smoothing and decimation against plain formulas, ticks as tables, charts as text."""

from __future__ import annotations

import asyncio
import math
import random
from itertools import accumulate

import pytest
from textual.app import App

from engine.store.phase_log import Tail
from sirt_tui.widgets.chart import (
    Chart,
    GrowingSeries,
    Series,
    Threshold,
    axes,
)
from sirt_tui.widgets.chart.canvas import Canvas
from sirt_tui.widgets.chart.curve import Average, Outline
from sirt_tui.widgets.chart.series import columns
from sirt_tui.widgets.chart.window import Window
from tests.tui.helpers import settled, text_of

NAN = float("nan")


def reference(y, weight):
    """The textbook loop: what has been seen so far, the past decayed."""
    total = norm = 0.0
    found = []
    for value in y:
        total, norm = total * weight, norm * weight
        if math.isfinite(value):
            total, norm = total + value, norm + 1.0
            found.append(total / norm)
        else:
            found.append(value)
    return found


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [1, 2, 50, 5_000])
def test_smoothing_is_the_unbiased_moving_average(weight, count):
    chance = random.Random(0)
    y = list(accumulate(chance.gauss() for _ in range(count)))
    y[count // 3 : count // 2] = [NAN] * (count // 2 - count // 3)
    growing = line("loss", [])
    average = Average(growing, weight)
    for start in range(0, count, 700):
        growing.y.extend(y[start : start + 700])
        average.follow()
    assert average.series.y == pytest.approx(reference(y, weight), rel=1e-9, nan_ok=True)


def test_a_spike_of_one_point_among_a_million_is_kept():
    y = [0.0] * 1_000_000
    y[777_777], y[333_333] = 9.0, -4.0
    numbers, lowest, highest = columns(([*range(len(y))], y), 0, len(y) - 1, 100)
    assert numbers == [*range(100)]
    assert [n for n in numbers if highest[n]] == [77]
    assert [n for n in numbers if lowest[n]] == [33]
    assert (highest[77], lowest[33]) == (9.0, -4.0)


def test_neighbouring_columns_touch_and_gaps_stay_gaps():
    points = [0.0, 10.0, 20.0, 30.0], [0.0, 10.0, NAN, 5.0]
    numbers, lowest, highest = columns(points, 0, 30, 30)
    assert numbers == [*range(11), 29]
    assert lowest[1:10] == pytest.approx(highest[:9])  # one column ends where the next begins


def test_the_outline_of_a_growing_series_keeps_spikes_ends_and_gaps():
    chance = random.Random(0)
    y = [chance.random() for _ in range(50_000)]
    y[31_234], y[41_234], y[44_444] = 9.0, -4.0, NAN
    growing = line("loss", [])
    outline = Outline(growing)
    for start in range(0, len(y), 1_000):
        growing.x.extend(range(start, start + 1_000))
        growing.y.extend(y[start : start + 1_000])
        kept = dict(zip(*outline.between(0, len(y)), strict=True))
    assert len(kept) < 5_000
    assert (kept[31_234], kept[41_234], kept[49_999]) == (9.0, -4.0, y[-1])
    assert math.isnan(kept[44_444])
    assert outline.between(20_000, 21_000) == (growing.x[19_999:21_002], y[19_999:21_002])


def test_points_that_grow_are_converted_once_and_another_attempt_afresh():
    grown, points = GrowingSeries(), Tail()
    for step in range(300):
        points = points.append((step, step * 0.5))
        if step % 7 == 0:
            grown.take(points)
    x, y = grown.take(points)
    assert x == list(range(300))
    assert y[-1] == 149.5
    x, y = grown.take(Tail().append((0, 3.0)))
    assert (x, y) == ([0.0], [3.0])


@pytest.mark.parametrize(
    ("low", "high", "most", "whole", "said"),
    [
        (0, 1, 5, False, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.61, 0.69, 4, False, ["0.62", "0.64", "0.66", "0.68"]),
        (1, 19, 4, True, ["5", "10", "15"]),
        (0, 3, 10, True, ["0", "1", "2", "3"]),
        (0, 120_000, 4, True, ["0", "50000", "100000"]),
        (0, 9e-4, 4, False, ["0", "0.0005"]),
        (-1.3e-9, 1.3e-9, 4, False, ["-1e-9", "0", "1e-9"]),
        (0, 4.2e7, 4, True, ["0", "2e7", "4e7"]),
    ],
)
def test_ticks_are_round(low, high, most, whole, said):
    step = axes.step_of(high - low, most, whole)
    assert [axes.label(t, step) for t in axes.ticks(low, high, step)] == said


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (0.5, ["0 s", "0.2 s", "0.4 s"]),
        (7, ["0 s", "2 s", "4 s", "6 s"]),
        (100, ["0 s", "30 s", "1 min", "1 min 30 s"]),
        (7_000, ["0 s", "30 min", "1 h", "1 h 30 min"]),
        (3e5, ["0 s", "1 d", "2 d", "3 d"]),
    ],
)
def test_ticks_of_time_are_those_of_a_clock(span, said):
    step = axes.x_step(span, 4, "seconds")
    assert [axes.x_label(t, step, "seconds") for t in axes.ticks(0, span, step)] == said


def test_a_log_axis_has_ticks_over_any_range():
    assert axes.log_ticks(-6, 0, 8) == [-6, -5, -4, -3, -2, -1, 0]
    assert axes.log_ticks(-30, 0, 5) == [-30, -23, -16, -9, -2]
    assert [round(10**t, 3) for t in axes.log_ticks(-0.4, 0.5, 8)] == [0.5, 1, 2]
    assert axes.log_ticks(0.01, 0.02, 8) == [0.01, 0.02]


def test_the_canvas_puts_dots_where_they_belong():
    canvas = Canvas(2, 1, "braille")
    canvas.draw(0, ([0, 2, 3], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]))
    assert canvas.lines() == [[("⡀⢹", 0)]]
    quadrants = Canvas(2, 1, "quadrant")
    quadrants.draw(0, ([0, 1, 2, 3], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]))
    assert quadrants.lines() == [[("▄▀", 0)]]
    letters = Canvas(3, 2, "ascii")
    letters.draw(1, ([0, 1], [0.0, 1.0], [0.0, 1.0]))
    assert ["".join(t for t, _ in line) for line in letters.lines()] == [" b ", "b  "]


# --- the widget ---


class OneChart(App[None]):
    def compose(self):
        yield Chart()


def drawn(series, size=(60, 14), keys=(), thresholds=()):
    async def flow():
        app = OneChart()
        async with app.run_test(size=size) as pilot:
            chart = app.query_one(Chart)
            chart.show(series, thresholds)
            chart.focus()
            await pilot.press("m", "m", *keys)  # letters, which are easier to read here
            await pilot.pause()
            return [chart.render_line(y).text.rstrip() for y in range(size[1])]

    return asyncio.run(flow())


def line(name, y, first=0):
    return Series(name, list(range(first, first + len(y))), list(y))


def test_a_rising_line_rises_between_its_axes():
    lines = drawn([line("loss", range(11))])
    assert lines[0].startswith("a loss 10")
    assert lines[1].startswith("10┤")
    assert lines[1].endswith("a")
    assert lines[12].startswith(" 0┤a")
    assert lines[13].split() == ["0", "5", "10"]


@pytest.mark.parametrize(("term", "mode"), [("linux", "ascii"), ("xterm-256color", "braille")])
def test_the_linux_console_has_no_braille(monkeypatch, term, mode):
    monkeypatch.setenv("TERM", term)
    assert Chart()._mode == mode


def test_without_colours_curves_are_dashed_as_the_legend_says(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    legend, *rows = drawn([line("a", [1, 1]), line("b", [2, 2])], keys=["m"])  # in braille
    assert legend.split("  ")[:2] == ["━━ a 1", "╍╍ b 2"]
    solid, dashed = rows[-2], rows[0]
    assert " " not in solid.split("┤")[1]
    assert " " in dashed.split("┤")[1]


def test_the_cursor_reads_values_and_a_log_scale_leaves_out_what_has_none():
    lines = drawn([line("a", [1, 10, 100, 0, -5, 1_000])], keys=["y", "left"])
    assert "log" in lines[0]
    assert "at 5" in lines[0]
    assert lines[1].startswith("1000┤")


def test_another_height_is_drawn_anew():
    async def flow():
        app = OneChart()
        async with app.run_test(size=(60, 14)) as pilot:
            chart = app.query_one(Chart)
            chart.show([line("loss", range(1, 11))])
            chart.focus()
            await pilot.pause()
            await pilot.press("y")  # some lines alone are painted again
            await pilot.resize_terminal(60, 8)
            await settled(pilot, lambda: text_of(app).splitlines()[7].split() == ["0", "5"])

    asyncio.run(flow())


def test_many_curves_share_two_lines_of_legend():
    many = [line(f"run number {n}", [n, n + 1]) for n in range(40)]
    lines = drawn(many, size=(80, 20))
    assert "more" in lines[1]
    assert "run number" not in lines[2]


def test_a_threshold_is_labelled_and_drawn_in_the_empty():
    lines = drawn([line("loss", [0.8, 0.6])], thresholds=[Threshold("ln 2", math.log(2))])
    assert any("ln 2" in text and "╌" in text for text in lines)


ODD = [[], [NAN, NAN], [3.0], [2.0, 2.0, 2.0], [1e-9, 2e-9], [1e300, -1e300], [0.0, 0.0],
       [float("inf"), 1.0, float("-inf")]]  # fmt: skip


@pytest.mark.parametrize("size", [(20, 5), (1, 1)])
def test_odd_values_and_sizes_draw_something(size):
    async def flow():
        app = OneChart()
        async with app.run_test(size=size) as pilot:
            chart = app.query_one(Chart)
            chart.focus()
            for key in ["m", "y", "+", "left", ">", "<", ",", "."]:
                await pilot.press(key)
                for y in ODD:
                    chart.show([line("odd", y)])
                    lines = [chart.render_line(row).text for row in range(size[1])]
                    assert "".join(lines).strip(), (key, y)

    asyncio.run(flow())


def test_names_are_untrusted():
    assert "\x1b" not in "".join(drawn([line("\x1b[31mred", [1, 2])]))


def test_a_share_of_all_has_no_axis_above_all():
    share = Window.around([[100.0, 100.0]], (0.0, 1.0), (), 100.0, log=False)
    assert (share.bottom, share.top) == (95.0, 100.0)
    free = Window.around([[100.0, 100.0]], (0.0, 1.0), (), math.inf, log=False)
    assert free.top > 100.0
