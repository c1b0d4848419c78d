"""The Compose screen: the experiment's choices, every setting, and the resulting plan."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work

from engine.commands import composing, drafts, sites
from engine.queries import settings_form
from engine.queries.machine import MachineNow
from engine.schema.errors import UserError
from sirt_tui import draft_document as documents
from sirt_tui.draft_document import DraftDocument
from sirt_tui.page import Page
from sirt_tui.panels.tree_choice import EACH, Offered
from sirt_tui.places import bindings
from sirt_tui.screens import compose_dialogs, compose_launch, editing
from sirt_tui.screens.compose_panes import PANES, ComposePanes
from sirt_tui.screens.draft_plan import DraftPlan
from sirt_tui.widgets.typed_ahead import ASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.settings_form import Draft, Setting
    from sirt_tui.feed import Feed
    from sirt_tui.panels.tree_choice import Placement, Row
    from sirt_tui.widgets.picking import PickTable
    from sirt_tui.widgets.table import RowTable


class ComposePage(Page):
    """Starts from ``preset`` (a name or a file) or ``run_id``; without either, it asks, and
    offers the run ``beside`` which it was opened."""

    TITLE = "Compose"
    SEARCHES = True
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compose")]

    def __init__(
        self, preset: str | None = None, run_id: str | None = None, beside: str | None = None
    ) -> None:
        super().__init__()
        self._from = (preset, run_id)
        self._beside = beside
        self._known = asyncio.Event()  # what may be chosen
        self._asks_later = False  # what to start from: another page came first
        self._document = DraftDocument()
        self._offered = Offered()
        self._plan = DraftPlan(self)

    def compose_body(self) -> ComposeResult:
        yield ComposePanes()

    def on_mount(self) -> None:
        self.panes.choices.focus()
        self._draw()
        self.feed.watch_machine(self)
        self._begin()

    def on_unmount(self) -> None:
        documents.keep(self.runs, self._document)
        if self._document.unsaved and self._document.draft:
            self.sirt.say(f"the draft is kept; {self.sirt.key('compose')} goes on with it")

    @property
    def panes(self) -> ComposePanes:
        return self.query_one(ComposePanes)

    def about_here(self) -> tuple[str, RenderableType] | None:
        return self.panes.explained()

    # --- where it starts ---

    @work(group=ASKS)
    async def _begin(self) -> None:
        preset, run_id = self._from
        if preset is None and run_id is None:
            await self._start()
            return
        self._learn()
        if preset is not None:
            await self._take(partial(documents.from_preset, preset))
        elif run_id is not None:
            await self._take(partial(documents.from_run, self.runs, run_id))

    @work
    async def _learn(self) -> None:
        """Read what may be chosen, once, and what the presets say of themselves."""
        if not self._known.is_set():
            found = await self.ask(composing.shipped)
            there = await self.ask(sites.site_names, self.runs)
            self._offered = replace(self._offered, choices=found.choices, sites=there)
            self._known.set()
        await compose_dialogs.tell_presets(self)

    @work
    async def action_start(self) -> None:
        await self._start()

    async def _start(self) -> None:
        kept = await self.ask(drafts.kept, self.runs)
        mine = {self._document.place, self._document.taken}
        others = [draft for draft in kept if draft.path not in mine]
        if self.is_covered:
            self._asks_later = True
            return
        self.call_after_refresh(self._learn)  # after the question is there
        source = await compose_dialogs.start(self, others, self._beside)
        if callable(source):
            await self._take(source)
            return
        if not self._plan.begun:
            self.sirt.go_back()  # nothing was begun, and so nothing begins
        if source is not None:
            await self.app.run_action(f"app.{source}")

    def on_screen_resume(self) -> None:
        if self._asks_later:
            self._asks_later = False
            self.action_start()

    async def _take(self, source: Callable[[], DraftDocument]) -> None:
        """Show another draft, keeping the one before if it isn't saved."""
        try:
            await self.ask(documents.keep, self.runs, self._document)
            self._document = await self.ask(source)
            await self._known.wait()
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        self.panes.choices.unfold_changed(self._document.draft)
        self._changed()

    # --- the draft changes, and the plan follows ---

    def _put(self, draft: Draft) -> None:
        if draft != self._document.draft:
            self._document.draft = draft
            self._changed()

    def _changed(self) -> None:
        self._plan.change()
        self._draw()
        if not self._plan.at_work:
            self._follow()

    @work
    async def _follow(self) -> None:
        panes = self.panes
        try:
            await self._plan.follow(
                lambda: self._document,
                lambda: (self._offered.on_gpu, self._offered.placement.site),
                panes.wait,
            )
        except OSError as error:
            self.sirt.say_error(error)
            return
        self._draw()
        panes.show_plan(self._document.draft, self._offered, self._plan)

    def _draw(self) -> None:
        self.panes.show(self._document.draft, self._offered, self._plan)
        self.subject = self._document.said

    def on_feed_machine_changed(self, event: Feed.MachineChanged) -> None:
        had = self._offered.on_gpu
        self._offered = replace(self._offered, machine=MachineNow(event.machine, event.gpus))
        self.panes.choices.show_offered(self._offered)
        if had != self._offered.on_gpu and self._plan.begun:
            self._changed()

    # --- the panes ---

    def action_pane(self, step: int) -> None:
        self.panes.step(step)

    def action_pane_at(self, number: int) -> None:
        self.panes.go_to(PANES[number])

    def copied(self) -> dict[str, str]:
        path = self._document.file or self._document.place
        if path is None:
            return {}
        return {"path": str(path.absolute()), "command": self._command("run", str(path.absolute()))}

    def action_to_panel(self, at: int) -> None:
        if at < len(PANES):
            self.action_pane_at(at)
        else:
            super().action_to_panel(at)

    def action_filter(self) -> None:
        self.panes.open_filter()

    async def action_leave(self) -> None:
        if not self.panes.close_filter():
            self.sirt.go_back()

    # --- choosing and setting ---

    def on_pick_table_picked(self, event: PickTable.Picked) -> None:
        """Tick, unfold or choose the next value; otherwise edit the value."""
        setting: Setting | None = event.row.setting
        if event.table is self.panes.choices:
            self._pick_choice(event.row)
        elif setting is not None and setting.options and not setting.many:
            self._put(settings_form.next_option(self._document.draft, setting))
        elif setting is not None:
            self._edit(setting)

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        if event.table is self.panes.choices:
            self._pick_choice(event.row)
        else:
            self._edit(event.row.setting)

    def _pick_choice(self, row: Row) -> None:
        if row.option is not None and row.setting is not None:
            self._put(settings_form.toggled(self._document.draft, row.setting, row.option.value))
        elif row.setting is not None:
            self._edit(row.setting)
        elif row.key.endswith(f"/{EACH}"):
            self._edit_each()
        else:
            self._place(self._offered.placement.toggled(row.key.partition("/")[2]))

    def action_default(self) -> None:
        setting = self.panes.setting
        if setting is not None:
            self._put(settings_form.with_value(self._document.draft, setting, setting.default))

    @work
    async def _edit(self, setting: Setting) -> None:
        await self._ask_value(setting)

    async def _ask_value(self, setting: Setting) -> None:
        said = await compose_dialogs.value(self, self._document.draft, setting)
        if said is not None:
            self._put(settings_form.with_value(self._document.draft, setting, said[0]))

    @work
    async def _edit_each(self) -> None:
        self._place(await compose_dialogs.gpus_a_phase(self, self._offered.placement))

    def _place(self, placement: Placement) -> None:
        self._offered = replace(self._offered, placement=placement)
        self._changed()

    @work(exclusive=True, group="editor")
    async def action_edit_file(self) -> None:
        """Edit the file in the person's editor, and go to what is wrong with it then."""
        if await editing.edited(self, self._document):
            self.panes.choices.unfold_changed(self._document.draft)
            self._changed()
            if await self._plan.settled() is None:
                self._go_to_problem()
        self._draw()

    # --- saving and launching ---

    @work
    async def action_save(self) -> None:
        await compose_launch.save(self, self._document, self._plan.problems)
        self._draw()

    @work(exclusive=True, group="launch")
    async def action_launch(self) -> None:
        while (planned := await self._plan.settled()) is not None:
            if not await compose_launch.launch(self, planned, self._offered):
                return
            await self._ask_value(settings_form.setting_of("name"))
        self._go_to_problem()

    def _go_to_problem(self) -> None:
        first = self._plan.problems[0]
        self.sirt.say(f"not yet: {first.key} {first.text}", "error")
        for setting in settings_form.settings():
            if setting.key in composing.by_setting([first]):
                self.panes.go_to_setting(setting)
