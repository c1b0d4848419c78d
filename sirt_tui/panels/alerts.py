"""The warnings on top of the Run screen: faults first, then warnings, each once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.widgets import Static

from engine.schema.sanitize import one_line
from sirt_tui.panels.phases import silence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.queries.runs import PhaseStatus
    from sirt_tui.panels.run_panel import RunView
    from sirt_tui.shell import Shell

LINES = 4
LOW = 24  # lines of a screen on which a warning takes one line
TEXT_CHARS = 2_000  # of a warning
ADVICE = {
    "failed": "retry it",
    "lost": "its process is gone; a retry goes on from what it kept",
    "unreachable": "its machine does not answer and its heartbeat is old",
}


class AlertsPanel(Static):
    """Shows a run's faults and warnings, in full where they fit. Without any, it takes no room."""

    DEFAULT_CSS = """
    AlertsPanel { height: auto; max-height: 4; padding: 0 1; text-overflow: ellipsis; }
    """

    lines: Sequence[Text] = ()  # all of them, in full

    def show(self, of: RunView) -> None:
        lines = self.lines = alerts(of.status.phases, of.now, of.status.damage)
        self.display = bool(lines)
        whole = sum(-(-line.cell_len // max(1, self.screen.size.width - 2)) for line in lines)
        low = self.screen.size.height <= LOW
        self.styles.text_wrap = "wrap" if whole <= LINES and not low else "nowrap"
        shown = lines
        if low and whole > len(lines) <= LINES:
            shown = self._with_key(lines)
        elif whole > LINES:
            shown = lines[: LINES - 1]
            left = len(lines) - len(shown)
            more = f"and {left} more; " if left else ""
            key = cast("Shell", self.app).key("warnings")
            shown.append(Text(f"{more}{key} shows all of them whole", "dim yellow"))
        text = Text("\n").join(shown)
        if text != self.content:  # another text may take other room: the screen is laid out again
            self.update(text)

    def _with_key(self, lines: Sequence[Text]) -> list[Text]:
        """Return the lines cut to the width, the last of them with the key that shows them all."""
        key = cast("Shell", self.app).key("warnings")
        more = Text(f"  {key} shows it whole", "dim yellow")
        width = self.screen.size.width - 2
        cut = [line.copy() for line in lines]
        cut[-1].truncate(max(1, width - more.cell_len), overflow="ellipsis")
        return [*cut[:-1], cut[-1].append_text(more)]


def alerts(phases: Sequence[PhaseStatus], now: datetime, damage: Sequence[str] = ()) -> list[Text]:
    """Return a line for each fault: what is wrong, where, what to do. ``damage``: damaged files.

    What a phase warns of in the words of its input, numbers apart, is one line with that.
    """
    hints = []
    warned: dict[str, list[PhaseStatus]] = {}  # what is said -> by which phases
    hints += [_line("! ", one_line(said, TEXT_CHARS), "", "yellow") for said in damage]
    for phase in phases:
        name = phase.spec.title
        if phase.state == "running" and (quiet := silence(phase.view, now)):
            hints.append(_line(f"! {name} runs, but is ", quiet, "", "yellow"))
        newest = {m.code or m.text: m for m in phase.view.warnings}
        for message in newest.values():
            said = one_line(message.text, TEXT_CHARS)
            same = (
                known
                for known, by in warned.items()
                if known == said
                or (_wording(known) == _wording(said) and by[-1].id in phase.spec.inputs)
            )
            warned.setdefault(next(same, said), []).append(phase)
    warnings = []
    for said, by in warned.items():
        names = " and ".join(one.spec.title for one in by)
        warnings.append(_line(f"! {names}: ", said, "", "yellow"))
    return [*faults(phases), *hints, *warnings]


def faults(phases: Sequence[PhaseStatus]) -> list[Text]:
    """Return a line for each phase that ended badly: what is wrong, where, what to do."""
    found = []
    for phase in phases:
        if advice := ADVICE.get(phase.state):
            said = one_line(phase.error, TEXT_CHARS)
            advice = "" if "retry" in said else advice  # it says itself what a retry does
            what = f"✗ {phase.spec.title} {phase.state}: "
            found.append(_line(what, said or "it left no error", advice, "bold red"))
    return found


def _wording(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def _line(what: str, said: str, advice: str, style: str) -> Text:
    text = Text().append(what, style)
    text.append(said)
    if advice:
        text.append(f" ({advice})", "dim")
    return text
