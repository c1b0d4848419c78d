"""Compute round axis ticks and their labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from sirt_tui.format import duration, number

if TYPE_CHECKING:
    from sirt_tui.widgets.chart.window import Window

X = Literal["counts", "figures", "seconds"]  # what an x axis is of
MOST_DIGITS = 4
LABEL_CELLS = 12  # of an x axis, for each of its labels
ROUND = (1.0, 2.0, 5.0, 10.0)
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
CLOCK = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
)


def step_of(span: float, most: int, whole: bool = False) -> float:
    """Return the smallest of 1, 2, 5 x a power of ten that gives at most ``most`` steps."""
    rough = span / max(1, most)
    if not math.isfinite(rough) or rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in ROUND if factor * power >= rough * (1 - 1e-9))
    return max(1.0, step) if whole else step


def x_step(span: float, most: int, of: X) -> float:
    """Return an x axis' step: whole for counts, and for seconds one that a clock would show."""
    rough = span / max(1, most)
    if of != "seconds" or rough <= CLOCK[0]:
        return step_of(span, most, of == "counts")
    round_ = next((step for step in CLOCK if step >= rough), None)
    return round_ or DAY * step_of(span / DAY, most, whole=True)


def x_label(value: float, step: float, of: X) -> str:
    if of != "seconds":
        return label(value, step)
    return duration(value) if step >= 1 else f"{label(value, step)} s"


def ticks(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of the step in [low, high]."""
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return a log axis' ticks; all values are exponents of ten. Powers of ten are thinned when
    there are many, and 2 and 5 are added when there are few."""
    powers = [float(p) for p in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(powers) > most:
        every = -(-len(powers) // most)
        return powers[::every]
    if len(powers) >= 2:
        return powers
    between = [
        p + math.log10(f) for p in range(math.floor(low), math.ceil(high)) for f in (1, 2, 5)
    ]
    found = [t for t in between if low <= t <= high]
    return found if found else [low, high]


def log_label(exponent: float) -> str:
    """Label ten to that power; very large and small ones as a power, beyond any float."""
    if abs(exponent) > MOST_DIGITS and exponent == int(exponent):
        return f"1e{int(exponent)}"
    return number(10.0 ** max(-300.0, min(300.0, exponent)))


def label(value: float, step: float) -> str:
    """Label a value with as many decimals as the step needs, or an exponent if it is too long."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        digits = max(0, math.floor(math.log10(abs(value))) - math.floor(math.log10(step)))
        mantissa, _, exponent = f"{value:.{min(digits, 3)}e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{min(decimals, 6)}f}"


def y_labels(window: Window, rows: int) -> dict[int, str]:
    """Return the labels by row of the plot."""
    most = max(1, min(8, rows // 2))
    if window.log:
        found = [(t, log_label(t)) for t in log_ticks(window.bottom, window.top, most)]
    else:
        step = step_of(window.top - window.bottom, most)
        found = [(t, label(t, step)) for t in ticks(window.bottom, window.top, step)]
    span = window.top - window.bottom
    return {round((window.top - t) / span * (rows - 1)): text for t, text in found}


def x_line(window: Window, of: X, margin: int, width: int) -> str:
    """Write the labels below a plot that is ``width`` cells wide, after a margin."""
    step = x_step(window.right - window.left, max(1, width // LABEL_CELLS), of)
    line = [" "] * (margin + width)
    free = 0
    for tick in ticks(window.left, window.right, step):
        text = x_label(tick, step, of)
        share = (tick - window.left) / (window.right - window.left)
        start = margin + round(share * (width - 1)) - len(text) // 2
        start = min(max(start, 0), len(line) - len(text))
        if start >= free:
            line[start : start + len(text)] = text
            free = start + len(text) + 1
    return "".join(line)
