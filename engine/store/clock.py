"""The difference between our clock and the one that sets files' times."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CHECK_S = 60.0
_AHEAD: dict[Path, tuple[float, float]] = {}  # folder -> when it was looked at, and what was found


def ahead(folder: Path) -> float:
    """Seconds by which this machine's clock is ahead of the one that sets files' times there
    (another machine's on a network disk). 0 where no file can be made to find out."""
    now = time.monotonic()
    looked_at, found = _AHEAD.get(folder, (-CHECK_S, 0.0))
    if now - looked_at < CHECK_S:
        return found
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".clock-") as fresh:
            found = time.time() - os.fstat(fresh.fileno()).st_mtime
    except OSError:
        found = 0.0
    _AHEAD[folder] = (now, found)
    return found
