"""From when to when attempts were at work, by the first and the last line of their logs."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.store.layout import AttemptDir, PhaseDir

TAIL_BYTES = 65_536  # of a log: its last lines are there


def first_line(attempt: AttemptDir) -> bytes:
    try:
        with attempt.events.open("rb") as file:
            return file.readline(TAIL_BYTES)
    except OSError:
        return b""


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


def seconds_before(phase: PhaseDir, last: AttemptDir) -> float:
    """How long a phase's attempts before this one were at work, in all: what they have done is
    gone on with."""
    return sum(_seconds(one) for one in phase.attempts() if one.number < last.number)


def _seconds(attempt: AttemptDir) -> float:
    lines = last_lines(attempt)
    began, ended = written(first_line(attempt)), written(lines[-1] if lines else b"")
    return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
