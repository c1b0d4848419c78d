"""The Run screen, live: phases, curves, memory, samples, accuracies, log."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.containers import ScrollableContainer

from engine.queries.sibling_runs import relatives
from sirt_tui.panels.alerts import AlertsPanel
from sirt_tui.panels.curves import CurvesPanel, Key
from sirt_tui.panels.log import LogPanel
from sirt_tui.panels.phases import PhasesPanel
from sirt_tui.panels.run_panel import RunView
from sirt_tui.panels.samples import SamplesPanel
from sirt_tui.places import bindings
from sirt_tui.screens import follow_up_dialogs
from sirt_tui.screens.liveliest import Followed
from sirt_tui.screens.panelled import PANEL_KEYS, PanelledPage
from sirt_tui.screens.run_actions import RunActions, to_retry
from sirt_tui.screens.run_panels import PanelBar
from sirt_tui.screens.run_title import run_title
from sirt_tui.widgets.reading import Reading
from sirt_tui.widgets.searching import SearchLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer
    from textual.widget import Widget

    from engine.queries.runs import PhaseStatus, RunStatus
    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed

AT_WORK = ("running", "stopping", "pending", "queued")
REDRAW_S = 5.0  # silence and rates age even when nothing happens
PICTURES_S = 1.0  # curves and texts follow once in so long; progress and warnings at once


class RunPage(PanelledPage):
    """Shows one run; samples and log are those of the phase under the cursor."""

    TITLE = "Run"
    SEARCHES = True
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]  # noqa: RUF012
    DEFAULT_CSS = """
    RunPage #grid { layout: grid; grid-gutter: 0; height: 1fr; }
    RunPage.-narrow #grid { grid-size: 1 2; }
    RunPage.-medium #grid { grid-size: 2 2; }
    RunPage.-medium #grid .chosen { column-span: 2; }
    RunPage.-wide #grid { grid-size: 3 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("run"),
        *PANEL_KEYS,
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__(self._view)
        self._run_id = run_id
        self._status: RunStatus | None = None
        self._relatives: list[RunRow] = []
        self._rows: tuple[RunRow, ...] = ()
        self._followed = Followed()
        self._pictures: Timer | None = None
        self._drawn_at = float("-inf")

    def compose_body(self) -> ComposeResult:
        yield AlertsPanel()
        yield PanelBar()
        yield self._panels

    def on_mount(self) -> None:
        self.subject = self._run_id
        self.feed.watch_run(self, self._run_id)
        self.feed.watch_runs(self)
        self.set_interval(REDRAW_S, self._draw_ageing)
        self.query_one(PhasesPanel).focus()

    # --- what comes in ---

    def on_feed_run_changed(self, event: Feed.RunChanged) -> None:
        if event.status is None:
            self.subject = event.error
            return
        first = self._status is None
        self._status = event.status
        if first:
            self._panels.zoom_as_before()
            self._find_relatives()
        if not self.is_covered:
            self._draw()

    def on_screen_resume(self) -> None:
        """Draw what came while another page was over this one."""
        if self._status is not None:
            self._draw()

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        self._rows = event.rows
        self._find_relatives()
        if not self.is_covered:
            self._draw_ageing()
            self._panels.draw()

    def _find_relatives(self) -> None:
        if self._status is not None:
            self._relatives = relatives(self._rows, self._run_id, self._status.file.spec)

    def on_phases_panel_chosen(self, event: PhasesPanel.Chosen) -> None:
        if event.phase_id != self._followed.phase_id and self._status is not None:
            self._followed.choose(event.phase_id, self._status.phases)
            self.query_one(CurvesPanel).follow()
            self._panels.draw()
            self.refresh_bindings()

    def action_live(self) -> None:
        """Follow the work again, with its curve."""
        self._followed.by_person = False
        self.query_one(CurvesPanel).begin_again()
        self._draw()
        self._panels.draw()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "live" and self.is_mounted and not self.is_left:
            at_work = self._status is not None and self._status.state in AT_WORK
            chosen = self._followed.by_person or self.query_one(CurvesPanel).by_person
            return at_work and chosen
        return super().check_action(action, parameters)

    def why_not(self, name: str) -> str:
        if name != "live" or self._status is None:
            return super().why_not(name)
        if self._status.state in AT_WORK:
            return "the phase at work and its curve are shown already"
        return f"no phase is at work: this run is {self._status.state}"

    def on_resize(self, event: events.Resize) -> None:
        self._draw_ageing()
        self.call_after_refresh(self._panels.fit)

    # --- drawing ---

    def _draw(self) -> None:
        assert self._status is not None
        self._draw_ageing()
        if (at := self._followed.advance(self._status.phases)) is not None:
            self.query_one(PhasesPanel).choose(at)
        wait = self._drawn_at + PICTURES_S - time.monotonic()
        if wait <= 0:
            self._draw_pictures()
        elif self._pictures is None:
            self._pictures = self.set_timer(wait, self._draw_pictures)

    def _draw_pictures(self) -> None:
        self._pictures = None
        self._drawn_at = time.monotonic()
        self._panels.draw()

    def _draw_ageing(self) -> None:
        if (view := self._view()) is not None:
            self.subject = run_title(view.status, self._rows, view.now, self.size.width)
            self.query_one(PhasesPanel).show(view)
            self.query_one(AlertsPanel).show(view)

    def _view(self) -> RunView | None:
        if self._status is None:
            return None
        now, chosen = self.sirt.clock(), self._chosen()
        return RunView(self.runs, self._status, chosen, self._relatives, now)

    def _chosen(self) -> PhaseStatus | None:
        return self._followed.phase(self._status.phases if self._status else ())

    # --- panels ---

    def action_phase(self, step: int) -> None:
        """Go to another phase, unless the focus is on a text, where the key scrolls."""
        if not isinstance(self.focused, ScrollableContainer):
            self.query_one(PhasesPanel).action_move(step)

    def action_search(self) -> None:
        """Search in the text that has the focus, or else in the one that is shown."""
        panels: list[LogPanel | SamplesPanel]
        panels = [self.query_one(SamplesPanel), self.query_one(LogPanel)]
        focused = [panel for panel in panels if panel.has_focus]
        shown = [panel for panel in panels if self._panels.shows(panel)]
        target = (*focused, *shown, panels[0])[0]
        if target not in shown:
            self._panels.go_to(target.NAME)
        self.query_one(SearchLine).open(target)

    async def action_leave(self) -> None:
        """End the search, or show all panels again, or go back."""
        if self.query_one(SearchLine).close():
            return
        if self.maximized is not None:
            self.minimize()
        else:
            self.sirt.go_back()

    def watch_maximized(self, before: Widget | None, now: Widget | None) -> None:
        if self._status is not None:
            name = (now.id or "phases") if now is not None else ""
            self.sirt.remembered.put("run.zoomed", name)
        self._panels.draw()
        self.refresh_bindings()

    def action_compare(self) -> None:
        self.sirt.open_compare([self._run_id])

    def action_curves(self) -> None:
        self.sirt.open_curves([self._run_id])

    def metrics(self) -> dict[str, Callable[[], object]]:
        curves = self.query_one(CurvesPanel)
        return {name: partial(self._go_to_metric, key) for name, key in curves.metrics().items()}

    def _go_to_metric(self, key: Key) -> None:
        self._panels.go_to(CurvesPanel.NAME)
        self.query_one(CurvesPanel).go_to(key)

    def copied(self) -> dict[str, str]:
        phase = self._chosen()
        if phase is None:
            return self._of_run(self._run_id)
        folder = str(self.runs.phase(phase.id).path.absolute())
        return self._of_run(self._run_id) | {"phase's id": phase.id, "phase's path": folder}

    def action_warnings(self) -> None:
        """Show all warnings in full."""
        if lines := self.query_one(AlertsPanel).lines:
            self.app.push_screen(Reading("Warnings", Text("\n\n").join(lines)))
        else:
            self.hint("this run has no warnings")

    # --- what is done to the run ---

    @work
    async def action_stop(self) -> None:
        await RunActions(self).stop(self._state())

    @work
    async def action_retry(self) -> None:
        if (status := self._status) is not None:
            state = to_retry(status.state, (phase.state for phase in status.phases))
            await RunActions(self).retry({self._run_id: state})

    def _state(self) -> dict[str, State]:
        return {self._run_id: self._status.state} if self._status is not None else {}

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        if self._status is not None:
            await follow_up_dialogs.merged(self, self._run_id, self._status.file.spec)

    def action_compose_from(self) -> None:
        self.sirt.open_compose(run_id=self._run_id)

    @work(exclusive=True, group="lineage")
    async def action_lineage(self) -> None:
        from sirt_tui.screens.lineage import show_lineage

        await show_lineage(self, self._run_id)
