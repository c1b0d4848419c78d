"""Ring the terminal for runs that have ended, or stand still, since the list was last looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed

End = Literal["done", "failed", "stopped"]
ENDS: dict[str, End] = {
    "done": "done",
    "failed": "failed",
    "lost": "failed",
    "stopped": "stopped",
}


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

    def news(self, rows: Iterable[RunRow]) -> list[tuple[str, End]]:
        """Return the runs that have ended since the last call, and how."""
        before, self._states = self._states, {row.run_id: row.state for row in rows}
        if before is None:
            return []
        return [
            (run_id, ENDS[state])
            for run_id, state in self._states.items()
            if state in ENDS and ENDS.get(before.get(run_id, state)) != ENDS[state]
        ]


class Ringer:
    """Rings for runs whose ``notify:`` asks for it; ``ring`` does it, with a line to show."""

    def __init__(self, feed: Feed, runs: RunsFolder, ring: Callable[[str], None]) -> None:
        self._feed = feed
        self._runs = runs
        self._ring = ring
        self.ends = Ends()

    async def ring_for(self, ends: list[tuple[str, End]]) -> None:
        from engine.queries.notices import rings

        for run_id, event in ends:
            if event != "stopped" and await self._feed.ask(rings, self._runs, run_id, event):
                self._ring(f"sirt: {run_id} {event}")

    async def ring_for_stuck(self) -> None:
        from engine.queries.notices import stuck

        found = await self._feed.ask(stuck, self._runs, self.ends.at_work)
        for run_id in self.ends.newly_stuck(found):
            self._ring(f"sirt: {run_id} stuck")
