"""The home screen: all runs, filtered and sorted; beside them the one under the cursor."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Static

from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from sirt_tui.format import STATE_MARKS, STATE_STYLES, count
from sirt_tui.page import Page
from sirt_tui.panels.preview import PreviewPanel
from sirt_tui.screens import filtering, verbs
from sirt_tui.screens.run_columns import run_columns
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.timer import Timer

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed

AGEING_S = 30.0
WORKING_S = 1.0  # while something visible is at work, its duration goes on
REST_S = 0.15  # the cursor rests: only then the phases of its run are read
FILTER = "Filter: words, field:value, acc>80, -word"
COUNTED: tuple[State, ...] = ("running", "queued", "failed", "lost", "unreachable", "stopped")
EMPTY = """\
No runs here yet.

  n           compose an experiment and launch it
  make demo   in another shell: the embedded toy experiment, minutes on two cores
  sirt run    in another shell: any experiment; sirt presets lists those that are shipped

They appear here by themselves."""


class RunsPage(Page):
    """Everything about runs that can be said in a line, and every verb on one or many."""

    TITLE = "Runs"
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
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip=FILTER, priority=True),
        Binding("n", "compose", "New", tooltip="Compose an experiment"),
        Binding("p", "pairs", "Pairs", tooltip="Preference pairs of this run"),
        Binding("c", "compare", "Compare", tooltip="Compare the marked runs (space marks)"),
        Binding("v", "versus", "Answers of two marked runs", show=False),
        Binding("x", "stop", "Stop"),
        Binding("r", "retry", "Retry"),
        Binding("d", "delete", "Delete"),
        Binding("e", "export", "Export", show=False),
        Binding("s", "sort", "Sort by the next column", show=False),
        Binding("S", "reverse", "Reverse the order", show=False),
        Binding("o", "order", "Sort by a column", show=False),
        Binding("a", "mark_all", "Mark all that are shown, or none", show=False),
        Binding("t", "tag", "Tags", show=False),
        Binding("N", "note", "Note", show=False),
        Binding("C", "compose_from", "Compose from this run", show=False),
        Binding("right_square_bracket", "preview", "Preview on or off", show=False),
        Binding("escape", "clear", "Clear filter and marks", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[RunRow] = ()
        self._whole = False
        self._told: tuple[str, ...] = ()
        self._filter = filtering.ALL
        self._working: Timer | None = None
        self._awaited: str | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="status")
        yield Input(placeholder=FILTER, id="filter", compact=True)
        yield Static(Text(EMPTY), id="empty")
        with Container(id="body"):
            columns = run_columns(self.sirt.clock, lambda: self._whole)
            yield RowTable(columns, lambda row: row.run_id)
            yield PreviewPanel()

    def on_mount(self) -> None:
        super().on_mount()
        self._rows = self.feed.first_runs()
        self.subject = "reading the rest"
        self.table.sort("age", False)
        self._draw()
        self.call_after_refresh(self.feed.watch_runs, self)
        self.set_interval(AGEING_S, self.table.redraw)
        self.table.focus()

    @property
    def table(self) -> RowTable[RunRow]:
        return self.query_one(RowTable)

    @property
    def preview(self) -> PreviewPanel:
        return self.query_one(PreviewPanel)

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
        row = self.table.row
        if row is not None:
            self._preview(row)

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self.sirt.choose_run(event.key)
        row = self.table.row
        if row is None:
            self.preview.clear()
        else:
            self._preview(row)

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        self.sirt.open_run(event.key)

    def on_row_table_changed(self) -> None:
        self._draw_status()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_status)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter = filtering.parse(event.value)
        self._draw()

    def on_input_submitted(self) -> None:
        self.table.focus()

    @work(exclusive=True, group="preview")
    async def _preview(self, row: RunRow) -> None:
        """What the list knows at once; the phases when the cursor rests."""
        if not self.preview.display:
            return
        panel = self.preview
        panel.show(row, self.sirt.clock())
        await self.pause(REST_S)
        if not self._whole:
            return  # the first page is shown before anything else is read
        try:
            status = await self.ask(verbs.read, self.runs, row.run_id)
        except (UserError, OSError):
            return  # it was deleted meanwhile; the list will say so
        panel.show(row, self.sirt.clock(), status)

    def await_runs(self, run_ids: Sequence[str]) -> None:
        """Show them all, and put the cursor on the first as soon as it is there."""
        self.action_clear()
        self._awaited = run_ids[0] if run_ids else None
        self._draw()
        self.feed.hurry()

    # --- drawing ---

    def _draw(self) -> None:
        self.table.show(filtering.apply(self._rows, self._filter))
        if any(row.run_id == self._awaited for row in self._rows):
            self.table.move_to(self._awaited or "")
            self._awaited = None
        self.query_one("#empty").display = not self._rows and self._whole
        self.query_one("#body").display = bool(self._rows)
        self._draw_status()
        self._keep_time()

    def _draw_status(self) -> None:
        shown, total = len(self.table.rows), len(self._rows)
        text = Text(no_wrap=True, overflow="ellipsis")
        if self._whole:
            runs = "run" if total == 1 else "runs"
            text.append(
                f"{count(total)} {runs}" if shown == total else f"{shown} of {total} {runs}"
            )
            states = Counter(row.state for row in self._rows)
            for state in COUNTED:
                if states[state]:
                    said = f"  {STATE_MARKS[state]} {states[state]} {state}"
                    text.append(said, STATE_STYLES[state])
        else:
            text.append("the newest runs; reading the rest")
        if self.table.hidden_order:
            text.append(f"  by {self.table.hidden_order}", "dim")
        if self.table.marked:
            text.append(f"  ● {len(self.table.marked)} marked", "bold")
        if self._filter.problem:
            text.append(f"  {one_line(self._filter.problem, 200)}", "red")
        self.query_one("#status", Static).update(text)

    def _keep_time(self) -> None:
        """A clock ticks only while something is at work."""
        at_work = any(row.working_since is not None for row in self._rows)
        if at_work and self._working is None:
            self._working = self.set_interval(WORKING_S, self.table.redraw)
        elif not at_work and self._working is not None:
            self._working.stop()
            self._working = None

    # --- keys ---

    def action_clear(self) -> None:
        box = self.query_one("#filter", Input)
        box.remove_class("open")
        box.value = ""
        self.table.unmark()
        self.table.focus()
        self._draw_status()

    def action_mark_all(self) -> None:
        self.table.tick_all()

    def action_sort(self) -> None:
        self.table.sort_next()

    def action_reverse(self) -> None:
        key, descending = self.table.sorted_by
        self.table.sort(key, not descending)

    @work
    async def action_order(self) -> None:
        orders = self.table.orders.items()
        offers = [(key, title, "S turns the order round") for key, title in orders]
        key, descending = self.table.sorted_by
        said = await self.sirt.choose("Sort by", offers, key)
        if said is not None:
            self.table.sort(said, descending)

    def action_preview(self) -> None:
        self.toggle_class("flipped")
        row = self.table.row
        if row is not None:
            self.call_after_refresh(self._preview, row)

    def action_compose(self) -> None:
        self.sirt.open_compose()

    def action_compose_from(self) -> None:
        if self.table.row is not None:
            self.sirt.open_compose(run_id=self.table.row.run_id)

    def action_pairs(self) -> None:
        self.sirt.open_pairs(self.table.row.run_id if self.table.row else None)

    def action_versus(self) -> None:
        """Two runs' predictions on the same questions, the older run first."""
        meant = [row for row in self._rows if row.run_id in self.table.marked]
        if len(meant) != 2:
            self.sirt.say("mark two runs first (space), then v sets their answers side by side")
            return
        first, second = sorted(meant, key=lambda row: row.created)
        self.sirt.open_pairs(first.run_id, second.run_id)

    def action_compare(self) -> None:
        self.sirt.open_compare(self._meant())

    # --- verbs ---

    def _meant(self) -> list[str]:
        """The marked runs, else the one under the cursor; in the order of the table."""
        marked = [row.run_id for row in self._rows if row.run_id in self.table.marked]
        if not marked and self.table.row is not None:
            return [self.table.row.run_id]
        return marked

    @work
    async def action_stop(self) -> None:
        ended = {row.run_id for row in self._rows if row.state in verbs.NOTHING_TO_STOP}
        chosen = self._meant()
        meant = [run_id for run_id in chosen if run_id not in ended]
        if chosen and not meant:
            self.sirt.say(f"{_runs(chosen)}: ended already, there is nothing to stop")
        kept = [*_several(meant), "Finished work is kept; a retry goes on from it."]
        if meant and await self.sirt.confirm(f"Stop {_runs(meant)}?", kept, "Stop", verbs.GO_ON):
            await self._do(partial(verbs.stop, self.runs, meant), f"{_runs(meant)}: asked to stop")

    @work
    async def action_retry(self) -> None:
        meant = self._meant()
        if meant:
            await self._do(partial(verbs.retry, self.runs, meant), f"{_runs(meant)}: ")

    @work
    async def action_delete(self) -> None:
        meant = self._meant()
        if not meant:
            return
        try:
            lost = await self.ask(verbs.losses, self.runs, meant)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        lost = [*_several(meant), *lost]
        question, done = f"Delete {_runs(meant)} for good?", f"{_runs(meant)}: deleted"
        verb = partial(verbs.delete, self.runs, meant)
        if await self.sirt.confirm(question, lost) and await self._do(verb, done):
            self.table.marked.difference_update(meant)
            self._draw_status()

    @work
    async def action_export(self) -> None:
        meant = self._meant()
        if not meant:
            return
        folder = await self.sirt.ask_text(
            f"Export {_runs(meant)} into which folder?",
            hint="Nothing there is overwritten.",
        )
        if folder:
            target = Path(folder).expanduser()
            verb = partial(verbs.export, self.runs, meant, target)
            await self._do(verb, f"{_runs(meant)}: exported to {target}")

    @work
    async def action_tag(self) -> None:
        row = self.table.row
        if row is not None:
            hint = "Words with spaces between; a filter finds them as tag:WORD."
            text = await self.sirt.ask_text(f"Tags of {row.name}", " ".join(row.tags), hint)
            if text is not None:
                tags = tuple(dict.fromkeys(text.split()))
                verb = partial(verbs.describe, self.runs, row.run_id, tags=tags)
                await self._do(verb, "tags saved")

    @work
    async def action_note(self) -> None:
        row = self.table.row
        if row is not None:
            text = await self.sirt.ask_text(f"Note on {row.name}", row.note)
            if text is not None:
                verb = partial(verbs.describe, self.runs, row.run_id, note=text)
                await self._do(verb, "note saved")

    async def _do(self, verb: Callable[[], object], said: str) -> bool:
        """Whether it was done; else it is said why not. What the verb says follows ``said``."""
        try:
            answer = await self.ask(verb)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        else:
            self.sirt.say(f"{said}{answer}" if isinstance(answer, str) else said)
            return True
        finally:
            self.feed.hurry()
        return False


def _runs(run_ids: Sequence[str]) -> str:
    return run_ids[0] if len(run_ids) == 1 else f"{len(run_ids)} runs"


def _several(run_ids: Sequence[str]) -> list[str]:
    """Named one by one where the question only counts them."""
    named = [f"  {run_id}" for run_id in run_ids[:3]]
    more = [f"  and {len(run_ids) - 3} more"] if len(run_ids) > 3 else []
    return [*named, *more] if len(run_ids) > 1 else []
