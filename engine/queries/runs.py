"""List runs and their states, and read one run in full."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.machine.state import phase_state, recent_view
from engine.queries.evaluations import accuracies_of, evaluations_of, why_unscored
from engine.queries.rows import queued_runs, row_of, was_stopped
from engine.queries.run_list import Roster
from engine.queries.waits import Waits, held_runs
from engine.scheduling.standing import Fact, run_state, standings
from engine.schema.errors import UserError
from engine.store.eventlog import EventReader
from engine.store.phase_log import (
    EMPTY,
    PhaseView,
    State,
    fold_all,
    gone_on_with,
)
from engine.store.registry import Registry
from engine.store.run import read_record, with_phases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.accuracy import Accuracy
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.run import RunFile
    from engine.store.run_row import RunRow

__all__ = [
    "PhaseStatus",
    "Roster",
    "RunStatus",
    "age",
    "headless",
    "list_runs",
    "registry",
    "row_of",
    "run_status",
    "unreadable",
    "view_of",
]


_RUN = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True, slots=True)
class PhaseStatus:
    """A phase of a run: its state, and if it can't start, which phases must be retried first.
    ``waits``: what it waits for. ``where``: where on a cluster it runs. ``reading``: ``view``
    covers only the log's end so far. ``stopping``: it was asked to stop and is still at work."""

    spec: PhaseSpec
    state: State
    attempt: int
    error: str
    blocked_by: tuple[str, ...]
    view: PhaseView = EMPTY
    waits: str = ""
    where: str = ""
    reading: bool = False
    stopping: bool = False

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def shown(self) -> State:
        """The state to show."""
        return "stopping" if self.stopping else self.state


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run with all its phases, inputs first. ``damage``: files that can't be read or are not as
    published, a line each."""

    file: RunFile
    state: State
    phases: tuple[PhaseStatus, ...]
    accuracies: tuple[Accuracy, ...]
    damage: tuple[str, ...] = ()


def registry(runs: RunsFolder) -> Registry:
    """Open the index of runs, which rebuilds itself from the folders."""
    return Registry(runs, lambda run_id: row_of(runs, run_id))


def list_runs(runs: RunsFolder) -> list[RunRow]:
    """List all runs, newest last. Unfinished runs are read again, and final ones are added to the
    index."""
    return list(reversed(Roster(runs).look()))


def unreadable(runs: RunsFolder, rows: Iterable[RunRow]) -> list[str]:
    """Say why existing runs have no row and why the queue can't be read, a line each."""
    told = []
    try:
        queued_runs(runs)
    except UserError as error:
        told.append(str(error))
    told += [
        f"{runs.run_file(name)}: not there; launch its experiment again" for name in headless(runs)
    ]
    for run_id in sorted(set(runs.run_ids()) - {row.run_id for row in rows}):
        try:
            read_record(runs, run_id)
        except UserError as error:
            told.append(str(error))
    return told


def headless(runs: RunsFolder) -> list[str]:
    """Folders of runs whose file is gone."""
    return [n for n in runs.folder_names() if _RUN.search(n) and not runs.has_run_file(n)]


def run_status(runs: RunsFolder, run_id: str, with_views: bool = True) -> RunStatus:
    """Read everything about one run. Views fold the attempts' whole logs; without them, only
    phases that pay an endpoint have the end of theirs."""
    file, lost = with_phases(runs, read_record(runs, run_id))
    damage = list(lost.values())
    try:
        forgiven = queued_runs(runs).get(run_id)
    except UserError as error:
        forgiven = None
        damage.append(str(error))
    waiting = Waits.read(runs, held_runs(runs))
    phases: list[PhaseStatus] = []
    specs = file.spec.phases
    needs = dict.fromkeys(lost, ()) | {spec.id: spec.inputs for spec in specs}
    found = {phase: phase_state(runs.phase(phase)) for phase in needs}
    facts = {phase: Fact(one.state, one.attempt) for phase, one in found.items()}
    stands = standings(needs.items(), facts, forgiven)
    for spec in specs:
        folder, state, said = runs.phase(spec.id), stands[spec.id].state, found[spec.id]
        view, torn = read_view(folder) if with_views else (_money_of(folder, spec), "")
        unscored = why_unscored(folder) if state == "done" and spec.kind == "evaluate" else ""
        damage += [line for line in (torn, unscored) if line]
        waits = said.why
        if state == "queued":
            ready = all(i in stands and stands[i].state == "done" for i in spec.inputs)
            waits = waiting.why(run_id, spec.id, ready)
        by = stands[spec.id].blocked_by
        told = PhaseStatus(spec, state, said.attempt, said.error, by, view, waits, said.where)
        phases.append(replace(told, stopping=said.stopping))
    stopping = any(one.stopping for one in found.values())
    stop = was_stopped(runs, run_id, forgiven)
    state = run_state([stand.state for stand in stands.values()], stop, stopping)
    accuracies = accuracies_of(evaluations_of(runs, specs))
    return RunStatus(file, state, tuple(phases), accuracies, tuple(damage))


def _money_of(folder: PhaseDir, spec: PhaseSpec) -> PhaseView:
    paid = spec.card is not None and spec.card.source.bills_in is not None
    attempt = folder.last_attempt() if paid else None
    return recent_view(attempt) if attempt is not None else EMPTY


def view_of(folder: PhaseDir) -> PhaseView:
    """Read the log of the phase's last attempt, with the curves of those before it."""
    return read_view(folder)[0]


def read_view(folder: PhaseDir) -> tuple[PhaseView, str]:
    """As :func:`view_of`, and say how the last attempt's log is damaged, if it is."""
    view, torn = EMPTY, ""
    for attempt in folder.attempts():
        reader = EventReader(attempt.events)
        view = fold_all(reader.read(max_records=10_000_000, max_ms=60_000), gone_on_with(view))
        damage = damage_of(reader, view, folder)
        torn = f"{attempt.events}: {damage}" if damage else ""
    return view, torn


def damage_of(reader: EventReader, view: PhaseView, folder: PhaseDir) -> str:
    """Say how the log that was read is damaged; empty if it is not."""
    told = [reader.problem] if reader.problem else []
    told += [f"lines that can't be read: {reader.corrupt}"] if reader.corrupt else []
    told += [f"events that are missing: {view.gaps}"] if view.gaps > reader.corrupt else []
    told += ["its final event is missing"] if folder.done and view.outcome is None else []
    return ", ".join(told)


def age(when: datetime) -> float:
    """Return the seconds since that time."""
    return (datetime.now(UTC) - when).total_seconds()
