"""Writes files and folders atomically and durably, with the permissions of the umask."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces ``path`` when the block succeeds. Its permissions are
    the umask's, which :mod:`tempfile` ignores."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(beside)):
            error.filename = str(path)  # a failed write doesn't name its file
        raise
    sync_folder(path.parent)


def follow_umask(folder: Path) -> None:
    """Give files and folders the permissions that new ones get there, since some libraries ignore
    the umask. The file system is asked by making one of each: it knows a group folder's own rules
    too (setgid, default ACLs), and reading the umask would change it for all threads."""
    probe = folder / f".{secrets.token_hex(4)}"
    with probe.open("xb") as file:
        of_file = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    probe.unlink()
    probe.mkdir()
    of_folder = stat.S_IMODE(probe.stat().st_mode)
    probe.rmdir()
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(of_folder if path.is_dir() else of_file)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def bytes_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what is not there."""
    try:
        if not path.is_dir():
            return path.lstat().st_size
        with os.scandir(path) as entries:
            return sum(
                bytes_of(path / entry.name)
                if entry.is_dir(follow_symlinks=False)
                else entry.stat(follow_symlinks=False).st_size
                for entry in entries
            )
    except OSError:  # it goes just now
        return 0


def atomic_write(path: Path, data: bytes | str) -> None:
    """Replace a file so that a reader sees the old or the new whole, even after a power cut."""
    raw = data.encode() if isinstance(data, str) else data
    with replacing(path) as file:
        file.write(raw)


def write_json(path: Path, value: Any) -> None:
    atomic_write(path, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")
