"""How large the panels of the Run screen are: a person makes one larger, and the rest gives way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CELLS, PARTS, LINES = 4, 5, 1  # a step, in cells, in hundredths and in lines
AMPLE, SHARE = 200, 3  # cells in which three columns fit; of more, the phases take a third
LOW = 4  # lines of the phases where there are few at all


@dataclass(frozen=True, slots=True)
class Sizes:
    """``phases``: the first column, in cells; more where three columns have room to spare.
    ``top``: the upper row, in hundredths of the height. ``middle``: the second of three columns, in
    hundredths of what the first leaves. ``lines``: of the phases, where one column is all there
    is."""

    phases: int = 54
    top: int = 50
    middle: int = 52
    lines: int = 7

    @classmethod
    def of(cls, known: Mapping[str, object]) -> Sizes:
        """Read what :func:`dataclasses.asdict` wrote; what does not fit is as it was made."""
        mine = {name: known.get(name) for name in asdict(cls())}
        numbers = {name: value for name, value in mine.items() if type(value) is int}
        return cls(**numbers).within()

    def within(self) -> Sizes:
        """Return them so that no panel vanishes."""
        return Sizes(
            min(max(self.phases, 30), 90),
            min(max(self.top, 20), 80),
            min(max(self.middle, 20), 80),
            min(max(self.lines, 3), 20),
        )

    def grown(self, place: int, columns: int, step: int) -> Sizes:
        """Return them with the panel at this place larger by ``step``, or smaller. The places are
        numbered by rows; of two columns, the one in the second row has all of it."""
        if columns == 1:
            return replace(self, lines=self.lines + LINES * (-step if place else step)).within()
        row, column = divmod(place, columns)
        top = self.top + PARTS * (-step if row else step)
        phases, middle = self.phases, self.middle
        if column == 0 and (columns == 3 or not row):
            phases += CELLS * step
        elif columns == 2 and not row:
            phases -= CELLS * step
        elif columns == 3:
            middle += PARTS * (step if column == 1 else -step)
        return replace(self, phases=phases, top=top, middle=middle).within()

    def grid(self, columns: int, low: bool, width: int) -> tuple[str, str]:
        """Return the grid's columns and rows, as a stylesheet has them. ``width``: the screen's."""
        if columns == 1:
            return "1fr", f"{min(self.lines, LOW) if low else self.lines} 1fr"
        beside = "1fr" if columns == 2 else f"{self.middle}fr {100 - self.middle}fr"
        phases = self.phases + max(0, width - AMPLE) // SHARE * (columns == 3)
        return f"{phases} {beside}", f"{self.top}fr {100 - self.top}fr"
