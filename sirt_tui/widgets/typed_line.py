"""The line that text is typed into, everywhere."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input


class TypedLine(Input):
    """A line to type into. What it holds already is not selected and the cursor stands at its
    end: typing goes on with it, and ``ctrl+u`` empties it."""

    def __init__(self, value: str = "", **options: Any) -> None:
        super().__init__(value, select_on_focus=False, **options)
        self.cursor_position = len(value)
