"""Resolves sources: fills in defaults, makes paths absolute and hashes local files."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.schema.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.schema.cards import TaskSource

PATHS = ("train", "test", "train_labels", "test_labels")


def with_defaults(source: TaskSource, default: TaskSource) -> TaskSource:
    """The source, with the task's hub id, config and revision as defaults.

    With another hub id than the task's own, the default config is not used.
    """
    if source.is_local:
        return source
    if default.hub is None:  # rows that the task generates itself
        return source.model_copy(update={"revision": source.revision or default.revision})
    hub = source.hub or default.hub
    update = {"hub": hub, "revision": source.revision or default.revision}
    if hub == default.hub:
        update["config"] = source.config or default.config
    return source.model_copy(update=update)


def resolve_revision(source: TaskSource, default: TaskSource, base: Path) -> TaskSource:
    """A source that names its content exactly.

    Local paths become absolute (relative to ``base``; ``~`` is expanded) and ``revision`` a hash
    of the files' content, so that replaced files are noticed and moved ones are not. A hub
    source gets the task's defaults. ``UserError`` when a path is not there.
    """
    source = with_defaults(source, default)
    if not source.is_local:
        return source
    digest = hashlib.sha256()
    update: dict[str, str] = {}
    for role in PATHS:
        given = getattr(source, role)
        if given:
            path = _existing((base / Path(given).expanduser()).resolve(), role)
            update[role] = str(path)
            for name, content in _contents(path):
                digest.update(f"{role}\0{name}\0{content}\0".encode())
    return source.model_copy(update=update | {"revision": digest.hexdigest()[:16]})


def _existing(path: Path, role: str) -> Path:
    if path.exists():
        return path
    folder = next(parent for parent in path.parents if parent.is_dir())
    missing = path.relative_to(folder).parts[0]
    hint = nearest(missing, [entry.name for entry in folder.iterdir()])
    raise UserError(f"{role}: {path}: no such file; in {folder}: {hint}")


def _contents(path: Path) -> Iterator[tuple[str, str]]:
    """Name below ``path`` and hash of the content, of a file or of all files in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        state = file.stat()
        yield name, _hashed(file, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=100_000)
def _hashed(file: Path, *_state: int) -> str:
    """Cached while the file is unchanged: a plan is remade while it is composed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
