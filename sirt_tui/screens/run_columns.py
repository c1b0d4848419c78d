"""The columns of the list of runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from engine.queries import run_settings
from engine.schema.counts import counted
from engine.schema.kinds import METHOD
from engine.schema.sanitize import one_line
from engine.schema.varied import short_name, value_text
from sirt_tui.format import (
    LEFT_OUT,
    NOTHING,
    STATE_MARKS,
    STATE_STYLES,
    accuracy,
    age,
    duration,
    left_in_short,
    legend,
)
from sirt_tui.screens.filtering import spent
from sirt_tui.widgets.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from datetime import datetime

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow, Value
    from sirt_tui.widgets.columns import Cell
    from sirt_tui.widgets.names import Names

CHOSEN_GOES = -1  # only after all that were there before it was chosen
NEVER_GOES = -2  # however narrow it is
REASON = 40  # cells of a state with what it waits for
NAME, LONGEST = 24, 60  # cells of a name: where room is short, and before other columns have any
PHASES = "phases"  # a mark for each of their kinds
LOOKING = "… looking"
COUNTED: tuple[State, ...] = (
    "running",
    "stopping",
    "queued",
    "failed",
    "lost",
    "unreachable",
    "stopped",
)


def run_columns(
    clock: Callable[[], datetime],
    looked: Callable[[], bool],
    names: Names,
    apart: Mapping[str, str],
    rows: Sequence[RunRow] = (),
    asked: Container[str] = (),
) -> dict[str, Column[RunRow]]:
    """Return all columns by their keys, those of the settings last. Until the folders were
    ``looked`` at, unfinished runs show no state, since the index may be outdated. ``names``: of all
    runs; ``apart``: by run, what tells it from runs of the same name; ``asked``: the filter's
    figures, to title what ``acc`` is."""
    plain = "acc=plain" if "acc" in asked or "accuracy" in asked else "plain (n)"

    def state(row: RunRow) -> Cell:
        if row.state != "done" and not looked():
            return LOOKING, "dim"
        return f"{STATE_MARKS[row.state]} {row.state}{how_far(row)}", STATE_STYLES[row.state]

    def how_far(row: RunRow) -> str:
        if row.waits:
            return f": {one_line(row.waits, 80)}"
        if row.state != "running" or row.share is None:
            return ""
        left = (row.ends - clock()).total_seconds() if row.ends else 0.0
        return f" {row.share} %" + (f" {left_in_short(left)}" if left > 0 else "")

    def name(row: RunRow) -> str:
        return f"{_name(row)} {apart.get(row.run_id, '')}".rstrip()

    def phases(row: RunRow) -> Cell:
        return ladder(row) if row.state == "done" or looked() else ""

    def took(row: RunRow) -> Cell:
        now = [max(0.0, (clock() - began).total_seconds()) for began in row.at_work]
        return duration(row.seconds if not now else (row.seconds or 0.0) + sum(now))

    whole = max((len(f"{STATE_MARKS[row.state]} {row.state}") for row in rows), default=0)
    at_work = any(row.state == "running" for row in rows)
    left = 29 if any(row.ends for row in rows) else 17 if at_work else 13
    told = max((len("○ queued: ") + cell_len(row.waits) for row in rows if row.waits), default=0)
    named = partial(Column, repeats=True)  # the name says it already
    columns = [
        Column(
            *("state", "state", max(left, min(told, REASON)), state, NEVER_GOES),
            narrow=max(15 if at_work else 6 if looked() else len(LOOKING), whole),
            sort=lambda r: (r.state, r.share),
            shorten=_brief_state,
        ),
        Column("phases", PHASES, 6, phases, 4, sort=lambda r: r.ladder.count("done")),
        Column(
            *("name", "name", min(max(NAME, names.longest), LONGEST), name, NEVER_GOES),
            narrow=NAME,
            grows=True,
            sort=lambda r: r.name,
            shorten=names.short,
        ),
        Column("experiment", "experiment", 18, _experiment, 6, narrow=10, sort=_experiment),
        named("arm", "arm", 13, lambda r: r.arm, 11, sort=lambda r: r.arm),
        named("student", "student", 14, _student, 9, narrow=9, sort=lambda r: r.student),
        named("teacher", "teacher", 14, _teacher, 10, narrow=9, sort=lambda r: r.teacher),
        named("task", "task", 18, _task, 7, narrow=14, sort=_task),
        Column(
            *("plain", plain, 14, partial(_accuracy, "plain"), 1, "right"),
            narrow=13,
            sort=lambda r: r.plain,
            best_high=True,
        ),
        Column(
            *("cot", "CoT (n)", 14, partial(_accuracy, "cot"), 2, "right"),
            narrow=13,
            sort=lambda r: r.cot,
            best_high=True,
        ),
        Column("of", "data", 4, lambda r: f"{r.fraction}%", 13, "right", sort=lambda r: r.fraction),
        named("seed", "seed", 5, lambda r: str(r.seed), 12, "right", sort=lambda r: r.seed),
        Column("age", "age", 7, lambda r: age(r.created, clock()), 3, "right", sort=_youth),
        Column("took", "took", 11, took, 8, "right", sort=lambda r: r.seconds),
        Column("paid", "paid", 42, _paid, 5, narrow=10, sort=spent, shorten=_shorter),
        Column("tags", "tags", 14, _tags, 14, sort=lambda r: " ".join(r.tags) or None),
        Column("note", "note", 30, _note, 15, narrow=10, sort=lambda r: r.note or None),
        Column("rounds", "rounds", 6, _rounds, 16, "right", sort=lambda r: r.rounds),
        Column("id", "id", 34, lambda r: r.run_id, 17, narrow=16, sort=lambda r: r.run_id),
    ]
    settings = map(_setting, run_settings.names_of(rows))
    return {column.key: column for column in (*columns, *settings)}


USUAL = (
    "state", "phases", "name", "experiment", "arm", "student", "teacher", "task",
    "plain", "cot", "of", "seed", "age", "took", "paid", "tags",
)  # fmt: skip


def chosen_columns(
    columns: dict[str, Column[RunRow]],
    chosen: Sequence[str],
    rows: Sequence[RunRow],
    added: Container[str] = (),
) -> list[Column[RunRow]]:
    """Return the columns that a person has chosen, in their order. If none are, the usual ones
    without those that would say nothing: the experiment of one, what nobody pays. Where there is
    no room the rank alone decides, so that new runs take no column away; those ``added`` by hand
    leave after all others."""
    columns = columns | {
        key: replace(c, rank=min(c.rank, CHOSEN_GOES)) for key, c in columns.items() if key in added
    }
    if chosen:
        found = [columns[key] for key in chosen if key in columns]
        return found or [columns["name"]]
    several = len({row.experiment for row in rows}) > 1
    paid = any(row.paid for row in rows)
    told = {"experiment": several, "paid": paid}
    return [columns[key] for key in USUAL if told.get(key, True)]


def _setting(name: str) -> Column[RunRow]:
    """Make a setting's column. It is asked for, so it stays longer than the usual ones."""

    def value(row: RunRow) -> Value:
        return row.setting(name)

    def order(row: RunRow) -> tuple[bool, float, str] | None:
        found = value(row)
        if found is None:
            return None
        return (False, float(found), "") if isinstance(found, int | float) else (True, 0.0, found)

    title = short_name(name)
    wide = max(8, len(title) + 1)
    return Column(
        *(f"settings.{name}", title, wide, lambda r: setting_text(value(r)), 0, "right"), sort=order
    )


def setting_text(value: Value) -> str:
    return NOTHING if value is None else one_line(value_text(value), 40)


def marks_explained() -> Text:
    """Explain the marks in the list, for the help."""
    states = list(STATE_MARKS)
    lines = (states[n : n + 4] for n in range(0, len(states), 4))  # no mark without its word
    text = Text("\n").join(map(legend, lines))
    text.append(f"\nphases: a mark each for {', '.join(METHOD)}")
    return text.append(f"\n{LEFT_OUT} left out of tables and reports   ● ticked")


def counts_text(known: int, rows: Sequence[RunRow], whole: bool) -> Text:
    """Write how many of the ``known`` runs are shown, how many of these are in each state, and
    what the queued ones wait for."""
    text = Text()
    if not whole:
        return text.append("the newest runs; reading the rest")
    total = counted(known, "run")
    text.append(total if len(rows) == known else f"{len(rows)} of {total}")
    states = Counter(row.state for row in rows)
    for state in COUNTED:
        if states[state]:
            text.append(f"  {STATE_MARKS[state]} {states[state]} {state}", STATE_STYLES[state])
        if state == "queued" and (reasons := Counter(row.waits for row in rows if row.waits)):
            commonest = [one_line(why, 60) for why, _ in reasons.most_common(2)]
            text.append(f" ({'; '.join(commonest)})", STATE_STYLES[state])
    return text


def ladder(row: RunRow) -> Text:
    """Write a mark for each of the five kinds of phase, blank where the run has none."""
    text = Text()
    for state in row.ladder:
        text.append(STATE_MARKS[state] if state else " ", STATE_STYLES[state] if state else "")
    return text


def _name(row: RunRow) -> str:
    return f"{f'{LEFT_OUT} ' if row.left_out else ''}{one_line(row.name, 200)}"


def _note(row: RunRow) -> str:
    return one_line(row.note, 200)


def _rounds(row: RunRow) -> str:
    return str(row.rounds)


def _paid(row: RunRow) -> str:
    """Write what was spent; of a run at work also the rate, the forecast and the cap."""
    return one_line("; ".join(one.text for one in row.paid), 80)


def _shorter(text: str, width: int) -> str:
    """Leave out the cap, then the forecast, then the rate, as far as there is no room."""
    while len(text) > width and "," in text:
        text = text.rpartition(",")[0]
    return text


def _brief_state(text: str, room: int) -> str:
    """Write ``▶ running 34 % ~80 min left`` as ``▶ 34 % ~80 min``, or without the time left, and
    ``○ queued: about to start`` as ``○ about to start``, or without the reason."""
    state, colon, why = text.partition(": ")
    if colon:
        brief = f"{state[0]} {why}"
        return brief if cell_len(brief) <= room else state
    sign, _, *how_far = text.removesuffix(" left").split(" ", 2)
    if not how_far:
        return text
    brief = f"{sign} {how_far[0]}"
    return brief if cell_len(brief) <= room else brief.partition(" ~")[0]


def _accuracy(prompt: str, row: RunRow) -> Cell:
    return accuracy(*row.measured.get(prompt, (None, None)))


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
