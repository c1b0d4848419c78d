"""How a process died, in words: what killed it, how long it had run, what it said last."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING

from engine.machine.processes import OUT_OF_MEMORY, killed_for_memory
from engine.schema.durations import duration
from engine.schema.sanitize import settled

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import AttemptDir

STDERR_LINES = 5
STDERR_BYTES = 65_536
BAR = re.compile(r"\d%\|")  # a progress bar explains no death
FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
FULL_BYTES = 1 << 20  # with less free space a disk counts as full
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


def how(code: int | None) -> str:
    """``killed (signal 9)``, ``crashed (signal 11, SIGSEGV)``, ``ended with exit code 3``."""
    if code is None:
        return "the process is gone, and nobody saw how it ended"
    if code >= 0:
        return f"the process ended with exit code {code}"
    if -code in CRASHES:
        return f"crashed (signal {-code}, {signal.Signals(-code).name})"
    return f"killed (signal {-code})"


def last_words(attempt: AttemptDir, code: int | None, told: str = "") -> str:
    """How an attempt without a final event ended, in a line; ``code``: see :func:`how`. ``told``:
    what its launcher knows of it, which says more."""
    ran = _ran(attempt)
    died = told or (_of_several(attempt) or how(code)) + (
        f" after {duration(ran)}" if ran is not None else ""
    )
    if reason := _out_of_memory(attempt, code):
        died += f": {reason}"
    said = stderr_end(attempt, STDERR_BYTES).strip().splitlines()
    if code is None or code >= 0 or code == -signal.SIGBUS:  # a full disk under a mapped file
        if code == errno.ENOSPC or any(sign in line for line in said for sign in FULL):
            return f"the disk was full: {died}; free some space and retry"
        if _no_room(attempt.path):
            return f"the disk is full: {died}; free some space and retry"
    if code is None and not (told or attempt.process.exists() or attempt.events.exists()):
        died = "it ended before it could write anything down, as it does on a full disk; retry"
    lines = [line for line in said if not BAR.search(line)][-STDERR_LINES:]
    return f"{died}; stderr ends: {' / '.join(lines)}" if lines else died


def _of_several(attempt: AttemptDir) -> str:
    """Which of its processes died first, as was noted at the time; "" where none was."""
    try:
        return attempt.death.read_text(errors="replace").strip()
    except OSError:
        return ""


def _ran(attempt: AttemptDir) -> float | None:
    """Seconds from its start to its last sign of life, by the clock that stamps its files."""
    try:
        began = attempt.process.stat().st_mtime
    except OSError:
        return None
    ends = []
    for path in (attempt.alive, attempt.events, attempt.exit_code):
        try:
            ends.append(path.stat().st_mtime)
        except OSError:
            continue
    took = max(ends, default=began) - began
    return took if ends and took >= 0 else None


def _out_of_memory(attempt: AttemptDir, code: int | None) -> str:
    """Words for an end by the kernel's OOM killer, "" otherwise: as noted at the time
    (:func:`processes.write_exit_code`), else by the counter now (the conductor may be dead too)."""
    if code is None and killed_for_memory(attempt):
        return f"{OUT_OF_MEMORY} meanwhile"
    if code != -signal.SIGKILL:
        return ""
    try:
        told = attempt.exit_code.read_text(errors="replace")
    except OSError:
        return ""
    return OUT_OF_MEMORY if OUT_OF_MEMORY in told.splitlines()[1:] else ""


def stderr_end(attempt: AttemptDir, most: int) -> str:
    """The last ``most`` bytes that the attempt wrote to stderr; empty when it wrote nothing."""
    return ending(attempt.stderr, most)


def ending(path: Path, most: int) -> str:
    """The last ``most`` bytes of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            return settled(file.read().decode(errors="replace"))
    except OSError:
        return ""


def _no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False
