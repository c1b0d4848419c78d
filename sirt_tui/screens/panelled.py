"""A page of panels, whose keys work whatever has the focus."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sirt_tui.page import Page
from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.screens.run_panels import NAMES, PANELS, RunPanels
from sirt_tui.widgets.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.binding import Binding

    from sirt_tui.panels.run_panel import RunView


def _passed_on(action: str, keys: tuple[Binding, ...], to: str = "") -> list[Binding]:
    """Make keys work whatever has the focus."""
    before = f"'{to}', " if to else ""
    return [replace(k, action=f"{action}({before}'{k.action}')", show=False) for k in keys]


PANEL_KEYS = (
    *(key for panel in PANELS for key in _passed_on("of_panel", panel.KEYS, panel.NAME)),
    *_passed_on("chart", Chart.KEYS),
)


class PanelledPage(Page):
    """Moves between its panels, zooms and resizes them. ``view``: what they draw."""

    def __init__(self, view: Callable[[], RunView | None]) -> None:
        super().__init__()
        self._panels = RunPanels(view)

    def action_panel(self, step: int) -> None:
        """Show another panel if not all fit; otherwise move the focus."""
        self._panels.step(step)

    def action_panel_at(self, number: int) -> None:
        """Show this panel; if another was zoomed, zoom this one instead."""
        self._panels.go_to_number(number)

    def action_next_panel(self, step: int) -> None:
        """Move the focus; of zoomed panels, zoom the next."""
        if self.maximized is not None:
            self.action_panel(step)
        else:
            self.focus_next() if step > 0 else self.focus_previous()

    def action_to_panel(self, at: int) -> None:
        """Go to the phases, or to the panel after them with this number."""
        if at > len(NAMES):
            self.hint(f"there is no panel {at + 1} here")
        elif at == 0:
            self._panels.go_to_phases()
        else:
            self._panels.go_to(NAMES[at - 1])

    async def action_of_panel(self, name: str, action: str) -> None:
        panel = self.query_one(f"#{name}")
        if self._panels.shows(panel):
            await panel.run_action(action)
        else:
            self._hint_hidden(name)

    async def action_chart(self, action: str) -> None:
        """Run an action of the first visible chart."""
        shown = (p.query(Chart) for p in self.query(RunPanel) if self._panels.shows(p))
        if charts := [chart for found in shown for chart in found]:
            await charts[0].run_action(action)
        else:
            self._hint_hidden("curves")

    def _hint_hidden(self, name: str) -> None:
        """Say why a key of another panel has no effect."""
        key = self.sirt.key("zoom" if self.maximized is not None else "next_tab")
        all_again = "shows all panels" if self.maximized is not None else "goes to the next panel"
        self.hint(f"no effect: this key is for {name}, which is not shown; {key} {all_again}")

    def action_zoom(self) -> None:
        self._panels.zoom()

    def action_resize(self, step: int) -> None:
        """Make the panel with the focus larger or smaller."""
        if self.maximized is not None:
            self.hint(f"one panel has all the room; {self.sirt.key('zoom')} shows the others")
        else:
            self._panels.resize(step)
