"""The index of runs (a TinyDB file): one document a run, scalars and accuracies only.

It is never the truth: delete or damage it, and the next look rebuilds it from the folders.
Every change happens under the folder's lock and replaces the file atomically.

One document a line, newest run first, with a checksum at its end: a screenful is read from the
file's head, of ten thousand lines only those that are new are parsed, and a damaged line costs
that run's row alone, which is made of its folder again. A file that TinyDB itself has rewritten
(all in one line) is read through TinyDB, and is one document a line again at the next change.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError
from engine.schema.jsonfile import with_sum, without_sum
from engine.store.run_row import RunRow, squeeze, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.store.layout import RunsFolder

LOCK_TIMEOUT_S = 20.0
CLOCK_GRAIN_NS = 2_000_000_000  # files' times may be as coarse as this on network disks
TABLE = "runs"
FIRST, LAST = b'{"%b":{\n' % TABLE.encode(), b"}}\n"
TAIL = b',"phases":['  # inside a JSON string its quotes would be escaped
_KEY = re.compile(rb'\{"run_id":"([^"\\]+)","created":"([^"\\]+)",')
NAMES = ("experiment", "arm", "teacher", "student", "task", "refine_task", "state", "scored_on")
_SHARED: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # ladders and tags: few different ones


class Damaged(Exception):
    """The file is not what this module wrote; it has to be rebuilt."""


@contextmanager
def folder_lock(runs: RunsFolder) -> Iterator[None]:
    """Held while the registry, the queue or a run file is changed."""
    from engine.store.locking import Timeout, held

    try:
        with held(runs.lock, LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise UserError(
            f"{runs.lock}: held by another program for {LOCK_TIMEOUT_S:.0f} s; try again"
        ) from None
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise UserError(
            f"{runs.root}: read-only ({error.strerror}); nothing was changed"
        ) from error


class Registry:
    """Rows by run id. ``rebuild`` makes a row from a run's folder.

    Documents that have not changed since the last call give the same row objects.
    """

    def __init__(self, runs: RunsFolder, rebuild: Callable[[str], RunRow | None]) -> None:
        self._runs = runs
        self._row_of = rebuild
        self._parsed: dict[int, RunRow] = {}

    def rows(self) -> list[RunRow]:
        """All runs, by id; what the index misses or has of an older file is read from the run's
        folder, and runs whose folder is gone are left out."""
        known = self.indexed()
        rows = (
            known[run_id]
            if run_id in known and up_to_date(known[run_id], self._written(run_id))
            else self._row_of(run_id)
            for run_id in self._runs.run_ids()
        )
        return [row for row in rows if row is not None]

    def indexed(self) -> dict[str, RunRow]:
        """What the file says, by run id, newest first; runs whose lines are damaged are missing."""
        parsed: dict[int, RunRow] = {}
        with suppress(Damaged, OSError):
            for line in _documents(self._runs):
                key = hash(line)
                with suppress(Damaged):
                    parsed[key] = self._parsed.get(key) or decode(line)
        self._parsed = parsed
        return {row.run_id: row for row in parsed.values()}

    def put(self, rows: Iterable[RunRow]) -> None:
        """Add or replace rows. One whose run's file was written since, or may have been, is made
        again of what is in the file, under the lock: whoever writes last is right."""
        given = {row.run_id: row for row in rows}
        if not given:
            return
        with folder_lock(self._runs):
            fresh = {run_id: encode(self._newest(row)) for run_id, row in given.items()}
            self._write(self._lines() | fresh)

    def refresh(self, run_ids: Iterable[str]) -> None:
        """Make the rows of these runs again."""
        rows = (self._row_of(run_id) for run_id in run_ids)
        self.put(row for row in rows if row is not None)

    def _newest(self, row: RunRow) -> RunRow:
        written = self._written(row.run_id)
        sure = written == row.written and time.time_ns() - written > CLOCK_GRAIN_NS
        return row if sure else self._row_of(row.run_id) or row

    def _written(self, run_id: str) -> int:
        return written_at(self._runs, run_id)

    def remove(self, *run_ids: str) -> None:
        with folder_lock(self._runs):
            kept = self._lines()
            for run_id in run_ids:
                kept.pop(run_id, None)
            self._write(kept)

    def reindex(self) -> list[RunRow]:
        """Rebuild the index from the folders."""
        rows = [row for row in map(self._row_of, self._runs.run_ids()) if row is not None]
        with folder_lock(self._runs):
            rows = [self._newest(row) for row in rows]
            self._write({row.run_id: encode(row) for row in rows})
        return rows

    def _lines(self) -> dict[str, bytes]:
        found = {}
        with suppress(Damaged, OSError):
            for line in _documents(self._runs):
                with suppress(Damaged):
                    checked(line)
                    found[_key(line)[0]] = line
        return found

    def _write(self, lines: dict[str, bytes]) -> None:
        from engine.store.layout import atomic_write

        newest = sorted(lines.values(), key=lambda line: _key(line)[1], reverse=True)
        numbered = (b'"%d":%b' % (n, line) for n, line in enumerate(newest, start=1))
        atomic_write(self._runs.registry, FIRST + b",\n".join(numbered) + b"\n" + LAST)


def newest_runs(runs: RunsFolder, count: int) -> list[RunRow]:
    """The first rows of the index, newest first: what a screen can show at once. Empty when there
    is no index or it has to be rebuilt."""
    found: list[RunRow] = []
    with suppress(Damaged, OSError):
        for line in _documents(runs):
            with suppress(Damaged):
                row = decode(line)
                if up_to_date(row, written_at(runs, row.run_id)):
                    found.append(row)
            if len(found) >= count:
                break
    return found


def written_at(runs: RunsFolder, run_id: str) -> int:
    """When a run's file was written (ns); -1 when there is none."""
    try:
        return os.stat(f"{runs.root}/{run_id}/run.json").st_mtime_ns  # noqa: PTH116  thousands
    except OSError:
        return -1


def up_to_date(row: RunRow, written: int) -> bool:
    """Whether an indexed row was made of the run's file as it is; an older index didn't say."""
    return written >= 0 and row.written in (0, written)


def _documents(runs: RunsFolder) -> Iterator[bytes]:
    """The file's documents as JSON; none when there is no file."""
    try:
        file = runs.registry.open("rb")
    except FileNotFoundError:
        return
    with file:
        first = file.readline(len(FIRST))
        if first != FIRST:
            if first.strip():
                yield from _by_tinydb(runs)
            return
        for line in file:
            if line == LAST:
                return
            yield line[line.find(b"{") :].rstrip(b",\n")


def _by_tinydb(runs: RunsFolder) -> Iterator[bytes]:
    """Documents in any layout, in TinyDB's order."""
    from tinydb import TinyDB

    try:
        with TinyDB(runs.registry, access_mode="r") as db:
            for document in db.table(TABLE):
                yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise Damaged(str(error)) from error


def checked(line: bytes) -> bytes:
    """A document without its checksum; :class:`Damaged` when that is not its own."""
    document = without_sum(line)
    if document is None:
        raise Damaged("another checksum")
    return document


def _key(line: bytes) -> tuple[str, str]:
    """A document's run id and when that was created."""
    match = _KEY.match(line)
    if match is None:
        raise Damaged("another document")
    return match[1].decode(), match[2].decode()


def encode(row: RunRow) -> bytes:
    """A row as a document: its fields in their order, phases and accuracies last."""
    fields = {name: getattr(row, name) for name in RunRow.__slots__}
    del fields["packed"], fields["working_since"]
    fields["created"] = row.created.astimezone(UTC).isoformat(timespec="microseconds")
    fields["finished"] = row.finished.isoformat() if row.finished else None
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return with_sum(b"%b,%b}" % (head[:-1], unpack(row.packed)))


def decode(line: bytes) -> RunRow:
    """The row of a document; :class:`Damaged` when it is not one."""
    line = checked(line)
    cut = line.rfind(TAIL)
    try:
        if cut < 0 or not line.endswith(b"]}"):
            raise ValueError("no phases")
        fields: dict[str, Any] = json.loads(line[:cut] + b"}")
        for name in NAMES:
            if fields[name] is not None:
                fields[name] = sys.intern(fields[name])
        fields["created"] = datetime.fromisoformat(fields["created"]).astimezone(UTC)
        if fields["finished"]:
            fields["finished"] = datetime.fromisoformat(fields["finished"])
        for name in ("tags", "ladder"):
            value = tuple(fields[name])
            fields[name] = _SHARED.setdefault(value, value)
        return RunRow(**fields, packed=squeeze(line[cut + 1 : -1]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(str(error)) from error
