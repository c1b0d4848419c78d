"""Identities of processes: a pid alone is not enough, since pids are used again.

An identity is a pid, its start time, and its host and boot. On Linux the start is in
clock ticks since boot, which setting the clock doesn't move; elsewhere psutil's creation time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from engine.machine.cgroups import oom_kills
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_object
from engine.store.writing import atomic_write, write_json

if TYPE_CHECKING:
    from engine.interfaces import Devices, Handle
    from engine.store.layout import AttemptDir
    from engine.store.phase_log import Probe

CLOCK_DRIFT_S = 2.0
POLL_S = 0.05
KILL_WAIT_S = 10.0
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
NOWHERE = Path(os.devnull)
OUT_OF_MEMORY = "the kernel was out of memory"
STARTTIME = 19  # field 22 of /proc/<pid>/stat, counted after the command's closing bracket


def identity(pid: int | None = None) -> Handle:
    """The identity of this or another process (or zombie); ``ProcessLookupError`` if gone."""
    pid = os.getpid() if pid is None else pid
    found = _look(pid)
    if found is None:
        raise ProcessLookupError(pid)
    return {"pid": pid, "started": found.started, "boot": _boot(), "host": socket.gethostname()}


def probe(who: Handle) -> Probe:
    """``running``, ``exited`` (zombies too), or ``unknown`` for a process of another host."""
    if who["host"] != socket.gethostname():
        return "unknown"
    if who["boot"] != _boot():
        return "exited"
    found = _look(who["pid"])
    drift = 0.0 if who["boot"] else CLOCK_DRIFT_S
    if found is None or found.zombie or abs(found.started - who["started"]) > drift:
        return "exited"
    return "running"


def is_alive(who: Handle) -> bool:
    return probe(who) == "running"


class _Found(NamedTuple):
    started: float
    zombie: bool


def _look(pid: int) -> _Found | None:
    if not _boot():
        try:
            process = psutil.Process(pid)
            return _Found(process.create_time(), process.status() == psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _Found(int(fields[STARTTIME]), fields[0] in "ZX")


@cache
def _boot() -> str:
    """Id of this boot on Linux, "" elsewhere."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def wait_gone(who: Handle, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_alive(who):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def kill_group(pid: int) -> None:
    """Kill a session leader's process group, data-loading and distributed workers too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def spawn(
    command: tuple[str, ...],
    stdout: Path,
    stderr: Path,
    env: dict[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a program that outlives its parent: in its own session, without terminal, in ``/``."""
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package_parent, os.environ.get("PYTHONPATH")) if p)
    with stdout.open("ab") as out, stderr.open("ab") as err:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd="/",
            env=os.environ | (env or {}) | {"PYTHONPATH": path},
            start_new_session=True,
            pass_fds=pass_fds,
        )


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def write_owner(attempt: AttemptDir, launcher: str, handle: Handle, devices: Devices) -> None:
    """Write ``process.json``: which process runs the attempt, and on which devices."""
    owner: dict[str, Any] = {
        "launcher": launcher,
        "host": socket.gethostname(),
        "handle": handle,
        "devices": asdict(devices),
        "oom_kills": oom_kills(),
    }
    write_json(attempt.process, owner)


def write_exit_code(attempt: AttemptDir, code: int) -> None:
    """Record how the attempt's process exited; negative: the signal that killed it. A second line
    says when the kernel did so for lack of memory."""
    why = f"{OUT_OF_MEMORY}\n" if code == -signal.SIGKILL and killed_for_memory(attempt) else ""
    with contextlib.suppress(OSError):  # disk full or folder deleted: it stays unknown
        atomic_write(attempt.exit_code, f"{code}\n{why}")


def killed_for_memory(attempt: AttemptDir) -> int:
    """How many processes the kernel has ended for lack of memory since the attempt began; 0 on
    another machine, or after a reboot."""
    try:
        owner = read_object(attempt.process)
        before, who = owner.get("oom_kills"), owner["handle"]
        here = (who["host"], who["boot"]) == (socket.gethostname(), _boot())
    except (OSError, UserError, LookupError, TypeError):
        return 0
    return max(0, oom_kills() - before) if here and isinstance(before, int) else 0


def await_exit_code(attempt: AttemptDir, timeout_s: float = 0.5) -> int | None:
    """Read the exit code of a process that just ended, once its parent has written it."""
    deadline = time.monotonic() + timeout_s
    while (code := read_exit_code(attempt)) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return code


def read_exit_code(attempt: AttemptDir) -> int | None:
    try:
        return int(attempt.exit_code.read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None
