"""Turn dots into characters. A cell shows all curves' dots in the colour of the last one."""

from __future__ import annotations

import os
from codecs import charmap_decode
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sirt_tui.widgets.chart.series import Spans

Mode = Literal["braille", "quadrant", "ascii"]
MODES: tuple[Mode, ...] = ("braille", "quadrant", "ascii")
DOTS: dict[Mode, tuple[int, int]] = {"braille": (2, 4), "quadrant": (2, 2), "ascii": (1, 1)}
# What a cell's byte shows. Its upper half are the left dots, its lower half the right ones, the
# highest bit the upper dot.
_BRAILLE = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
_QUADRANTS = " ▗▝▐▖▄▞▟▘▚▀▜▌▙▛█"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BLANK, INK = " ", "x"
DASHES = ((8, 8), (4, 6), (1, 3), (2, 8))  # dots drawn, of a period, where there is no colour
DASHED = ("━━", "╍╍", "··", "╺ ")  # the same in the legend


def _braille(byte: int) -> str:
    halves = ((byte >> 4, _BRAILLE[0]), (byte & 15, _BRAILLE[1]))
    code = sum(dot for bits, dots in halves for n, dot in enumerate(dots) if bits >> n & 1)
    return chr(0x2800 + code) if code else BLANK


_CHARACTERS: dict[Mode, str] = {
    "braille": "".join(map(_braille, range(256))),
    "quadrant": "".join(_QUADRANTS[byte >> 6 << 2 | byte >> 2 & 3] for byte in range(256)),
    "ascii": BLANK + INK * 255,
}


def usual_mode() -> Mode:
    """What charts are drawn with at first: the Linux console's fonts have no braille."""
    return "ascii" if os.environ.get("TERM") == "linux" else "braille"


@dataclass
class Canvas:
    """A drawing of ``width`` x ``height`` cells; y grows downwards in dots.

    All dots of a column of cells are one number, a byte a cell, the upper cell first; owners
    (-1: none) are kept by columns too.
    """

    width: int
    height: int
    mode: Mode = "braille"
    _dots: list[int] = field(init=False)
    _owners: list[list[int]] = field(init=False)
    _from: list[int] = field(init=False)  # all left dots of a column from that row on

    def __post_init__(self) -> None:
        self._dots = [0] * self.width
        self._owners = [[-1] * self.height for _ in range(self.width)]
        down = DOTS[self.mode][1]
        last = 8 * self.height - 1
        bits = [1 << last - (row // down * 8 + row % down) for row in range(self.rows)]
        self._from = list(accumulate(reversed(bits), initial=0))[::-1]

    @property
    def columns(self) -> int:
        return self.width * DOTS[self.mode][0]

    @property
    def rows(self) -> int:
        return self.height * DOTS[self.mode][1]

    def draw(self, owner: int, spans: Spans, dash: int | None = None) -> None:
        """Draw a curve from its heights in each dot column, 0 at the bottom and 1 at the top,
        clipped to that range. ``dash``: a pattern, where there are no colours."""
        across, down = DOTS[self.mode]
        dots, owners, left = self._dots, self._owners, self._from
        last = self.rows - 1
        for column, low, high in zip(
            *(spans if dash is None else _dashed(spans, dash)), strict=True
        ):
            top = last - round(high * last) if 0 < high < 1 else last if high <= 0 else 0
            bottom = last - round(low * last) if 0 < low < 1 else last if low <= 0 else 0
            cell = column // across
            drawn = left[top] ^ left[bottom + 1]
            dots[cell] |= drawn >> 4 if column % across else drawn
            first, after = top // down, bottom // down + 1
            owners[cell][first:after] = [owner] * (after - first)

    def lines(self) -> list[list[tuple[str, int]]]:
        """Return each row as runs of text with the number of their curve (-1: none). Blanks join
        the run before them, so that less is sent."""
        shown = _CHARACTERS[self.mode]
        cells = (dots.to_bytes(self.height, "big") for dots in self._dots)
        columns = (charmap_decode(column, "strict", shown)[0] for column in cells)
        rows = zip(zip(*columns, strict=True), zip(*self._owners, strict=True), strict=True)
        return [self._runs("".join(text), owners) for text, owners in rows]

    def _runs(self, text: str, owners: tuple[int, ...]) -> list[tuple[str, int]]:
        starts, of, at = [0], [-1], 0
        for owner, cells in groupby(owners):
            if owner not in {-1, of[-1]}:
                starts.append(at)
                of.append(owner)
            at += len(list(cells))
        runs = zip((text[a:b] for a, b in pairwise([*starts, at])), of, strict=True)
        if self.mode == "ascii":
            return [
                (run.replace(INK, LETTERS[own % len(LETTERS)]), own) for run, own in runs if run
            ]
        return [(run, own) for run, own in runs if run]


def _dashed(spans: Spans, dash: int) -> Spans:
    drawn, period = DASHES[dash % len(DASHES)]
    kept = [n for n, column in enumerate(spans[0]) if column % period < drawn]
    numbers, lowest, highest = spans
    return [numbers[n] for n in kept], [lowest[n] for n in kept], [highest[n] for n in kept]
