"""What a network disk's client may have kept, and how to see past it.

NFS asks its server when a file or folder is opened (*close-to-open consistency*). What is merely
looked up, sizes and times and absence too, may be as old as the client's attribute cache: a minute,
as usually mounted. So whatever is decided by a time or by absence is opened first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def status(path: Path) -> os.stat_result:
    """A file's or folder's status as the server has it now; ``OSError`` as of opening it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def refresh(folder: Path) -> None:
    """What is looked up in the folder from now on is no older than this call."""
    with suppress(OSError):
        status(folder)
