"""The Curves screen: every curve of a run, or of several runs over each other, on one page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.widgets import Input, Static

from engine.queries import comparison as compared_runs
from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from sirt_tui.page import Page
from sirt_tui.panels import comparison
from sirt_tui.panels.curve_grid import CurveGrid
from sirt_tui.panels.plots import plots, single_values
from sirt_tui.places import bindings
from sirt_tui.widgets.filter_line import FilterLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.store.run_row import RunRow

FOLLOW_S = 0.4
SEARCH = "words of a metric's name: loss, margin held, refine grad"
NAMED = 4  # lines of the legend, at most


class CurvesPage(Page):
    """Shows the curves of these runs; it lies over the screen that opened it."""

    TITLE = "Curves"
    DEFAULT_CSS = """
    CurvesPage #bar, CurvesPage #names { height: auto; padding: 0 1; }
    CurvesPage #names, CurvesPage #bar { text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("all curves")]

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__()
        self._run_ids = list(run_ids)
        self._logs: compared_runs.Logs | None = None
        self._reading = False
        self._values: list[str] = []  # measured once, so no curves

    def compose_body(self) -> ComposeResult:
        yield Static(Text("reading…", "dim"), id="bar")
        yield Static(id="names")
        yield FilterLine(SEARCH)
        yield CurveGrid()

    def on_mount(self) -> None:
        names = self._run_ids
        self.subject = names[0] if len(names) == 1 else f"{len(names)} runs"
        self.query_one("#names").display = len(names) > 1
        self.grid.focus()
        self._read_names()
        self._follow()
        self.set_interval(FOLLOW_S, self._follow)

    @property
    def way_out(self) -> str:
        return "All charts" if self.is_mounted and self.grid.enlarged else ""

    @property
    def grid(self) -> CurveGrid:
        return self.query_one(CurveGrid)

    # --- what comes in ---

    @work
    async def _read_names(self) -> None:
        if len(self._run_ids) > 1:
            try:
                rows = await self.ask(compared_runs.rows_of, self.runs, self._run_ids)
            except (UserError, OSError) as error:
                self.sirt.say_error(error)
            else:
                self.query_one("#names", Static).update(names_text(rows))

    @work(group="follow")
    async def _follow(self) -> None:
        """Read what the logs have grown by, in a thread, until all runs are done."""
        if self._reading or (self._logs is not None and self._logs.at_rest):
            return
        self._reading = True
        try:
            self._logs = self._logs or compared_runs.Logs(self.runs, self._run_ids)
            phases = await self.ask(self._logs.phases)
            found = await self.ask(plots, phases)
            self._values = single_values(phases)
        except (UserError, OSError) as error:
            self.query_one("#bar", Static).update(Text(str(error), "red"))
            return
        finally:
            self._reading = False
        self.grid.show(found, several=len(self._run_ids) > 1)
        self._draw_bar()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.grid.search(event.value)
        self._draw_bar()

    def on_input_submitted(self) -> None:
        self.grid.focus()

    def _draw_bar(self) -> None:
        found, words = self.grid.titles, self.query_one("#filter", Input).value
        text = Text()
        if found:
            text.append(counted(len(found), "chart"), "bold")
        elif words:
            text.append("no chart", "bold")
        else:
            text.append("no points yet", "dim")
        text.append(f"  over {self.grid.over}", "dim")
        if self._values:
            text.append(f"  {one_line(', '.join(self._values), 200)}", "dim")
        self.query_one("#bar", Static).update(text)
        left = Text(counted(len(found), "chart"), "dim")
        none = Text(f"no metric has {words!r} in its name; esc shows all", "bold red")
        self.query_one(FilterLine).tell(left if found else none)

    def metrics(self) -> dict[str, Callable[[], object]]:
        return {title: partial(self.grid.go_to, title) for title in self.grid.titles}

    # --- keys ---

    def action_back(self) -> None:
        """Close the search, then show all charts again, then go back."""
        if self.close_filter():
            self.grid.focus()
        elif self.grid.enlarged:
            self.grid.action_enlarge()
        else:
            self.app.pop_screen()


def names_text(rows: Sequence[RunRow]) -> Text:
    """Name the runs that the letters and colours stand for."""
    text = Text()
    shown = rows if len(rows) <= NAMED else rows[: NAMED - 1]
    for number, row in enumerate(shown):
        text.append("\n" if number else "")
        text.append(f"{comparison.letter(number)} ", f"bold {comparison.colour(number)}")
        text.append(f"{row.name}  ").append(row.run_id, "dim")
    if len(shown) < len(rows):
        text.append(f"\nand {len(rows) - len(shown)} more", "dim")
    return text
