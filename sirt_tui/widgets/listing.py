"""A table's lines in their order, and the cursor on one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sirt_tui.widgets.table_lines import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Listing(Generic[T]):
    """Rows, and heads of groups between them; ``key`` names a row.

    ``rows``: all of them, those of folded groups too. ``cursor``: a place among ``lines``.
    """

    def __init__(self, key: Callable[[T], str]) -> None:
        self._key = key
        self.rows: Sequence[T] = ()
        self.lines: Sequence[T | Head] = ()
        self.cursor = 0

    @property
    def row(self) -> T | None:
        """The row under the cursor; None on a group's head."""
        line = self._under
        return None if isinstance(line, Head) else line

    @property
    def head(self) -> Head | None:
        """The group's head under the cursor."""
        line = self._under
        return line if isinstance(line, Head) else None

    @property
    def key(self) -> str | None:
        """The key of the row or head under the cursor."""
        return self._key_of(self._under)

    @property
    def _under(self) -> T | Head | None:
        return self.lines[self.cursor] if self.lines else None

    def _key_of(self, line: T | Head | None) -> str | None:
        if line is None:
            return None
        return line.key if isinstance(line, Head) else self._key(line)

    def show(
        self, rows: Sequence[T], grouping: Callable[[Sequence[T]], Sequence[T | Head]] | None
    ) -> int:
        """Take these rows, grouped if asked for, and return by how many lines the cursor moved: it
        stays on its row, or else near its place."""
        kept, before = self.key, self.cursor
        self.rows = rows
        self.lines = grouping(rows) if grouping else rows
        self.cursor = self._where(kept)
        return self.cursor - before

    def find(self, key: str) -> int | None:
        """Return the place of the line with this key."""
        return next((n for n, line in enumerate(self.lines) if self._key_of(line) == key), None)

    def put(self, at: int) -> None:
        """Put the cursor there, or on the nearest line."""
        self.cursor = min(max(at, 0), max(0, len(self.lines) - 1))

    def _where(self, kept: str | None) -> int:
        """Return the place of the row with that key, or else the place nearest to the cursor's."""
        lines, at = self.lines, self.cursor
        if kept is not None and not (at < len(lines) and self._key_of(lines[at]) == kept):
            found = self.find(kept)
            at = at if found is None else found
        return min(at, max(0, len(lines) - 1))
