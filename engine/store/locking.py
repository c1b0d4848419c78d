"""File locks, all made here.

Locks are the kernel's (``flock``): they are released when their holder dies, in whatever way. On
disks without ``flock`` a mere lock file would outlive a killed conductor or let a second one in;
so such disks are refused with one line. Whoever has the lock sees what its holders before have
written beside it, on a network disk too.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from engine.schema.errors import UserError
from engine.store.shared_disk import refresh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Timeout", "acquire", "handed_on", "held", "is_held"]
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
    refresh(path.parent)
    return lock


@contextmanager
def held(path: Path, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock during a block."""
    lock = acquire(path, timeout_s)
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody has the lock; so is one that this disk can't tell of."""
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(fd)


@contextmanager
def handed_on(path: Path) -> Iterator[int]:
    """Hold a lock that whoever inherits the file descriptor holds too; ``UserError`` as of
    :func:`acquire`."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise _no_locks(path, error.strerror or str(error)) from error
        raise
    finally:
        os.close(fd)


def _no_locks(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: this disk gives no file locks ({reason}), and without them two programs could "
        "write over each other; keep the runs on another disk (--runs), or mount this one with "
        "locks (on NFS its lock service must run)"
    )
