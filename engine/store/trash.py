"""The trash beside the runs: what was deleted, until it is restored or emptied.

A deletion writes first what it will move, then moves one folder after the other; so wherever it is
killed, each thing lies either at home or in the trash, and the record says where it belongs. All
changes are made under the folder's lock.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError, ambiguous, nearest
from engine.schema.jsonfile import read_object
from engine.store.layout import PhaseDir
from engine.store.writing import sync_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from engine.store.layout import RunsFolder

RECORD = "deleted.json"
PARTS = ("runs", "phases", "experiments")
GOING = ".emptied"  # what a deletion is called while it goes for good


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted at once: runs, the phases that they alone needed, and experiments' files.
    ``path``: its folder in the trash."""

    path: Path
    deleted: datetime
    runs: tuple[str, ...]
    phases: tuple[str, ...]
    experiments: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.path.name

    def phase(self, phase_id: str) -> PhaseDir:
        """The phase as it lies in the trash."""
        return PhaseDir(self.path / "phases" / phase_id)

    def moves(self, runs: RunsFolder) -> list[tuple[Path, Path]]:
        """Each thing's place at home and in the trash. Runs come first: phases that are not
        moved yet are then nobody's, and a run that comes back finds its phases there."""
        return [
            *((runs.run_folder(i), self.path / "runs" / i) for i in self.runs),
            *((runs.phase(i).path, self.phase(i).path) for i in self.phases),
            *((runs.experiment(i), self.path / "experiments" / i) for i in self.experiments),
        ]


def delete(
    runs: RunsFolder, run_ids: Sequence[str], phases: Sequence[str], experiments: Sequence[str]
) -> Deletion:
    """Move runs, phases and experiments' files to the trash; call it under the folder's lock."""
    now = datetime.now(UTC)
    name = f"{now:%Y-%m-%d-%H%M%S}-{secrets.token_hex(2)}"
    found = Deletion(runs.trash / name, now, tuple(run_ids), tuple(phases), tuple(experiments))
    for part in PARTS:
        (found.path / part).mkdir(parents=True)
    said = {"runs": found.runs, "phases": found.phases, "experiments": found.experiments}
    write_json(found.path / RECORD, said | {"deleted": now.isoformat()})
    for home, place in found.moves(runs):
        _move(home, place)
    return found


def restore(runs: RunsFolder, deletion: Deletion) -> list[Path]:
    """Move everything back; call it under the folder's lock. What is at home again since stays as
    it is there: its older copy stays in the trash, and is returned."""
    kept: list[Path] = []
    for home, place in reversed(deletion.moves(runs)):
        if home.exists() and place.exists():
            kept.append(home)
        else:
            _move(place, home)
    if not kept:
        remove(deletion.path, deletion.path.parent)
    return kept


def take_back(runs: RunsFolder, phases: Collection[str]) -> list[str]:
    """Move those of the phases that are in the trash, and not at home, back; call it under the
    folder's lock. What is done need not be done again."""
    found = []
    for deletion in deletions(runs):
        for phase in deletion.phases:
            home, place = runs.phase(phase).path, deletion.phase(phase).path
            if phase in phases and place.exists() and not home.exists():
                _move(place, home)
                found.append(phase)
    return found


def empty(deletion: Deletion) -> None:
    """Delete it for good."""
    remove(deletion.path, deletion.path.parent)


def deletions(runs: RunsFolder) -> list[Deletion]:
    """All deletions in the trash, the newest first. Where a record can't be read, what lies there
    was deleted; a folder with nothing in it, as a kill may leave it, is no deletion."""
    return sorted(_deletions(runs), key=lambda one: (one.deleted, one.id), reverse=True)


def find(runs: RunsFolder, word: str) -> Deletion:
    """The deletion with this id, or the newest one of this run; any part will do that no other
    has."""
    found = deletions(runs)
    if not found:
        raise UserError(f"nothing {word!r} in the trash: it is empty")
    known = list(dict.fromkeys(name for one in found for name in (one.id, *one.runs)))
    fitting = [word] if word in known else [name for name in known if word and word in name]
    if not fitting:
        raise UserError(f"nothing {word!r} in the trash: {nearest(word, known)}")
    if len(fitting) > 1:
        raise UserError(ambiguous(word, fitting, "deletion"))
    return next(one for one in found if fitting[0] in (one.id, *one.runs))


def leftovers(runs: RunsFolder) -> list[Path]:
    """What a kill has left of deletions that were being emptied, or had nothing moved yet."""
    whole = {one.path for one in deletions(runs)}
    return [path for path in _folders(runs) if path not in whole]


def _deletions(runs: RunsFolder) -> Iterator[Deletion]:
    for path in _folders(runs):
        if path.name.endswith(GOING):
            continue
        try:
            said: dict[str, Any] = read_object(path / RECORD)
            parts = (tuple(map(str, said[name])) for name in PARTS)
            yield Deletion(path, datetime.fromisoformat(said["deleted"]), *parts)
        except (OSError, UserError, LookupError, TypeError, ValueError):
            there = [tuple(sorted(p.name for p in (path / name).glob("*"))) for name in PARTS]
            if any(there):
                yield Deletion(path, datetime.fromtimestamp(path.stat().st_mtime, UTC), *there)


def _folders(runs: RunsFolder) -> list[Path]:
    return sorted(p for p in runs.trash.iterdir() if p.is_dir()) if runs.trash.is_dir() else []


def _move(source: Path, target: Path) -> None:
    """Rename a file or folder; nothing to do when it is not there, as after an earlier try."""
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(source.parent)


def remove(folder: Path, by: Path) -> None:
    """Delete a folder, after renaming it into ``by``: half of it must not look like the whole."""
    going = by / f"{folder.name}-{secrets.token_hex(2)}{GOING}"
    by.mkdir(exist_ok=True)
    folder.rename(going)
    shutil.rmtree(going)
