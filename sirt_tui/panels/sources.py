"""Which files of items there are, and which of them is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from sirt_tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.control.reading import Source


class SourceBar(Static):
    """One line; begins far enough to the right that the chosen one is seen."""

    DEFAULT_CSS = "SourceBar { height: 1; padding: 0 1; }"

    def show(self, sources: Sequence[Source], chosen: int) -> None:
        names = [one_line(_name(source), 40) for source in sources]
        first = 0
        while first < chosen and sum(len(n) + 2 for n in names[first : chosen + 1]) > self._room():
            first += 1
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("[ ] " if len(names) > 1 else "", "dim")
        text.append("‹" if first else "", "dim")
        for number, name in enumerate(names[first:], start=first):
            text.append(f" {name} ", "reverse" if number == chosen else "")
        self.update(text)

    def _room(self) -> int:
        return max(20, self.size.width - 8)


def _name(source: Source) -> str:
    return source.title if source.what == "predictions" else source.what
