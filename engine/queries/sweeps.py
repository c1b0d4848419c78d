"""Group runs by the settings that vary among them, with mean and spread of accuracy over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.queries.lineage import settings_of
from engine.queries.study import Study, condition_of
from engine.schema.errors import UserError, nearest
from engine.schema.specs import RefineSpec
from engine.schema.varied import as_varied, order_of, value_text
from engine.scoring.statistics import combination
from engine.store.run import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.queries.study import Condition
    from engine.schema.accuracy import Accuracy, Estimate
    from engine.schema.evaluation import Evaluation
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

OF_A_ROW = ("student", "teacher", "task", "refine_task", "fraction", "rounds")
HeldOut = tuple[object, float]  # what it can be compared within, and the loss


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ in their seed alone. ``values``: of the settings that they are grouped by,
    None where they don't depend on one. ``held_out``: the mean over the runs of refine's lowest
    loss on held-out training pairs, with what it can be compared within (:func:`held_out`)."""

    condition: Condition
    values: Mapping[str, Any]
    seeds: tuple[int, ...]
    accuracies: Mapping[Evaluation, Estimate]
    held_out: HeldOut | None = None
    run_ids: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """What was done, without the settings."""
        return replace(self.condition, varied=()).method

    @property
    def label(self) -> str:
        """``both <wren-3m``: what it is beside the settings."""
        one = self.condition
        parts = (self.method, one.student, f"<{one.teacher}" if one.teacher else "")
        return " ".join(part for part in parts if part)

    @property
    def point(self) -> str:
        """``refine.learning_rate=5e-6``: where in the sweep it is."""
        known = ((k, v) for k, v in self.values.items() if v is not None)
        return " ".join(f"{key}={value_text(value)}" for key, value in known)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Groups of runs. ``keys``: the settings that they are grouped by; ``measured``: evaluations
    that any group has, those of the tasks trained on first."""

    keys: tuple[str, ...]
    measured: tuple[Evaluation, ...]
    groups: tuple[Group, ...]

    @property
    def varied(self) -> tuple[Group, ...]:
        """The groups that depend on the settings."""
        return tuple(g for g in self.groups if any(v is not None for v in g.values.values()))

    def best(self, by: Evaluation) -> Group | None:
        """The group with the highest accuracy; None with fewer than two to choose from."""
        found = [group for group in self.varied if by in group.accuracies]
        if len(found) < 2:
            return None
        return max(found, key=lambda group: group.accuracies[by].value)

    def best_held_out(self) -> Group | None:
        """The group with the lowest held-out loss; None where these can't be compared."""
        found = [(group, group.held_out) for group in self.varied if group.held_out]
        if len(found) < 2 or len({within for _, (within, _) in found}) > 1:
            return None
        return min(found, key=lambda pair: pair[1][1])[0]


def swept(rows: Iterable[RunRow], losses: Mapping[str, HeldOut] | None = None) -> Sweep:
    """Group runs by the settings that their experiments sweep over. ``losses``: run ->
    :func:`held_out`."""
    rows = tuple(rows)
    keys = tuple(dict.fromkeys(key for row in rows for key, _ in row.varied))
    return _grouped(rows, keys, losses or {})


def of_rows(runs: RunsFolder, rows: Iterable[RunRow]) -> Sweep:
    """As :func:`swept`, with the held-out losses of those that are done."""
    rows = tuple(rows)
    done = (row for row in rows if row.varied and row.state == "done")
    losses = {row.run_id: found for row in done if (found := _kept_loss(runs, row.run_id))}
    return swept(rows, losses)


@lru_cache(maxsize=10_000)
def _kept_loss(runs: RunsFolder, run_id: str) -> HeldOut | None:
    """Cached: a finished run's loss doesn't change, and a screen asks at every change of others."""
    try:
        return held_out(runs, run_id)
    except UserError:  # told as damaged, where the run is listed
        return None


def by_settings(runs: RunsFolder, rows: Iterable[RunRow], words: Sequence[str]) -> Sweep:
    """Group runs by the named settings, whether or not they are of a sweep. A word is a setting's
    whole key or its end: ``learning_rate``. ``UserError`` names the nearest."""
    rows = [row for row in rows if row.is_cell]
    known = {row.run_id: values_of(runs, row) for row in rows}
    everything = dict.fromkeys(key for values in known.values() for key in values)
    keys = [key for word in words for key in _meant(word, everything, known.values())]
    wider = []
    for row in rows:
        mine = {key: known[row.run_id][key] for key in keys if key in known[row.run_id]}
        more = as_varied((k, v) for k, v in mine.items() if k not in OF_A_ROW)
        wider.append(replace(row, varied=tuple((dict(row.varied) | dict(more)).items())))
    others = [key for row in rows for key, _ in row.varied if key not in keys]
    order = tuple(dict.fromkeys((*keys, *others)))
    losses = {row.run_id: found for row in rows if (found := held_out(runs, row.run_id))}
    return _grouped(tuple(wider), order, losses)


def values_of(runs: RunsFolder, row: RunRow) -> dict[str, Any]:
    """Every setting of a run's phases, and its cell's own values."""
    found: dict[str, Any] = {
        name: value for name in OF_A_ROW if (value := getattr(row, name)) is not None
    }
    for phase in read_run(runs, row.run_id).spec.phases:
        for one in settings_of(phase):
            general = one.name.startswith("generation.")
            found[one.name if general else f"{phase.kind}.{one.name}"] = one.value
    return found


def _meant(word: str, known: Iterable[str], values: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys that a word means; of several those that differ among the runs, if any does."""
    known, values = list(known), list(values)
    found = [key for key in known if key == word or key.endswith(f".{word}")]
    if not found:
        ends = {key.rpartition(".")[2] for key in known}
        raise UserError(f"--by {word}: no setting of these runs; {nearest(word, ends)}")
    differ = [key for key in found if len({repr(v[key]) for v in values if key in v}) > 1]
    return differ or found


def held_out(runs: RunsFolder, run_id: str) -> HeldOut | None:
    """Refine's lowest loss on the training pairs that it held out, if the run has one.

    It compares runs with the same pairs and the same objective only: another beta, or pairs of
    another student, are another loss.
    """
    phases = read_run(runs, run_id).spec.phases
    refined = [phase for phase in phases if isinstance(phase, RefineSpec)]
    if not refined:
        return None
    loss = _figures(runs, refined[-1]).get("best_eval_loss")
    if not isinstance(loss, int | float) or not math.isfinite(loss):
        return None
    last = refined[-1].settings
    alike = (
        refined[-1].student.name,
        len(refined),
        last.objective,
        last.beta,
        last.sft_weight,
        last.held_out,
        last.exclude,
    )
    return (_pairs_of(phases, refined[-1]), *alike), float(loss)


def _pairs_of(phases: Sequence[PhaseSpec], refine: RefineSpec) -> object:
    """What the pairs were made by, whatever the seed."""
    ancestors = {refine.pairs, refine.adapter}
    alike: list[object] = []
    for phase in reversed(phases):
        if phase.id in ancestors:
            ancestors.update(phase.inputs)
            alike.append(repr(getattr(phase, "settings", None)))
    return tuple(alike)


def _figures(runs: RunsFolder, phase: PhaseSpec) -> dict[str, Any]:
    folder = runs.phase(phase.id)
    try:
        found: dict[str, Any] = folder.manifest()["figures"] if folder.done else {}
    except (OSError, UserError):
        return {}
    return found


def _grouped(rows: Sequence[RunRow], keys: tuple[str, ...], losses: Mapping[str, HeldOut]) -> Sweep:
    study = Study("", tuple(rows))
    keys = tuple(dict.fromkeys((*keys, *(key for row in study.rows for key, _ in row.varied))))
    alike: dict[Condition, list[RunRow]] = {}
    for row in study.runs.values():
        alike.setdefault(condition_of(row), []).append(row)
    groups = [
        _group(one, sorted(alike[one], key=lambda row: row.seed), keys, losses)
        for one in study.conditions
    ]
    trained = {task for one in alike for task in one.own_tasks}
    measured = sorted(
        {one for group in groups for one in group.accuracies},
        key=lambda one: (one.task not in trained, one.task, one.split, one.prompt == "cot", one),
    )
    ordered = sorted(enumerate(groups), key=lambda pair: (_place(pair[1]), pair[0]))
    return Sweep(keys, tuple(measured), tuple(group for _, group in ordered))


def _place(group: Group) -> tuple[object, ...]:
    """Sort by what is not swept first, then along the sweep."""
    bare = replace(group.condition, varied=())
    return bare.order, [order_of(value) for value in group.values.values()]


def _group(
    condition: Condition,
    rows: Sequence[RunRow],
    keys: Sequence[str],
    losses: Mapping[str, HeldOut],
) -> Group:
    known = dict(rows[0].varied)
    values = {key: getattr(rows[0], key) if key in OF_A_ROW else known.get(key) for key in keys}
    by_seed: dict[Evaluation, list[Accuracy]] = {}
    for row in rows:
        for one in row.accuracies:
            if one.total:
                by_seed.setdefault(one.evaluation, []).append(one)
    accuracies = {
        what: combination([[(1.0, one.right)] for one in found]) for what, found in by_seed.items()
    }
    mine = [losses[row.run_id] for row in rows if row.run_id in losses]
    within = {one[0] for one in mine}
    loss = (mine[0][0], sum(value for _, value in mine) / len(mine)) if len(within) == 1 else None
    seeds, run_ids = tuple(row.seed for row in rows), tuple(row.run_id for row in rows)
    return Group(condition, values, seeds, accuracies, loss, run_ids)
