"""Refine a student again without the pairs that a person excluded.

The new run shares everything up to the pairs with the old one; refine and its evaluations are
new, since what is left out is part of refine's fingerprint. With nothing left out it is the
experiment's own run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.experiments import ExperimentFile, launch_runs, run_id_of
from engine.queries.items import id_of
from engine.queries.line_index import Lines
from engine.schema.errors import UserError
from engine.schema.specs import RefineSpec
from engine.store.item_notes import excluded_ids, read_marks
from engine.store.layout import PAIRS
from engine.store.run import read_run
from engine.store.sealing import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from engine.commands.experiments import Launched
    from engine.scheduling.queue import DeviceRequest
    from engine.schema.run_spec import RunSpec
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Curated:
    """The run that refining again would make. ``left_out`` of ``pairs`` are excluded; phases are
    ``new`` or ``shared`` with finished work."""

    run_id: str
    spec: RunSpec
    left_out: int
    pairs: int
    new: tuple[str, ...]
    shared: tuple[str, ...]
    experiment_file: str


def curated(runs: RunsFolder, run_id: str) -> Curated:
    """Return the run that :func:`refine_again` would launch, changing nothing. ``UserError`` when
    the run has no pairs, or already leaves out just these."""
    file = read_run(runs, run_id)
    spec = file.spec
    refines = [p for p in spec.phases if isinstance(p, RefineSpec)]
    if not refines:
        raise UserError(
            f"{run_id}: has no refine phase; only runs that refine have pairs to curate"
        )
    if not runs.phase(refines[0].pairs).done:
        raise UserError(f"{run_id}: its elicit phase is not done, so there are no pairs yet")
    pairs = {p.pairs: _ids(runs, p.pairs) for p in refines if runs.phase(p.pairs).done}

    def left_out(pairs_id: str) -> set[str]:
        known = pairs.get(pairs_id)
        return known.intersection(excluded_ids(read_marks(runs, pairs_id))) if known else set()

    changed = without(spec, left_out)
    count = sum(len(left_out(pairs_id)) for pairs_id in pairs)
    if changed.fingerprint == spec.fingerprint:
        raise UserError(f"{run_id}: {_nothing_new(count)}")
    phases = [phase.id for phase in changed.phases]
    done = {phase_id for phase_id in phases if runs.phase(phase_id).done}
    return Curated(
        run_id_of(changed),
        changed,
        count,
        sum(map(len, pairs.values())),
        tuple(p for p in phases if p not in done),
        tuple(p for p in phases if p in done),
        file.experiment_file,
    )


def _ids(runs: RunsFolder, pairs_id: str) -> set[str]:
    return {id_of(line) for line in Lines(verified(runs.phase(pairs_id), PAIRS)).scan()}


def refine_again(runs: RunsFolder, found: Curated, request: DeviceRequest) -> Launched:
    """Write the curated run and queue it."""
    experiment = ExperimentFile(found.experiment_file)
    return launch_runs(runs, [found.spec], request, experiment=experiment)


def without(spec: RunSpec, left_out: Callable[[str], Collection[str]]) -> RunSpec:
    """Return the run with these pairs left out too, and all phases after them changed.
    ``left_out``: gives the ids for the phase that made the pairs."""
    renamed: dict[str, str] = {}
    chosen: set[str] = set()

    def renewed(phase: PhaseSpec) -> PhaseSpec:
        moved = {
            name: renamed[before]
            for name in ("adapter", "pairs")
            if (before := getattr(phase, name, None)) in renamed
        }
        fresh = phase.model_copy(update=moved)
        if isinstance(fresh, RefineSpec):
            by_experiment = set(fresh.settings.exclude).difference(spec.curated)
            by_hand = set(left_out(fresh.pairs)).difference(by_experiment)
            chosen.update(by_hand)
            exclude = tuple(sorted(by_experiment | by_hand))
            settings = fresh.settings.model_copy(update={"exclude": exclude})
            fresh = fresh.model_copy(update={"settings": settings})
        if fresh.id != phase.id:
            renamed[phase.id] = fresh.id
        return fresh

    phases = tuple(renewed(phase) for phase in spec.phases)
    return spec.model_copy(update={"phases": phases, "curated": tuple(sorted(chosen))})


def _nothing_new(left_out: int) -> str:
    if left_out:
        return f"already leaves out these {left_out} pairs; leave out others first"
    return "no pair is left out; leave some out first, in the list of pairs or with pairs --exclude"
