"""The columns of the tables of running phases and of the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING, STATE_MARKS, STATE_STYLES
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.names import middle_cut

if TYPE_CHECKING:
    from engine.commands.queue_changes import Entry, Work
    from engine.store.phase_log import State


def place(work: Work) -> str:
    """Name the devices that a phase works on."""
    return "GPU " + ",".join(map(str, work.gpus)) if work.gpus else "CPU"


def _state(state: State, held: bool = False) -> Text:
    if held:
        return Text("■ held", "yellow")
    return Text(f"{STATE_MARKS[state]} {state}", STATE_STYLES[state])


def work_columns(pays: bool) -> list[Column[Work]]:
    """Return the columns of running phases; ``pays``: whether one of them pays an endpoint."""
    columns: list[Column[Work]] = [
        Column("phase", "at work", 30, lambda w: one_line(w.spec.title, 60), narrow=16),
        Column("state", "state", 13, lambda w: _state(w.state), narrow=9),
        Column("where", "on", 8, lambda w: Text(place(w)), rank=1),
        Column("pid", "pid", 8, lambda w: Text(str(w.pid or NOTHING)), rank=2, justify="right"),
        Column("attempt", "try", 3, lambda w: Text(str(w.attempt)), rank=3, justify="right"),
        Column(
            *("run", "of run", 20, lambda w: one_line(w.run_id, 80)),
            narrow=12,
            grows=True,
            shorten=middle_cut,
        ),
    ]
    return [*columns, Column("paid", "paid", 42, _paid, narrow=10)] if pays else columns


def _paid(work: Work) -> str:
    return one_line(work.paid.paid.text, 60) if work.paid else NOTHING


def queue_columns(requested: dict[str, str]) -> list[Column[tuple[int, Entry, State]]]:
    """Return the queue's columns; ``requested``: the devices that each run asked for."""
    return [
        Column("place", "queue", 5, lambda e: Text(str(e[0])), justify="right"),
        Column("state", "state", 13, lambda e: _state(e[2], e[1].hold)),
        Column(
            *("run", "run", 24, lambda e: one_line(e[1].run_id, 80)),
            grows=True,
            shorten=middle_cut,
        ),
        Column("asks", "asks for", 10, lambda e: Text(requested.get(e[1].run_id, NOTHING)), rank=1),
    ]
