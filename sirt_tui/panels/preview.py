"""The run under the cursor, in short: what it is, where it stands, what it reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from sirt_tui.format import STATE_MARKS, STATE_STYLES, age, duration, interval, percent
from sirt_tui.panels.phases import title_of
from sirt_tui.plain import one_line, visible

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import ComposeResult

    from engine.contract.run import RunRow
    from engine.control.listing import RunStatus


class PreviewPanel(VerticalScroll, can_focus=False):
    """``show`` draws what the list knows at once; ``show_status`` the phases when read."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, row: RunRow | None, now: datetime) -> None:
        self.border_title = one_line(row.run_id, 80) if row else ""
        self.query_one(Static).update(row_text(row, now) if row else Text(""))

    def show_status(self, row: RunRow, status: RunStatus, now: datetime) -> None:
        self.query_one(Static).update(row_text(row, now, status))


def row_text(row: RunRow, now: datetime, status: RunStatus | None = None) -> Text:
    text = Text()
    text.append(f"{STATE_MARKS[row.state]} {row.state}", STATE_STYLES[row.state])
    text.append(f"  {visible(row.name)}\n")
    facts = {
        "arm": row.arm,
        "student": row.student,
        "teacher": _teacher(row),
        "task": row.task,
        "refined on": row.refine_task if row.refine_task != row.task else None,
        "fraction": f"{row.fraction} %" if row.fraction != 100 else None,
        "seed": str(row.seed),
        "begun": f"{age(row.created, now)} ago" if age(row.created, now) != "now" else "now",
        "took": duration((row.finished - row.created).total_seconds()) if row.finished else None,
        "tags": " ".join(row.tags) or None,
        "note": row.note or None,
    }
    for name, value in facts.items():
        if value:
            text.append(f"{name:<11}", "dim")
            text.append(f"{visible(value)}\n")
    if row.marks:
        text.append("\naccuracy, % [95 %]\n", "bold")
    for mark in row.marks:
        style = mark.prompt if mark.method == "match" else "options"
        text.append(f"{visible(mark.task):<16.16} {style:<7} ", "dim")
        text.append(f"{percent(mark.accuracy):>5}", "bold")
        text.append(f" [{interval(mark.low, mark.high)}]\n", "dim")
    if status is not None:
        text.append("\nphases\n", "bold")
        text.append_text(_phases(status))
    return text


def _teacher(row: RunRow) -> str | None:
    if row.teacher is None or row.in_family is None:
        return row.teacher
    return f"{row.teacher} ({'in' if row.in_family else 'out-of'}-family)"


def _phases(status: RunStatus) -> Text:
    text = Text()
    for phase in status.phases:
        style = STATE_STYLES[phase.state]
        text.append(f"{STATE_MARKS[phase.state]} ", style)
        text.append(f"{title_of(phase):<30.30} ")
        text.append(phase.state, style)
        if phase.attempt > 1:
            text.append(f"  attempt {phase.attempt}", "yellow")
        text.append("\n")
        if phase.error and phase.state != "done":
            text.append(f"  {one_line(phase.error, 300)}\n", "red")
        if phase.blocked_by:
            text.append(f"  waits for {phase.blocked_by[0]}\n", "yellow")
    return text
