"""The title of the Run screen: the run's name, its state, and what it still takes or took."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len

from engine.queries.doing import waits_for
from sirt_tui.format import STATE_MARKS, duration, time_left
from sirt_tui.screens.run_names import name_apart
from sirt_tui.widgets.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.queries.runs import RunStatus
    from engine.store.run_row import RunRow

BEFORE = len(" SIRT Run   ")  # what the line has besides
LEAST_NAME = 12  # cells


def run_title(status: RunStatus, rows: Sequence[RunRow], now: datetime, width: int) -> str:
    """Write ``both wren-1m s0  ▶ running, 4 of 6 done, ~12 min left``. ``rows``: the list of runs,
    as far as it is known. Where a line of ``width`` cells is too short for it, the name loses words
    that don't tell it from theirs."""
    row = next((row for row in rows if row.run_id == status.file.run_id), None)
    state = _state(status, row, now)
    name = name_apart(status.file.run_id, rows, status.file.name)
    room = max(LEAST_NAME, width - BEFORE - cell_len(state) - 2)
    if cell_len(name) > room:
        name = _beside(frozenset([name, *(row.name for row in rows)])).short(name, room)
    return f"{name}  {state}"


@lru_cache(1)
def _beside(names: frozenset[str]) -> Names:
    """Note names that are beside each other; what tells thousands apart takes 0.2 s to find."""
    found = Names()
    found.note(names)
    return found


def _state(status: RunStatus, row: RunRow | None, now: datetime) -> str:
    parts = [f"{STATE_MARKS[status.state]} {status.state}"]
    done = sum(phase.state == "done" for phase in status.phases)
    if 0 < done < len(status.phases):
        parts.append(f"{done} of {len(status.phases)} done")
    if status.state == "queued":
        waits = (waits_for(phase, status.phases) for phase in status.phases)
        parts += [why for why in waits if why][:1]
    elif status.state == "done" and row is not None:
        parts += [f"took {duration(row.seconds)}"] if row.seconds is not None else []
        parts += [f"paid {one.text}" for one in row.paid]
    elif status.state == "running" and row is not None and row.ends is not None and row.ends > now:
        parts.append(time_left((row.ends - now).total_seconds()))
    return ", ".join(parts)
