"""List all runs, and keep the list current while reading only what may have changed.

A finished run is read from the index, and again only when its file was written since or one of its
phases' folders is gone; a run at rest costs a look at its folders' times; only what is at work is
read.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from engine.queries.pace import Forecast
from engine.queries.rows import (
    Look,
    Looks,
    progress_of,
    queued_runs,
    row_of,
    was_stopped,
    with_progress,
)
from engine.queries.waits import Waits, held_runs
from engine.schema.errors import UserError
from engine.store.registry import Registry, Stamp, stamp_of, up_to_date, written_at
from engine.store.run import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow


MADE_AGAIN = 200  # rows of an earlier version's index at one look, of which the next one follows


class _Seen(NamedTuple):
    """What an unfinished run's row was made from; the same inputs give the same row."""

    looks: tuple[Look, ...]
    forgiven: dict[str, int] | None
    row: RunRow


class Roster:
    """Keeps the list of all runs current; :meth:`look` returns it."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._index = Registry(runs, lambda run_id: row_of(runs, run_id))
        self._indexed: dict[str, RunRow] = {}
        self._stamps: dict[Path, Stamp | None] = {}
        self._names: frozenset[str] = frozenset()
        self._present: frozenset[str] = frozenset()
        self._stale: frozenset[str] = frozenset()
        self._queued: dict[str, dict[str, int]] = {}
        self._queue_problem = ""  # the runs are shown without it
        self._held: frozenset[str] = frozenset()
        self._waits: Waits | None = None  # read only where a run is queued
        self._looks = Looks(runs)
        self._forecast = Forecast(runs)
        self._seen: dict[str, _Seen] = {}
        self._offered: set[RunRow] = set()
        self._rows: tuple[RunRow, ...] | None = None

    def look(self) -> tuple[RunRow, ...]:
        """Return all rows, newest first, the same tuple if unchanged; may raise ``OSError``."""
        moved = self._read_index() | self._read_present() | self._moved(self._runs.phases)
        if moved:
            self._stale = frozenset(self._outdated())
        moved |= self._read_queue()
        before, self._seen = self._seen, self._look_at_unfinished()
        moved |= self._read_waits()
        if self._rows is not None and not moved and _same(before, self._seen):
            return self._rows
        found = filter(None, (self._row(run_id) for run_id in self._present))
        rows = sorted(found, key=_age, reverse=True)
        at_work = {row.run_id: self._seen[row.run_id].looks for row in rows if _works(row)}
        told = self._forecast.told(rows, at_work) if at_work else rows
        ordered = tuple(map(self._waiting, told)) if self._waits else tuple(told)
        if ordered != self._rows:
            self._rows = ordered
        self._keep()
        return self._rows

    def damage(self) -> tuple[str, ...]:
        """Say why existing runs have no row and why the queue can't be read, a line each."""
        told = [self._queue_problem] if self._queue_problem else []
        listed = {row.run_id for row in self._rows or ()}
        for run_id in sorted(self._present - listed) if len(listed) < len(self._present) else ():
            try:
                read_record(self._runs, run_id)
            except UserError as error:
                told.append(str(error))
        return tuple(told)

    def _keep(self) -> None:
        """Write to the index, once each, the rows that it misses or that have become final. A
        folder that may only be read is listed all the same."""
        news = {
            seen.row
            for run_id, seen in self._seen.items()
            if seen.row.state == "done" or run_id in self._stale or self._is_old(run_id)
        }
        fresh, self._offered = news - self._offered, news
        with contextlib.suppress(UserError, OSError):
            self._index.put(fresh)

    def _is_old(self, run_id: str) -> bool:
        """Whether the index misses the run, or has it as an earlier version wrote it."""
        row = self._indexed.get(run_id)
        return row is None or row.settings is None

    def _row(self, run_id: str) -> RunRow | None:
        """Return a run's row, or None when its file can't be read and the index is outdated."""
        seen = self._seen.get(run_id)
        return seen.row if seen else self._final(run_id)

    def _final(self, run_id: str) -> RunRow | None:
        """Return the indexed row of a run that need not be read."""
        row = self._indexed.get(run_id)
        return row if row and row.state == "done" and run_id not in self._stale else None

    # --- what says which runs there are ---

    def _moved(self, path: Path) -> bool:
        """Whether a file, or a folder's content, has changed since the last call."""
        stamp = stamp_of(path)
        moved = path not in self._stamps or self._stamps[path] != stamp
        self._stamps[path] = stamp
        return moved

    def _read_index(self) -> bool:
        moved = self._moved(self._runs.registry)
        if moved:
            self._indexed = self._index.indexed()
        return moved

    def _read_present(self) -> bool:
        """Find the present runs: from when a run's file is written until its folder is gone."""
        if self._moved(self._runs.root):
            self._names = frozenset(self._runs.folder_names())
        before = self._present
        new = self._names - before
        self._present = self._names - {n for n in new if not self._runs.has_run_file(n)}
        return before != self._present

    def _outdated(self) -> Iterator[str]:
        """Yield runs whose file is newer than their row in the index, or that lost a phase's
        folder. The folders are listed only if theirs changed after the index."""
        index, phases = (self._stamps[path] for path in (self._runs.registry, self._runs.phases))
        unmoved = index is not None and phases is not None and phases[0] < index[0]
        there = None if unmoved else frozenset(p.id for p in self._runs.phase_dirs())
        old = 0
        for run_id in self._present:
            row = self._indexed.get(run_id)
            if row is None or row.state != "done":
                continue
            if row.settings is None:  # of an earlier version's index: made again, some at a time
                old += 1
            gone = there is not None and not there.issuperset(row.phase_ids)
            aged = row.settings is None and old <= MADE_AGAIN
            if gone or aged or not up_to_date(row, written_at(self._runs, run_id)):
                yield run_id

    def _read_queue(self) -> bool:
        if not self._moved(self._runs.queue):
            return False
        self._queued, self._queue_problem = {}, ""
        try:
            self._queued = queued_runs(self._runs)
        except UserError as error:
            self._queue_problem = str(error)
        self._held = held_runs(self._runs)
        return True

    def _read_waits(self) -> bool:
        """Read what queued runs wait for, where there are any."""
        queued = any(seen.row.state == "queued" for seen in self._seen.values())
        before = self._waits
        self._waits = Waits.read(self._runs, self._held) if queued else None
        return before != self._waits

    def _waiting(self, row: RunRow) -> RunRow:
        """Return the row with what it waits for."""
        seen = self._seen.get(row.run_id)
        return self._waits.told(row, seen.looks) if self._waits and seen else row

    # --- the runs that may change ---

    def _look_at_unfinished(self) -> dict[str, _Seen]:
        self._looks.begin()
        found = ((i, self._look_at(i)) for i in self._present if self._final(i) is None)
        return {run_id: seen for run_id, seen in found if seen is not None}

    def _look_at(self, run_id: str) -> _Seen | None:
        """Read an unfinished run; None when its file can't be read."""
        forgiven, seen = self._queued.get(run_id), self._seen.get(run_id)
        known = seen.row if seen else self._indexed.get(run_id)
        current = known and up_to_date(known, written_at(self._runs, run_id))
        if known is None or known.settings is None or not current:
            row = row_of(self._runs, run_id, forgiven, self._looks)
            return _Seen(self._looked(row), forgiven, row) if row else None
        looks = self._looked(known)
        if seen and seen.forgiven == forgiven and all(map(_is, looks, seen.looks)):
            return seen
        row = known
        if _evaluated(known, looks) != sum(
            a.evaluation.method != "commit" for a in known.accuracies
        ):
            row = row_of(self._runs, run_id, forgiven, self._looks) or known
        stop = was_stopped(self._runs, run_id, forgiven)
        row = with_progress(row, progress_of(row.needs, looks, forgiven, stop))
        return _Seen(looks, forgiven, row)

    def _looked(self, row: RunRow) -> tuple[Look, ...]:
        return tuple(map(self._looks.look, row.phase_ids))


def _evaluated(row: RunRow, looks: Iterable[Look]) -> int:
    """Count the evaluations that are done."""
    pairs = zip(row.phases, looks, strict=True)
    return sum(kind == "evaluate" and look.found.state == "done" for (kind, _), look in pairs)


def _same(before: dict[str, _Seen], after: dict[str, _Seen]) -> bool:
    rows = (seen.row for seen in after.values())
    return before.keys() == after.keys() and all(map(_is, rows, (before[i].row for i in after)))


def _works(row: RunRow) -> bool:
    return row.state == "running"


def _age(row: RunRow) -> tuple[datetime, str]:
    return row.created, row.run_id


def _is(one: object, other: object) -> bool:
    return one is other
