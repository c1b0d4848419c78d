"""How far the phases at work are, and when a run will end.

Only the end of a running phase's log is read, and only when the log has grown: the list of runs
asks every second.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.schema.rates import is_sure
from engine.store.spans import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.planning.remaining import Awaited
    from engine.queries.rows import Look
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

ALIKE = 50  # runs whose phases say how long similar ones take
STEADY_S = 5.0  # a forecast that moves by less, or by a twentieth of the rest, stays as it was


@dataclass(frozen=True, slots=True)
class Count:
    """``done`` of ``total`` units at a time."""

    done: int
    total: int
    unit: str
    at: datetime
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a running phase's count began, as far as it was seen, and where it is."""

    first: Count
    now: Count

    @property
    def share(self) -> float:
        """What is done, in 0..1."""
        return min(1.0, self.now.done / self.now.total) if self.now.total > 0 else 0.0

    @property
    def ends(self) -> datetime | None:
        """When its count is expected to be full; None until its rate is sure."""
        done, took = self.now.done - self.first.done, self.now.at - self.first.at
        if self.now.done >= self.now.total:
            return self.now.at
        to_do, seconds = self.now.total - self.first.done, took.total_seconds()
        if not is_sure(done, to_do, seconds, self.now.under_way):
            return None
        left = self.now.total - self.now.done
        with suppress(OverflowError):  # later than any date
            return self.now.at + took * left / done
        return None


def pace_of(lines: Sequence[bytes], before: Pace | None) -> Pace | None:
    """The pace by the lines at a log's end; ``before``: of the same attempt, some lines ago. What a
    cluster's allocation goes on with is counted from there: before it was a time in the queue."""
    began = next((n for n in reversed(range(len(lines))) if b'"phase_started"' in lines[n]), None)
    if began is not None:
        since, lines = written(lines[began]), lines[began:]
        before = before if before and since and before.first.at >= since else None
    last = next(filter(None, map(_count, reversed(lines))), None)
    if last is None:
        return before
    if before is not None and before.now.unit == last.unit and before.first.done < last.done:
        return Pace(before.first, last)
    counts = [c for c in map(_count, lines) if c and c.unit == last.unit and c.done <= last.done]
    least = min(c.done for c in counts)
    return Pace(next(c for c in reversed(counts) if c.done == least), last)


def _count(line: bytes) -> Count | None:
    if b'"progress"' not in line:
        return None
    with suppress(ValueError, LookupError, TypeError, OverflowError, RecursionError):
        found = json.loads(line)
        at = datetime.fromisoformat(found["ts"])
        if found["kind"] == "progress" and at.tzinfo:
            done, total = int(found["done"]), int(found["total"])
            return Count(done, total, str(found["unit"]), at, int(found.get("under_way", 0)))
    return None


class Forecast:
    """When runs will end: by the pace of what is at work, and by what the plan's estimate says of
    the rest, one phase after the other."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._finished = -1  # so many runs were done when the seconds were estimated
        self._awaited: dict[str, Awaited | None] = {}  # by phase, None where nothing is known
        self._told: dict[str, RunRow] = {}

    def told(self, rows: Sequence[RunRow], looks: Mapping[str, Sequence[Look]]) -> list[RunRow]:
        """The rows with the time at which those at work are expected to end, where that can be
        told. ``looks``: of the phases of the runs at work, by run."""
        finished = sum(row.state == "done" for row in rows)
        if finished != self._finished:
            self._finished, self._awaited = finished, {}
        before, self._told = self._told, {}
        return [
            self._with_end(r, looks[r.run_id], rows, before) if r.run_id in looks else r
            for r in rows
        ]

    def _with_end(
        self,
        row: RunRow,
        looks: Sequence[Look],
        rows: Sequence[RunRow],
        before: Mapping[str, RunRow],
    ) -> RunRow:
        """The row with its end; the same object as before when nothing has changed."""
        last = before.get(row.run_id, row)
        told = replace(row, ends=steady(last.ends, self._end(row, looks, rows)))
        self._told[row.run_id] = last if last == told else told
        return self._told[row.run_id]

    def _end(self, row: RunRow, looks: Sequence[Look], rows: Sequence[RunRow]) -> datetime | None:
        paces = [look.pace for look in looks if look.found.state == "running"]
        known = [pace.ends for pace in paces if pace is not None and pace.ends is not None]
        pairs = zip(row.phase_ids, looks, strict=True)
        rest = [phase for phase, look in pairs if look.found.state not in ("running", "done")]
        if not known or len(known) < len(paces):
            return None
        if any(phase not in self._awaited for phase in rest):
            self._awaited |= dict.fromkeys(rest) | self._estimated(row, rows)
        seconds = 0.0
        for phase in rest:
            if (one := self._awaited[phase]) is None:
                return None
            seconds += one.seconds if one.whole else one.seconds / len(known)
        return max(known) + timedelta(seconds=seconds)

    def _estimated(self, row: RunRow, rows: Sequence[RunRow]) -> dict[str, Awaited]:
        from engine.planning.remaining import awaited  # a list at rest does without

        same = [one for one in rows if one.experiment == row.experiment][:ALIKE]
        alike = dict.fromkeys(i for one in (*same, *rows[:ALIKE]) for i in one.phase_ids)
        with suppress(UserError, OSError, LookupError):
            return awaited(self._runs, row.phase_ids, alike)
        return {}


def steady(before: datetime | None, now: datetime | None) -> datetime | None:
    """The earlier forecast unless the new one differs enough to be worth a repaint."""
    if before is None or now is None:
        return now
    left = (now - datetime.now(UTC)).total_seconds()
    return before if abs((now - before).total_seconds()) < max(STEADY_S, left / 20) else now
