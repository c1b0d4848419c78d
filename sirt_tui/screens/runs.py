"""The home screen: the list of all runs, filtered and sorted, with a preview of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.containers import Container
from textual.widgets import Input, Static

from engine.schema.counts import counted
from engine.store.run_row import RunRow
from sirt_tui.panels.preview import PreviewPanel
from sirt_tui.panels.titles import EMPTY
from sirt_tui.places import bindings
from sirt_tui.screens import filtering, run_preview
from sirt_tui.screens.run_actions import RunActions, to_retry
from sirt_tui.screens.run_columns import counts_text, marks_explained
from sirt_tui.screens.run_listing import RunListing
from sirt_tui.screens.table_page import TablePage
from sirt_tui.widgets.filter_line import FilterLine, understood
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from sirt_tui.feed import Feed

NONE = "no run is found; esc shows all"
FILTER = "Filter: words, state:failed, plain>80, lr>1e-6, took>2h, age<3d, -word"


class RunsPage(TablePage[RunRow]):
    """Lists all runs, a line each, with actions on one or several of them."""

    TITLE = "Runs"
    AUTO_FOCUS = "RowTable"  # a key that comes before the first paint must not become a filter
    DEFAULT_CSS = """
    RunsPage #status { height: 1; padding: 0 1; }
    RunsPage #empty { padding: 1 2; display: none; }
    RunsPage #body { layout: horizontal; height: 1fr; }
    RunsPage #body RowTable { width: 1fr; height: 1fr; }
    RunsPage PreviewPanel { width: 46; height: 1fr; }
    RunsPage.-wide PreviewPanel { width: 50; }
    RunsPage.-narrow #body { layout: vertical; }
    RunsPage.-narrow PreviewPanel { display: none; width: 1fr; height: 50%; }
    RunsPage.-narrow.flipped PreviewPanel { display: block; }
    RunsPage.flipped PreviewPanel { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("runs")]

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[RunRow] = ()
        self._whole = False
        self._told: tuple[str, ...] = ()
        self._filter = filtering.ALL
        self._awaited: str | None = None
        self._listing = RunListing(self, lambda: self._whole)
        self._actions = RunActions(self, lambda: bool(self.table.ticked))

    def compose_body(self) -> ComposeResult:
        yield Static(id="status")
        yield FilterLine(FILTER)
        yield Static(
            Text(EMPTY.format(compose=self.sirt.key("compose"), launch=self.sirt.key("launch"))),
            id="empty",
        )
        with Container(id="body"):
            yield RowTable(self._listing.columns, lambda row: row.run_id)
            yield PreviewPanel()

    def on_mount(self) -> None:
        self._rows = self.feed.first_runs()
        self.subject = "reading the rest"
        self.table.nothing = NONE
        self._recall()
        self._listing.keep_time(self._preview)
        self._draw()
        self.call_after_refresh(self.feed.watch_runs, self)
        self.table.focus()

    def _recall(self) -> None:
        """Sort and filter as when this folder was looked at last."""
        self._listing.recall()
        if words := self.sirt.remembered.get("runs.filter", ""):
            self.filter_by(words)
        self.set_class(self.sirt.remembered.get("runs.flipped", False), "flipped")

    # --- what comes in ---

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        self._rows = event.rows
        self._whole = True
        self.subject = ""
        for line in event.damage:
            if line not in self._told:
                self.sirt.say(line, "error")
        self._told = event.damage
        self._draw()
        self._preview()

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self.sirt.choose_run(event.key)
        self._preview()

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        self.sirt.open_run(event.key)

    def on_row_table_folded(self, event: RowTable.Folded) -> None:
        self._listing.fold(event.key)
        self._draw()
        self._preview()

    def on_row_table_changed(self) -> None:
        self.sirt.remembered.put("runs.sort", [*self.table.sorted_by])
        self._draw_status()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value:
            event.input.add_class("open")  # what hides runs is seen
        self.sirt.remembered.put("runs.filter", event.value)
        self._draw()
        self._preview()

    def on_input_submitted(self) -> None:
        self.table.focus()

    @work(exclusive=True, group="preview")
    async def _preview(self) -> None:
        """Show the run's row at once, and its phases when the cursor has stopped."""
        await run_preview.show(self, self.table, NONE if self._rows else "", lambda: self._whole)

    def await_runs(self, run_ids: Sequence[str]) -> None:
        """Show all runs, with the cursor on the first of these once it is there."""
        self.close_filter()
        self.table.untick()
        self.table.focus()
        self._awaited = run_ids[0] if run_ids else None
        self._draw()
        self.feed.hurry()

    # --- drawing ---

    def _draw(self) -> None:
        self._filter = filtering.parse(self.query_one("#filter", Input).value, self._rows)
        rows = filtering.apply(self._rows, self._filter)
        self._listing.show(rows, self._rows, self._filter.names)
        if any(row.run_id == self._awaited for row in self._rows):
            self.table.move_to(self._awaited or "")
            self._awaited = None
        self.query_one("#empty").display = not self._rows and self._whole
        self.query_one("#body").display = bool(self._rows)
        self._draw_status()

    def _draw_status(self) -> None:
        text = self._listing.ticks_text()  # first: it is never cut
        text.append_text(counts_text(len(self._rows), self.table.rows, self._whole))
        text.append_text(self._listing.look_text())
        self.query_one("#status", Static).update(text)
        shown, known = len(self.table.rows), len(self._rows)
        left = Text(f"{shown} of {counted(known, 'run')}" if shown else NONE, "dim")
        self.query_one(FilterLine).tell(understood(self._filter, left))

    # --- keys ---

    def action_clear(self) -> None:
        """Close the filter, or else take the ticks off."""
        if not self.close_filter() and (ticked := len(self.table.ticked)):
            self.table.untick()
            self.sirt.say(f"{counted(ticked, 'tick')} taken off")
        self.table.focus()
        self._draw_status()

    def action_sort(self) -> None:
        self.table.sort_next()

    def action_reverse(self) -> None:
        self.table.sort(*self.table.sorted_by.reversed)

    @work
    async def action_order(self) -> None:
        await self._listing.choose_order()

    @work
    async def action_columns(self) -> None:
        if await self._listing.choose_columns():
            self._draw()

    @work
    async def action_group(self) -> None:
        await self._listing.choose_group()
        self._draw()

    def action_reset(self) -> None:
        """Show all runs in the usual way."""
        self.close_filter()
        self._listing.reset()
        self._draw()

    def about_here(self) -> tuple[str, RenderableType]:
        return "Marks", marks_explained()

    def action_preview(self) -> None:
        self.toggle_class("flipped")
        self.sirt.remembered.put("runs.flipped", self.has_class("flipped"))
        self.call_after_refresh(self._preview)

    def action_compose_from(self) -> None:
        if self.table.row is not None:
            self.sirt.open_compose(run_id=self.table.row.run_id)

    def copied(self) -> dict[str, str]:
        row = self.table.row
        return self._of_run(row.run_id) | {"name": row.name} if row is not None else {}

    def action_pairs(self) -> None:
        self.sirt.open_pairs(self.table.row.run_id if self.table.row else None)

    def action_versus(self) -> None:
        """Show two runs' predictions on the same questions, the older run's first."""
        if (pair := self._listing.ticked_pair()) is not None:
            self.sirt.open_pairs(*pair)

    def action_compare(self) -> None:
        meant = self._listing.meant()
        if meant or self.table.head is None:
            self.sirt.open_compare([row.run_id for row in meant])

    def action_curves(self) -> None:
        self.sirt.open_curves([row.run_id for row in self._listing.meant()])

    # --- what is done to runs ---

    @work
    async def action_stop(self) -> None:
        await self._actions.stop(self._listing.states())

    @work
    async def action_retry(self) -> None:
        await self._actions.retry(
            {r.run_id: to_retry(r.state, r.ladder) for r in self._listing.meant()}
        )

    @work
    async def action_delete(self) -> None:
        meant = self._listing.states()
        if await self._actions.delete(meant):
            self.table.ticked.difference_update(meant)
            self._draw_status()

    @work
    async def action_leave_out(self) -> None:
        """Leave the runs out of tables and reports, or if all are, take them in again."""
        await self._actions.leave_out_or_in(self._listing.meant())

    @work
    async def action_undo(self) -> None:
        self._await_back(await self._actions.undo())

    @work
    async def action_trash(self) -> None:
        self._await_back(await self._actions.look_into_trash())

    def _await_back(self, run_ids: Sequence[str]) -> None:
        """Put the cursor on the first of the runs that came back, once it is there."""
        self._awaited = run_ids[0] if run_ids else self._awaited

    @work
    async def action_export(self) -> None:
        await self._actions.export(self._listing.meant())

    @work
    async def action_tag(self) -> None:
        await self._actions.tag(self._listing.meant())

    @work
    async def action_note(self) -> None:
        await self._actions.note(self._listing.meant())
