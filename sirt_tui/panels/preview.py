"""Preview the run under the cursor: what it is, its state, its accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.schema.accuracy import bounds
from engine.schema.sanitize import one_line, visible
from engine.schema.varied import varied_texts
from engine.store.spending import in_all, spending
from sirt_tui.format import LEFT_OUT, STATE_MARKS, STATE_STYLES, age, duration, legend, percent
from sirt_tui.panels.titles import entitle

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import ComposeResult

    from engine.queries.runs import PhaseStatus, RunStatus
    from engine.store.run_row import RunRow

UNPARSED_HIGH = 0.05


@dataclass(frozen=True, slots=True)
class RowView:
    """A run's row from the list, and its full status once that has been read."""

    row: RunRow
    now: datetime
    status: RunStatus | None = None


class PreviewPanel(VerticalScroll, can_focus=False):
    """Shows a run's row at once, and its phases once they have been read."""

    DEFAULT_CSS = "PreviewPanel { scrollbar-size-vertical: 1; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Static()

    def show_group(self, title: str, text: Text) -> None:
        """Show a text about several runs."""
        if self.children:
            entitle(self, one_line(title, 80))
            self.query_one(Static).update(text)

    def show(self, of: RowView) -> None:
        if not self.children:  # the program is being left
            return
        entitle(self, one_line(of.row.run_id, 80))
        self.query_one(Static).update(row_text(of.row, of.now, of.status))


def row_text(row: RunRow, now: datetime, status: RunStatus | None = None) -> Text:
    text = Text()
    text.append(f"{STATE_MARKS[row.state]} {row.state}", STATE_STYLES[row.state])
    text.append(f"  {visible(row.name)}\n")
    if row.waits:
        text.append(f"{one_line(row.waits, 200)}\n", "dim")
    if row.left_out:
        text.append(f"{LEFT_OUT} left out of tables and reports\n", "yellow")
    for warning in _warnings(row):
        text.append(f"! {warning}\n", "yellow")
    for name, value in _facts(row, now).items():
        if value:
            text.append(f"{name:<11}", "dim")
            text.append(f"{visible(value)}\n")
    accuracies = row.accuracies
    if accuracies:
        text.append("\naccuracy, %, and 95 % interval\n", "bold")
    width = max((len(visible(one.evaluation.where)) for one in accuracies), default=0)
    for one in accuracies:
        what = one.evaluation
        text.append(f"{visible(what.where):<{max(14, width)}} {what.style:<8}", "dim")
        text.append(f"{percent(one.value):>5}", "bold")
        text.append(f" {bounds(one.right.low, one.right.high)}\n", "dim")
    if status is not None:
        text.append("\nphases ", "bold").append_text(_marks_of(status))
        for phase in status.phases:
            _append_phase(text, phase)
            if phase.waits and phase.state == "queued":
                text.append(f"  {one_line(phase.waits, 200)}\n", "dim")
        paid = [found for p in status.phases if (found := spending(p.spec, p.view))]
        for total in in_all(paid) if len(paid) > 1 else ():
            text.append(f"paid in all  {total.text}\n")
    return text


def _facts(row: RunRow, now: datetime) -> dict[str, str | None]:
    begun = age(row.created, now)
    return {
        "arm": row.arm,
        "student": row.student,
        "teacher": _teacher(row),
        "task": row.task,
        "refined on": row.refine_task if row.refine_task != row.task else None,
        "fraction": f"{row.fraction} %" if row.fraction != 100 else None,
        "rounds": f"{row.rounds} of refining" if row.rounds != 1 else None,
        "varied": ", ".join(varied_texts(row.varied)),
        "seed": str(row.seed),
        "launched": begun if begun == "now" else f"{begun} ago",
        "took": _took(row),
        "paid": "; ".join(one.text for one in row.paid) or "nothing to pay",
        "tags": " ".join(row.tags),
        "note": row.note,
    }


def _took(row: RunRow) -> str | None:
    """Say how long the run's phases took: some may have been made for other runs before."""
    if row.seconds is None:
        return None
    of = "in all its phases" if row.state == "done" else "with reused phases"
    return f"{duration(row.seconds)} {of}"


def _teacher(row: RunRow) -> str | None:
    if row.teacher is None or row.in_family is None:
        return row.teacher
    return f"{row.teacher} ({'in' if row.in_family else 'out'}-family)"


def _warnings(row: RunRow) -> list[str]:
    """List what makes an accuracy doubtful."""
    found = []
    for one in row.accuracies:
        what = one_line(one.evaluation.label, 50)
        if one.unparsed > UNPARSED_HIGH:
            found.append(f"{what}: no answer found in {percent(one.unparsed)} %")
        if one.truncated > UNPARSED_HIGH:
            found.append(f"{what}: {percent(one.truncated)} % cut off")
    return found


def _marks_of(status: RunStatus) -> Text:
    """Explain the marks of its phases' states."""
    return legend(dict.fromkeys(phase.shown for phase in status.phases)).append("\n")


def _append_phase(text: Text, phase: PhaseStatus) -> None:
    style = STATE_STYLES[phase.shown]
    text.append(f"{STATE_MARKS[phase.shown]} ", style)
    text.append(f"{phase.spec.title:<29.29} ")
    text.append(phase.shown, style)
    if phase.attempt > 1:
        text.append(f"  attempt {phase.attempt}", "yellow")
    text.append("\n")
    if phase.error and phase.state != "done":
        text.append(f"  {one_line(phase.error, 300)}\n", "red")
    paid = spending(phase.spec, phase.view)
    for line in paid.lines if paid else ():
        text.append(f"  {one_line(line, 100)}\n", "dim")
