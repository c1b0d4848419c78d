"""Read models' answers: list evaluations, compare runs, score again, export."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import catalog
from engine.queries.evaluations import (
    Evaluated,
    evaluations_of,
    finished,
    paired,
    published_score,
)
from engine.queries.runs import registry
from engine.schema.errors import UserError
from engine.schema.jsonfile import with_seal
from engine.schema.records import Prediction, Score
from engine.scoring.statistics import adjusted
from engine.store.jsonlines import read_records
from engine.store.layout import (
    PREDICTIONS,
    write_json,
)
from engine.store.run import read_run
from engine.store.sealing import sealed_files, verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.schema.accuracy import Comparison
    from engine.schema.evaluation import Evaluation
    from engine.schema.records import Verdict
    from engine.store.layout import PhaseDir, RunsFolder


def evaluations(runs: RunsFolder, run_id: str) -> list[Evaluated]:
    """A run's finished evaluations, in order; ``UserError`` when it has none."""
    phases = read_run(runs, run_id).spec.phases
    if done := evaluations_of(runs, phases):
        return done
    if any(phase.kind == "evaluate" for phase in phases):
        raise UserError(f"{run_id}: its evaluate phase is not done; see: sirt status {run_id}")
    raise UserError(f"{run_id}: has no evaluate phase")


def compare(runs: RunsFolder, a: str, b: str) -> list[Comparison]:
    """Compare both runs' accuracies on the tasks and prompts they share, paired by question; p
    values are adjusted over all of them."""
    mine, theirs = finished(runs, a), finished(runs, b)
    found = (paired(one, mine, theirs) for one in mine)
    shared = [comparison for comparison in found if comparison is not None]
    if not shared:
        raise UserError(
            f"{a} and {b} share no finished evaluation with the same prompt; there is nothing to "
            "compare"
        )
    return adjusted(shared)


@dataclass(frozen=True, slots=True)
class Changed:
    """An answer to which the present scorer gives another verdict."""

    id: str
    before: Verdict
    now: Verdict


@dataclass(frozen=True, slots=True)
class Rescored:
    """A kept evaluation scored again: its accuracy in 0..1, its tiers, and every answer that is now
    read otherwise."""

    phase: str
    evaluation: Evaluation
    before: Score
    now: Score
    changed: tuple[Changed, ...]


def rescore(runs: RunsFolder, run_id: str, write: bool) -> list[Rescored]:
    """Score kept predictions again with the present scorer. With ``write`` the tables use the new
    score; what the phase published stays as it is."""
    found = []
    for one in evaluations(runs, run_id):
        if one.spec.method == "match":
            found.append(_rescored(one))
            if write:
                write_json(one.folder.rescored, with_seal(found[-1].now.model_dump()))
    if write:
        _refresh_rows(runs, {r.phase for r in found})
    return found


def _rescored(one: Evaluated) -> Rescored:
    from engine.scoring.score import score
    from engine.scoring.verdict import score_reply

    kind = catalog.task(one.spec.task.name).kind
    again, changed = [], []
    for old in read_records(verified(one.folder, PREDICTIONS), Prediction):
        verdict = score_reply(kind, old, old.output, old.finish)
        if verdict != old.verdict.model_copy(update={"span": verdict.span}):
            changed.append(Changed(old.id, old.verdict, verdict))
        again.append(old.model_copy(update={"verdict": verdict}))
    before = Score.model_validate(published_score(one.folder))
    now = score(again, one.spec.commit)
    return Rescored(one.folder.id, one.evaluations[0], before, now, tuple(changed))


def _refresh_rows(runs: RunsFolder, phases: set[str]) -> None:
    index = registry(runs)
    index.refresh(row.run_id for row in index.rows() if phases.intersection(row.phase_ids))


def _published(folder: PhaseDir) -> Iterator[str]:
    """Yield the names of what a phase published. Weights may have been left out of a bundle;
    everything else must be there."""
    sealed = sealed_files(folder)
    for name in dict.fromkeys(path.split("/")[1] for path in sealed):
        if f"out/{name}" in sealed or (folder.out / name).exists():
            yield name


def export(runs: RunsFolder, run_id: str, folder: Path) -> list[Path]:
    """Copy what a run's phases published into a folder; return the new files and folders.

    ``UserError`` rather than overwriting anything.
    """
    planned: list[tuple[Path, Path]] = []
    for spec in read_run(runs, run_id).spec.phases:
        source = runs.phase(spec.id)
        if not source.done:
            continue
        planned += (
            (verified(source, name), folder / f"{spec.id}-{name}") for name in _published(source)
        )
    if not planned:
        raise UserError(f"{run_id}: none of its phases is done; there is nothing to export")
    for _, target in planned:
        if target.exists():
            raise UserError(f"{target}: is there already; give another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for source_path, target in planned:
        if source_path.is_dir():
            shutil.copytree(source_path, target)
        else:
            shutil.copy2(source_path, target)
    return [target for _, target in planned]
