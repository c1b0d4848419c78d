"""All runs, looked at again and again at the price of what may have changed.

A finished run is read from the index, and again only when its file was written since or one of its
phases' folders is gone; a run at rest costs a look at its folders' times; only what is at work is
read.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from engine.queries.rows import (
    Look,
    Looks,
    progress_of,
    queued_runs,
    row_of,
    with_progress,
)
from engine.schema.errors import UserError
from engine.store.registry import Registry, Stamp, stamp_of, up_to_date, written_at
from engine.store.run import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow


class _Seen(NamedTuple):
    """What an unfinished run's row was made of; the same again gives the same row."""

    looks: tuple[Look, ...]
    forgiven: dict[str, int] | None
    row: RunRow


class Roster:
    """``look`` gives all rows, newest first: the same tuple when nothing has changed."""

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
        self._looks = Looks(runs)
        self._seen: dict[str, _Seen] = {}
        self._offered: set[RunRow] = set()
        self._rows: tuple[RunRow, ...] | None = None

    def look(self) -> tuple[RunRow, ...]:
        """``OSError`` when the folder can't be read just now."""
        moved = self._read_index() | self._read_present() | self._moved(self._runs.phases)
        if moved:
            self._stale = frozenset(self._outdated())
        moved |= self._read_queue()
        before, self._seen = self._seen, self._look_at_unfinished()
        if self._rows is not None and not moved and _same(before, self._seen):
            return self._rows
        rows = [self._row(run_id) for run_id in self._present]
        ordered = tuple(sorted((r for r in rows if r), key=_age, reverse=True))
        if ordered != self._rows:
            self._rows = ordered
        self._keep()
        return self._rows

    def damage(self) -> tuple[str, ...]:
        """Why runs that are there have no row, and why the queue can't be read, a line each."""
        told = [self._queue_problem] if self._queue_problem else []
        listed = {row.run_id for row in self._rows or ()}
        for run_id in sorted(self._present - listed) if len(listed) < len(self._present) else ():
            try:
                read_record(self._runs, run_id)
            except UserError as error:
                told.append(str(error))
        return tuple(told)

    def _keep(self) -> None:
        """Put into the index what it misses and what has become final, each once: where one may
        only read, the list is shown all the same."""
        news = {
            seen.row
            for run_id, seen in self._seen.items()
            if seen.row.state == "done" or run_id not in self._indexed or run_id in self._stale
        }
        fresh, self._offered = news - self._offered, news
        with contextlib.suppress(UserError, OSError):
            self._index.put(fresh)

    def _row(self, run_id: str) -> RunRow | None:
        """None when the run's file can't be read: what the index says is of an older one then."""
        seen = self._seen.get(run_id)
        return seen.row if seen else self._final(run_id)

    def _final(self, run_id: str) -> RunRow | None:
        """The indexed row of a run that needs no look."""
        row = self._indexed.get(run_id)
        return row if row and row.state == "done" and run_id not in self._stale else None

    # --- what says which runs there are ---

    def _moved(self, path: Path) -> bool:
        """Whether a file, or what is in a folder, is another than at the last look."""
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
        """A run is there from when its folder has its file until the folder is gone."""
        if self._moved(self._runs.root):
            self._names = frozenset(self._runs.folder_names())
        before = self._present
        new = self._names - before
        self._present = self._names - {n for n in new if not self._runs.has_run_file(n)}
        return before != self._present

    def _outdated(self) -> Iterator[str]:
        """Runs whose row in the index is of an older file than theirs, or tells of a phase whose
        folder is gone. Folders can only have gone where theirs changed after the index."""
        index, phases = (self._stamps[path] for path in (self._runs.registry, self._runs.phases))
        unmoved = index is not None and phases is not None and phases[0] < index[0]
        there = None if unmoved else frozenset(p.id for p in self._runs.phase_dirs())
        for run_id in self._present:
            row = self._indexed.get(run_id)
            if row is None or row.state != "done":
                continue
            gone = there is not None and not there.issuperset(row.phase_ids)
            if gone or not up_to_date(row, written_at(self._runs, run_id)):
                yield run_id

    def _read_queue(self) -> bool:
        if not self._moved(self._runs.queue):
            return False
        self._queued, self._queue_problem = {}, ""
        try:
            self._queued = queued_runs(self._runs)
        except UserError as error:
            self._queue_problem = str(error)
        return True

    # --- the runs that may change ---

    def _look_at_unfinished(self) -> dict[str, _Seen]:
        self._looks.begin()
        found = ((i, self._look_at(i)) for i in self._present if self._final(i) is None)
        return {run_id: seen for run_id, seen in found if seen is not None}

    def _look_at(self, run_id: str) -> _Seen | None:
        """None when the run's file can't be read."""
        forgiven, seen = self._queued.get(run_id), self._seen.get(run_id)
        known = seen.row if seen else self._indexed.get(run_id)
        if known is None or not up_to_date(known, written_at(self._runs, run_id)):
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
        row = with_progress(row, progress_of(row.needs, looks, forgiven))
        return _Seen(looks, forgiven, row)

    def _looked(self, row: RunRow) -> tuple[Look, ...]:
        return tuple(map(self._looks.look, row.phase_ids))


def _evaluated(row: RunRow, looks: Iterable[Look]) -> int:
    """How many evaluations are done."""
    pairs = zip(row.phases, looks, strict=True)
    return sum(kind == "evaluate" and look.found.state == "done" for (kind, _), look in pairs)


def _same(before: dict[str, _Seen], after: dict[str, _Seen]) -> bool:
    rows = (seen.row for seen in after.values())
    return before.keys() == after.keys() and all(map(_is, rows, (before[i].row for i in after)))


def _age(row: RunRow) -> tuple[datetime, str]:
    return row.created, row.run_id


def _is(one: object, other: object) -> bool:
    return one is other
