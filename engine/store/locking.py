"""The one place that makes locks.

A lock is the kernel's (``flock``): whoever holds it and dies, however that happens, has let go of
it. A lock that is a mere file would work on disks without those, and would outlive a conductor
that was killed, or let a second one in; so such disks are refused, in one line.
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
    """``Timeout`` when another holds it that long, ``UserError`` where the disk has no locks."""
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
    """As :func:`acquire`, for a block."""
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
