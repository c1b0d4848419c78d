"""From when to when attempts were at work, by the lines of their logs at which they began and
ended."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

    from engine.store.layout import AttemptDir, PhaseDir

TAIL_BYTES = 65_536  # of a log: its last lines are there
HEAD_BYTES = 16_384  # what a cluster says of the job, if it is one


def last_lines(attempt: AttemptDir) -> list[bytes]:
    """The whole lines at the log's end; the first may be cut off, and is then no event."""
    try:
        with attempt.events.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            tail = file.read()
    except OSError:
        return []
    return [line for line in tail.splitlines(keepends=True) if line.endswith(b"\n")]


def written(line: bytes) -> datetime | None:
    """When an event was written; None for a damaged line."""
    try:
        moment = datetime.fromisoformat(json.loads(line)["ts"])
        return moment if moment.tzinfo else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Work:
    """When an attempt was at work. ``began``: the present stretch, after ``before`` seconds of
    others: on a cluster it may go on in a next allocation, after a time in the queue. ``read``:
    bytes of the log that were looked through for these."""

    began: datetime | None = None
    before: float = 0.0
    read: int = field(default=0, compare=False)


NO_WORK: Final = Work()


def work_of(attempt: AttemptDir, known: Work = NO_WORK) -> Work:
    """Read it from the log; ``known``: what a look before has found, which is not read again."""
    try:
        with attempt.events.open("rb") as file:
            first, more = file.readline(TAIL_BYTES), file.read(HEAD_BYTES)
            if b'"allocation"' not in more:  # only a cluster's job goes on with an attempt
                return Work(written(first))
            file.seek(max(0, known.read - TAIL_BYTES))  # with the line before what is new
            return _read_on(file, known)
    except OSError:
        return known


def _read_on(file: BinaryIO, known: Work) -> Work:
    began, before, read, last = known.began, known.before, known.read, b""
    at = file.tell()
    for line in file:
        at += len(line)
        if not line.endswith(b"\n"):
            break
        if at > read and b'"phase_started"' in line:
            before += _seconds(began, written(last))
            began = written(line)
        last, read = line, max(read, at)
    return Work(began, before, read)


def seconds_before(phase: PhaseDir, last: AttemptDir) -> float:
    """How long a phase's attempts before this one were at work, in all: what they have done is
    gone on with."""
    return sum(_in_all(one) for one in phase.attempts() if one.number < last.number)


def _in_all(attempt: AttemptDir) -> float:
    work, lines = work_of(attempt), last_lines(attempt)
    return work.before + _seconds(work.began, written(lines[-1] if lines else b""))


def _seconds(began: datetime | None, ended: datetime | None) -> float:
    return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
