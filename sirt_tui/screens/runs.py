"""The home screen: the list of all runs, filtered and sorted, with a preview of one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.containers import Container
from textual.widgets import Input, Static

from engine.queries import run_settings
from engine.schema.errors import UserError
from sirt_tui.page import Page
from sirt_tui.panels.preview import PreviewPanel, RowView
from sirt_tui.panels.titles import EMPTY, problem_text
from sirt_tui.places import bindings
from sirt_tui.screens import filtering, run_commands, run_groups
from sirt_tui.screens.run_actions import RunActions, to_retry
from sirt_tui.screens.run_columns import chosen_columns, counts_text, marks_explained, run_columns
from sirt_tui.widgets.names import Names
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed

AGEING_S = 30.0
WORKING_S = 1.0  # while something visible is at work, its duration goes on
FOLDS_KEPT = 200
REST_S = 0.15  # the cursor rests: only then the phases of its run are read
FILTER = "Filter: words, state:failed, acc>80, lr>1e-6, took>2h, age<3d, -word"


class RunsPage(Page):
    """Lists all runs, a line each, with actions on one or several of them."""

    TITLE = "Runs"
    AUTO_FOCUS = "RowTable"  # a key that comes before the first paint must not become a filter
    DEFAULT_CSS = """
    RunsPage #filter { display: none; height: 1; border: none; padding: 0 1; }
    RunsPage #filter.open { display: block; }
    RunsPage #status { height: 1; padding: 0 1; color: $text-muted; }
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
        self._working: Timer | None = None
        self._awaited: str | None = None
        self._actions = RunActions(self)
        self._names = Names()
        self._chosen: list[str] = []
        self._added: list[str] = []  # of these, by hand to those that were shown
        self._by = ""  # what the runs are grouped by
        self._folded: set[str] = set()
        self._undone: list[Callable[[], Awaitable[None]]] = []
        self._apart: dict[str, str] = {}
        told = self._names, self._apart
        self._columns = partial(run_columns, self.sirt.clock, lambda: self._whole, *told)

    def compose_body(self) -> ComposeResult:
        yield Static(id="status")
        yield Input(placeholder=FILTER, id="filter", compact=True)
        yield Static(
            Text(EMPTY.format(compose=self.sirt.key("compose"), launch=self.sirt.key("launch"))),
            id="empty",
        )
        with Container(id="body"):
            yield RowTable(list(self._columns().values()), lambda row: row.run_id)
            yield PreviewPanel()

    def on_mount(self) -> None:
        super().on_mount()
        self._rows = self.feed.first_runs()
        self.subject = "reading the rest"
        self._recall()
        self._draw()
        self.call_after_refresh(self.feed.watch_runs, self)
        self.set_interval(AGEING_S, self.table.redraw)
        self.table.focus()

    def _recall(self) -> None:
        """Sort and filter as when this folder was looked at last."""
        match self.sirt.remembered.get("runs.sort", ["age", False]):
            case [str(key), bool(descending)]:
                self.table.sort(key, descending)
        if words := self.sirt.remembered.get("runs.filter", ""):
            box = self.query_one("#filter", Input)
            box.add_class("open")
            box.value = words
        self.set_class(self.sirt.remembered.get("runs.flipped", False), "flipped")
        self._chosen = list(map(str, self.sirt.remembered.get("runs.columns", [])))
        self._added = list(map(str, self.sirt.remembered.get("runs.added", [])))
        self._by = self.sirt.remembered.get("runs.group", "")
        self._folded = set(map(str, self.sirt.remembered.get("runs.folded", [])))

    @property
    def table(self) -> RowTable[RunRow]:
        return self.query_one(RowTable)

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
        self._folded ^= {event.key}
        self.sirt.remembered.put("runs.folded", sorted(self._folded)[:FOLDS_KEPT])
        self._draw()
        self._preview()

    def on_row_table_changed(self) -> None:
        self.sirt.remembered.put("runs.sort", [*self.table.sorted_by])
        self._draw_status()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_status)

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
        row, panel = self.table.row, self.query_one(PreviewPanel)
        if not panel.display:
            return
        if row is None:
            head = self.table.head
            none = "no run is found; esc shows all" if self._rows else ""
            panel.show_group(head.title if head else "", head.text if head else Text(none, "dim"))
            return
        panel.show(RowView(row, self.sirt.clock()))
        await self.pause(REST_S)
        if not self._whole:
            return  # the first page is shown before anything else is read
        try:
            status = await self.ask(run_commands.read, self.runs, row.run_id)
        except (UserError, OSError):
            return  # it was deleted meanwhile; the list will say so
        panel.show(RowView(row, self.sirt.clock(), status))

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
        self._apart.clear()
        self._apart |= run_settings.told_apart(rows)
        self._names.note(f"{row.name} {self._apart.get(row.run_id, '')}" for row in rows)
        columns = self._columns(self._rows, self._filter.names)
        self.table.set_columns(chosen_columns(columns, self._chosen, rows, self._added))
        self.table.grouping = run_groups.grouping(self._by, columns, self._folded)
        self.table.show(rows)
        if any(row.run_id == self._awaited for row in self._rows):
            self.table.move_to(self._awaited or "")
            self._awaited = None
        self.query_one("#empty").display = not self._rows and self._whole
        self.query_one("#body").display = bool(self._rows)
        self._draw_status()
        self._keep_time()

    def _draw_status(self) -> None:
        text = problem_text(self._filter.problem)
        text.append_text(counts_text(self._rows, len(self.table.rows), self._whole))
        if self.table.hidden_order:
            text.append(f"  by {self.table.hidden_order}", "dim")
        if self._chosen and (left := self.table.without_room):
            text.append(f"  no room for {', '.join(left)}", "yellow")
        if self.table.grouping:
            text.append(f"  grouped by {self._by.removeprefix('settings.')}", "dim")
        if self.table.ticked:
            text.append(f"  ● {len(self.table.ticked)} ticked", "bold")
        self.query_one("#status", Static).update(text)

    def _keep_time(self) -> None:
        """Redraw every second, but only while a run is working."""
        at_work = any(row.working_since is not None for row in self._rows)
        if self._working is None:
            self._working = self.set_interval(WORKING_S, self.table.redraw, pause=True)
        (self._working.resume if at_work else self._working.pause)()

    # --- keys ---

    def action_clear(self) -> None:
        """Close the filter, or else take the ticks off."""
        if not self.close_filter():
            self.table.untick()
        self.table.focus()
        self._draw_status()

    def action_tick_all(self) -> None:
        self.table.tick_all()

    def action_step(self, step: int) -> None:
        self.table.action_move(step)

    def action_sort(self) -> None:
        self.table.sort_next()

    def action_reverse(self) -> None:
        self.table.sort(*self.table.sorted_by.reversed)

    @work
    async def action_order(self) -> None:
        orders = self.table.orders.items()
        hint = f"{self.sirt.key('reverse')} reverses the order"
        offers = [(key, title, hint) for key, title in orders]
        key, descending = self.table.sorted_by
        said = await self.sirt.choose("Sort by", offers, key)
        if said is not None:
            self.table.sort(said, descending)

    @work
    async def action_columns(self) -> None:
        from sirt_tui.screens.column_choice import ColumnChoice, Offered

        columns = self._columns(self._rows)
        offered = [Offered(key, column.title) for key, column in columns.items()]
        shown = [column.key for column in chosen_columns(columns, self._chosen, self._rows)]
        said = await self.app.push_screen_wait(ColumnChoice(self.sirt, offered, shown))
        if said is None:
            return
        self._chosen = [] if said.columns == shown and not self._chosen else said.columns
        known = (*self._added, *(key for key in said.columns if key not in shown))
        self._added = [key for key in known if key in self._chosen]
        self.sirt.remembered.put("runs.columns", self._chosen)
        self.sirt.remembered.put("runs.added", self._added)
        if said.group is not None:
            self._group(said.group)
        self._draw()

    def action_group(self) -> None:
        """Group by the next of the usual columns, or not at all."""
        cycle = run_groups.CYCLE
        at = cycle.index(self._by) if self._by in cycle else -1
        self._group(cycle[(at + 1) % len(cycle)])
        self._draw()

    def _group(self, by: str) -> None:
        self._by = by
        self.sirt.remembered.put("runs.group", by)

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
        meant = [row for row in self._rows if row.run_id in self.table.ticked]
        if len(meant) != 2:
            tick = self.sirt.key("tick")
            self.sirt.say(f"tick two runs first ({tick}), to see their answers side by side")
            return
        first, second = sorted(meant, key=lambda row: row.created)
        self.sirt.open_pairs(first.run_id, second.run_id)

    def action_compare(self) -> None:
        meant = self._meant()
        if meant or self.table.head is None:
            self.sirt.open_compare([row.run_id for row in meant])

    def action_curves(self) -> None:
        self.sirt.open_curves([row.run_id for row in self._meant()])

    # --- what is done to runs ---

    def _meant(self) -> list[RunRow]:
        """Return the ticked runs in the table's order, or else the run under the cursor."""
        ticked = [row for row in self._rows if row.run_id in self.table.ticked]
        if not ticked and self.table.row is not None:
            return [self.table.row]
        if not ticked and self.table.head is not None:
            self.sirt.say(f"this is a group; tick runs of it first ({self.sirt.key('tick')})")
        return ticked

    def _states(self) -> dict[str, State]:
        return {row.run_id: row.state for row in self._meant()}

    @work
    async def action_stop(self) -> None:
        await self._actions.stop(self._states())

    @work
    async def action_retry(self) -> None:
        await self._actions.retry({r.run_id: to_retry(r.state, r.ladder) for r in self._meant()})

    @work
    async def action_delete(self) -> None:
        meant = self._states()
        if await self._actions.delete(meant):
            self._undone.append(self._restore)
            self.table.ticked.difference_update(meant)
            self._draw_status()

    @work
    async def action_leave_out(self) -> None:
        """Leave the runs out of tables and reports, or if all are, take them in again."""
        meant = self._meant()
        out = not all(row.left_out for row in meant)
        run_ids = [row.run_id for row in meant if row.left_out != out]
        if run_ids:
            self._undone.append(partial(self._actions.leave_out, run_ids, not out))
            await self._actions.leave_out(run_ids, out)

    @work
    async def action_undo(self) -> None:
        """Undo what was done here last; else bring back the newest deletion."""
        await (self._undone.pop() if self._undone else self._restore)()

    async def _restore(self) -> None:
        """Bring back the newest deletion, and put the cursor on its first run."""
        back = await self._actions.restore()
        self._awaited = back[0] if back else self._awaited

    @work
    async def action_export(self) -> None:
        await self._actions.export(self._meant())

    @work
    async def action_tag(self) -> None:
        await self._actions.tag(self._meant())

    @work
    async def action_note(self) -> None:
        await self._actions.note(self._meant())
