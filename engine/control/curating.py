"""Refine again without the pairs that a person left out.

The new run shares everything up to the pairs with the old one; refine and its evaluations are
new, since what is left out is part of refine's fingerprint. With nothing left out it is the
experiment's own run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.contract.errors import UserError
from engine.contract.rundir import PAIRS
from engine.contract.spec import EvaluateSpec, RefineSpec
from engine.control.experiments import launch_runs, run_id_of
from engine.control.lines import Lines
from engine.control.marking import excluded_ids, read_marks
from engine.control.reading import id_of
from engine.queue import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.contract.rundir import RunsFolder
    from engine.contract.spec import PhaseSpec, RunSpec
    from engine.control.experiments import Launched
    from engine.queue import DeviceRequest


@dataclass(frozen=True, slots=True)
class Curated:
    """The run that refining again makes. ``left_out`` of ``pairs``; phase ids by whether they are
    there already."""

    run_id: str
    spec: RunSpec
    left_out: int
    pairs: int
    new: tuple[str, ...]
    shared: tuple[str, ...]


def curated(runs: RunsFolder, run_id: str) -> Curated:
    """What :func:`refine_again` would launch; changes nothing. ``UserError`` when the run has no
    pairs, or already leaves out just these."""
    spec = read_run(runs, run_id).spec
    refine = next((p for p in spec.phases if isinstance(p, RefineSpec)), None)
    if refine is None:
        raise UserError(
            f"{run_id}: has no refine phase; only runs that refine have pairs to curate"
        )
    file = runs.phase(refine.pairs).out / PAIRS
    if not runs.phase(refine.pairs).done:
        raise UserError(f"{run_id}: its elicit phase is not done, so there are no pairs yet")
    known = [id_of(line) for line in Lines(file).scan()]
    chosen = set(excluded_ids(read_marks(runs, refine.pairs))).intersection(known)
    changed = without(spec, refine, chosen)
    if changed.fingerprint == spec.fingerprint:
        raise UserError(f"{run_id}: {_nothing_new(len(chosen))}")
    phases = [phase.id for phase in changed.phases]
    done = {phase_id for phase_id in phases if runs.phase(phase_id).done}
    return Curated(
        run_id_of(changed),
        changed,
        len(chosen),
        len(known),
        tuple(p for p in phases if p not in done),
        tuple(p for p in phases if p in done),
    )


def refine_again(runs: RunsFolder, found: Curated, request: DeviceRequest) -> Launched:
    """Write the run and queue it."""
    return launch_runs(runs, [found.spec], request)


def without(spec: RunSpec, refine: RefineSpec, left_out: Iterable[str]) -> RunSpec:
    """The run with these pairs left out, besides those that its experiment leaves out."""
    chosen = tuple(sorted(set(left_out)))
    by_experiment = set(refine.settings.exclude).difference(spec.curated)
    exclude = tuple(sorted(by_experiment.union(chosen)))
    settings = refine.settings.model_copy(update={"exclude": exclude})
    fresh = refine.model_copy(update={"settings": settings})

    def renewed(phase: PhaseSpec) -> PhaseSpec:
        if phase.id == refine.id:
            return fresh
        if isinstance(phase, EvaluateSpec) and phase.adapter == refine.id:
            return phase.model_copy(update={"adapter": fresh.id})
        return phase

    phases = tuple(renewed(phase) for phase in spec.phases)
    return spec.model_copy(update={"phases": phases, "curated": chosen})


def _nothing_new(left_out: int) -> str:
    if left_out:
        return f"already leaves out these {left_out} pairs; exclude others first"
    return "no pair is excluded; exclude some first (x in the list of pairs, or pairs --exclude)"
