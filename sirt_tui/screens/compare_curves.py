"""The logs of the compared runs, read as they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.comparison import Logs
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.phase_log import PhaseView
    from sirt_tui.page import Page


class GrowingLogs:
    """Reads the runs' logs for a page, one reading at a time; those at rest are read once."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._logs: Logs | None = None
        self._reading = False

    def begin_again(self) -> None:
        """Forget what was read: other runs are compared."""
        self._logs = None

    async def read(self, run_ids: Sequence[str]) -> Sequence[dict[str, PhaseView]] | None:
        """Return each run's logs by phase, or None where there is nothing new to read."""
        if self._reading or not run_ids or (self._logs is not None and self._logs.at_rest):
            return None
        self._reading = True
        try:
            self._logs = self._logs or Logs(self._page.runs, run_ids)
            return await self._page.ask(self._logs.read)
        except (UserError, OSError):
            return None  # a run was deleted: reading the accuracies has said so
        finally:
            self._reading = False
