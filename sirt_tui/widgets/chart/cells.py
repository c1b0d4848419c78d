"""Draw over the rows of a plot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style


def over(cells: Sequence[Segment], label: str, dim: Style) -> list[Segment]:
    """Draw a dashed line through a row's blanks, with a label at the end."""
    total = sum(len(cell.text) for cell in cells)
    drawn = [
        Segment("╌" * len(part), dim) if part.isspace() else Segment(part, cell.style)
        for cell in cells
        for part in re.split("( +)", cell.text)
        if part
    ]
    text = f" {label} "
    if len(text) >= total:
        return drawn
    head = Strip(drawn).crop(0, total - len(text))
    return [*head, Segment(text, dim)]
