"""Show a draft's plan: runs, phases to do and reused, time, memory, money; or its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.schema.counts import counted
from engine.schema.sanitize import one_line, visible
from sirt_tui.format import NOTHING, OVER_A_YEAR, roughly
from sirt_tui.widgets.key_line import KeyLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from engine.commands.composing import Planned, Problem
    from sirt_tui.panels.draft_view import DraftView

RUNS_SHOWN = 200
UPWARD, DOWNWARD = ("up", "home", "pageup"), ("down", "end", "pagedown")
NOTHING_HERE = "no more of the plan there, and nothing to choose in it; tab goes to the experiment"
READ_SO = (
    ("to do", "phases that are still to be done, each once for all runs that need it"),
    ("reused", "phases of this folder that are finished and taken as they are"),
    (
        "needs GiB",
        "memory of the largest phase of that kind, weights and activations: the most that finished "
        "ones like it took, or with ~ estimated from the model's size",
    ),
    ("time", "of all phases one after another; several devices take less"),
    ("✓ ·", "a run that is finished, or not; runs that differ in their seed alone share a line"),
)
IN_TURN = "one phase after another"
NOTE_SHOWN = 300


class PlanPanel(VerticalScroll):
    """Shows a plan, or the problems that prevent one."""

    BORDER_TITLE = "plan"
    DEFAULT_CSS = """
    PlanPanel Static { text-wrap: nowrap; text-overflow: ellipsis; }
    PlanPanel.problems Static { text-wrap: wrap; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Static()

    def on_key(self, event: events.Key) -> None:
        """Say so where a key that scrolls has no effect."""
        at_top, at_end = self.scroll_y <= 0, self.scroll_y >= self.max_scroll_y
        if (event.key in UPWARD and at_top) or (event.key in DOWNWARD and at_end):
            self.screen.query_one(KeyLine).say(NOTHING_HERE)

    def wait(self) -> None:
        self.border_title = "plan (being worked out)"

    def show(self, of: DraftView) -> None:
        self.border_title = "plan"
        self.set_class(of.planned is None, "problems")
        offered = of.offered
        text = (
            problems_text(of.problems)
            if of.planned is None
            else plan_text(of.planned, offered.sizes, offered.where)
        )
        self.query_one(Static).update(text)


def problems_text(problems: Sequence[Problem]) -> Text:
    text = Text()
    many = "problems have" if len(problems) > 1 else "problem has"
    text.append(f"{len(problems)} {many} to be solved before it can be planned\n\n", "bold red")
    for problem in problems:
        text.append("! ", "red")
        if problem.key:
            text.append(f"{visible(problem.key)}  ", "bold")
        text.append(f"{visible(problem.text)}\n")
    return text


def plan_line(planned: Planned) -> str:
    """Summarise a plan in a few words."""
    plan = planned.plan
    words = [counted(len(plan.runs), "run"), f"{counted(len(plan.to_do), 'phase')} to do"]
    if plan.done:
        words.append(f"{len(plan.done)} reused")
    if plan.to_do:
        words.append(roughly(planned.estimate.seconds))
    return ", ".join(words)


def plan_text(planned: Planned, sizes: Sequence[float], where: str) -> Text:
    text = Text()
    text.append(f"{counted(len(planned.plan.runs), 'run')}\n", "bold")
    _append_phases(text, planned)
    for line in planned.from_elsewhere:
        text.append(f"{one_line(line, NOTE_SHOWN)}\n", "green")
    for name, value in facts(planned, sizes, where):
        text.append(f"{name:<10}", "dim")
        text.append_text(value)
        text.append("\n")
    _append_reasons(text, planned)
    _append_runs(text, planned)
    return text


def _append_phases(text: Text, planned: Planned) -> None:
    plan, memory = planned.plan, planned.estimate.memory
    text.append(f"{'phase':<9}{'to do':>6}{'reused':>8}{'needs GiB':>11}\n", "dim")
    for kind, (_, shared, left) in plan.counts().items():
        rough = "" if kind in planned.estimate.measured else "~"
        size = f"{rough}{memory[kind]:.1f}" if kind in memory else NOTHING
        text.append(f"{kind:<9}")
        text.append(f"{left:>6}", "bold" if left else "")
        text.append(f"{shared - left:>8}", "green" if shared > left else "")
        text.append(f"{size:>11}\n", "" if left else "dim")
    text.append(f"{'all':<9}{len(plan.to_do):>6}{len(plan.done):>8}\n", "bold")
    if plan.naive > len(plan.to_do) + len(plan.done):
        text.append(f"{plan.naive} phases if each run made all of its own\n", "dim")
    text.append("\n")


def facts(planned: Planned, sizes: Sequence[float], where: str) -> list[tuple[str, Text]]:
    """List time, memory, money and notes on the rows; a single word when everything is done."""
    found = planned.estimate
    if not planned.plan.to_do:
        return [("time", Text("none: everything is there already", "green"))]
    time = roughly(found.seconds)
    lines = [("time", Text(f"{time} {where}")), ("", Text(IN_TURN, "dim"))]
    lines += [("", Text(said, "dim")) for said in based_on(planned)]
    if time == OVER_A_YEAR and found.rough:
        lines.append(("", Text(found.speed, "dim")))
    if found.memory_gib is not None:
        basis = "measured" if found.memory_measured else "estimated"
        largest = f"{found.memory_gib:.1f} GiB {basis}, largest phase"
        lines += [("memory", Text(largest)), ("", fits(found.memory_gib, sizes))]
    lines.append(("to pay", Text(found.costs) if found.costs else Text("nothing", "dim")))
    names = ("data", *[""] * len(planned.notes))
    notes = zip(names, planned.notes, strict=False)
    return lines + [(name, Text(one_line(note, NOTE_SHOWN), "dim")) for name, note in notes]


def based_on(planned: Planned) -> list[str]:
    """Say what the estimate of time rests on, a line for each kind of figure."""
    found = planned.estimate
    known = {
        "timed by finished ones like them": found.from_history,
        "guessed from the models' sizes": found.rough,
        "of unknown length": found.unknown,
    }
    return [f"{counted(number, 'phase')} {how}" for how, number in known.items() if number]


def fits(memory_gib: float, sizes: Sequence[float]) -> Text:
    """Write for each GPU size whether the largest phase fits."""
    text = Text()
    answers = (("fits a GPU of", "green", True), ("too large for", "bold red", False))
    for answer, style, good in answers:
        if found := [f"{size:.0f}" for size in sizes if (memory_gib <= size) is good]:
            text.append("; " if text else "").append(answer, style)
            text.append(f" {', '.join(found)} GiB")
    return text


def _append_reasons(text: Text, planned: Planned) -> None:
    """Say why the first phases to be done are not reused, where others like them are finished."""
    near = [one for one in planned.why if one.nearest]
    text.append("\nnot reused, since they differ from finished ones\n" if near else "", "dim")
    for one in near:
        text.append(f"{one.phase.title}  ")
        text.append(f"{one_line(one.text, NOTE_SHOWN)}\n", "dim")


def _append_runs(text: Text, planned: Planned) -> None:
    """List the runs, a line for those that differ in their seed alone."""
    plan = planned.plan
    text.append("\n")
    groups = list(plan.groups.items())
    for group, runs in groups[:RUNS_SHOWN]:
        finished = plan.finished(runs)
        text.append("✓ " if finished else "· ", "green" if finished else "dim")
        seeds = ", ".join(str(run.seed) for run in runs)
        text.append(one_line(group, 200))
        text.append(f"  seed{'s' if len(runs) > 1 else ''} {seeds}\n", "dim")
    if len(groups) > RUNS_SHOWN:
        text.append(f"and {len(groups) - RUNS_SHOWN} more\n", "dim")
