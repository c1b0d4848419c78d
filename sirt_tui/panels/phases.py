"""The phase ladder: each phase's state, and for one at work its progress, rate and time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sirt_tui.format import STATE_MARKS, STATE_STYLES, count, duration, phase_title
from sirt_tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.contract.view import PhaseView
    from engine.control.listing import PhaseStatus

SILENT_AFTER_S = 120.0
BAR = 12
TITLE_WIDTH = 29  # the longest name of a benchmark fits, and its state stays in 46 columns


class PhasesPanel(OptionList):
    """One option a phase; posts :class:`Chosen` when the cursor moves to another."""

    BORDER_TITLE = "phases"
    DEFAULT_CSS = """
    PhasesPanel { border: round $border; padding: 0; height: 1fr; scrollbar-size-vertical: 1; }
    PhasesPanel:focus { border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Next phase", show=False),
        Binding("k", "cursor_up", "Previous phase", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G", "last", "Last", show=False),
    ]

    class Chosen(Message):
        """The phase that the other panels should show."""

        def __init__(self, phase_id: str) -> None:
            super().__init__()
            self.phase_id = phase_id

    def show(self, phases: Sequence[PhaseStatus], now: datetime) -> None:
        """Redraw; the cursor stays on its phase."""
        if self.option_count != len(phases):
            self.clear_options()
            self.add_options([Option(phase_text(p, now), id=p.id) for p in phases])
            return
        for number, phase in enumerate(phases):
            text = phase_text(phase, now)
            if self.get_option_at_index(number).prompt != text:
                self.replace_option_prompt_at_index(number, text)

    def choose(self, index: int) -> None:
        self.highlighted = index

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Chosen(event.option_id))


def phase_text(phase: PhaseStatus, now: datetime) -> Text:
    """One line, and a second one with the progress of a phase at work or the fault of one
    that ended badly."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{STATE_MARKS[phase.state]} ", STATE_STYLES[phase.state])
    text.append(f"{phase_title(phase.spec):<{TITLE_WIDTH}}")
    text.append(f" {phase.state:<7}", STATE_STYLES[phase.state])
    if phase.attempt > 1:
        text.append(f" attempt {phase.attempt}", "yellow")
    if phase.state == "done" and phase.view.started and phase.view.finished:
        took = (phase.view.finished - phase.view.started).total_seconds()
        text.append(f" {duration(took):>5}", "dim")
    second = _second_line(phase, now)
    if second:
        text.append(f"\n  {second}", "dim" if phase.state == "running" else "")
    return text


def _second_line(phase: PhaseStatus, now: datetime) -> str:
    if phase.state == "running":
        return silence(phase.view, now) or progress_line(phase.view)
    if phase.blocked_by:
        return f"waits for {phase.blocked_by[0]}"
    if phase.error and phase.state != "done":
        return one_line(phase.error, 200)
    return ""


def progress_line(view: PhaseView) -> str:
    """``━━━━────  312/600 questions  4.1/s  1:10 left``."""
    progress = view.progress
    if progress is None or progress.total <= 0 or (view.activity and progress.done == 0):
        return one_line(view.activity, 100) or "starting"
    filled = round(BAR * min(1.0, progress.done / progress.total))
    parts = ["━" * filled + "─" * (BAR - filled)]
    parts.append(f"{count(progress.done)}/{count(progress.total)} {progress.unit}")
    if view.rate:
        parts.append(f"{view.rate:.2g}/s" if view.rate < 10 else f"{view.rate:.0f}/s")
        parts.append(f"{duration(view.seconds_left)} left")
    return "  ".join(parts)


def silence(view: PhaseView, now: datetime) -> str:
    """Running, but without a word: a hint, not a state."""
    if view.last_event is None:
        return ""
    seconds = (now - view.last_event).total_seconds()
    return f"silent for {duration(seconds)}" if seconds > SILENT_AFTER_S else ""
