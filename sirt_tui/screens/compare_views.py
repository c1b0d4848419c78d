"""The views of the Compare screen, of which one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.containers import ScrollableContainer
from textual.widgets import ContentSwitcher, Static

from sirt_tui.panels import comparison
from sirt_tui.panels.compared_accuracies import ComparedAccuracies
from sirt_tui.panels.compared_curves import ComparedCurves
from sirt_tui.panels.fractions import FractionsPanel
from sirt_tui.panels.parallel import ParallelPanel
from sirt_tui.screens.compare_bar import VIEWS
from sirt_tui.widgets.frozen_table import FrozenTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text
    from textual.app import ComposeResult

    from engine.queries.comparison import Compared, Settings
    from engine.queries.judgements import Judgement
    from engine.store.run_row import RunRow
    from sirt_tui.screens.compare_experiments import WholeExperiments
    from sirt_tui.shell import Shell
    from sirt_tui.widgets.frozen_table import Cells

FOCUSED = {"fractions": "points", "sweep": "groups"}  # the part of a view that scrolls
CURVE, AROUND = 14, 3  # lines of a curve below the accuracies at least; around those


class ComparedViews(ContentSwitcher):
    """Shows one view, and a curve below the accuracies where they leave room for it. ``text``: what
    stands there until the runs have been read."""

    DEFAULT_CSS = """
    ComparedViews { height: 1fr; }
    ComparedViews ScrollableContainer { padding: 0 1; height: 1fr; }
    ComparedViews Static { width: auto; }
    ComparedViews #curves.below { border-top: solid $border; border-title-color: $text; }
    """

    def __init__(self, text: Text) -> None:
        super().__init__(initial=VIEWS[0])
        self._text = text
        self.number = 0

    def compose(self) -> ComposeResult:
        yield ComparedAccuracies("accuracies", self._text)
        yield ComparedCurves(id="curves")
        yield FrozenTable("settings", self._text)
        yield FrozenTable("matrix", self._text)
        yield FractionsPanel(id="fractions")
        yield ParallelPanel(id="sweep")
        with ScrollableContainer(id="judgements", can_focus=True):
            yield Static(self._text)

    @property
    def shown(self) -> str:
        return VIEWS[self.number]

    @property
    def accuracies(self) -> ComparedAccuracies:
        return self.query_one(ComparedAccuracies)

    @property
    def curves(self) -> ComparedCurves:
        return self.query_one(ComparedCurves)

    def go_to(self, number: int) -> None:
        self.number = number
        self.current = self.shown
        self.use_room()
        self.query_one(f"#{FOCUSED.get(self.shown, self.shown)}").focus()

    def on_resize(self) -> None:
        self.use_room()

    def use_room(self) -> None:
        """Draw a curve below the accuracies where there is room."""
        lines = self.accuracies.count + AROUND
        below = self.shown == "accuracies" and bool(self.curves.views)
        below = below and self.size.height - lines >= CURVE
        self.accuracies.styles.height = lines if below else "1fr"
        self.curves.set_class(below, "below")
        self.curves.display = below or self.shown == "curves"

    def put(self, view: str, *content: Cells | Text) -> None:
        self.query_one(f"#{view}", FrozenTable).put(*content)
        self.use_room()

    def show_accuracies(self, compared: Compared, untested: str, why: str) -> None:
        self.accuracies.show(compared, untested, why)
        self.use_room()

    def show_settings(self, found: Settings, rows: Sequence[RunRow]) -> None:
        self.put("settings", comparison.settings_table(found, rows, self._key("all_settings")))

    def show_overview(self, whole: WholeExperiments, rows: Sequence[RunRow]) -> None:
        """Show what was read of whole experiments; ``rows``: the compared runs."""
        if whole.overview is not None:
            self.put("matrix", comparison.matrix_table(whole.overview.matrices))
            self.query_one(FractionsPanel).show(whole.overview.fractions)
        if whole.sweep is not None:
            ids = [row.run_id for row in rows]
            self.query_one(ParallelPanel).show(whole.sweep, whole.evaluation(rows), ids)

    def show_judged(self, found: Sequence[Judgement], rows: Sequence[RunRow]) -> None:
        told = comparison.judged_text(found, rows, self._key("judge"))
        self.query_one("#judgements > Static", Static).update(told)

    def _key(self, name: str) -> str:
        return cast("Shell", self.app).key(name)
