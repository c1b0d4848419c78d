"""Accept changed outputs of phases as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.finding import find_runs_and_phases
from engine.queries.runs import registry
from engine.schema.errors import UserError
from engine.store.run import read_record
from engine.store.sealing import accept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.sealing import Seal


def accept_outputs(runs: RunsFolder, words: Iterable[str]) -> list[tuple[str, Seal]]:
    """Accept the present outputs of phases, or of all phases of runs; return what had changed."""
    found = []
    for folder in _finished(runs, words):
        found += [(folder.id, seal) for seal in accept(folder)]
    registry(runs).refresh_with({phase_id for phase_id, _ in found})
    return found


def _finished(runs: RunsFolder, words: Iterable[str]) -> Iterator[PhaseDir]:
    run_ids, phase_ids = find_runs_and_phases(runs, words)
    for folder in map(runs.phase, phase_ids):
        if not folder.done:
            raise UserError(f"{folder.id}: is not done, so it has no outputs to accept")
        yield folder
    for run_id in run_ids:
        phases = map(runs.phase, read_record(runs, run_id).spec.phase_ids)
        yield from (phase for phase in phases if phase.done)
