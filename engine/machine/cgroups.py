"""The control groups that this process is in, and what the kernel counts there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT, MINE, VMSTAT = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/vmstat")
_OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def groups() -> Iterator[Path]:
    """This process's control group (v2) and those around it."""
    for controllers, group in _lines():
        if not controllers:
            inner = ROOT / group.lstrip("/")
            yield from (inner, *(p for p in inner.parents if p.is_relative_to(ROOT)))


def oom_kills() -> int:
    """How many processes the kernel's OOM killer has ended: in this process's control group where
    that is counted, else on this machine; 0 without a count."""
    for path in (*(group / "memory.events" for group in groups()), *_counts_of_v1(), VMSTAT):
        try:
            found = _OOM_KILL.search(path.read_text())
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0


def _counts_of_v1() -> Iterator[Path]:
    for controllers, group in _lines():
        if "memory" in controllers.split(","):
            yield ROOT / "memory" / group.lstrip("/") / "memory.oom_control"


def _lines() -> list[tuple[str, str]]:
    """Controllers ("" in v2) and group path."""
    try:
        lines = [line.split(":", 2) for line in MINE.read_text().splitlines()]
    except OSError:
        return []
    return [(parts[1], parts[2]) for parts in lines if len(parts) == 3]
