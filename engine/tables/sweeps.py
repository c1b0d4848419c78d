"""Tables of runs grouped by the settings that vary among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.accuracy import NOTHING
from engine.schema.varied import value_text
from engine.tables.table import Table

if TYPE_CHECKING:
    from engine.queries.sweeps import Group, Sweep
    from engine.schema.evaluation import Evaluation
    from engine.tables.table import Cell

TITLE = "Accuracy by setting"
NOTE = (
    "Per cent right. Of n seeds: the mean ± the standard deviation over the seeds, and of three or "
    "more Student's t interval at 95 %, within 0 to 100; of one seed, or of seeds that answer "
    "alike: Wilson's 95 % interval over the questions."
)
HELD_OUT = "held-out loss"


def by_setting(found: Sweep) -> Table:
    """Make a table with a row for each group of runs and a column for each evaluation."""
    losses = any(group.held_out for group in found.groups)
    headers = (
        "method", "student", "teacher", "trained on", *found.keys, "seeds",
        *(one.label for one in found.measured),
        *([HELD_OUT] if losses else []),
    )  # fmt: skip
    rows = tuple(_row(found, group, losses) for group in found.groups)
    return Table(headers, rows, "sweep", TITLE, NOTE)


def _row(found: Sweep, group: Group, losses: bool) -> tuple[Cell, ...]:
    one = group.condition
    values = (group.values[key] for key in found.keys)
    return (
        group.method,
        one.student or NOTHING,
        one.teacher or NOTHING,
        one.trained_on,
        *(NOTHING if value is None else value_text(value) for value in values),
        str(len(group.seeds)),
        *(group.accuracies.get(what) for what in found.measured),
        *([f"{group.held_out[1]:.4f}" if group.held_out else None] if losses else []),
    )


def on_choosing(found: Sweep, by: Evaluation | None = None) -> list[str]:
    """Say which setting did best, and what may be concluded from that; nothing to choose, nothing
    said. ``by``: the evaluation to go by, else the first."""
    what = by or next(iter(found.measured), None)
    best = found.best(what) if what else None
    if what is None or best is None:
        return []
    lines = [f"highest on {what.label}: {best.label}, {best.point} ({best.accuracies[what].text})"]
    if what.split == "test":
        lines.append(
            "choosing by it is selection on the test split: the figure of the one that is chosen "
            "is then too high on average"
        )
    if (chosen := found.best_held_out()) and chosen.held_out:
        lines.append(
            f"lowest loss on held-out training pairs: {chosen.label}, {chosen.point} "
            f"({chosen.held_out[1]:.4f}); choosing by this loss leaves the test split untouched"
        )
    elif any(group.held_out for group in found.varied):
        lines.append(
            "the losses on held-out training pairs can't be compared here: these runs have "
            "different pairs or another objective or beta"
        )
    elif what.split == "test":
        lines.append(
            "these runs have no figure on held-out training data; to choose by one, name a file of "
            "training questions that nothing is trained on as the task's test file, under sources"
        )
    return lines
