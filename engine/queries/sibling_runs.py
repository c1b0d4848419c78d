"""Find the runs to show beside a run in its table: the same cell under other arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.study import ARM_ORDER
from engine.schema.varied import as_varied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.schema.run_spec import RunSpec
    from engine.store.run_row import RunRow

# which fields of the cell an arm's result depends on
CELL: dict[str, tuple[str, ...]] = {
    "teacher": ("teacher",),
    "baseline": ("student", "seed"),
    "instruct-only": ("student", "teacher", "task", "fraction", "seed"),
    "refine-only": ("student", "teacher", "task", "fraction", "rounds", "seed"),
    "both": ("student", "teacher", "task", "refine_task", "fraction", "rounds", "seed"),
}


def relatives(rows: Iterable[RunRow], run_id: str, spec: RunSpec) -> list[RunRow]:
    """Return the run and, from its experiment, one run per arm that shares its cell, in the order
    of the paper's tables. A teacher's run belongs to every seed and student."""
    found: dict[str, RunRow] = {}
    for row in rows:
        if row.run_id == run_id:
            found[row.arm] = row
        elif row.curated or row.left_out or not row.is_cell:
            continue  # one of many beside the experiment's own, or not wanted in tables
        elif row.experiment == spec.experiment and row.arm != spec.arm and _same(row, spec):
            found.setdefault(row.arm, row)
    return [found[arm] for arm in ARM_ORDER if arm in found]


def _same(row: RunRow, spec: RunSpec) -> bool:
    """Whether everything agrees that the arm depends on and that the run fixes."""
    mine = dict(as_varied(spec.varied.items()))
    if any(mine.get(key, value) != value for key, value in row.varied):
        return False
    pairs = ((getattr(row, name), getattr(spec, name)) for name in CELL[row.arm])
    return all(mine is None or theirs is None or mine == theirs for theirs, mine in pairs)


def with_experiment(rows: Sequence[RunRow], run_id: str) -> list[str]:
    """Return the run, then its experiment's other runs with the same seed."""
    mine = next((row for row in rows if row.run_id == run_id), None)
    if mine is None:
        return [run_id]
    others = (
        row.run_id
        for row in reversed(rows)
        if row.experiment == mine.experiment and row.seed == mine.seed
        if row is not mine and row.is_cell
    )
    return [run_id, *others]
