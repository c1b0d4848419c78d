"""The Devices screen: GPUs and their users, running phases, and the queue."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.containers import Container
from textual.widgets import Static

from engine.commands import queue_changes, run_changes
from engine.queries import cluster
from engine.schema.errors import UserError
from sirt_tui.page import Page
from sirt_tui.panels.gpus import GpusPanel, MachineView
from sirt_tui.panels.queue import queue_columns, work_columns
from sirt_tui.places import bindings
from sirt_tui.screens.run_actions import RunActions
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.commands.queue_changes import Conducting, Entry, Work
    from engine.store.phase_log import State
    from sirt_tui.feed import Feed


class DevicesPage(Page):
    """Shows the devices and the queue; keys act on the table that has the focus."""

    TITLE = "Devices"
    DEFAULT_CSS = """
    DevicesPage #conductor { height: 1; padding: 0 1; }
    DevicesPage #body { layout: grid; height: 1fr; grid-size: 2 2; grid-columns: 1fr 1fr; }
    DevicesPage GpusPanel { row-span: 2; }
    DevicesPage.-narrow #body { grid-size: 1 3; grid-rows: 2fr 1fr 1fr; }
    DevicesPage.-narrow GpusPanel { row-span: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("devices")]

    def __init__(self) -> None:
        super().__init__()
        self._now: Conducting | None = None
        self._machine: Feed.MachineChanged | None = None
        self._requested: dict[str, str] = {}

    def compose_body(self) -> ComposeResult:
        yield Static(id="conductor")
        with Container(id="body"):
            yield GpusPanel()
            working: RowTable[Work] = RowTable(
                work_columns(False, False), lambda w: w.spec.id, id="working", ticks=False
            )
            yield working
            waiting: RowTable[tuple[int, Entry, State]] = RowTable(
                queue_columns(self._requested),
                lambda entry: entry[1].run_id,
                id="queue",
                ticks=False,
            )
            yield waiting

    def on_mount(self) -> None:
        self.feed.watch_machine(self)
        self.feed.watch_queue(self)
        self.working.nothing, self.queue.nothing = "nothing is at work", "nothing is queued"
        self.queue.focus()

    @property
    def working(self) -> RowTable[Work]:
        return self.query_one("#working", RowTable)

    @property
    def queue(self) -> RowTable[tuple[int, Entry, State]]:
        return self.query_one("#queue", RowTable)

    # --- what comes in ---

    def on_feed_machine_changed(self, event: Feed.MachineChanged) -> None:
        self._machine = event
        self.query_one(GpusPanel).note(event.machine, event.gpus)
        self._draw_machine()

    def _draw_machine(self) -> None:
        """Draw the machine, naming the phase that each of our processes works on."""
        if self._machine is not None:
            working = self._now.working if self._now else ()
            ours = {w.pid: w.spec.title for w in working if w.pid is not None}
            around = cluster.lines(self._now.cluster) if self._now and self._now.cluster else ()
            view = MachineView(self._machine.machine, self._machine.gpus, ours, around)
            self.query_one(GpusPanel).show(view)

    def on_feed_queue_changed(self, event: Feed.QueueChanged) -> None:
        now = self._now = event.now
        self._draw_machine()
        self._requested.update({e.run_id: queue_changes.requested(e.devices) for e in now.entries})
        pays = any(w.paid is not None for w in now.working)
        self.working.set_columns(work_columns(pays, any(w.job is not None for w in now.working)))
        self.working.show(now.working)
        rows = list(enumerate(zip(now.entries, now.states, strict=True), start=1))
        self.queue.show([(n, entry, state) for n, (entry, state) in rows])
        self.queue.redraw()
        self.query_one("#conductor", Static).update(conductor_line(now))

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self.sirt.choose_run(self._meant())

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        run_id = self._meant()
        if run_id is not None:
            self.sirt.open_run(run_id)

    # --- keys ---

    def _meant(self) -> str | None:
        """Return the run under the cursor, in the table that has the focus."""
        if self.focused is self.working:
            return self.working.row.run_id if self.working.row else None
        return self.queue.row[1].run_id if self.queue.row else None

    def copied(self) -> dict[str, str]:
        work = self.working.row if self.focused is self.working else None
        of_phase = {}
        if work is not None:
            of_phase = {"phase's id": work.spec.id, "process's number": str(work.pid or "")}
        return self._of_run(self._meant()) | {what: text for what, text in of_phase.items() if text}

    @work(exclusive=True, group="move")
    async def action_move(self, step: int) -> None:
        row = self.queue.row
        if row is None or self._now is None:
            return
        place = min(max(row[0] - 1 + step, 0), len(self._now.entries) - 1)
        await self._do(partial(run_changes.move, self.runs, row[1].run_id, place))

    @work
    async def action_hold(self) -> None:
        run_id = self._meant()
        entries = self._now.entries if self._now else ()
        entry = next((one for one in entries if one.run_id == run_id), None)
        if entry is not None:
            await self._do(partial(queue_changes.hold, self.runs, entry.run_id, not entry.hold))

    @work
    async def action_stop(self) -> None:
        run_id = self._meant()
        if run_id:
            await RunActions(self).stop({run_id: "running"})

    @work
    async def action_limit(self) -> None:
        now = str(self._now.cpu_slots or "") if self._now else ""
        title, hint = "Phases on the CPU at once", "empty: all that fit"
        said = await self.sirt.ask_text(title, now, hint, _no_number)
        if said is not None:
            slots = int(said) if said else None
            await self._do(partial(queue_changes.set_cpu_slots, self.runs, slots))

    async def _do(self, command: Callable[[], object]) -> None:
        try:
            await self.ask(command)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        self.feed.hurry()


def _no_number(text: str) -> str:
    is_one = not text or (text.isdecimal() and int(text))
    return "" if is_one else f"{text!r} is no number of phases: 2, say"


def conductor_line(now: Conducting) -> Text:
    """Say whether a conductor runs, and how many phases may run at once."""
    text = Text()
    if now.conductor_pid is not None:
        text.append(f"▶ the conductor (process {now.conductor_pid}) starts phases", "cyan")
    elif now.entries:
        text.append("! no conductor: nothing starts; retry a run to start one", "bold yellow")
    else:
        text.append("nothing is queued", "dim")
    slots = now.cpu_slots or "as many as cores"
    if now.waiting:
        phase, why = next(iter(now.waiting.items()))
        more = f" (and {len(now.waiting) - 1} more)" if len(now.waiting) > 1 else ""
        text.append(f"  {phase.partition('-')[0]} {why}{more}", "yellow")
    for at_work in now.working:
        if at_work.paid is not None:
            text.append(f"  {at_work.spec.title} pays {at_work.paid.text}")
    text.append(f"  phases at once: CPU {slots}, endpoints {now.api_slots}", "dim")
    return text
