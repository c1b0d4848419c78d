"""Say why what is queued has not started: read once, for one run or for many."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.scheduling import daemon
from engine.scheduling.queue import read_queue
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.queries.rows import Look
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

HELD = "its run is on hold"


def held_runs(runs: RunsFolder) -> frozenset[str]:
    """The runs on hold; a damaged queue holds none."""
    with suppress(UserError):
        return frozenset(entry.run_id for entry in read_queue(runs).entries if entry.hold)
    return frozenset()


@dataclass(frozen=True, slots=True)
class Waits:
    """What the conductor and the queue say of phases that wait. ``said``: its reason, by phase."""

    said: Mapping[str, str]
    held: frozenset[str]
    conducted: bool

    @classmethod
    def read(cls, runs: RunsFolder, held: frozenset[str]) -> Waits:
        """Read it as it is now, but for the runs on hold, whose file changes seldom."""
        return cls(daemon.waiting(runs), held, daemon.holder(runs) is not None)

    def why(self, run_id: str, phase_id: str, ready: bool = True) -> str:
        """What a queued phase of this run waits for; "" where it is for the phases before it.
        ``ready``: whether its inputs are there."""
        if said := self.said.get(phase_id, ""):
            return said
        if not ready:
            return ""
        if run_id in self.held:
            return HELD
        return "about to start" if self.conducted else "waits for the conductor to start"

    def told(self, row: RunRow, looks: Sequence[Look]) -> RunRow:
        """The row with what its first phase waits for whose inputs are there, if it is queued."""
        if row.state != "queued":
            return row
        done = {i for i, x in zip(row.phase_ids, looks, strict=True) if x.found.state == "done"}
        ready = (i for i, of in row.needs.items() if i not in done and done.issuperset(of))
        return replace(row, waits=next((self.why(row.run_id, phase) for phase in ready), ""))
