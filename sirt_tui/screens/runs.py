"""The home screen: all runs, filtered and sorted; beside them the one under the cursor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from engine.contract.errors import UserError
from engine.control import answers, changing, listing
from sirt_tui import filtering
from sirt_tui.format import NOTHING, STATE_MARKS, STATE_STYLES, age, duration, percent
from sirt_tui.page import Page
from sirt_tui.panels.preview import PreviewPanel
from sirt_tui.plain import one_line
from sirt_tui.table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from engine.contract.run import RunRow
    from engine.contract.rundir import RunsFolder
    from sirt_tui.feed import Feed

AGEING_S = 30.0
EMPTY = (
    "No runs here yet.\n\n"
    "n      compose an experiment and launch it\n"
    "q      leave; then, for the embedded toy experiment:  sirt run pocket\n"
)
SORTS: dict[str, Callable[[RunRow], Any]] = {
    "age": lambda r: r.created,
    "state": lambda r: r.state,
    "name": lambda r: r.name,
    "arm": lambda r: r.arm,
    "student": lambda r: r.student or "",
    "teacher": lambda r: r.teacher or "",
    "task": lambda r: r.task or "",
    "plain": lambda r: -1.0 if r.plain is None else r.plain,
    "cot": lambda r: -1.0 if r.cot is None else r.cot,
    "seed": lambda r: r.seed,
    "took": lambda r: r.seconds or -1.0,
}


def ladder(row: RunRow) -> Text:
    """One mark for each of the five kinds of phase; a space where the run has none."""
    text = Text()
    for state in row.ladder:
        text.append(
            f"{STATE_MARKS[state]} " if state else "  ", STATE_STYLES[state] if state else ""
        )
    return text


def _state(row: RunRow) -> Text:
    return Text(f"{STATE_MARKS[row.state]} {row.state}", STATE_STYLES[row.state])


def _task(row: RunRow) -> Text:
    task = row.task or NOTHING
    if row.refine_task and row.refine_task != row.task:
        task += f">{row.refine_task}"
    return Text(one_line(task, 60))


class RunsPage(Page):
    """Everything about runs that can be said in a line, and every verb on one or many."""

    TITLE = "Runs"
    DEFAULT_CSS = """
    RunsPage #filter { display: none; height: 1; border: none; padding: 0 1; }
    RunsPage #filter.open { display: block; }
    RunsPage #status { height: 1; padding: 0 1; color: $text-muted; }
    RunsPage #empty { padding: 1 2; display: none; }
    RunsPage PreviewPanel { width: 60; }
    RunsPage.-narrow PreviewPanel, RunsPage.-medium PreviewPanel { display: none; }
    RunsPage.preview PreviewPanel { display: block; }
    RunsPage.-narrow.preview #list, RunsPage.-medium.preview #list { width: 1fr; }
    RunsPage.-narrow.preview PreviewPanel { width: 46; }
    RunsPage.no-preview PreviewPanel { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("n", "compose", "New"),
        Binding("p", "pairs", "Pairs"),
        Binding("c", "compare", "Compare"),
        Binding("x", "stop", "Stop"),
        Binding("r", "retry", "Retry"),
        Binding("d", "delete", "Delete"),
        Binding("e", "export", "Export", show=False),
        Binding("s", "sort(1)", "Sort", show=False),
        Binding("S", "reverse", "Reverse the order", show=False),
        Binding("t", "tag", "Tags", show=False),
        Binding("N", "note", "Note", show=False),
        Binding("C", "compose_from", "Compose from this run", show=False),
        Binding("right_square_bracket", "preview", "Preview on or off", show=False),
        Binding("escape", "clear", "Clear filter and marks", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[RunRow] = ()
        self._filter = filtering.Filter()
        self._sort = "age"
        self._descending = True

    def compose_body(self) -> ComposeResult:
        yield Static(id="status")
        yield Input(placeholder="words, field:value, acc>80, -word", id="filter", compact=True)
        yield Static(Text(EMPTY), id="empty")
        with Horizontal():
            with Vertical(id="list"):
                yield RowTable(self._columns(), lambda row: row.run_id)
            yield PreviewPanel()

    def _columns(self) -> list[Column[RunRow]]:
        now = self.sirt.clock
        return [
            Column("state", "state", 13, _state, 0),
            Column("ladder", "phases", 10, ladder, 2),
            Column("name", "name", 14, lambda r: Text(one_line(r.name, 200)), 9, grows=True),
            Column("arm", "arm", 13, lambda r: Text(r.arm), 1),
            Column("student", "student", 12, lambda r: Text(one_line(r.student or NOTHING, 40)), 3),
            Column("teacher", "teacher", 12, lambda r: Text(one_line(r.teacher or NOTHING, 40)), 4),
            Column("task", "task", 15, _task, 5),
            Column("plain", "plain %", 8, lambda r: Text(percent(r.plain)), 0, "right"),
            Column("cot", "cot %", 7, lambda r: Text(percent(r.cot)), 0, "right"),
            Column("fraction", "of", 4, lambda r: Text(str(r.fraction)), 11, "right"),
            Column("seed", "seed", 5, lambda r: Text(str(r.seed)), 6, "right"),
            Column("age", "age", 6, lambda r: Text(age(r.created, now())), 1, "right"),
            Column("took", "took", 8, lambda r: Text(duration(r.seconds)), 10, "right"),
            Column("tags", "tags", 12, lambda r: Text(one_line(" ".join(r.tags), 60)), 12),
        ]

    def on_mount(self) -> None:
        super().on_mount()
        self._rows = self.feed.first_runs()
        self._draw()
        self.subject = "reading the rest"
        self.call_after_refresh(self.feed.watch_runs, self)
        self.set_interval(AGEING_S, self.table.refresh)
        self.table.focus()

    @property
    def table(self) -> RowTable[RunRow]:
        return self.query_one(RowTable)

    # --- what comes in ---

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        self._rows = event.rows
        self.subject = ""
        self._draw()

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self.sirt.choose_run(event.key)
        self.query_one(PreviewPanel).show(self.table.row, self.sirt.clock())
        if event.key is not None and self.query_one(PreviewPanel).display:
            self._read_phases(event.key)

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        self.sirt.open_run(event.key)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter = filtering.parse(event.value)
        self._draw()

    def on_input_submitted(self) -> None:
        self.table.focus()

    @work(exclusive=True, group="preview")
    async def _read_phases(self, run_id: str) -> None:
        try:
            status = await self.feed.ask(listing.run_status, self.runs, run_id, with_views=False)
        except (UserError, OSError):
            return  # it was deleted meanwhile; the list will say so
        row = self.table.row
        if row is not None and row.run_id == run_id:
            self.query_one(PreviewPanel).show_status(row, status, self.sirt.clock())

    # --- drawing ---

    def _draw(self) -> None:
        shown = filtering.apply(self._rows, self._filter)
        shown.sort(key=SORTS[self._sort], reverse=self._descending)
        self.table.sorted_by = (self._sort, self._descending)
        self.table.show(shown)
        self.query_one("#empty").display = not self._rows
        self.table.display = bool(self._rows)
        self._draw_status(len(shown))

    def _draw_status(self, shown: int) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        total = len(self._rows)
        text.append(f"{total} runs" if shown == total else f"{shown} of {total} runs")
        for state in ("running", "queued", "failed", "lost", "unreachable"):
            count = sum(row.state == state for row in self._rows)
            if count:
                text.append(f"  {STATE_MARKS[state]} {count} {state}", STATE_STYLES[state])
        if self.table.marked:
            text.append(f"  {len(self.table.marked)} marked", "bold")
        text.append(f"  by {self._sort}")
        if self._filter.problem:
            text.append(f"  {self._filter.problem}", "red")
        self.query_one("#status", Static).update(text)

    # --- keys ---

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.add_class("open")
        box.focus()

    def action_clear(self) -> None:
        box = self.query_one("#filter", Input)
        box.remove_class("open")
        box.value = ""
        self.table.marked.clear()
        self.table.focus()
        self._draw()

    def action_sort(self, step: int) -> None:
        names = list(SORTS)
        self._sort = names[(names.index(self._sort) + step) % len(names)]
        self._draw()

    def action_reverse(self) -> None:
        self._descending = not self._descending
        self._draw()

    def action_preview(self) -> None:
        panel = self.query_one(PreviewPanel)
        self.set_class(not panel.display, "preview")
        self.set_class(panel.display, "no-preview")

    def action_compose(self) -> None:
        self.sirt.open_compose()

    def action_compose_from(self) -> None:
        if self.table.row is not None:
            self.sirt.open_compose(run_id=self.table.row.run_id)

    def action_pairs(self) -> None:
        self.sirt.open_pairs(self.table.row.run_id if self.table.row else None)

    def action_compare(self) -> None:
        self.sirt.open_compare(self._meant())

    # --- verbs ---

    def _meant(self) -> list[str]:
        """The marked runs, else the one under the cursor; in the order of the table."""
        marked = [r.run_id for r in self._rows if r.run_id in self.table.marked]
        if not marked and self.table.row is not None:
            return [self.table.row.run_id]
        return marked

    @work
    async def action_stop(self) -> None:
        meant = self._meant()
        kept = [*meant, "", "Finished work is kept; a retry goes on from it."]
        if meant and await self.sirt.confirm(f"Stop {_runs(meant)}?", kept, "Stop"):
            await self._do(
                partial(changing.stop, self.runs, meant), f"asked {_runs(meant)} to stop"
            )

    @work
    async def action_retry(self) -> None:
        meant = self._meant()
        if meant:
            await self._do(partial(changing.retry, self.runs, meant), f"queued {_runs(meant)}")

    @work
    async def action_delete(self) -> None:
        meant = self._meant()
        if not meant:
            return
        try:
            lost = await self.feed.ask(_losses, self.runs, meant)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        if await self.sirt.confirm(f"Delete {_runs(meant)} for good?", lost):
            await self._do(partial(_delete, self.runs, meant), f"deleted {_runs(meant)}")
            self.table.marked -= set(meant)

    @work
    async def action_export(self) -> None:
        meant = self._meant()
        if not meant:
            return
        folder = await self.sirt.ask_text(
            f"Export {_runs(meant)} into which folder?", hint="nothing that is there is overwritten"
        )
        if folder:
            target = Path(folder).expanduser()
            await self._do(partial(_export, self.runs, meant, target), f"exported to {target}")

    @work
    async def action_tag(self) -> None:
        row = self.table.row
        if row is not None:
            text = await self.sirt.ask_text("Tags", " ".join(row.tags), "words with spaces between")
            if text is not None:
                verb = partial(changing.describe, self.runs, row.run_id, tags=tuple(text.split()))
                await self._do(verb, "tags saved")

    @work
    async def action_note(self) -> None:
        row = self.table.row
        if row is not None:
            text = await self.sirt.ask_text("Note", row.note)
            if text is not None:
                await self._do(
                    partial(changing.describe, self.runs, row.run_id, note=text), "note saved"
                )

    async def _do(self, verb: Callable[[], object], said: str) -> None:
        try:
            await self.feed.ask(verb)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        else:
            self.sirt.say(said)
        self.feed.hurry()


def _runs(run_ids: Sequence[str]) -> str:
    return run_ids[0] if len(run_ids) == 1 else f"{len(run_ids)} runs"


def _losses(runs: RunsFolder, run_ids: Sequence[str]) -> list[str]:
    """What goes with these runs, and what stays since others need it."""
    lines = []
    for run_id in run_ids:
        going, staying = changing.deletable(runs, run_id)
        lines.append(f"{run_id}: {len(going)} phases with all their outputs")
        if staying:
            lines.append(f"  {len(staying)} phases stay, other runs need them")
    return lines


def _delete(runs: RunsFolder, run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        changing.delete(runs, run_id)


def _export(runs: RunsFolder, run_ids: Sequence[str], folder: Path) -> None:
    for run_id in run_ids:
        into = folder / run_id if len(run_ids) > 1 else folder
        answers.export(runs, run_id, into)
