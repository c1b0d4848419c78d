"""Which runs have ended since the list was last looked at, so that the terminal can ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from engine.schema.notify import Occasion
    from engine.store.run_row import RunRow

ENDS: dict[str, Occasion] = {"done": "done", "failed": "failed", "lost": "failed"}


class Ends:
    """Remembers the runs' states; those that had ended when it began to look are no news."""

    def __init__(self) -> None:
        self._states: dict[str, str] | None = None
        self._stuck: set[tuple[str, str, datetime]] = set()

    @property
    def at_work(self) -> list[str]:
        """Return the runs that were running when last looked at."""
        return [run_id for run_id, state in (self._states or {}).items() if state == "running"]

    def newly_stuck(self, found: set[tuple[str, str, datetime]]) -> list[str]:
        """Return the runs whose standstill has not been told yet."""
        fresh, self._stuck = found - self._stuck, found | self._stuck
        return sorted({run_id for run_id, *_ in fresh})

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
