"""Write figures and states as short text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema import counts, durations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from engine.store.phase_log import State

NOTHING = "–"
LEFT_OUT = "⊘"  # a run that a person leaves out of tables and reports
OVER_A_YEAR = durations.duration(math.inf)
STATE_MARKS: dict[State, str] = {
    "waiting": "·",
    "queued": "○",
    "running": "▶",
    "stopping": "▪",
    "done": "✓",
    "failed": "✗",
    "stopped": "■",
    "lost": "?",
    "unreachable": "!",
    "pending": "◌",
    "blocked": "#",
}
STATE_STYLES: dict[State, str] = {
    "waiting": "dim",
    "queued": "cyan",
    "running": "bold cyan",
    "stopping": "bold yellow",
    "done": "green",
    "failed": "bold red",
    "stopped": "yellow",
    "lost": "bold magenta",
    "unreachable": "magenta",
    "pending": "cyan",
    "blocked": "yellow",
}


def duration(seconds: float | None) -> str:
    """Write a duration as :func:`engine.schema.durations.duration`; a dash if unknown."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    return durations.duration(seconds)


def roughly(seconds: float) -> str:
    """Write an estimated duration, as ``about 3 d 4 h`` or ``over a year``."""
    said = _rounded(seconds)
    return said if said == OVER_A_YEAR else f"about {said}"


def _rounded(seconds: float) -> str:
    """Write what is only estimated: to the minute where it takes some."""
    return duration(60 * round(seconds / 60) if seconds >= 120 else seconds)


def time_left(seconds: float) -> str:
    """Write a forecast, as ``~1 h 20 min left``."""
    return f"~{_rounded(seconds)} left"


def left_in_short(seconds: float) -> str:
    """Write a forecast in one unit for a column, as ``~80 min left``."""
    return f"~{_in_one_unit(seconds)} left"


def accuracy(share: float | None, questions: int | None) -> Text:
    """Write an accuracy and of how many questions, as ``93.7% (600)``."""
    if share is None:
        return Text(NOTHING, "dim")
    text = Text(f"{percent(share)}%")
    return text.append(f" ({count(questions)})", "dim") if questions else text


def age(then: datetime | None, now: datetime) -> str:
    """Write how long ago in one unit, rounded down: ``now``, ``119 min``, ``47 h``, ``12 d``."""
    if then is None:
        return NOTHING
    seconds = (now - then).total_seconds()
    return "now" if seconds < 60 else _in_one_unit(seconds)


def _in_one_unit(seconds: float) -> str:
    if seconds < 60:
        return f"{int(seconds)} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60))
    unit, size = next(((u, size) for u, size in units if seconds >= 2 * size), units[-1])
    return f"{int(seconds // size)} {unit}"


def count(n: float | None) -> str:
    """Write a count as :func:`engine.schema.counts.count`; a dash if unknown."""
    return NOTHING if n is None else counts.count(n)


def percent(share: float | None) -> str:
    """Write a share in 0..1 in per cent, as ``93.7``."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def number(value: float | None) -> str:
    """Write four significant digits, with an exponent only where six characters don't suffice."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == 0 or 1e-3 <= abs(value) < 99_999.5:
        return f"{value:.4g}" if abs(value) < 9_999.5 else f"{value:.0f}"
    return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")


def four_digits(said: str) -> str:
    """Add to what :func:`number` wrote the zeros that it left out: ``0.381`` beside ``0.3809`` as
    ``0.3810``."""
    if "." not in said or "e" in said:
        return said
    return said + "0" * (4 - len(said.lstrip("-0.").replace(".", "")))


def mib(value: float | None) -> str:
    """Write a memory size that is given in MiB."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{value:.0f} MiB"


def money(amount: float | None, currency: str = "USD") -> str:
    return NOTHING if amount is None else f"{amount:.2f} {currency}"


def legend(states: Iterable[State]) -> Text:
    """Explain the marks of these states: ``✓ done  ✗ failed``."""
    together = "\N{NO-BREAK SPACE}"  # a mark and its word stay on one line
    said = (Text(f"{STATE_MARKS[one]}{together}{one}", STATE_STYLES[one]) for one in states)
    return Text("  ").join(said)


def ladder(states: Iterable[State]) -> str:
    """Write the states of a run's phases, one mark each."""
    return "".join(STATE_MARKS[state] for state in states)
