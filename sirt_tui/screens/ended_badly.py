"""Say of a run that it failed or was stopped, and why, as the Run screen does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow


def told(runs: RunsFolder, rows: Sequence[RunRow], run_id: str) -> str:
    """Write ``both wren-1m s0: ✗ refine failed: out of memory (retry it)``; reads the run.
    ``rows``: the list of runs, with this one, from whose names its own is to be told apart."""
    from sirt_tui.panels.alerts import faults
    from sirt_tui.screens.run_commands import read
    from sirt_tui.screens.run_names import name_apart

    try:
        found = [line.plain for line in faults(read(runs, run_id).phases)]
    except (UserError, OSError):  # it may be deleted by now
        found = []
    state = next(row.state for row in rows if row.run_id == run_id)
    return f"{name_apart(run_id, rows)}: {'; '.join(found) or state}"
