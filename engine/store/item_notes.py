"""A person's marks on pairs and other items: flags, exclusions and notes.

Marks are kept by item in the folder of the phase that made the items, so every run that shares
the phase shows them, and no index holds them. Each change reads the file, changes it and replaces
it under the folder's lock, so that simultaneous changes are all kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json
from engine.store.registry import folder_lock
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.store.layout import RunsFolder

Marks = dict[str, "Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on one item. ``excluded``: left out when refining again. Empty ones aren't stored."""

    flagged: bool = False
    excluded: bool = False
    note: str = ""

    def __bool__(self) -> bool:
        return self != NONE


NONE = Mark()
_KNOWN = frozenset(field.name for field in fields(Mark))


def read_marks(runs: RunsFolder, phase_id: str) -> Marks:
    """Marks by item id; ``UserError`` naming a damaged file."""
    return {item: _mark(raw) for item, raw in _read(runs.phase(phase_id).marks).items()}


def mark(
    runs: RunsFolder,
    phase_id: str,
    ids: Iterable[str],
    *,
    flagged: bool | None = None,
    excluded: bool | None = None,
    note: str | None = None,
) -> Marks:
    """Change the given fields of these items' marks; returns all marks."""
    file = runs.phase(phase_id).marks
    if not file.parent.is_dir():
        raise UserError(f"{file.parent}: no such phase; it was deleted, perhaps")
    with folder_lock(runs):
        kept = _read(file)
        for item in ids:
            before = _mark(kept.get(item, {}))
            changed = Mark(
                before.flagged if flagged is None else flagged,
                before.excluded if excluded is None else excluded,
                before.note if note is None else note,
            )
            if changed:
                kept[item] = kept.get(item, {}) | asdict(changed)
            else:
                kept.pop(item, None)
        write_json(file, kept)
    return {item: _mark(raw) for item, raw in kept.items()}


def excluded_ids(marks: Marks) -> tuple[str, ...]:
    return tuple(sorted(item for item, mark in marks.items() if mark.excluded))


def _mark(raw: dict[str, Any]) -> Mark:
    """The mark without a later version's fields, which stay in the file."""
    return Mark(**{name: value for name, value in raw.items() if name in _KNOWN})


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        kept = read_json(file)
    except FileNotFoundError:
        return {}
    if not isinstance(kept, dict) or not all(isinstance(m, dict) for m in kept.values()):
        raise UserError(f"{file}: not a file of marks; move it away to begin anew")
    return kept
