"""The lines above a plot: each curve's mark, name and value, and the chart's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engine.schema.sanitize import one_line
from sirt_tui.widgets.chart.canvas import DASHED, LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sirt_tui.widgets.chart.canvas import Mode

NAME_CHARS = 24
LEGEND_LINES = 2  # at most
MORE_CHARS = 9


class Entry(NamedTuple):
    """A curve in the legend, with the style of its colour."""

    mark: str
    style: Style
    name: str
    value: str

    def segments(self, base: Style) -> list[Segment]:
        return [
            Segment(f"{self.mark} ", self.style),
            Segment(f"{one_line(self.name, NAME_CHARS)} ", base),
            Segment(f"{self.value}  ", base + Style(bold=True)),
        ]


def legend(
    entries: Sequence[Entry], state: str, width: int, base: Style, most: int = LEGEND_LINES
) -> list[Strip]:
    """Draw at most so many lines: the curves, the number of those left out, and ``state``."""
    dim = base + Style(dim=True)
    lines: list[list[Segment]] = [[]]
    room = width - len(state)
    shown = 0
    for entry in entries:
        parts = entry.segments(base)
        needed = sum(len(part.text) for part in parts)
        rest = MORE_CHARS if entry is not entries[-1] and len(lines) == most else 0
        if needed > room - rest:
            if len(lines) == most or needed > width:
                break
            lines.append([])
            room = width
        lines[-1] += parts
        room -= needed
        shown += 1
    if shown < len(entries):
        lines[-1].append(Segment(f"+{len(entries) - shown} more", dim))
    if state:
        used = sum(len(part.text) for part in lines[0])
        pad = " " * max(0, width - used - len(state))
        lines[0].append(Segment(pad + state, dim))
    return [Strip(line).crop(0, width) for line in lines]


def mark_of(number: int, mode: Mode) -> str:
    """Return a curve's mark: its colour, or without colours its letter or dash."""
    if mode == "ascii":
        return LETTERS[number % len(LETTERS)]
    return DASHED[number % len(DASHED)] if colourless() else "━"


def colourless() -> bool:
    return bool(os.environ.get("NO_COLOR"))
