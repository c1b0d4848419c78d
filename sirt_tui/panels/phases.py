"""List a run's phases with their states, and running ones with progress, rate, time left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual.message import Message

from engine.queries.doing import doing, placed, waits_for
from engine.schema.sanitize import one_line
from engine.store.spending import in_all, spending
from sirt_tui.format import STATE_MARKS, STATE_STYLES, duration
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings
from sirt_tui.widgets.text_view import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from textual import events
    from textual.binding import BindingType

    from engine.queries.runs import PhaseStatus
    from engine.schema.events import Progress
    from engine.store.phase_log import PhaseView
    from sirt_tui.panels.run_panel import RunView

SILENT_AFTER_S = 120.0
BARS = (12, 6)  # cells; the short one where the time left would be cut
GAP = "  "
LEAST = 12  # cells of what a phase does that are worth showing
TITLE_WIDTH = 29  # the longest name of a benchmark fits, and its state stays in 46 columns


class PhasesPanel(Lines):
    """Lists the phases under a cursor; posts :class:`Chosen` when a person moves it. A phase takes
    one or more lines."""

    BORDER_TITLE = "phases"
    DEFAULT_CSS = """
    PhasesPanel { border: round $border; border-title-color: $text; scrollbar-gutter: auto; }
    PhasesPanel:focus { border: heavy $primary; border-title-style: bold reverse; }
    PhasesPanel > .phase--cursor { background: $surface-lighten-1; }
    PhasesPanel:focus > .phase--cursor { background: $primary; color: $text; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"phase--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("phases")]

    class Chosen(Message):
        """The phase that the other panels are to show."""

        def __init__(self, phase_id: str) -> None:
            super().__init__()
            self.phase_id = phase_id

    def __init__(self) -> None:
        super().__init__()
        self._ids: tuple[str, ...] = ()
        self._owners: list[int] = []  # of each line: its phase's number
        self._cursor = 0

    @property
    def count(self) -> int:
        return len(self._ids)

    def show(self, of: RunView) -> None:
        """Draw the phases again; the cursor stays on its phase."""
        phases = of.status.phases
        self._ids = tuple(phase.id for phase in phases)
        width = self.scrollable_content_region.width
        texts = [phase_text(phase, of.now, width, phases).split("\n") for phase in phases]
        self._owners = [number for number, lines in enumerate(texts) for _ in lines]
        self.put_lines([line for lines in texts for line in lines])
        found = (spending(phase.spec, phase.view) for phase in phases)
        totals = in_all(one for one in found if one is not None)
        entitle(self, "phases", "; ".join(f"paid {one.paid.text}" for one in totals))

    def choose(self, at: int) -> None:
        """Put the cursor on the phase with this number, without a word."""
        at = min(max(at, 0), len(self._ids) - 1)
        if at < 0 or at == self._cursor:
            return
        self._cursor = at
        self.repaint()
        self.call_after_refresh(self._reveal)  # there may be no room yet

    def _go(self, at: int) -> None:
        """Move the cursor for a person."""
        before = self._cursor
        self.choose(at)
        if self._cursor != before:
            self.post_message(self.Chosen(self._ids[self._cursor]))

    def action_move(self, step: int) -> None:
        self._go(self._cursor + step)

    def action_end(self, which: int) -> None:
        self._go(which * (len(self._ids) - 1))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = offset.y + self.scroll_offset.y if offset is not None else -1
        if 0 <= at < len(self._owners):
            self._go(self._owners[at])

    def on_resize(self) -> None:
        self.call_after_refresh(self._reveal)

    def on_focus(self) -> None:
        self.forget()

    def on_blur(self) -> None:
        self.forget()

    def style_of(self, at: int, base: Style) -> Style:
        return base + self._cursor_style if self._under_cursor(at) else base

    def style_over(self, at: int) -> Style | None:
        if self._under_cursor(at) and self.has_focus:  # colours would not stand out from it
            return Style(color=self._cursor_style.color, dim=False)
        return None

    @property
    def _cursor_style(self) -> Style:
        return self.get_component_rich_style("phase--cursor")

    def _under_cursor(self, at: int) -> bool:
        return at < len(self._owners) and self._owners[at] == self._cursor

    def _reveal(self) -> None:
        """Scroll until all lines of the chosen phase are visible."""
        lines = [at for at, number in enumerate(self._owners) if number == self._cursor]
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if lines and not top <= lines[0] <= lines[-1] < top + height:
            y = lines[0] if lines[0] < top else lines[-1] - height + 1
            self.scroll_to(y=y, animate=False, immediate=True)


def phase_text(
    phase: PhaseStatus, now: datetime, width: int = 100, phases: Sequence[PhaseStatus] = ()
) -> Text:
    """Write a phase's state, and below it a running phase's progress, what it waits for, a failed
    one's error or a judge's result, and what it pays. ``width``: cells of a line; ``phases``: all
    of the run."""
    text = Text()
    text.append(f"{STATE_MARKS[phase.shown]} ", STATE_STYLES[phase.shown])
    text.append(f"{phase.spec.title:<{TITLE_WIDTH}}")
    text.append(f" {phase.shown:<7}", STATE_STYLES[phase.shown])
    for said, style in _besides(phase, now):
        if text.cell_len + len(said) <= width:
            text.append(said, style)
    second = _second_line(phase, now, width - 2, phases)
    if second:
        text.append(f"\n  {second}", "dim" if phase.state == "running" else "")
    if phase.where:
        text.append(f"\n  {one_line(placed(phase), width - 2)}", "dim")
    paid = spending(phase.spec, phase.view)
    for line in paid.lines if paid else ():
        text.append(f"\n  {one_line(line, 100)}", "dim")
    return text


def _besides(phase: PhaseStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what a phase's first line says after its state where there is room, with its style."""
    took = phase.view.took(now if phase.state == "running" else None)
    if phase.state in {"running", "done"} and took is not None:
        yield f" {duration(took):>5}", "dim"
    if phase.attempt > 1:
        yield f" attempt {phase.attempt}", "yellow"


def _second_line(
    phase: PhaseStatus, now: datetime, width: int, phases: Sequence[PhaseStatus]
) -> str:
    if phase.state == "running":
        return silence(phase.view, now) or progress_line(phase.view, width)
    if (phase.waits or phase.blocked_by) and (why := waits_for(phase, phases)):
        return why
    if phase.error and phase.state != "done":
        return one_line(phase.error, 200)
    return one_line(str(phase.view.figures.get("summary", "")), 200)


def progress_line(view: PhaseView, width: int) -> str:
    """Write ``━━━━────  312/600 questions  1 min 10 s left  4.1/s  43 answers open``. Where that is
    too long for ``width`` cells, what the phase does is cut or left out first; then the bar is
    shorter, then the rate goes."""
    told = view.progress
    counts = told is not None and 0 <= told.done < told.total and not view.waiting
    if told is None or not counts:
        return _joined(doing(view))
    if not view.counting:
        return _joined([_bar(told, BARS[0]), *doing(view)])
    figures = [
        _joined([_bar(told, cells), *doing(replace(view, activity=""), rate)])
        for rate, cells in ((True, BARS[0]), (True, BARS[1]), (False, BARS[1]))
    ]
    line = next((line for line in figures if len(line) <= width), figures[-1])
    room = width - len(line) - len(GAP)
    does = f"{GAP}{one_line(view.activity, 100)}"
    return line + does if view.activity and room >= min(LEAST, len(does) - len(GAP)) else line


def _bar(told: Progress, cells: int) -> str:
    filled = round(cells * min(1.0, told.done / told.total))
    return "━" * filled + "─" * (cells - filled)


def _joined(parts: Iterable[str]) -> str:
    return GAP.join(one_line(part, 100) for part in parts)


def silence(view: PhaseView, now: datetime) -> str:
    """Say how long a running phase has logged nothing, if it is long; this is not a state."""
    if view.last_event is None:
        return ""
    seconds = (now - view.last_event).total_seconds()
    return f"silent for {duration(seconds)}" if seconds > SILENT_AFTER_S else ""
