"""The list of runs, looked at again and again at the price of what may have changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.control.listing import queued_runs, registry, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.contract.run import RunRow
    from engine.contract.rundir import RunsFolder
    from engine.contract.view import State
    from engine.states import PhaseState

FIRST_PAGE = 100
LIVE: frozenset[State] = frozenset({"running", "queued"})
IDLE_LOOK_S = 30.0  # at what neither works nor is wanted: only a hand could have changed it


@dataclass
class RunList:
    """``advance`` gives all rows, newest first, when something changed since the last call.

    Finished runs are read once, from the index. Those that work or wait in the queue are looked
    at each time, the others when index or queue have changed.
    """

    runs: RunsFolder
    _rows: dict[str, RunRow] = field(default_factory=dict)
    _mark: object = None
    _looked: float = float("-inf")

    def first_page(self) -> list[RunRow]:
        """The newest runs as the index has them: something to show while the rest is read."""
        return registry(self.runs).newest(FIRST_PAGE)

    def advance(self) -> list[RunRow] | None:
        mark = tuple(map(_stamp, (self.runs.root, self.runs.registry, self.runs.queue)))
        changed = mark != self._mark
        before = self._rows
        if changed:
            self._rows = {row.run_id: row for row in registry(self.runs).rows()}
            self._mark = mark
        idle_too = changed or time.monotonic() - self._looked > IDLE_LOOK_S
        if idle_too:
            self._looked = time.monotonic()
        self._refresh(r for r in self._rows.values() if r.state in LIVE or idle_too)
        if not changed and self._rows == before:
            return None
        return sorted(self._rows.values(), key=lambda r: (r.created, r.run_id), reverse=True)

    def _refresh(self, rows: Iterable[RunRow]) -> None:
        """Read these again, unless they are finished."""
        unfinished = [row.run_id for row in rows if row.state != "done"]
        if not unfinished:
            return
        queued = queued_runs(self.runs)
        states: dict[str, PhaseState] = {}
        fresh = {r: row_of(self.runs, r, queued, states) for r in unfinished}
        news = {r: row for r, row in fresh.items() if row is not None and row != self._rows[r]}
        gone = {r for r, row in fresh.items() if row is None}
        if news or gone:
            kept = {r: row for r, row in self._rows.items() if r not in gone}
            self._rows = kept | news
        finished = [row for row in news.values() if row.state == "done"]
        registry(self.runs).put(finished)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
