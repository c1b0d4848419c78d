"""Writing and tailing an attempt's ``events.jsonl``.

A line is flushed whole, so a reader in another process sees it at once; a torn last line (the
writer was killed) is an ordinary end of file. One writer an attempt; any number of readers.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from engine.schema.events import Event, Message, Resource, decode, encode, undeclared
from engine.store.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import PhaseDir

HEARTBEAT_S = 5.0
ROOM_BYTES = 16_384  # more than a final event
STALE_AFTER_S = 4 * HEARTBEAT_S


class EventWriter:
    """Appends events, numbers them, and touches ``alive`` while it is open.

    A log that is there already (the attempt goes on in another process, on a cluster) is continued.
    Safe to call from several threads. It reserves a little disk space, so that a phase that fills
    the disk can still report it (:meth:`emit_last`).
    """

    def __init__(self, path: Path, alive: Path, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._seq, self._torn = _go_on(path)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self._path = path
        self._lock = threading.Lock()
        self._closed = False
        self._room = path.with_name(".room")
        with suppress(OSError):
            self._room.write_bytes(bytes(ROOM_BYTES))
        alive.touch()
        self._heartbeat = Ticker("heartbeat", partial(os.utime, alive), heartbeat_s)
        self._heartbeat.start()

    def emit(self, event: Event) -> None:
        """Append one event; its ``seq`` is set here. ``ValueError`` for a kind or a field that this
        version doesn't know, ``OSError`` when the disk is full."""
        if wrong := undeclared(event):
            raise ValueError(f"{type(event).__name__} has no {wrong[0]}: nothing was written")
        self.copy(event)

    def copy(self, event: Event) -> None:
        """Append an event that was read, with what another version put into it."""
        with self._lock:
            line = encode(event.model_copy(update={"seq": self._seq}))
            left = memoryview(b"\n" + line if self._torn else line)
            while left:
                left = left[self._write(left) :]
                self._torn = bool(left)
            self._seq += 1

    def emit_last(self, event: Event) -> None:
        """As :meth:`emit`; uses the reserved space when the disk is full."""
        try:
            self.emit(event)
        except OSError:
            self._room.unlink(missing_ok=True)
            self.emit(event)

    def _write(self, line: memoryview) -> int:
        try:
            return os.write(self._fd, line)
        except OSError as error:
            if error.errno == errno.ESTALE:  # its network disk knows the file by another handle
                stale = self._fd
                self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                os.close(stale)
                return os.write(self._fd, line)
            error.filename = str(self._path)  # a failed write doesn't name its file
            raise

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._heartbeat.stop(wait=False)
            os.fsync(self._fd)
            os.close(self._fd)
            with suppress(OSError):
                self._room.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class EventReader:
    """Reads the events since the last call, limited by number and time.

    ``offset``: bytes consumed, always at a line's end. ``corrupt``: complete lines that held no
    event; they are skipped and counted, since one bad line must not hide the rest. ``problem``: why
    an existing log could not be read the last time.
    """

    path: Path
    offset: int = 0
    corrupt: int = 0
    problem: str = ""
    _identity: tuple[int, int] | None = field(default=None, repr=False)

    def read(self, max_records: int = 10_000, max_ms: float = 50.0) -> list[Event]:
        """New complete events; empty when there are none or the file is not there yet."""
        deadline = time.monotonic() + max_ms / 1000
        events: list[Event] = []
        try:
            with self.path.open("rb") as file:
                self._rewind_if_replaced(file.fileno())
                file.seek(self.offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.offset += len(line)
                    event = decode(line)
                    if event is None:
                        self.corrupt += 1
                    else:
                        events.append(event)
                    if len(events) >= max_records or time.monotonic() > deadline:
                        break
            self.problem = ""
        except FileNotFoundError:
            pass
        except OSError as error:
            self.problem = error.strerror or str(error)
        return events

    def _rewind_if_replaced(self, fd: int) -> None:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity) or status.st_size < self.offset:
            self.offset = 0
        self._identity = identity


def _go_on(path: Path) -> tuple[int, bool]:
    """The number of a log's next event, and whether its last line was cut off."""
    try:
        with path.open("rb") as file:
            torn, number = False, 0
            for line in file:
                torn = not line.endswith(b"\n")
                if not torn and (event := decode(line)) is not None:
                    number = event.seq + 1
            return number, torn
    except OSError:
        return 0, False


def note(path: Path, text: str) -> None:
    """Append a line about an attempt to a log of its own, whose only writer the caller is."""
    line = encode(Message(level="info", text=text))
    with path.open("ab") as file:
        file.write(line)


def last_said(path: Path) -> str:
    """The last line that :func:`note` has written there; empty where there is none."""
    found = [e.text for e in ends(path, 4_096) if isinstance(e, Message)]
    return found[-1] if found else ""


def ends(path: Path, size: int) -> list[Event]:
    """A log's first event and those of its last ``size`` bytes, to fold a long log cheaply: who
    writes it, and what it does now. The fold sees no gap between them."""
    try:
        with path.open("rb") as file:
            first = decode(file.readline())
            begin = file.tell()
            file.seek(max(begin, file.seek(0, os.SEEK_END) - size))
            if file.tell() > begin:
                file.readline()  # the rest of a line
            last = [event for line in file if line.endswith(b"\n") and (event := decode(line))]
    except OSError:
        return []
    if first is None or not last:
        return [first] if first else last
    return [first.model_copy(update={"seq": last[0].seq - 1}), *last]


def readings(phase: PhaseDir) -> Iterator[Resource]:
    """All readings of memory in a phase's logs, of which nothing else is parsed."""
    for attempt in phase.attempts():
        with suppress(OSError), attempt.events.open("rb") as file:
            for line in file:
                if b'"resource"' in line and isinstance(event := decode(line), Resource):
                    yield event
