"""The Compose screen's three panes (choices, settings, plan), and the description of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

from rich.text import Text
from textual.containers import Container
from textual.widgets import Static

from engine.queries import settings_form
from engine.schema.counts import counted
from sirt_tui.panels import settings_form as setting_rows
from sirt_tui.panels import tree_choice
from sirt_tui.panels.draft_view import DraftView
from sirt_tui.panels.planned import READ_SO, PlanPanel, plan_line
from sirt_tui.panels.settings_form import SettingsPanel
from sirt_tui.panels.tree_choice import ChoicesPanel
from sirt_tui.widgets.leaving import Part
from sirt_tui.widgets.searching import SearchLine, found_text
from sirt_tui.widgets.tabs import tabs

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual import events
    from textual.app import ComposeResult

    from engine.queries.settings_form import Draft, Setting
    from sirt_tui.panels.tree_choice import Offered
    from sirt_tui.screens.draft_plan import DraftPlan
    from sirt_tui.shell import Shell
    from sirt_tui.widgets.table import RowTable

PANES = ("choices", "settings", "plan")


class ComposePanes(Part, Container):
    """Shows all three panes, or on narrow screens one at a time, with a bar of their names."""

    SCOPED_CSS = False  # the width is the screen's

    DEFAULT_CSS = """
    ComposePanes { height: 1fr; }
    ComposePanes #bar { height: 1; padding: 0 1; display: none; }
    ComposePanes #panes { layout: horizontal; height: 1fr; }
    ComposePanes #choices { width: 46; height: 1fr; }
    ComposePanes #right { width: 1fr; height: 1fr; layout: vertical; }
    ComposePanes #plan { height: 17; }
    ComposePanes #about { height: 3; padding: 0 1; background: $surface; }
    .-wide ComposePanes #right { layout: horizontal; }
    .-wide ComposePanes #plan { width: 52; height: 1fr; margin-left: 1; }
    .-narrow ComposePanes #bar { display: block; }
    .-narrow ComposePanes #choices, .-narrow ComposePanes #right { width: 1fr; display: none; }
    .-narrow ComposePanes #settings, .-narrow ComposePanes #plan { height: 1fr; display: none; }
    .-narrow ComposePanes.at-choices #choices { display: block; }
    .-narrow ComposePanes.at-settings #right { display: block; }
    .-narrow ComposePanes.at-settings #settings { display: block; }
    .-narrow ComposePanes.at-plan #about { display: none; }
    .-narrow ComposePanes.at-plan #right { display: block; }
    .-narrow ComposePanes.at-plan #plan { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._pane = PANES[0]
        self._summary = Text()  # of the plan
        self._words = ""  # that are searched for

    def compose(self) -> ComposeResult:
        yield Static(id="bar")
        with Container(id="panes"):
            yield ChoicesPanel(id="choices")
            with Container(id="right"):
                yield SettingsPanel(id="settings")
                yield PlanPanel(id="plan")
        yield Static(id="about")

    def on_mount(self) -> None:
        self._turn_to(self._pane)

    @property
    def choices(self) -> ChoicesPanel:
        return self.query_one(ChoicesPanel)

    @property
    def settings(self) -> SettingsPanel:
        return self.query_one(SettingsPanel)

    @property
    def setting(self) -> Setting | None:
        """The setting under the cursor."""
        row = self.settings.table.row if self._pane == "settings" else self.choices.row
        return row.setting if row is not None else None

    def explained(self) -> tuple[str, RenderableType] | None:
        """Everything to know of what is under the cursor, with its name."""
        if self._pane == "plan":
            return "plan", setting_rows.explanation(READ_SO)
        row = self.choices.row if self._pane == "choices" else None
        if row is not None and (row.option is not None or row.setting is None):
            return row.label, tree_choice.describe(row)
        setting = self.setting
        if setting is None:
            return None
        return setting.name, setting_rows.explanation(settings_form.explained(setting))

    # --- drawing ---

    def show(self, draft: Draft, offered: Offered, plan: DraftPlan) -> None:
        view = DraftView(draft, offered, plan.planned, plan.problems)
        self.choices.show_draft(view)
        self.settings.show(view)
        self._summary = Text()
        if plan.problems:
            self._summary.append(f"  ! {counted(len(plan.problems), 'problem')}", "red")
        elif plan.planned is not None:
            self._summary.append(f"  {plan_line(plan.planned)}", "bold")
        self._draw_bar()
        self._draw_about()

    def wait(self) -> None:
        """Show that a plan is being made."""
        self.query_one(PlanPanel).wait()

    def show_plan(self, draft: Draft, offered: Offered, plan: DraftPlan) -> None:
        self.query_one(PlanPanel).show(DraftView(draft, offered, plan.planned, plan.problems))

    def _draw_bar(self) -> None:
        text = tabs(PANES, PANES.index(self._pane), "screen.pane_at")
        self.query_one("#bar", Static).update(text.append_text(self._summary))

    def _draw_about(self) -> None:
        """Describe the row under the cursor."""
        text = Text()
        if self._pane == "settings":
            if self.settings.table.row is not None:
                text = setting_rows.describe(self.settings.table.row)
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
        self.screen.query_one(SearchLine).tell()
        self._draw_bar()
        self._draw_about()

    def step(self, step: int) -> None:
        """Go to the next pane, or the one before."""
        self.go_to(PANES[(PANES.index(self._pane) + step) % len(PANES)])

    def go_to(self, pane: str) -> None:
        self._turn_to(pane)
        self.query_one("#settings PickTable" if pane == "settings" else f"#{pane}").focus()

    def go_to_setting(self, setting: Setting) -> None:
        self.close_filter()  # it may hide the row
        self.go_to("settings" if setting.is_setting else "choices")
        (self.settings.table if setting.is_setting else self.choices).move_to(setting.key)

    # --- the search ---

    def open_filter(self) -> None:
        """Search in the choices and the settings; from the plan, go to the settings."""
        if self._pane == "plan":
            self._turn_to("settings")
        hint = "names of models, tasks, keys and settings, or: changed"
        self.screen.query_one(SearchLine).open(self, hint)

    def search(self, words: str) -> None:
        """Show what these words find in either pane; all without words."""
        self._words = words
        self.choices.search(words)
        self.settings.search(words)

    @property
    def found(self) -> str:
        """What came of the search here and in the other pane, with the key that goes there."""
        here, there, other, key = self.choices.found, self.settings.found, "settings", "next_panel"
        if self._pane == "settings":
            here, there, other, key = there, here, "choices", "previous_panel"
        said = found_text(self._words, here)
        if not (self._words and there):
            return said
        beside = f"{there} in {other} ({cast('Shell', self.app).key(key)})"
        return f"{said}, {beside}" if here else f"nothing found here, {beside}"

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the focus to the present pane."""
        self.go_to(self._pane)
        return self

    def close_filter(self) -> bool:
        """End the search; return whether there was one."""
        return self.screen.query_one(SearchLine).close()
