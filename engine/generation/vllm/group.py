"""vLLM's processes, which share a process group and a mark in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import psutil

MARK: Final = "SIRT_SERVER"
POLL_S: Final = 0.05
SHARED: Final = Path("/dev/shm")
# Killed at once with all that is in its group when its keeper dies, however that dies: the other
# end of this pipe is the keeper's alone. A word says that there is nothing to kill.
GUARD: Final = 'read over && exit; kill -s KILL -- "-$1"'


def members(group: int, mark: str) -> list[psutil.Process]:
    """Return a group's living processes that carry the mark; a group's number may be reused."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def end(group: int, mark: str, grace_s: float) -> None:
    """End the processes, by request and then by force, and free their shared memory.

    With requests under way vLLM doesn't listen to the first.
    """
    there = members(group, mark)
    if not there:
        return
    shared = {path for process in there for path in _shared_memory(process)}
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while members(group, mark) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for process in members(group, mark):
        with contextlib.suppress(psutil.Error):
            process.kill()
    for path in shared:
        path.unlink(missing_ok=True)


def _shared_memory(process: psutil.Process) -> set[Path]:
    with contextlib.suppress(psutil.Error, OSError):
        mapped = {Path(m.path) for m in process.memory_maps()}
        return {p for p in mapped if p.parent == SHARED and p.name.startswith(("psm_", "sem.mp-"))}
    return set()


def guard(group: int) -> subprocess.Popen[bytes]:
    """Start a shell that kills the group if this process dies."""
    return subprocess.Popen(
        ("sh", "-c", GUARD, "guard", str(group)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
