"""Lay out a figure's panels, their axes and legends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.queries.study import ARM_ORDER
from engine.report.style import COLOURS, COLUMN, PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from engine.schema.accuracy import Estimate
    from engine.schema.run_spec import Arm

PANELS_WIDE = 2
NAMES_FIT, TITLE_FITS = 30, 28  # characters
NAMES_IN_COLUMN = 3  # of a legend, side by side


def panels(count: int, height: float, most: int = PANELS_WIDE) -> tuple[Figure, list[Axes]]:
    """Make axes in rows of at most ``most``, each ``height`` inches tall."""
    import matplotlib.pyplot as plt

    wide = min(count, most)
    tall = -(-count // wide)
    width = COLUMN if wide < most else PAGE
    figure, axes = plt.subplots(tall, wide, figsize=(width, height * tall), squeeze=False)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def error(found: Estimate) -> list[list[float]]:
    """Return the error bar's lengths below and above, in per cent, as matplotlib wants them."""
    low, high = interval(found)
    return [[max(100 * found.value - low, 0.0)], [max(high - 100 * found.value, 0.0)]]


def interval(found: Estimate) -> tuple[float, float]:
    """Return the interval in per cent, or the mean twice where there is none to tell."""
    ends = (found.low, found.high) if found.interval else (found.value, found.value)
    return 100 * ends[0], 100 * ends[1]


def level(axes: Axes, found: Estimate, arm: Arm, left: float, right: float) -> None:
    """Draw an untrained model's accuracy as a line, with its interval as a band."""
    colour = COLOURS[arm]
    low, high = interval(found)
    axes.fill_between([left, right], low, high, color=colour, alpha=0.15, lw=0)
    line = axes.hlines(100 * found.value, left, right, colour, lw=1, label=arm)
    line.set_linestyle("--" if arm == "teacher" else ":")


def percent_axis(axes: Axes) -> None:
    """Show a little more than 0 to 100, so that points at the ends can be seen."""
    axes.set_ylim(-1, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("right, %")


def names(axes: Axes, names: Sequence[str]) -> None:
    """Label the ticks with names, slanted where they would overlap."""
    slanted = sum(map(len, names)) > NAMES_FIT
    turned: dict[str, Any] = {"rotation": 20, "ha": "right"} if slanted else {}
    axes.set_xticks(range(len(names)), names, **turned)


def who(student: str | None, teacher: str | None, in_family: bool | None) -> str:
    family = "in-family" if in_family else "out-family"
    said = f"{student} taught by {teacher}"
    return f"{said}{' ' if len(said) < TITLE_FITS else chr(10)}({family})"


def legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """Draw one legend above all panels, with each name once."""
    known: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    ordered = [name for name in ARM_ORDER if name in known]
    handles = [known[name] for name in ordered]
    columns = len(ordered) if figure.get_figwidth() > COLUMN else NAMES_IN_COLUMN
    figure.legend(handles, ordered, loc="outside upper center", ncols=columns)
