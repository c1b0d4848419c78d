"""Whether an open terminal rings for what has happened to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.planning.notify_files import notify_of
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from engine.schema.notify import Occasion
    from engine.store.layout import RunsFolder


def rings(runs: RunsFolder, run_id: str, event: Occasion) -> bool:
    """Whether ``notify:`` asks for the bell; not where its file can't be read, which the conductor
    says in its log."""
    try:
        notify, _ = notify_of(runs, run_id)
    except (UserError, OSError):
        return False
    return notify is not None and notify.bell and event in notify.on
