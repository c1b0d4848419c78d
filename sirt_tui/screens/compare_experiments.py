"""What the Compare screen shows of whole experiments: matrices, fractions of data, the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.queries import comparison, sweeps
from sirt_tui.panels.parallel import evaluations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.queries.comparison import Overview
    from engine.queries.sweeps import Sweep
    from engine.schema.evaluation import Evaluation
    from engine.store.run_row import RunRow
    from sirt_tui.page import Page


class WholeExperiments:
    """The compared runs' experiments, since a matrix needs more than the compared runs."""

    def __init__(self) -> None:
        self.overview: Overview | None = None
        self.sweep: Sweep | None = None
        self._turn = 0  # of what the sweep's runs were scored on

    async def read(
        self, page: Page, rows: Sequence[RunRow], prompt: Literal["plain", "cot"]
    ) -> None:
        self.overview = await page.ask(comparison.overview, rows, prompt)
        self.sweep = await page.ask(sweeps.of_rows, page.runs, rows)

    def evaluation(self, chosen: Iterable[RunRow]) -> Evaluation | None:
        """Return what the sweep is shown for: at first what the chosen runs were scored on."""
        known = evaluations(self.sweep, chosen) if self.sweep is not None else []
        return known[self._turn % len(known)] if known else None

    def next_evaluation(self) -> None:
        self._turn += 1
