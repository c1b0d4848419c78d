"""Find the files of items that a run has, and those that can be compared with another run's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.queries.evaluations import evaluations_of, finished
from engine.queries.items import Source
from engine.schema.errors import UserError
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    RefineSpec,
)
from engine.store.layout import (
    ANSWERS,
    DEMONSTRATIONS,
    PAIR_SCORES,
    PAIRS,
    PREDICTIONS,
)
from engine.store.run import read_run
from engine.store.scores import published_score
from engine.store.sealing import sealed_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder


def sources(
    runs: RunsFolder,
    run_id: str,
    other: str | None = None,
    names: tuple[str, str] = ("A", "B"),
) -> list[Source]:
    """List the files of a run's finished phases: pairs, then what they come from, then predictions.
    With an ``other`` run: the predictions of both on the same questions, called by
    these ``names``."""
    if other is not None:
        return _both(runs, run_id, other, names)
    phases = read_run(runs, run_id).spec.phases
    refines = {p.pairs: p for p in phases if isinstance(p, RefineSpec)}
    done = [p for p in phases if runs.phase(p.id).done]
    found = [source for spec in done for source in _made_by(runs, spec, refines)]
    found += [
        _predictions(one.folder, one.evaluations[0].label) for one in evaluations_of(runs, phases)
    ]
    order = ("pairs", "demonstrations", "answers", "predictions")
    found.sort(key=lambda source: order.index(source.what))
    if not found:
        if done:
            raise UserError(f"{run_id}: makes no pairs, answers or predictions to read")
        raise UserError(f"{run_id}: none of its phases is done; there is nothing to read yet")
    return found


def _made_by(runs: RunsFolder, spec: PhaseSpec, refines: dict[str, RefineSpec]) -> Iterator[Source]:
    folder = runs.phase(spec.id)
    match spec:
        case AnnotateSpec():
            title = f"{spec.teacher.name} on {spec.task.name}"
            count = _figure(folder, "total")
            yield Source("demonstrations", title, spec.id, folder.out / DEMONSTRATIONS, count)
        case ElicitSpec():
            title = f"of {spec.student.name}" + (f", round {spec.round}" if spec.round > 1 else "")
            count = _figure(folder, "pairs")
            right = _also_right(folder, count)
            pairs = Source("pairs", title, spec.id, folder.out / PAIRS, count, also_right=right)
            yield _with_scores(runs, pairs, refines.get(spec.id))
            count = _figure(folder, "questions")
            yield Source("answers", title, spec.id, folder.out / ANSWERS, count)
        case _:
            return


def _predictions(folder: PhaseDir, title: str) -> Source:
    again = (folder,) if folder.rescored.exists() else ()
    file = folder.out / PREDICTIONS
    return Source("predictions", title, folder.id, file, _asked(folder), scored=again)


def _asked(folder: PhaseDir) -> int | None:
    try:
        return int(published_score(folder)["total"])
    except (OSError, UserError):  # said where the file is opened; the lines are counted then
        return None


def _figure(folder: PhaseDir, name: str) -> int | None:
    """Return how many lines a phase says it has written; None when it doesn't say."""
    try:
        found = folder.manifest()["figures"].get(name)
    except (OSError, UserError):
        return None
    return found if isinstance(found, int) else None


def _also_right(folder: PhaseDir, pairs: int | None) -> int | None:
    """Return how many rejected answers are right, from the share that the phase says."""
    try:
        share = folder.manifest()["figures"].get("rejected_correct")
    except (OSError, UserError):
        return None
    known = pairs is not None and isinstance(share, int | float)
    return round(share * pairs) if known else None


def _with_scores(runs: RunsFolder, pairs: Source, refine: RefineSpec | None) -> Source:
    """Add what the run's refine phase left out of these pairs, and its scores of the others."""
    if refine is None:
        return pairs
    scores = runs.phase(refine.id).out / PAIR_SCORES
    known = scores if _has(runs.phase(refine.id), PAIR_SCORES) else None
    return replace(pairs, scores=known, excluded=frozenset(refine.settings.exclude))


def _has(folder: PhaseDir, name: str) -> bool:
    """Whether a phase has published this file, even if it is gone; older versions may not have."""
    there = (folder.out / name).exists()
    try:
        return folder.done and (there or f"out/{name}" in sealed_files(folder))
    except (OSError, UserError):  # told where the file is checked
        return there


def _both(runs: RunsFolder, run_id: str, other: str, names: tuple[str, str]) -> list[Source]:
    mine, theirs = finished(runs, run_id), finished(runs, other)
    shared = [one for one in mine if one in theirs and one.method != "commit"]
    if not shared:
        raise UserError(f"{run_id} and {other}: no finished evaluation of both asks the same")
    return [
        replace(
            ours,
            against=other.file,
            names=names,
            scored=ours.scored + other.scored,
        )
        for one in shared
        for ours, other in [[_predictions(x[one].folder, one.label) for x in (mine, theirs)]]
    ]
