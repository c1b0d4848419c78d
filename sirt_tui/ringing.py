"""Which runs have ended since the list was last looked at, so that the terminal can ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.notify import Occasion
    from engine.store.run_row import RunRow

ENDS: dict[str, Occasion] = {"done": "done", "failed": "failed", "lost": "failed"}


class Ends:
    """Remembers the runs' states; those that had ended when it began to look are no news."""

    def __init__(self) -> None:
        self._states: dict[str, str] | None = None

    def news(self, rows: Iterable[RunRow]) -> list[tuple[str, Occasion]]:
        """Return the runs that have ended since the last call, and how."""
        before, self._states = self._states, {row.run_id: row.state for row in rows}
        if before is None:
            return []
        return [
            (run_id, ENDS[state])
            for run_id, state in self._states.items()
            if state in ENDS and before.get(run_id, state) not in ENDS
        ]
