"""Composing an experiment: what is chosen, every setting, and the plan that follows from them."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from engine.commands import composing, device_request, drafts
from engine.commands.composing import Planned
from engine.queries import settings_form
from engine.queries.machine import MachineNow
from engine.schema.errors import UserError
from sirt_tui import draft_document as sheets
from sirt_tui.draft_document import Sheet
from sirt_tui.format import counted
from sirt_tui.page import Page
from sirt_tui.panels import settings_form as knob_rows
from sirt_tui.panels import tree_choice
from sirt_tui.panels.planned import PlanPanel, facts, plan_line
from sirt_tui.panels.settings_form import SettingsPanel
from sirt_tui.panels.tree_choice import EACH, ChoicesPanel, Offered
from sirt_tui.screens import compose_dialogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from engine.commands.composing import Choice, Problem
    from engine.commands.device_request import DeviceRequest
    from engine.queries.settings_form import Draft, Setting
    from sirt_tui.feed import Feed
    from sirt_tui.panels.tree_choice import Placement, Row
    from sirt_tui.widgets.picking import PickTable
    from sirt_tui.widgets.table import RowTable

REST_S = 0.2  # a draft that has rested so long is planned
PANES = ("choices", "settings", "plan")


class ComposePage(Page):
    """``preset`` (a name or a file) or ``run_id``: what to start from; neither asks."""

    TITLE = "Compose"
    DEFAULT_CSS = """
    ComposePage #bar { height: 1; padding: 0 1; display: none; }
    ComposePage.-narrow #bar { display: block; }
    ComposePage #panes { layout: horizontal; height: 1fr; }
    ComposePage #choices { width: 44; height: 1fr; }
    ComposePage #right { width: 1fr; height: 1fr; layout: vertical; }
    ComposePage #plan { height: 17; }
    ComposePage #about { height: 3; padding: 0 1; background: $surface; }
    ComposePage.-wide #right { layout: horizontal; }
    ComposePage.-wide #plan { width: 52; height: 1fr; margin-left: 1; }
    ComposePage.-narrow #choices, ComposePage.-narrow #right { width: 1fr; display: none; }
    ComposePage.-narrow #settings, ComposePage.-narrow #plan { height: 1fr; display: none; }
    ComposePage.-narrow.at-choices #choices { display: block; }
    ComposePage.-narrow.at-settings #right { display: block; }
    ComposePage.-narrow.at-settings #settings { display: block; }
    ComposePage.-narrow.at-plan #about { display: none; }
    ComposePage.-narrow.at-plan #right, ComposePage.-narrow.at-plan #plan { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", tooltip="Save as a file for the command line"),
        Binding("ctrl+l", "launch", "Launch"),
        Binding("o", "start", "Open", tooltip="Start from a preset, a file or a kept draft"),
        Binding("slash", "filter", "Filter", tooltip="Filter the settings: words, or changed"),
        Binding("d", "default", "Default", tooltip="Put the default back"),
        Binding("e", "edit", "Edit as text", show=False),
        Binding("right_square_bracket,tab", "pane(1)", "Pane", tooltip="Next pane"),
        Binding("left_square_bracket,shift+tab", "pane(-1)", "Pane before", show=False),
        Binding("escape", "leave", "Clear the filter, or back", show=False),
    ]

    def __init__(self, preset: str | None = None, run_id: str | None = None) -> None:
        super().__init__()
        self._from = (preset, run_id)
        self._sheet = Sheet()
        self._offered = Offered()
        self._presets: tuple[Choice, ...] = ()
        self._planned: Planned | None = None
        self._problems: tuple[Problem, ...] = ()
        self._pane = "choices"
        self._version = 0  # of the draft; what is kept and planned catches up with it
        self._planning = False
        self._settled = asyncio.Event()

    def compose_body(self) -> ComposeResult:
        yield Static(id="bar")
        with Container(id="panes"):
            yield ChoicesPanel(id="choices")
            with Container(id="right"):
                yield SettingsPanel(id="settings")
                yield PlanPanel(id="plan")
        yield Static(id="about")

    def on_mount(self) -> None:
        super().on_mount()
        self._turn_to("choices")
        self.choices.focus()
        self._draw()
        self.feed.watch_machine(self)
        self._begin()

    def on_unmount(self) -> None:
        super().on_unmount()
        sheets.keep(self.runs, self._sheet)
        if self._sheet.unsaved and self._sheet.draft:
            self.sirt.say("the draft is kept; n goes on with it")

    @property
    def choices(self) -> ChoicesPanel:
        return self.query_one(ChoicesPanel)

    @property
    def settings(self) -> SettingsPanel:
        return self.query_one(SettingsPanel)

    # --- where it starts ---

    @work
    async def _begin(self) -> None:
        found = await self.ask(composing.shipped)
        self._presets = found.presets
        self._offered = replace(self._offered, choices=found.choices)
        preset, run_id = self._from
        if preset is not None:
            await self._take(partial(sheets.from_preset, preset))
        elif run_id is not None:
            await self._take(partial(sheets.from_run, self.runs, run_id))
        else:
            await self._start()

    @work
    async def action_start(self) -> None:
        await self._start()

    async def _start(self) -> None:
        kept = await self.ask(drafts.kept, self.runs)
        others = [draft for draft in kept if draft.path != self._sheet.place]
        source = await compose_dialogs.start(self, self._presets, others)
        if source is not None:
            await self._take(source)
        elif not self._version:
            self._changed()

    async def _take(self, source: Callable[[], Sheet]) -> None:
        """Show another draft; the one before is kept if it isn't saved."""
        try:
            await self.ask(sheets.keep, self.runs, self._sheet)
            self._sheet = await self.ask(source)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        self.choices.unfold_changed(self._sheet.draft)
        self._changed()

    # --- the draft changes, and the plan follows ---

    def _put(self, draft: Draft) -> None:
        if draft != self._sheet.draft:
            self._sheet.draft = draft
            self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._settled.clear()
        self._draw()
        if not self._planning:
            self._plan()

    @work
    async def _plan(self) -> None:
        """Keep and plan the draft as soon as it rests. One at a time, and the newest wins: a
        thread that reads the folder can't be called back."""
        self._planning = True
        version = -1
        found: Planned | tuple[Problem, ...] = ()
        try:
            while version != self._version:
                version = self._version
                await self.ask(sheets.keep, self.runs, self._sheet)
                await self.pause(REST_S)
                if version == self._version:
                    self.query_one(PlanPanel).wait()
                    draft, on_gpu = copy.deepcopy(self._sheet.draft), self._offered.on_gpu
                    found = await self.ask(composing.plan, self.runs, draft, on_gpu)
            self._show_plan(found)
        except OSError as error:
            self.sirt.say_error(error)
        finally:
            self._planning = False

    def _show_plan(self, found: Planned | tuple[Problem, ...]) -> None:
        self._planned = found if isinstance(found, Planned) else None
        self._problems = () if isinstance(found, Planned) else found
        self._settled.set()
        self._draw()
        panel = self.query_one(PlanPanel)
        if self._planned is None:
            panel.show_problems(self._problems)
        else:
            panel.show(self._planned, self._offered.sizes, self._offered.where)

    def on_feed_machine_changed(self, event: Feed.MachineChanged) -> None:
        had = self._offered.on_gpu
        self._offered = replace(self._offered, machine=MachineNow(event.machine, event.gpus))
        self.choices.show_offered(self._offered)
        if had != self._offered.on_gpu and self._version:
            self._changed()

    # --- drawing ---

    def _draw(self) -> None:
        problems = composing.by_knob(self._problems)
        self.choices.show_draft(self._sheet.draft, self._offered, problems)
        self.settings.show_draft(self._sheet.draft, problems)
        self._draw_bar()
        self._draw_about()
        self.subject = self._sheet.said

    def _draw_bar(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        for name in PANES:
            text.append(f" {name} ", "reverse" if name == self._pane else "")
        if self._problems:
            text.append(f"  ! {counted(len(self._problems), 'problem')}", "red")
        elif self._planned is not None:
            text.append(f"  {plan_line(self._planned)}", "bold")
        self.query_one("#bar", Static).update(text)

    def _draw_about(self) -> None:
        """The row under the cursor, in full."""
        text = Text()
        if self._pane == "settings":
            if self.settings.table.row is not None:
                text = knob_rows.describe(self.settings.table.row)
        elif self.choices.row is not None:
            text = tree_choice.describe(self.choices.row)
        self.query_one("#about", Static).update(text)

    # --- the cursor and the panes ---

    def on_row_table_highlighted(self, event: RowTable.Highlighted) -> None:
        self._draw_about()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        inside = {node.id for node in event.widget.ancestors_with_self}
        pane = next(pane for pane in PANES if pane in inside)
        if pane != self._pane:
            self._turn_to(pane)

    def _turn_to(self, pane: str) -> None:
        self._pane = pane
        for name in PANES:
            self.set_class(name == pane, f"at-{name}")
        self._draw_bar()
        self._draw_about()

    def action_pane(self, step: int) -> None:
        self._go_to(PANES[(PANES.index(self._pane) + step) % len(PANES)])

    def _go_to(self, pane: str) -> None:
        self._turn_to(pane)
        self.query_one("#settings PickTable" if pane == "settings" else f"#{pane}").focus()

    def action_filter(self) -> None:
        self._turn_to("settings")
        self.settings.open_filter()

    async def action_leave(self) -> None:
        if self.settings.close_filter():
            self._go_to("settings")
        else:
            self.sirt.open_runs()

    # --- choosing and setting ---

    def on_pick_table_picked(self, event: PickTable.Picked) -> None:
        """Tick, unfold, or take the next value; what has none of these is edited."""
        row = self.settings.table.row
        if event.table is self.choices:
            self._pick_choice()
        elif row is not None and row.setting.options and not row.setting.many:
            self._put(settings_form.next_option(self._sheet.draft, row.setting))
        else:
            self.action_edit()

    def on_row_table_selected(self, event: RowTable.Selected) -> None:
        if event.table is self.choices:
            self._pick_choice()
        else:
            self.action_edit()

    def _pick_choice(self) -> None:
        row: Row | None = self.choices.row
        if row is None:
            return
        if row.option is not None and row.setting is not None:
            self._put(settings_form.toggled(self._sheet.draft, row.setting, row.option.value))
        elif row.opened is not None:
            self.choices.fold(row.key)
        elif row.setting is not None:
            self._edit(row.setting)
        elif row.key.endswith(f"/{EACH}"):
            self._edit_each()
        else:
            self._place(self._offered.placement.toggled(row.key.partition("/")[2]))

    def _knob_here(self) -> Setting | None:
        row = self.settings.table.row if self._pane == "settings" else self.choices.row
        return row.setting if row is not None else None

    def action_default(self) -> None:
        setting = self._knob_here()
        if setting is not None:
            self._put(settings_form.with_value(self._sheet.draft, setting, setting.default))

    def action_edit(self) -> None:
        setting = self._knob_here()
        if setting is not None:
            self._edit(setting)

    @work
    async def _edit(self, setting: Setting) -> None:
        said = await compose_dialogs.value(self, self._sheet.draft, setting)
        if said is not None:
            self._put(settings_form.with_value(self._sheet.draft, setting, said[0]))

    @work
    async def _edit_each(self) -> None:
        self._place(await compose_dialogs.cards_a_phase(self, self._offered.placement))

    def _place(self, placement: Placement) -> None:
        self._offered = replace(self._offered, placement=placement)
        self._changed()

    # --- saving and launching ---

    @work
    async def action_save(self) -> None:
        sheet = self._sheet
        path = await compose_dialogs.place(self, sheet)
        if path is None:
            return
        try:
            await self.ask(sheets.save, self.runs, sheet, path, path.exists())
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        self._draw()
        if self._problems:
            problems = counted(len(self._problems), "problem")
            self.sirt.say(f"saved to {path}, with {problems} in it", "warning")
        else:
            self.sirt.say(f"saved to {path}; launch it here, or with: sirt run {path}")

    @work(exclusive=True, group="launch")
    async def action_launch(self) -> None:
        await self._settled.wait()
        planned = self._planned
        if planned is None:
            self._go_to_problem()
            return
        try:
            request = await self.ask(self._request)
            found = facts(planned, self._offered.sizes, self._offered.where)
            lines = [(name, text.plain) for name, text in found]
            if not await compose_dialogs.agreed(self, planned, [*lines, ("on", self._offered.on)]):
                return
            launched = await self.ask(composing.launch, self.runs, planned, request)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        reused = f", {len(launched.reused)} finished before" if launched.reused else ""
        self.sirt.say(f"{counted(len(launched.queued), 'run')} queued{reused}")
        self.sirt.show_runs(launched.all)

    def _request(self) -> DeviceRequest:
        """Called in a thread: the cards are looked at once more."""
        now = self._offered.placement
        if not self._offered.on_gpu:
            return device_request.device_request(cpu=True)
        return device_request.device_request(now.gpus or None, now.each)

    def _go_to_problem(self) -> None:
        first = self._problems[0]
        self.sirt.say(f"not yet: {first.key} {first.text}", "error")
        for setting in settings_form.settings():
            if setting.key in composing.by_knob([first]):
                self._go_to("settings" if setting.is_setting else "choices")
                (self.settings.table if setting.is_setting else self.choices).move_to(setting.key)
