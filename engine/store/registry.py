"""The index of runs: TinyDB files, one document a run, scalars and accuracies only.

It only caches what the folders hold: when deleted or damaged, it is rebuilt from them. Every
change happens under the folder's lock and replaces a file atomically. Runs are spread over
:data:`FILES` files, since TinyDB rewrites the whole file that it changes: with ten thousand runs in
one, that took half a second.
"""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import logging
import os
import sys
import time
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from tinydb import TinyDB, where
from tinydb.middlewares import CachingMiddleware
from tinydb.storages import Storage

from engine.schema.errors import UserError
from engine.schema.jsonfile import with_sum, without_sum
from engine.schema.varied import as_varied
from engine.store import writing
from engine.store.run_row import RunRow, figures_text, inputs_of, shared, text_of
from engine.store.spending import Paid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from tinydb.table import Document

    from engine.store.layout import RunsFolder
    from engine.store.run_row import Group

log = logging.getLogger(__name__)
LOCK_TIMEOUT_S = 20.0
CLOCK_GRAIN_NS = 2_000_000_000  # files' times may be as coarse as this on network disks
FILES = 64
FIELDS = frozenset(RunRow.__slots__) - {"at_work", "share", "ends", "waits"}
WORDS = ("experiment", "arm", "teacher", "student", "task", "refine_task", "state", "scored_on")
Stamp = tuple[int, int, int]  # of a file or a folder: time of change (ns), size, inode


@contextmanager
def folder_lock(runs: RunsFolder) -> Iterator[None]:
    """Hold the lock for changing the registry, the queue or a run file."""
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


class IndexFile(Storage):
    """TinyDB's storage: JSON with a checksum, replaced as a whole. A damaged file is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = json.loads(without_sum(self._path.read_bytes()) or b"{}")
            kept = [entry for table in value.values() for entry in table.items()]
        except (OSError, ValueError, RecursionError, AttributeError):
            return None
        return value if all(i.isdigit() and isinstance(one, dict) for i, one in kept) else None

    def write(self, data: dict[str, Any]) -> None:
        self._path.parent.mkdir(exist_ok=True)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        writing.atomic_write(self._path, with_sum(text.encode()))


class Registry:
    """The index of runs. ``rebuild`` makes a row from a run's folder.

    A file is read again when it was replaced; unchanged documents give the same row objects.
    Runs name their settings by keys of one more file, since most share them.
    """

    def __init__(self, runs: RunsFolder, rebuild: Callable[[str], RunRow | None]) -> None:
        self._runs = runs
        self._row_of = rebuild
        self._known: dict[Path, tuple[Stamp | None, dict[str, RunRow]]] = {}

    def rows(self) -> list[RunRow]:
        """All runs, sorted by id; missing or outdated rows are read from the run's folder, and
        runs whose folder is gone are left out."""
        known = self.indexed()
        rows = (
            known[run_id]
            if run_id in known and up_to_date(known[run_id], self._written(run_id))
            else self._row_of(run_id)
            for run_id in self._runs.run_ids()
        )
        return [row for row in rows if row is not None]

    def indexed(self) -> dict[str, RunRow]:
        """The rows in the index files, by run id, without damaged documents."""
        groups: dict[str, Group] | None = None
        for path in _files(self._runs):
            stamp = stamp_of(path)  # before it is read: what is written meanwhile is newer
            before = self._known.get(path, (None, {}))
            if stamp != before[0]:
                groups = _groups(self._runs) if groups is None else groups
                self._known[path] = stamp, _read(path, before[1], groups)
        return {run_id: row for _, rows in self._known.values() for run_id, row in rows.items()}

    def put(self, rows: Iterable[RunRow]) -> None:
        """Add or replace rows. A row whose run file was or may have been written since is rebuilt
        from the file, under the lock, so the last writer wins."""
        given = {row.run_id: row for row in rows}
        if not given:
            return
        with folder_lock(self._runs):
            newest = {run_id: self._newest(row) for run_id, row in given.items()}
            _keep_groups(self._runs, newest.values())
            for path, run_ids in self._by_file(newest).items():
                with _changing(path) as db:
                    db.remove(where("run_id").one_of(run_ids))
                    db.insert_multiple(encode(newest[run_id]) for run_id in run_ids)
            self._leave_old()

    def refresh(self, run_ids: Iterable[str]) -> None:
        """Rebuild the rows of these runs."""
        rows = (self._row_of(run_id) for run_id in run_ids)
        self.put(row for row in rows if row is not None)

    def refresh_with(self, phase_ids: Collection[str]) -> None:
        """Rebuild the rows of the runs that have one of these phases."""
        self.refresh(r.run_id for r in self.rows() if not set(r.phase_ids).isdisjoint(phase_ids))

    def remove(self, *run_ids: str) -> None:
        with folder_lock(self._runs):
            for path, gone in self._by_file(run_ids).items():
                with _changing(path) as db:
                    db.remove(where("run_id").one_of(gone))

    def reindex(self) -> None:
        """Rebuild the index from the folders."""
        with folder_lock(self._runs):
            for path in (*_files(self._runs), _groups_file(self._runs)):
                path.unlink(missing_ok=True)
        self.refresh(self._runs.run_ids())

    def _newest(self, row: RunRow) -> RunRow:
        written = self._written(row.run_id)
        sure = written == row.written and time.time_ns() - written > CLOCK_GRAIN_NS
        return row if sure else self._row_of(row.run_id) or row

    def _written(self, run_id: str) -> int:
        return written_at(self._runs, run_id)

    def _by_file(self, run_ids: Iterable[str]) -> dict[Path, list[str]]:
        """Index file -> the runs in it."""
        files = _files(self._runs)
        found: dict[Path, list[str]] = {}
        for run_id in run_ids:
            found.setdefault(files[zlib.crc32(run_id.encode()) % FILES], []).append(run_id)
        return found

    def _leave_old(self) -> None:
        old = self._runs.old_registry
        if old.is_file():
            old.unlink()
            log.warning("%s: an earlier version's index; made again from the runs' folders", old)


def newest_runs(runs: RunsFolder, count: int) -> list[RunRow]:
    """The newest runs of the index, newest first, for a screen's first paint: reads no run folder
    and imports no pydantic. Empty when there is no index."""
    documents = (found for path in _files(runs) for found in _documents(path))
    newest = nlargest(count, documents, key=lambda document: str(document.get("created")))
    groups = _groups(runs)
    rows = filter(None, (decode(document, groups) for document in newest))
    return [row for row in rows if up_to_date(row, written_at(runs, row.run_id))]


def _files(runs: RunsFolder) -> list[Path]:
    return [runs.registry / f"{number:02}.json" for number in range(FILES)]


def _changing(path: Path) -> TinyDB:
    """An index file's database, written once at the end of the block."""
    return TinyDB(path, storage=CachingMiddleware(IndexFile))  # type: ignore[no-untyped-call]


def _groups_file(runs: RunsFolder) -> Path:
    return runs.registry / "settings.json"


def _groups(runs: RunsFolder) -> dict[str, Group]:
    """Groups of settings by their keys; none if the file is damaged or missing, and the rows that
    name them are then made again."""
    try:
        found = json.loads(without_sum(_groups_file(runs).read_bytes()) or b"{}")
        return {key: shared(text) for key, text in found.items() if key == _key(text)}
    except (OSError, ValueError, RecursionError, AttributeError):
        return {}


def _keep_groups(runs: RunsFolder, rows: Iterable[RunRow]) -> None:
    """Add the groups that the file misses."""
    groups = {id(group): group for row in rows for group in row.settings or ()}
    texts = {_key(text): text for text in map(text_of, groups.values())}
    known = _groups(runs)
    if texts.keys() - known.keys():
        whole = {key: text_of(group) for key, group in known.items()} | texts
        _groups_file(runs).parent.mkdir(exist_ok=True)
        writing.atomic_write(_groups_file(runs), with_sum(json.dumps(whole).encode()))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read(path: Path, before: dict[str, RunRow], groups: Mapping[str, Group]) -> dict[str, RunRow]:
    """A file's rows; unchanged ones are the same objects as ``before``."""
    rows = filter(None, (decode(document, groups) for document in _documents(path)))
    return {r.run_id: old if (old := before.get(r.run_id)) == r else r for r in rows}


def _documents(path: Path) -> list[Document]:
    """A file's documents; none if it is damaged or missing."""
    gc.disable()  # collecting while all documents are read doubles the time
    try:
        with TinyDB(path, storage=IndexFile) as db:
            return list(db)
    finally:
        gc.enable()


def stamp_of(path: Path) -> Stamp | None:
    """Its stamp; None if missing."""
    try:
        found = os.stat(path)  # noqa: PTH116  thousands of them
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def written_at(runs: RunsFolder, run_id: str) -> int:
    """When a run's file was written (ns); -1 when there is none."""
    try:
        return os.stat(f"{runs.root}/{run_id}/run.json").st_mtime_ns  # noqa: PTH116  thousands
    except OSError:
        return -1


def up_to_date(row: RunRow, written: int) -> bool:
    """Whether a row was made from the run's file as it is now."""
    return row.written == written >= 0


def encode(row: RunRow) -> dict[str, Any]:
    """A row as a document."""
    document = {name: getattr(row, name) for name in FIELDS}
    document["created"] = row.created.astimezone(UTC).isoformat(timespec="microseconds")
    document["finished"] = row.finished.isoformat() if row.finished else None
    document["settings"] = [_key(text_of(group)) for group in row.settings or ()]
    return document


def decode(document: dict[str, Any], groups: Mapping[str, Group]) -> RunRow | None:
    """A document's row; None if it isn't one. Strings shared by many rows are stored once.
    ``groups``: settings by key. A row that names none of its own, or unknown ones, has None."""
    try:
        found = {n: value for n, value in document.items() if n in FIELDS}
        for name in WORDS:
            found[name] = _word(found[name])
        for name in ("tags", "ladder", "phase_ids"):
            found[name] = tuple(map(_word, found[name]))
        needs = dict(zip(found["phase_ids"], found["inputs"], strict=True))
        found["inputs"] = inputs_of(needs)
        found["paid"] = tuple(Paid(*amounts) for amounts in found.get("paid", ()))
        found["varied"] = as_varied(found.get("varied", ()))
        if not isinstance(found["figures"], str):  # of an earlier version's index
            found["figures"] = figures_text(found["figures"])
        keys = found.get("settings", (None,))
        known = tuple(groups[key] for key in keys if key in groups)
        found["settings"] = known if len(known) == len(keys) else None
        found["created"] = datetime.fromisoformat(found["created"])
        found["finished"] = found["finished"] and datetime.fromisoformat(found["finished"])
        return RunRow(**found)
    except (ValueError, KeyError, TypeError):
        return None


def _word(value: str | None) -> str | None:
    return value and sys.intern(value)
