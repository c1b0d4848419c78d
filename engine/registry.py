"""The index of runs (TinyDB): one document a run, scalars and accuracies only.

It is never the truth: delete or damage it, and the next look rebuilds it from the folders.
Every change happens under the folder's lock and replaces the file atomically. It is written
with one document a line, newest run first, so that a list can show its first page before the
rest is read; any other layout of the same JSON is read through TinyDB.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import ValidationError
from tinydb import TinyDB
from tinydb.storages import Storage

from engine.contract.errors import UserError
from engine.contract.run import RunRow
from engine.contract.rundir import RunsFolder, atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

LOCK_TIMEOUT_S = 20.0
TABLE = "runs"
HEAD, FOOT = b'{"runs": {\n', b"}}\n"


class Damaged(Exception):
    """The file is not what this class wrote; it has to be rebuilt."""


class _AtomicStorage(Storage):
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]] | None:
        try:
            value = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Damaged(str(error)) from error
        if not isinstance(value, dict) or not isinstance(value.get(TABLE, {}), dict):
            raise Damaged("not a table of runs")
        return value

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        atomic_write(self.path, json.dumps(data, ensure_ascii=False))


@contextmanager
def folder_lock(runs: RunsFolder) -> Iterator[None]:
    """Held while the registry, the queue or a run file is changed."""
    try:
        with FileLock(runs.lock, timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise UserError(
            f"{runs.lock}: held by another program for {LOCK_TIMEOUT_S:.0f} s; try again"
        ) from None
    except PermissionError as error:
        raise UserError(
            f"{runs.root}: read-only ({error.strerror}); nothing was changed"
        ) from error


class Registry:
    """Rows by run id. ``rebuild`` makes a row from a run's folder."""

    def __init__(self, runs: RunsFolder, rebuild: Callable[[str], RunRow | None]) -> None:
        self._runs = runs
        self._row_of = rebuild

    def newest(self, count: int) -> list[RunRow]:
        """The first ``count`` rows as the index has them, newest first; none when it is not
        there or not as this class writes it."""
        try:
            return list(islice(self._lines(), count))
        except (Damaged, ValidationError):
            return []

    def rows(self) -> list[RunRow]:
        """All runs; those the index misses are added, those whose folder is gone are left out."""
        try:
            known = {row.run_id: row for row in self._read()}
        except (Damaged, ValidationError):
            return self.reindex()
        present = self._runs.run_ids()
        missing = [self._row_of(run_id) for run_id in present if run_id not in known]
        found = [known[run_id] for run_id in present if run_id in known]
        return found + [row for row in missing if row is not None]

    def _read(self) -> list[RunRow]:
        try:
            return list(self._lines())
        except (Damaged, ValidationError):
            return self._read_any()

    def _lines(self) -> Iterator[RunRow]:
        """Row by row, so that reading many holds neither the interpreter nor much memory."""
        try:
            with self._runs.registry.open("rb") as file:
                if file.readline() != HEAD:
                    raise Damaged("another layout")
                for line in file:
                    if line == FOOT:
                        return
                    _, _, document = line.partition(b": ")
                    yield RunRow.model_validate_json(document.rstrip(b",\n"))
                raise Damaged("torn")
        except FileNotFoundError:
            return

    def _read_any(self) -> list[RunRow]:
        with TinyDB(self._runs.registry, storage=_AtomicStorage) as db:
            return [RunRow.model_validate(dict(document)) for document in db.table(TABLE)]

    def put(self, rows: Iterable[RunRow]) -> None:
        """Add or replace rows."""
        rows = list(rows)
        if not rows:
            return
        with folder_lock(self._runs):
            try:
                known = {row.run_id: row for row in self._read()}
            except (Damaged, ValidationError):
                known = {}
            self._write(known | {row.run_id: row for row in rows})

    def remove(self, run_id: str) -> None:
        with folder_lock(self._runs):
            known = {row.run_id: row for row in self._read() if row.run_id != run_id}
            self._write(known)

    def reindex(self) -> list[RunRow]:
        """Rebuild the index from the folders."""
        rows = [row for row in map(self._row_of, self._runs.run_ids()) if row is not None]
        with folder_lock(self._runs):
            self._write({row.run_id: row for row in rows})
        return rows

    def _write(self, rows: dict[str, RunRow]) -> None:
        ordered = sorted(rows.values(), key=lambda row: (row.created, row.run_id), reverse=True)
        lines = (f'"{n}": {row.model_dump_json()}' for n, row in enumerate(ordered, start=1))
        text = HEAD.decode() + ",\n".join(lines) + "\n" * bool(ordered) + FOOT.decode()
        atomic_write(self._runs.registry, text)
