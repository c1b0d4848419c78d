"""The queue and who works on it: what the conductor has where, and changing what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine import conductor, queue
from engine.contract.errors import UserError
from engine.contract.jsonfile import read_json
from engine.control.changing import move
from engine.queue import DeviceRequest, Entry, read_queue, read_run
from engine.states import DAMAGED, phase_state

if TYPE_CHECKING:
    from engine.contract.rundir import AttemptDir, RunsFolder
    from engine.contract.spec import PhaseSpec
    from engine.contract.view import State

__all__ = ["Conducting", "Entry", "Work", "hold", "look", "move", "set_cpu_slots"]


@dataclass(frozen=True, slots=True)
class Work:
    """A phase with a living attempt. ``gpus``: cards that it was given; none: it is on the CPU
    or waits for an endpoint."""

    run_id: str
    spec: PhaseSpec
    state: State
    attempt: int
    pid: int | None
    gpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conducting:
    """``conductor_pid`` is None when nobody conducts: nothing starts then. ``waiting``: phase ->
    why it waits although its inputs are there."""

    conductor_pid: int | None
    entries: tuple[Entry, ...]
    states: tuple[State, ...]
    working: tuple[Work, ...]
    cpu_slots: int | None
    api_slots: int
    waiting: dict[str, str] = field(default_factory=dict)


def look(runs: RunsFolder) -> Conducting:
    """As the folder says now. ``UserError`` when the queue was damaged by hand."""
    wanted = read_queue(runs)
    who = conductor.holder(runs)
    working: dict[str, Work] = {}
    for entry in wanted.entries:
        for work in _works(runs, entry.run_id):
            working.setdefault(work.spec.id, work)
    busy = {work.run_id for work in working.values()}
    states: list[State] = ["running" if e.run_id in busy else "queued" for e in wanted.entries]
    return Conducting(
        conductor_pid=int(who["pid"]) if who else None,
        entries=wanted.entries,
        states=tuple(states),
        working=tuple(working.values()),
        cpu_slots=wanted.cpu_slots,
        api_slots=wanted.api_slots,
        waiting=conductor.waiting(runs),
    )


def hold(runs: RunsFolder, run_id: str, held: bool) -> None:
    """A held run starts no phase and keeps its place; released, it may go on."""
    queue.hold(runs, run_id, held)
    if not held:
        conductor.ensure_running(runs)


def set_cpu_slots(runs: RunsFolder, slots: int | None) -> None:
    """How many phases may be on the CPU at once; None: one a core."""
    if slots is not None and slots < 1:
        raise UserError(f"{slots} phases at once: give 1 or more, or nothing for one a core")
    queue.set_limits(runs, slots, read_queue(runs).api_slots)


def _works(runs: RunsFolder, run_id: str) -> list[Work]:
    try:
        specs = read_run(runs, run_id).spec.phases
    except UserError:
        return []
    found = []
    for spec in specs:
        folder = runs.phase(spec.id)
        attempt = None if folder.done else folder.last_attempt()
        if attempt is None:
            continue
        state = phase_state(folder).state
        if state in {"running", "unreachable"}:
            found.append(_work(run_id, spec, state, attempt))
    return found


def _work(run_id: str, spec: PhaseSpec, state: State, attempt: AttemptDir) -> Work:
    try:
        owner = read_json(attempt.process)
        pid, gpus = int(owner["handle"]["pid"]), tuple(map(int, owner["devices"]["gpus"]))
    except DAMAGED:  # or its starter has not said yet
        pid, gpus = None, ()
    return Work(run_id, spec, state, attempt.number, pid, gpus)


def requested(request: DeviceRequest) -> str:
    """What a run asked for, in a word."""
    if request.cpu:
        return "CPU"
    if request.gpus is not None:
        return "GPU " + ",".join(map(str, request.gpus))
    return f"{request.gpu_count} GPUs" if request.gpu_count else "any"
