"""Redraw the list of runs, or one run, in place as it changes; lines where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.cli.output import Redrawn, echo
from engine.cli.status import plain_accuracy, print_run
from engine.machine.state import recent_view
from engine.queries.doing import steps
from engine.queries.following import RunFollower
from engine.queries.runs import Roster
from engine.scheduling.standing import WORST_FIRST
from engine.schema.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.runs import RunStatus
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

EVERY_S = 2.0
RESTS = 60  # a look that took a second of CPU is followed by a minute without one
AT_WORK = ("running", "pending", "stopping")


def watch_all(runs: RunsFolder) -> None:
    """Redraw the list of runs until ctrl+c: first those at work, then the newest."""
    roster, screen = Roster(runs), Redrawn()
    known: dict[str, str] | None = None

    def look() -> None:
        nonlocal known
        rows = roster.look()
        if screen.live:
            screen.show(lambda: _print_list(runs, rows, screen.height))
            return
        if known is None:
            echo(f"{_clock()} {_counts(rows)}")
        for row in rows:
            _tell_change(row.run_id, (known or {}).get(row.run_id), row.state, known is None)
        known = {row.run_id: row.state for row in rows}

    _repeat(look)


def watch_one(runs: RunsFolder, run_id: str) -> None:
    """Redraw a run until ctrl+c."""
    follower, screen = RunFollower(runs, run_id), Redrawn()
    found = follower.advance_to_the_end()
    known: dict[str, str] = {}

    def look() -> None:
        nonlocal found
        found = follower.advance() or found
        assert found is not None
        if screen.live:
            screen.show(lambda: print_run(runs, found))
        else:
            _tell_phases(found, known)

    _repeat(look)


def _repeat(look: Callable[[], None]) -> None:
    """Look again and again until ctrl+c, at a pace that takes a second of CPU a minute at most."""
    try:
        while True:
            began = time.process_time()
            look()
            time.sleep(max(EVERY_S, RESTS * (time.process_time() - began)))
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def _print_list(runs: RunsFolder, rows: Sequence[RunRow], height: int) -> None:
    echo(f"{_clock()} {_counts(rows)}")
    ordered = sorted(
        rows, key=lambda row: WORST_FIRST.index(row.state) if row.state in AT_WORK else 99
    )
    shown = ordered[: max(1, height - 3)]
    width = max((len(row.run_id) for row in shown), default=0)
    for row in shown:
        echo(f"{row.run_id:<{width}}  {row.state:<11}  {_told(runs, row)}".rstrip())
    more = len(rows) - len(shown)
    echo(f"and {counted(more, 'run')} more; ctrl+c ends this" if more else "ctrl+c ends this")


def _told(runs: RunsFolder, row: RunRow) -> str:
    """Say what a run at work does; of others, their accuracy."""
    return (
        "; ".join(_at_work(runs, row))
        if row.state in ("running", "stopping")
        else plain_accuracy(row)
    )


def _at_work(runs: RunsFolder, row: RunRow) -> Iterator[str]:
    for kind, phase_id in row.phases:
        folder = runs.phase(phase_id)
        attempt = folder.last_attempt()
        if attempt is None or folder.done:
            continue
        view = recent_view(attempt)
        if view.outcome is None:
            yield f"{kind} {', '.join(steps(view))}"


def _counts(rows: Sequence[RunRow]) -> str:
    """``9 runs: 1 running, 6 done, 2 failed``."""
    found = Counter(row.state for row in rows)
    parts = ", ".join(f"{number} {state}" for state, number in found.most_common())
    return f"{counted(len(rows), 'run')}{': ' if parts else ''}{parts}"


def _tell_phases(found: RunStatus, known: dict[str, str]) -> None:
    first = not known
    for phase in found.phases:
        _tell_change(phase.spec.title, known.get(phase.id), phase.state, first)
        known[phase.id] = phase.state


def _tell_change(name: str, before: str | None, now: str, first: bool) -> None:
    """Print a change; at first only what is at work."""
    if before != now and (not first or now in AT_WORK):
        echo(f"{_clock()} {name}: {f'{before} -> ' if before else ''}{now}")


def _clock() -> str:
    return f"{datetime.now(UTC).astimezone():%H:%M:%S}"
