"""The columns of the tables of running phases and of the queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING, STATE_MARKS, STATE_STYLES, duration
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.names import middle_cut

if TYPE_CHECKING:
    from engine.commands.queue_changes import Entry, Work
    from engine.store.phase_log import State


def place(work: Work) -> str:
    """Name the devices that a phase works on, or the node and what it has there."""
    if work.job is not None:
        return f"{work.job.node} {work.job.cards}".strip() or NOTHING
    if work.state == "pending":
        return NOTHING
    return "GPU " + ",".join(map(str, work.gpus)) if work.gpus else "CPU"


def _state(state: State, held: bool = False) -> Text:
    if held:
        return Text("■ held", "yellow")
    return Text(f"{STATE_MARKS[state]} {state}", STATE_STYLES[state])


def time_left(work: Work) -> str:
    """Say how long its job may still run."""
    if work.job is None or work.job.end is None:
        return NOTHING
    return duration(max(0.0, (work.job.end - datetime.now(UTC)).total_seconds()))


def _job(work: Work) -> Text:
    return Text(work.job.id if work.job is not None else NOTHING)


def _priority(work: Work) -> Text:
    known = work.job.priority if work.job is not None else None
    return Text(NOTHING if known is None else str(known))


def work_columns(pays: bool, jobs: bool) -> list[Column[Work]]:
    """Return the columns of running phases; ``pays``: whether one of them pays an endpoint;
    ``jobs``: whether one of them is a cluster's job."""
    columns: list[Column[Work]] = [
        Column("phase", "at work", 30, lambda w: one_line(w.spec.title, 60), narrow=16),
        Column("state", "state", 13, lambda w: _state(w.state), narrow=9),
        Column("where", "on", 8, lambda w: Text(one_line(place(w), 30)), rank=1, grows=jobs),
        *(
            [
                Column("job", "job", 8, _job, rank=1, narrow=5),
                Column("left", "limit in", 10, lambda w: Text(time_left(w)), rank=2),
                Column("priority", "priority", 10, _priority, rank=3),
            ]
            if jobs
            else [
                Column(
                    *("pid", "pid", 8, lambda w: Text(str(w.pid or NOTHING))),
                    rank=2,
                    justify="right",
                )
            ]
        ),
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
