"""File locks, all made here.

Locks are the kernel's (``flock``): they are released when their holder dies, in whatever way. On
disks without ``flock`` a mere lock file would outlive a killed conductor or let a second one in;
so such disks are refused with one line.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Timeout", "acquire", "held"]
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


def acquire(path: Path, timeout_s: float = 0.0) -> FileLock:
    """Take the lock; ``Timeout`` when it stays held, ``UserError`` if the disk has no locks."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout_s)
    except NotImplementedError:
        raise _no_locks(path, "not implemented") from None
    except OSError as error:
        if error.errno in NO_LOCKS and not isinstance(error, Timeout):
            raise _no_locks(path, error.strerror or str(error)) from error
        raise
    return lock


@contextmanager
def held(path: Path, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock during a block."""
    lock = acquire(path, timeout_s)
    try:
        yield
    finally:
        lock.release()


def _no_locks(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: this disk gives no file locks ({reason}), and without them two programs could "
        "write over each other; keep the runs on another disk (--runs), or mount this one with "
        "locks (on NFS its lock service must run)"
    )
