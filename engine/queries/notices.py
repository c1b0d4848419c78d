"""Whether an open terminal rings for what has happened to a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine.machine.state import phase_state, standstill
from engine.planning.notify_files import notify_of
from engine.schema.errors import UserError
from engine.store.run import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from engine.schema.notify import Occasion
    from engine.store.layout import RunsFolder


def stuck(runs: RunsFolder, run_ids: Iterable[str]) -> set[tuple[str, str, datetime]]:
    """Which of these runs have a phase at work without a sign of progress for so long that an open
    terminal rings: run, phase, and since when. A run that can't be read has none."""
    found = set()
    for run_id in run_ids:
        with suppress(UserError, OSError):
            found |= {(run_id, *one) for one in _standing(runs, run_id)}
    return found


def _standing(runs: RunsFolder, run_id: str) -> Iterator[tuple[str, datetime]]:
    notify, _ = notify_of(runs, run_id)
    if notify is None or not notify.bell or "stuck" not in notify.on:
        return
    for folder in map(runs.phase, read_record(runs, run_id).spec.phase_ids):
        attempt = folder.last_attempt()
        silent = standstill(attempt) if attempt and not folder.done else None
        too_long = silent and silent[1] >= 60 * notify.stuck_minutes
        if silent and too_long and phase_state(folder).state == "running":
            yield folder.id, silent[0]


def rings(runs: RunsFolder, run_id: str, event: Occasion) -> bool:
    """Whether ``notify:`` asks for the bell; not where its file can't be read, which the conductor
    says in its log."""
    try:
        notify, _ = notify_of(runs, run_id)
    except (UserError, OSError):
        return False
    return notify is not None and notify.bell and event in notify.on
