"""Delete runs into the trash, restore them, and empty the trash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.machine.state import phase_state
from engine.queries.runs import registry
from engine.scheduling import queue
from engine.schema.counts import size
from engine.schema.errors import UserError
from engine.store import trash
from engine.store.item_notes import read_marks
from engine.store.locking import Timeout, held
from engine.store.registry import folder_lock
from engine.store.run import read_record
from engine.store.writing import bytes_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from pathlib import Path

    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.phase_log import State
    from engine.store.trash import Deletion

BUSY: frozenset[State] = frozenset({"running", "pending"})


@dataclass(frozen=True, slots=True)
class Losses:
    """What deleting runs moves to the trash. ``going``: the phases that they alone need;
    ``staying``: those that other runs need too. ``marked``: how many items of the former a person
    has marked. ``freed``, ``whole``: bytes of what goes, and of all that the runs consist of."""

    going: tuple[str, ...]
    staying: tuple[str, ...]
    marked: int
    freed: int
    whole: int

    @property
    def sizes(self) -> str:
        """``1.2 GiB on disk; 300.0 MiB of it goes to the trash, and can be restored …``."""
        part = "all of it goes" if self.freed == self.whole else f"{size(self.freed)} of it goes"
        return f"{size(self.whole)} on disk; {part} to the trash, and can be restored from there"


def deletable(runs: RunsFolder, *run_ids: str) -> tuple[list[str], list[str]]:
    """List the phases that these runs alone need, and those that other runs need too."""
    mine = {i for run_id in run_ids for i in read_record(runs, run_id).spec.phase_ids}
    others = needed(runs, set(runs.run_ids()).difference(run_ids))
    return sorted(mine - others), sorted(mine & others)


def needed(runs: RunsFolder, run_ids: Iterable[str]) -> set[str]:
    """The phases of these runs, and those that they are made from; ``UserError`` when a run can't
    be read, since nothing is then known to be needless."""
    rows = {row.run_id: row for row in registry(runs).rows()}
    found: set[str] = set()
    for run_id in run_ids:
        if run_id not in rows:
            raise UserError(
                f"{runs.run_file(run_id)}: can't be read, so its phases are unknown and nothing is "
                "deleted; restore the file or move that folder away"
            )
        found.update(rows[run_id].phase_ids, *rows[run_id].needs.values())
    return found


def losses(runs: RunsFolder, *run_ids: str) -> Losses:
    """Say what :func:`delete` would move to the trash, and how much it is."""
    going, staying = deletable(runs, *run_ids)
    own = sum(bytes_of(runs.run_folder(run_id)) for run_id in run_ids)
    freed = own + sum(bytes_of(runs.phase(i).path) for i in going)
    whole = freed + sum(bytes_of(runs.phase(i).path) for i in staying)
    return Losses(tuple(going), tuple(staying), marked(runs, going), freed, whole)


def marked(runs: RunsFolder, phase_ids: Iterable[str]) -> int:
    """Count the items with flags, exclusions or notes in these phases."""
    return sum(len(read_marks(runs, phase_id)) for phase_id in phase_ids)


def delete(runs: RunsFolder, *run_ids: str) -> Deletion:
    """Move runs to the trash, with the phases and the experiments' files that no other run needs.
    ``UserError`` when one of them is at work."""
    _check_rest(runs, run_ids)
    for run_id in run_ids:
        queue.remove(runs, run_id)
    with folder_lock(runs):
        going = _check_rest(runs, run_ids)
        found = trash.delete(runs, run_ids, going, _experiments_of(runs, run_ids))
    registry(runs).remove(*run_ids)
    return found


def _check_rest(runs: RunsFolder, run_ids: Sequence[str]) -> list[str]:
    """The phases that would go; ``UserError`` when one is at work."""
    going, _ = deletable(runs, *run_ids)
    for phase_id in going:
        if at_work(runs.phase(phase_id)):
            raise UserError(f"{phase_id} is running; stop its run first")
    return going


def at_work(phase: PhaseDir, busy: Container[State] = BUSY) -> bool:
    """Whether an attempt runs or waits at a cluster, or another process holds the phase's lock.
    ``busy``: the states that mean so."""
    if phase_state(phase).state in busy:
        return True
    if not phase.lock.exists():
        return False
    try:
        with held(phase.lock):
            return False
    except Timeout:
        return True


def _experiments_of(runs: RunsFolder, run_ids: Sequence[str]) -> list[str]:
    """The experiments' files that these runs name and no other run does."""
    records = [read_record(runs, run_id) for run_id in run_ids]
    names = {record.experiment_file for record in records} - {""}
    experiments = {record.spec.experiment for record in records}
    others = (
        read_record(runs, row.run_id).experiment_file
        for row in registry(runs).rows()
        if row.experiment in experiments and row.run_id not in run_ids
    )
    return sorted(names.difference(others)) if names else []


def deletions(runs: RunsFolder) -> list[Deletion]:
    """What is in the trash, the newest first."""
    return trash.deletions(runs)


def restore(runs: RunsFolder, deletion: Deletion) -> list[Path]:
    """Bring runs back from the trash; return what is there again since and was left as it is."""
    with folder_lock(runs):
        kept = trash.restore(runs, deletion)
    registry(runs).refresh(i for i in deletion.runs if runs.has_run_file(i))
    return kept


def empty(runs: RunsFolder, deletions: Iterable[Deletion]) -> int:
    """Delete for good; return how many bytes that has freed."""
    freed = 0
    with folder_lock(runs):
        for one in deletions:
            freed += bytes_of(one.path)
            trash.empty(one)
    return freed
