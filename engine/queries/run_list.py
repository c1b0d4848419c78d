"""All runs, looked at again and again at the price of what may have changed.

A finished run is read from the index, and again only when its file was written since or one of its
phases' folders is gone; a run at rest costs a look at its folders' times; only what is at work is
read.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from engine.queries.rows import (
    Look,
    Looks,
    progress_of,
    queued_runs,
    row_of,
    with_progress,
)
from engine.scheduling.queue import read_run
from engine.schema.errors import UserError
from engine.store.registry import Registry, up_to_date, written_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

Stamp = tuple[int, int, int]  # of a file: time of change, size, inode


class _Seen(NamedTuple):
    """What an unfinished run's row was made of; the same again gives the same row."""

    stamp: Stamp | None  # of its file
    needs: dict[str, tuple[str, ...]]
    looks: tuple[Look, ...]
    forgiven: dict[str, int] | None
    row: RunRow


class Roster:
    """``look`` gives all rows, newest first: the same tuple when nothing has changed."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._index = Registry(runs, lambda run_id: row_of(runs, run_id))
        self._indexed: dict[str, RunRow] = {}
        self._index_stamp: Stamp | None = None
        self._queued: dict[str, dict[str, int]] = {}
        self._queue_stamp: Stamp | None = None
        self._root_stamp: Stamp | None = None
        self._phases_stamp: Stamp | None = None
        self._stale: frozenset[str] = frozenset()
        self._names: frozenset[str] = frozenset()
        self._present: frozenset[str] = frozenset()
        self._looks = Looks(runs)
        self._seen: dict[str, _Seen] = {}
        self._offered: set[RunRow] = set()
        self._rows: tuple[RunRow, ...] | None = None
        self._queue_problem = ""  # the runs are shown without it

    def look(self) -> tuple[RunRow, ...]:
        """``OSError`` when the folder can't be read just now."""
        moved = self._read_index() | self._read_present() | self._read_phases()
        if moved:
            self._stale = frozenset(self._outdated())
        moved |= self._read_queue()
        before = self._seen
        self._seen = self._look_at_unfinished()
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
                read_run(self._runs, run_id)
            except UserError as error:
                told.append(str(error))
        return tuple(told)

    def _keep(self) -> None:
        """Put into the index what it misses and what has become final, each once: where one may
        only read, the list is shown all the same."""
        news = [
            seen.row
            for run_id, seen in self._seen.items()
            if seen.row.state == "done" or run_id not in self._indexed or run_id in self._stale
        ]
        fresh = [row for row in news if row not in self._offered]
        self._offered.update(fresh)
        with contextlib.suppress(UserError, OSError):
            self._index.put(fresh)

    def _row(self, run_id: str) -> RunRow | None:
        """None when the run's file can't be read: what the index says is of an older one then."""
        seen, indexed = self._seen.get(run_id), self._indexed.get(run_id)
        final = indexed is not None and indexed.state == "done" and run_id not in self._stale
        return seen.row if seen else indexed if final else None

    # --- the three files that say which runs there are ---

    def _read_index(self) -> bool:
        stamp = stamp_of(self._runs.registry)
        if stamp == self._index_stamp and self._rows is not None:
            return False
        self._indexed = self._index.indexed()
        self._index_stamp = stamp
        return True

    def _read_present(self) -> bool:
        """A run is there from when its folder has its file until the folder is gone."""
        stamp = stamp_of(self._runs.root)
        if stamp != self._root_stamp:
            self._names = frozenset(map(self._named, self._runs.folder_names()))
            self._root_stamp = stamp
        before = self._present
        gone = {name for name in self._names - before if not self._runs.has_run_file(name)}
        self._present = self._names - gone if gone else self._names
        return before != self._present

    def _read_phases(self) -> bool:
        stamp = stamp_of(self._runs.phases)
        before, self._phases_stamp = self._phases_stamp, stamp
        return before != stamp

    def _outdated(self) -> Iterator[str]:
        """Runs whose row in the index is of an older file than theirs, or tells of a phase whose
        folder is gone. Folders can only have gone where theirs changed after the index."""
        index, phases = self._index_stamp, self._phases_stamp
        unmoved = index is not None and phases is not None and phases[0] < index[0]
        there = None if unmoved else frozenset(p.id for p in self._runs.phase_dirs())
        for run_id in self._present:
            row = self._indexed.get(run_id)
            if row is None or row.state != "done":
                continue
            gone = there is not None and not there.issuperset(row.phase_ids)
            if gone or not up_to_date(row, written_at(self._runs, run_id)):
                yield run_id

    def _named(self, run_id: str) -> str:
        """The same string as its row has: of ten thousand, one each is enough."""
        row = self._indexed.get(run_id)
        return row.run_id if row else run_id

    def _read_queue(self) -> bool:
        stamp = stamp_of(self._runs.queue)
        if stamp == self._queue_stamp and self._rows is not None:
            return False
        self._queued, self._queue_problem = {}, ""
        try:
            self._queued = queued_runs(self._runs)
        except UserError as error:
            self._queue_problem = str(error)
        self._queue_stamp = stamp
        return True

    # --- the runs that may change ---

    def _look_at_unfinished(self) -> dict[str, _Seen]:
        self._looks.begin()
        found: dict[str, _Seen] = {}
        for run_id in self._present:
            indexed = None if run_id in self._stale else self._indexed.get(run_id)
            if indexed is None or indexed.state != "done":
                seen = self._look_at(run_id, self._seen.get(run_id), indexed)
                if seen is not None:
                    found[run_id] = seen
        return found

    def _look_at(self, run_id: str, seen: _Seen | None, indexed: RunRow | None) -> _Seen | None:
        stamp = stamp_of(self._runs.run_file(run_id))
        forgiven = self._queued.get(run_id)
        known = seen.row if seen else indexed
        needs = seen.needs if seen else known.needs if known else None
        moved = seen.stamp != stamp if seen else known and not up_to_date(known, _written(stamp))
        if known is None or needs is None or moved:
            row = row_of(self._runs, run_id, forgiven, self._looks)
            if row is None:
                return None
            needs = row.needs or {}
            return _Seen(stamp, needs, tuple(map(self._looks.look, needs)), forgiven, row)
        looks = tuple(map(self._looks.look, needs))
        if seen and seen.forgiven == forgiven and all(map(_is, looks, seen.looks)):
            return seen
        row = known
        if _evaluated(needs, looks) != sum(
            a.evaluation.method != "commit" for a in known.accuracies
        ):
            row = row_of(self._runs, run_id, forgiven, self._looks) or known
        row = with_progress(row, progress_of(needs, looks, forgiven))
        return _Seen(stamp, needs, looks, forgiven, row)


def _evaluated(phase_ids: Iterable[str], looks: tuple[Look, ...]) -> int:
    pairs = zip(phase_ids, looks, strict=True)
    return sum(i.startswith("evaluate-") and look.found.state == "done" for i, look in pairs)


def _same(before: dict[str, _Seen], after: dict[str, _Seen]) -> bool:
    rows = (seen.row for seen in after.values())
    return before.keys() == after.keys() and all(map(_is, rows, (before[i].row for i in after)))


def _age(row: RunRow) -> tuple[datetime, str]:
    return row.created, row.run_id


def _is(one: object, other: object) -> bool:
    return one is other


def _written(stamp: Stamp | None) -> int:
    return stamp[0] if stamp else -1


def stamp_of(path: Path) -> Stamp | None:
    """None when there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116  thousands of them
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
