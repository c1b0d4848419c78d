"""Groups of runs in the list: heads between the rows, and runs that differ in seed together."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.counts import counted
from engine.schema.sanitize import one_line
from engine.schema.varied import short_texts
from sirt_tui.format import LEFT_OUT, NOTHING, STATE_MARKS, STATE_STYLES, accuracy, percent
from sirt_tui.widgets.table_lines import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from engine.store.run_row import RunRow
    from sirt_tui.widgets.columns import Column

    Cells = dict[object, list[RunRow]]
    Scores = list[tuple[float, RunRow]]
    Texts = Callable[[RunRow], Iterable[str]]  # the groups that a run belongs to

OF: dict[str, Texts] = {
    "experiment": lambda row: (row.experiment,),
    "state": lambda row: (row.state,),
    "task": lambda row: (row.trained_on or row.scored_on or NOTHING,),
    "tag": lambda row: row.tags or (NOTHING,),
}


def grouping(
    by: str, columns: Mapping[str, Column[RunRow]], folded: Container[str]
) -> Callable[[Sequence[RunRow]], Sequence[RunRow | Head]] | None:
    """How to put heads between the rows; None when they are not grouped. ``by``: one of ``OF``, or
    a column."""
    texts = OF.get(by) or (by in columns and partial(_column_text, columns[by]))
    return partial(grouped, by=by, texts=texts, folded=folded) if texts else None


def _column_text(column: Column[RunRow], row: RunRow) -> tuple[str]:
    """What a column says of a run, as the name of a group."""
    cell = column.cell(row)
    text = cell if isinstance(cell, str) else cell[0] if isinstance(cell, tuple) else cell.plain
    return (text or NOTHING,)


def grouped(
    rows: Sequence[RunRow], by: str, texts: Texts, folded: Container[str]
) -> list[RunRow | Head]:
    """Return heads and rows, each group where its first row stood. Runs of a group that differ in
    seed alone have a head of their own. ``folded``: keys of heads whose rows are left out."""
    groups: dict[str, list[RunRow]] = {}
    for row in rows:
        for text in texts(row):
            groups.setdefault(text, []).append(row)
    lines: list[RunRow | Head] = []
    for text, members in groups.items():
        key, cells = f"{by}={text}", cells_of(members)
        lines.append(Head(key, one_line(text, 80), summary(cells), key in folded))
        if key not in folded:
            lines += members if len(cells) == 1 else _by_seed(cells, key, folded)
    return lines


def _by_seed(cells: Cells, within: str, folded: Container[str]) -> Iterable[RunRow | Head]:
    for cell, rows in cells.items():
        if len(rows) == 1:
            yield from rows
            continue
        title = one_line(title_of(rows[0]), 120)
        key = f"{within} {title}"
        yield Head(key, title, summary({cell: rows}), key in folded, depth=1)
        if key not in folded:
            yield from rows


def cells_of(rows: Iterable[RunRow]) -> Cells:
    """Runs that differ in seed alone, by what they share; each where its first run stood."""
    cells: Cells = {}
    for row in rows:
        cells.setdefault(cell_of(row), []).append(row)
    return cells


def cell_of(row: RunRow) -> object:
    """All about a run but its seed. Equal settings are the same object."""
    settings = tuple(map(id, row.settings or ()))
    return (
        row.experiment, row.arm, row.student, row.teacher, row.task, row.refine_task, row.fraction,
        row.rounds, row.curated, row.varied, settings,
    )  # fmt: skip


def title_of(row: RunRow) -> str:
    """A run's cell in words, without its seed."""
    parts = (
        row.arm,
        row.student,
        row.teacher and f"<{row.teacher}",
        row.trained_on,
        f"{row.fraction}%" if row.fraction != 100 else "",
        f"{row.rounds} rounds" if row.rounds != 1 else "",
        f"{row.curated} left out" if row.curated else "",
        *short_texts(row.varied),
    )
    return " ".join(part for part in parts if part)


def summary(cells: Cells) -> Text:
    """Write how many runs there are, their states, the best accuracy with its number of questions,
    and the mean and standard deviation over seeds, of the best cell where there are several; of
    each task where they are of several.
    Accuracies are those with the plain prompt; runs that are left out of tables don't count."""
    rows = [row for same in cells.values() for row in same]
    text = Text(counted(len(rows), "run"))
    for state, count in Counter(row.state for row in rows).most_common():
        text.append(f" {STATE_MARKS[state]}{count}", STATE_STYLES[state])
    if out := sum(row.left_out for row in rows):
        text.append(f" {LEFT_OUT}{out}", "dim")
    found = {cell: scores for cell, same in cells.items() if (scores := _scores(same))}
    by_task: dict[str | None, dict[object, Scores]] = {}
    for cell, scores in found.items():
        by_task.setdefault(scores[0][1].scored_on, {})[cell] = scores
    for task, of in by_task.items():
        text.append_text(_best(of, one_line(task or NOTHING, 30) if len(by_task) > 1 else ""))
    return text


def _best(found: dict[object, Scores], task: str) -> Text:
    """Write the best accuracy of these cells, and their mean over seeds; they are of one task,
    which is named if given."""
    text = Text()
    best = max((pair for pairs in found.values() for pair in pairs), key=lambda pair: pair[0])[1]
    several = len(found) > 1
    text.append(f"  best{f' on {task}' if task else ''} ", "dim").append_text(
        accuracy(*best.measured.get("plain", (None, None)))
    )
    text.append(f" {best.arm}" if several else "", "dim")
    over = [one for one in map(_over_seeds, found.values()) if one is not None]
    if over:
        mean, spread, seeds, row = max(over, key=lambda one: one[0])
        text.append("  mean ", "dim").append(f"{percent(mean)} ± {percent(spread)}")
        text.append(f" of {seeds} seeds", "dim")
        text.append(f", {one_line(title_of(row), 60)}" if several else "", "dim")
    return text


def _scores(rows: Sequence[RunRow]) -> Scores:
    return [(row.plain, row) for row in rows if row.plain is not None and not row.left_out]


def _over_seeds(scores: Scores) -> tuple[float, float, int, RunRow] | None:
    """Mean, standard deviation, number of seeds, and one of the runs; None for a single seed."""
    by_seed = {row.seed: value for value, row in scores}
    if len(by_seed) < 2:
        return None
    values = list(by_seed.values())
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, spread, len(values), scores[0][1]
