"""The runs that the Compare screen sets side by side, one of them the reference of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.checking import for_tables
from engine.queries.sibling_runs import with_experiment
from engine.schema.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.run_row import RunRow


class ComparedRuns:
    """The given runs without those left out of tables; one run alone is joined by the others of its
    experiment. ``reference``: the place in ``ids`` of the run that the others are held against.
    ``listed``: the whole list of runs. ``remembered``: which reference was chosen before, of which
    runs."""

    def __init__(self, given: Sequence[str]) -> None:
        self._given = list(given)  # also those that are left out of tables
        self.ids = list(given)
        self.rows: tuple[RunRow, ...] = ()
        self.reference = 0
        self.listed: tuple[RunRow, ...] = ()
        self.left_out = ""
        self._whole = False  # whether one run was joined by others of its experiment
        self.remembered: dict[str, list[str]] = {}

    def take(self, listed: tuple[RunRow, ...]) -> bool:
        """Take the list of runs as it is now; return whether the compared runs must be read."""
        first = not self.listed
        self.listed = listed
        if first and len(self._given) == 1:
            self._given = with_experiment(listed, self._given[0])
            self._whole = True
        kept, self.left_out = for_tables(row for row in listed if row.run_id in self._given)
        by_id = {row.run_id: row for row in kept}
        before, self.ids = self.ids, [i for i in self._given if i in by_id]
        if self.ids != before:
            kept_as = [i for i in before[self.reference :][:1] if i in by_id]
            self.reference = self.ids.index(kept_as[0]) if kept_as else 0
        if first:
            self._take_remembered()
        rows = tuple(by_id[run_id] for run_id in self.ids)
        if not rows or (rows == self.rows and not first):
            return False
        self.rows = rows
        return True

    @property
    def reference_id(self) -> str | None:
        return self.ids[self.reference] if self.ids else None

    def next_reference(self) -> dict[str, list[str]]:
        """Take the next run as the reference; return what to remember, as ``remembered``."""
        self.reference = (self.reference + 1) % len(self.ids)
        return {"of": sorted(self.ids), "is": [self.ids[self.reference]]}

    def _take_remembered(self) -> None:
        """Take the reference that was chosen when these same runs were compared before."""
        for run_id in self.remembered.get("is", ()):
            if run_id in self.ids and self.remembered.get("of") == sorted(self.ids):
                self.reference = self.ids.index(run_id)

    @property
    def count(self) -> str:
        """``3 runs``, or ``11 of 13 runs`` where others of the experiment are not compared."""
        others = len(self._others())
        of = f" of {len(self.ids) + others}" if others else ""
        return f"{len(self.ids)}{of} runs"

    @property
    def unshown(self) -> str:
        """Which runs of the experiment don't stand beside the one that was given, and why."""
        others = self._others()
        cells = [row for row in others if row.is_cell]
        seeds = ", ".join(map(str, sorted({row.seed for row in cells})))
        follow_ups = len(others) - len(cells)
        why = [f"{counted(len(cells), 'run')} with another seed ({seeds})"] if cells else []
        if follow_ups:
            why.append(f"{counted(follow_ups, 'run')} without an arm, such as judgements")
        return f"not compared: {', '.join(why)}" if why else ""

    def _others(self) -> list[RunRow]:
        if not self._whole:
            return []
        return [row for row in self.of_experiments() if row.run_id not in self._given]

    def of_experiments(self) -> list[RunRow]:
        """List all runs of the compared runs' experiments that are in tables."""
        chosen = {row.experiment for row in self.rows}
        rows, _ = for_tables(row for row in self.listed if row.experiment in chosen)
        return list(rows)
