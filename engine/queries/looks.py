"""Read the answers that a student gave to the same prompts while it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.records import Look
from engine.store.jsonlines import whole_records
from engine.store.layout import LOOKS

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

Stamp = tuple[str, int, int]  # phase, size of its file, time of its change


def new_looks(
    runs: RunsFolder, phase_id: str, seen: Stamp | None = None
) -> tuple[Stamp, list[Look] | None]:
    """Return a phase's looks in the order of steps, None if they are those of ``seen``; with the
    stamp to give the next time."""
    folder = runs.phase(phase_id)
    file = (folder.out if folder.done else folder.work) / LOOKS
    try:
        found = file.stat()
        stamp = phase_id, found.st_size, found.st_mtime_ns
    except OSError:
        stamp = phase_id, 0, 0
    if stamp == seen:
        return stamp, None
    return stamp, sorted(whole_records(file, Look), key=lambda look: look.step)
