"""The panels of the Run screen: which of them fit, which has the focus, which is zoomed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from textual.containers import Container
from textual.widgets import Static

from engine.schema.kinds import resolve
from sirt_tui.panels import RUN_PANELS
from sirt_tui.panels.phases import PhasesPanel
from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.screens.run_sizes import Sizes
from sirt_tui.widgets.leaving import Part
from sirt_tui.widgets.tabs import keys_text, tabs

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text
    from textual.app import ComposeResult
    from textual.widget import Widget

    from sirt_tui.panels.run_panel import RunView
    from sirt_tui.shell import Shell

PANELS: tuple[type[RunPanel], ...] = tuple(map(resolve, RUN_PANELS))
NAMES = tuple(panel.NAME for panel in PANELS)
CELLS = {"-narrow": 1, "-medium": 2, "-wide": 5}  # beside the phases, by the width
COLUMNS = {1: 1, 2: 2, 5: 3}  # of the grid, by these


class PanelBar(Static):
    """Names the panels and the one shown, if not all of them fit."""

    DEFAULT_CSS = "PanelBar { height: 1; padding: 0 1; }"

    def show(self, names: tuple[str, ...], chosen: str, keys: Text) -> None:
        self.display = bool(names)
        at = names.index(chosen) if chosen in names else -1
        self.update(tabs(names, at, "screen.panel_at").append_text(keys))


class RunPanels(Part, Container):
    """Shows the phases and the panels that fit beside them. ``view``: what they draw, None as long
    as the run has not been read."""

    def __init__(self, view: Callable[[], RunView | None]) -> None:
        super().__init__(id="grid")
        self._view = view
        self._panel = NAMES[0]  # of those of which one is shown at a time
        self._sizes = Sizes()

    def compose(self) -> ComposeResult:
        yield PhasesPanel()
        yield from (panel() for panel in PANELS)

    def on_mount(self) -> None:
        self._sizes = Sizes.of(self._sirt.remembered.get("run.sizes", {}))

    @property
    def _sirt(self) -> Shell:
        return cast("Shell", self.app)

    def draw(self) -> None:
        if (view := self._view()) is not None:
            for panel in self.query(RunPanel):
                panel.show(view)

    def fit(self) -> None:
        """Show the panels that fit; it may be asked for when the screen is gone already."""
        if not self.is_attached:
            return
        self._share_room()
        choice = self._choice()
        if choice and self._panel not in choice:
            self._panel = choice[0]
        for name in NAMES:
            panel = self._named(name)
            panel.display = name not in choice or name == self._panel
            panel.set_class(name in choice, "chosen")
        key = self._sirt.key
        keys = keys_text({key("next_tab"): "next panel", key("previous_tab"): "previous"})
        self.screen.query_one(PanelBar).show(choice, self._panel, keys)
        self.draw()

    @property
    def _cells(self) -> int:
        """How many panels there is room for beside the phases."""
        return next(cells for size, cells in CELLS.items() if self.screen.has_class(size))

    def _choice(self) -> tuple[str, ...]:
        """Return the panels of which one is shown at a time; the others always stay."""
        return NAMES[self._cells - 1 :] if len(NAMES) > self._cells else ()

    def _share_room(self) -> None:
        width, low = self.screen.size.width, self.screen.has_class("-low")
        columns, rows = self._sizes.grid(COLUMNS[self._cells], low, width)
        self.styles.grid_columns, self.styles.grid_rows = columns, rows

    def resize(self, step: int) -> None:
        """Make the panel that has the focus larger or smaller, and remember it."""
        panel = self._meant()
        at = NAMES.index(panel.id) + 1 if panel.id in NAMES else 0
        self._sizes = self._sizes.grown(min(at, self._cells), COLUMNS[self._cells], step)
        self._sirt.remembered.put("run.sizes", asdict(self._sizes))
        self._share_room()
        self.call_after_refresh(self.draw)

    def _named(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def shows(self, panel: Widget) -> bool:
        """Return whether this panel is to be seen."""
        return panel.display and self.screen.maximized in (None, panel)

    def step(self, step: int) -> None:
        """Go to the panel so many further in the bar, or of all if all fit."""
        choice = self._choice() or NAMES
        at = choice.index(self._panel) if self._panel in choice else 0
        self.go_to(choice[(at + step) % len(choice)])

    def go_to_number(self, number: int) -> None:
        """Go to the panel with this number in the bar, or of all if all fit."""
        self.go_to((self._choice() or NAMES)[number])

    def go_to(self, name: str) -> None:
        """Show this panel and put the focus there; if another was zoomed, zoom this one instead."""
        zoomed = self.screen.maximized is not None
        self.screen.minimize()
        if not (choice := self._choice()) or name in choice:
            self._panel = name
        self.fit()
        panel = self._named(name)
        next((w for w in (panel, *panel.query("*")) if w.can_focus), panel).focus()
        if zoomed:
            self.screen.maximize(panel, container=False)

    def go_to_phases(self) -> None:
        """Put the focus on the phases; if a panel was zoomed, zoom them instead."""
        zoomed = self.screen.maximized is not None
        self.screen.minimize()
        phases = self.query_one(PhasesPanel)
        phases.focus()
        if zoomed:
            self.screen.maximize(phases, container=False)

    def zoom(self) -> None:
        """Zoom the panel that has the focus, else the chosen one; or show all again."""
        if self.screen.maximized is not None:
            self.screen.minimize()
            return
        self.screen.maximize(self._meant(), container=False)

    def _meant(self) -> Widget:
        """Return the panel that has the focus, else the chosen one."""
        focused = self.screen.focused
        panels = [self.query_one(PhasesPanel), *map(self._named, NAMES)]
        inside = [p for p in panels if focused is not None and p in focused.ancestors_with_self]
        return inside[0] if inside else self._named(self._panel)

    def zoom_as_before(self) -> None:
        """Zoom the panel that was zoomed when a run of this folder was left last."""
        name = self._sirt.remembered.get("run.zoomed", "")
        if name in NAMES:
            self.go_to(name)
        if name in NAMES or name == "phases":
            panel = self._named(name) if name in NAMES else self.query_one(PhasesPanel)
            self.screen.maximize(panel, container=False)
