"""The columns of the list of runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.counts import counted
from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING, STATE_MARKS, STATE_STYLES, age, duration, percent
from sirt_tui.widgets.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from datetime import datetime

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.widgets.columns import Cell
    from sirt_tui.widgets.names import Names

NEVER_GOES = -1  # however narrow it is
COUNTED: tuple[State, ...] = ("running", "queued", "failed", "lost", "unreachable", "stopped")


def run_columns(
    clock: Callable[[], datetime],
    looked: Callable[[], bool],
    names: Names,
    asked: Container[str] = (),
    experiments: bool = False,
) -> list[Column[RunRow]]:
    """Return the columns. Until the folders were ``looked`` at, unfinished runs show no state,
    since the index may be outdated. ``asked``: the filter's figures, to title what ``acc`` is.
    ``names``: of all runs; ``experiments``: whether there are several."""
    plain = ("acc=plain", 9) if "acc" in asked else ("plain", 6)

    def state(row: RunRow) -> Cell:
        if row.state != "done" and not looked():
            return "… looking", "dim"
        return f"{STATE_MARKS[row.state]} {row.state}", STATE_STYLES[row.state]

    def phases(row: RunRow) -> Cell:
        return ladder(row) if row.state == "done" or looked() else ""

    def took(row: RunRow) -> Cell:
        seconds = row.seconds
        if row.working_since is not None:
            seconds = (seconds or 0.0) + max(0.0, (clock() - row.working_since).total_seconds())
        return duration(seconds)

    return [
        Column("state", "state", 13, state, narrow=9, sort=lambda r: r.state),
        Column("phases", "phases", 6, phases, 2, sort=lambda r: r.ladder.count("done")),
        Column(
            *("name", "name", 41, _name, NEVER_GOES),
            narrow=28,
            grows=True,
            sort=lambda r: r.name,
            shorten=names.short,
        ),
        *([Column("experiment", "experiment", 18, _experiment, 4, narrow=10)] * experiments),
        Column("arm", "arm", 13, lambda r: r.arm, 8, sort=lambda r: r.arm),
        Column("student", "student", 14, _student, 6, narrow=9, sort=lambda r: r.student),
        Column("teacher", "teacher", 14, _teacher, 7, narrow=9, sort=lambda r: r.teacher),
        Column("task", "task", 18, _task, 5, narrow=15, sort=_task),
        Column("plain", *plain, lambda r: percent(r.plain), 0, "right", sort=lambda r: r.plain),
        Column("cot", "CoT", 5, lambda r: percent(r.cot), 0, "right", sort=lambda r: r.cot),
        Column("of", "% of", 4, lambda r: str(r.fraction), 12, "right", sort=lambda r: r.fraction),
        Column("seed", "seed", 5, lambda r: str(r.seed), 9, "right", sort=lambda r: r.seed),
        Column("age", "age", 7, lambda r: age(r.created, clock()), 1, "right", sort=_youth),
        Column("took", "took", 11, took, 10, "right", sort=lambda r: r.seconds),
        Column("tags", "tags", 14, _tags, 11, sort=lambda r: " ".join(r.tags) or None),
    ]


def counts_text(rows: Sequence[RunRow], shown: int, whole: bool) -> Text:
    """Write how many runs there are and are shown, and how many are in each state."""
    text = Text()
    if not whole:
        return text.append("the newest runs; reading the rest")
    total = counted(len(rows), "run")
    text.append(total if shown == len(rows) else f"{shown} of {total}")
    states = Counter(row.state for row in rows)
    for state in COUNTED:
        if states[state]:
            text.append(f"  {STATE_MARKS[state]} {states[state]} {state}", STATE_STYLES[state])
    return text


def ladder(row: RunRow) -> Text:
    """Write a mark for each of the five kinds of phase, blank where the run has none."""
    text = Text()
    for state in row.ladder:
        text.append(STATE_MARKS[state] if state else " ", STATE_STYLES[state] if state else "")
    return text


def _name(row: RunRow) -> str:
    return one_line(row.name, 200)


def _experiment(row: RunRow) -> str:
    return one_line(row.experiment, 60)


def _student(row: RunRow) -> str:
    return one_line(row.student or NOTHING, 60)


def _teacher(row: RunRow) -> str:
    return one_line(row.teacher or NOTHING, 60)


def _task(row: RunRow) -> str:
    """Name the task trained on, or in brackets the task scored on if nothing was trained."""
    if row.task is None:
        return f"({one_line(row.scored_on, 60)})" if row.scored_on else NOTHING
    return one_line(row.trained_on, 60)


def _youth(row: RunRow) -> float:
    return -row.created.timestamp()


def _tags(row: RunRow) -> Cell:
    return one_line(" ".join(row.tags), 60), "italic"
