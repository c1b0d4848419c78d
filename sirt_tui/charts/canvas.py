"""Dots to characters. A cell holds the dots of all curves and the colour of the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sirt_tui.charts.series import Floats

Mode = Literal["braille", "quadrant", "ascii"]
MODES: tuple[Mode, ...] = ("braille", "quadrant", "ascii")
# dots of a cell, across and down, and the weight of each in the cell's number
DOTS: dict[Mode, tuple[int, int]] = {"braille": (2, 4), "quadrant": (2, 2), "ascii": (1, 1)}
_WEIGHTS: dict[Mode, list[list[int]]] = {
    "braille": [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]],
    "quadrant": [[1, 2], [4, 8]],
    "ascii": [[1]],
}
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TABLES: dict[Mode, NDArray[np.uint32]] = {
    "braille": np.array([0x20, *range(0x2801, 0x2900)], dtype=np.uint32),
    "quadrant": np.array([ord(c) for c in _QUADRANTS], dtype=np.uint32),
}
DASHES = ((8, 8), (4, 6), (1, 3), (2, 8))  # dots drawn, of a period, where there is no colour


@dataclass
class Canvas:
    """``width`` x ``height`` cells; y grows downwards in dots."""

    width: int
    height: int
    mode: Mode = "braille"
    _cells: NDArray[np.uint8] = field(init=False)
    _owner: NDArray[np.int16] = field(init=False)

    def __post_init__(self) -> None:
        self._cells = np.zeros((self.height, self.width), dtype=np.uint8)
        self._owner = np.full((self.height, self.width), -1, dtype=np.int16)

    @property
    def columns(self) -> int:
        return self.width * DOTS[self.mode][0]

    @property
    def rows(self) -> int:
        return self.height * DOTS[self.mode][1]

    def draw(self, owner: int, lowest: Floats, highest: Floats, dash: int | None = None) -> None:
        """A curve by its lowest and highest value in each dot column, 0 at the bottom and 1 at
        the top; NaN draws nothing. ``dash``: which pattern, where colours can't tell."""
        across, down = DOTS[self.mode]
        last = self.rows - 1
        there = np.isfinite(lowest) & np.isfinite(highest)
        if dash is not None:
            drawn, period = DASHES[dash % len(DASHES)]
            there &= np.arange(lowest.size) % period < drawn
        top = np.where(there, last - np.rint(np.nan_to_num(highest) * last), 1)
        bottom = np.where(there, last - np.rint(np.nan_to_num(lowest) * last), 0)
        row = np.arange(self.rows)[:, None]
        dots = (row >= top) & (row <= bottom)
        cells = np.zeros_like(self._cells)
        for down_by, weights in enumerate(_WEIGHTS[self.mode]):
            for across_by, weight in enumerate(weights):
                cells |= dots[down_by::down, across_by::across].view(np.uint8) * np.uint8(weight)
        self._cells |= cells
        self._owner[cells > 0] = owner

    def lines(self) -> list[list[tuple[str, int]]]:
        """Each row as runs of text with the curve that owns them (-1: none)."""
        if self.mode == "ascii":
            letters = np.array([ord(c) for c in LETTERS], dtype=np.uint32)
            codes = np.where(self._cells > 0, letters[self._owner % len(LETTERS)], ord(" "))
        else:
            codes = _TABLES[self.mode][self._cells]
        return [self._runs(codes[row], self._owner[row]) for row in range(self.height)]

    def _runs(self, codes: NDArray[np.uint32], owners: NDArray[np.int16]) -> list[tuple[str, int]]:
        text = codes.astype("<u4").tobytes().decode("utf-32-le")
        breaks = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), self.width]
        return [(text[start:end], int(owners[start])) for start, end in pairwise(breaks)]
