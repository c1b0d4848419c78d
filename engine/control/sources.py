"""Which files of items a run has, and which of them another run can be held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.contract.errors import UserError
from engine.contract.rundir import ANSWERS, DEMONSTRATIONS, PAIRS, PREDICTIONS, read_json
from engine.contract.spec import AnnotateSpec, ElicitSpec, EvaluateSpec
from engine.control.reading import Source
from engine.queue import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.contract.rundir import PhaseDir, RunsFolder
    from engine.contract.spec import PhaseSpec


def sources(runs: RunsFolder, run_id: str, other: str | None = None) -> list[Source]:
    """Files of a run's finished phases: pairs first, then what the pairs come from, then
    predictions, beside those of the ``other`` run where both answered the same questions."""
    done = [p for p in read_run(runs, run_id).spec.phases if runs.phase(p.id).done]
    found = [source for spec in done for source in _made_by(runs, spec)]
    if other is not None:
        found += _held_against(runs, found_in(runs, run_id), found_in(runs, other))
    else:
        found += [_predictions(runs, spec) for spec in done if isinstance(spec, EvaluateSpec)]
    order = ("pairs", "demonstrations", "answers", "predictions")
    found.sort(key=lambda source: order.index(source.what))
    if not found:
        raise UserError(f"{run_id}: none of its phases is done; there is nothing to read yet")
    return found


def has_pairs(runs: RunsFolder, phase_ids: tuple[str, ...]) -> bool:
    """Whether one of these phases is an elicit phase that is done."""
    return any(p.startswith("elicit-") and runs.phase(p).done for p in phase_ids)


def found_in(runs: RunsFolder, run_id: str) -> dict[tuple[object, ...], EvaluateSpec]:
    """Finished evaluations by what was asked."""
    specs = read_run(runs, run_id).spec.phases
    return {
        (p.task.name, p.prompt, p.split, p.method): p
        for p in specs
        if isinstance(p, EvaluateSpec) and runs.phase(p.id).done
    }


def _made_by(runs: RunsFolder, spec: PhaseSpec) -> Iterator[Source]:
    folder = runs.phase(spec.id)
    figures = folder.manifest().get("figures", {})
    match spec:
        case AnnotateSpec():
            title = f"{spec.teacher.name} on {spec.task.name}"
            count = figures.get("total")
            yield Source("demonstrations", title, spec.id, folder.out / DEMONSTRATIONS, count)
        case ElicitSpec():
            title = f"of {spec.student.name}"
            if spec.round != 1:
                title += f", round {spec.round}"
            count = figures.get("pairs")
            yield Source("pairs", title, spec.id, folder.out / PAIRS, count)
            count = figures.get("questions")
            yield Source("answers", title, spec.id, folder.out / ANSWERS, count)
        case _:
            return


def _predictions(runs: RunsFolder, spec: EvaluateSpec) -> Source:
    folder = runs.phase(spec.id)
    style = spec.prompt if spec.method == "match" else "option log-prob"
    title = f"{spec.task.name} {style}" + (" (train)" if spec.split == "train" else "")
    return Source("predictions", title, spec.id, folder.out / PREDICTIONS, _asked(folder))


def _asked(folder: PhaseDir) -> int | None:
    try:
        return int(read_json(folder.score)["total"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _held_against(
    runs: RunsFolder,
    mine: dict[tuple[object, ...], EvaluateSpec],
    theirs: dict[tuple[object, ...], EvaluateSpec],
) -> Iterator[Source]:
    from dataclasses import replace

    for key, spec in mine.items():
        if key in theirs:
            against = runs.phase(theirs[key].id).out / PREDICTIONS
            yield replace(_predictions(runs, spec), against=against)
