"""Show the queue and what is running, and change what runs next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.run_changes import move
from engine.machine.state import (
    DAMAGED,
    PhaseState,
    phase_state,
    recent_view,
)
from engine.queries import cluster
from engine.scheduling import daemon, queue
from engine.scheduling.launchers.slurm import jobs
from engine.scheduling.queue import DeviceRequest, Entry, read_queue
from engine.scheduling.standing import (
    Fact,
    forgiven_by,
    run_state,
    standings,
)
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json
from engine.store.run import read_run
from engine.store.spending import spending

if TYPE_CHECKING:
    from engine.queries.cluster import ClusterNow
    from engine.scheduling.launchers.slurm.queries import Job
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder
    from engine.store.phase_log import State
    from engine.store.spending import Spending

__all__ = ["Conducting", "Entry", "Work", "hold", "look", "move", "set_cpu_slots"]


@dataclass(frozen=True, slots=True)
class Work:
    """A phase with a living attempt. ``gpus``: its GPUs; empty on the CPU or while it waits for an
    endpoint. ``paid``: what it has paid its endpoint so far. ``job``: its job on a cluster, as the
    queue has it."""

    run_id: str
    spec: PhaseSpec
    state: State
    attempt: int
    pid: int | None
    gpus: tuple[int, ...]
    paid: Spending | None = None
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Conducting:
    """The state of the queue. ``conductor_pid``: None when no conductor runs and so nothing starts.
    ``waiting``: why phases wait although their inputs are there. ``cluster``: the one that this
    machine belongs to."""

    conductor_pid: int | None
    entries: tuple[Entry, ...]
    states: tuple[State, ...]
    working: tuple[Work, ...]
    cpu_slots: int | None
    api_slots: int
    waiting: dict[str, str] = field(default_factory=dict)
    cluster: ClusterNow | None = None


def look(runs: RunsFolder) -> Conducting:
    """Read the queue and its running phases. ``UserError`` when the queue file is damaged."""
    wanted = read_queue(runs)
    who = daemon.holder(runs)
    forgiven = forgiven_by(entry.forgiven for entry in wanted.entries)
    facts: dict[str, Fact] = {}  # runs share phases: each is looked at once
    working: dict[str, Work] = {}
    states: list[State] = []
    for entry in wanted.entries:
        specs = _phases(runs, entry.run_id)
        for spec in specs:
            if spec.id not in facts:
                found = phase_state(runs.phase(spec.id))
                facts[spec.id] = Fact(found.state, found.attempt)
                if found.state in {"pending", "running", "unreachable"}:
                    working[spec.id] = _work(runs, entry.run_id, spec, found)
        stands = standings(((spec.id, spec.inputs) for spec in specs), facts, forgiven)
        states.append(run_state([one.state for one in stands.values()]) if specs else "queued")
    return Conducting(
        conductor_pid=int(who["pid"]) if who else None,
        entries=wanted.entries,
        states=tuple(states),
        working=tuple(working.values()),
        cpu_slots=wanted.cpu_slots,
        api_slots=wanted.api_slots,
        waiting=daemon.waiting(runs),
        cluster=cluster.look(),
    )


def hold(runs: RunsFolder, run_id: str, held: bool) -> None:
    """Hold a run, so that it starts no phase and keeps its place in the queue; or release it. Its
    jobs that wait on a cluster are held with it, but for those that another run needs."""
    wanted = queue.hold(runs, run_id, held)
    others = [entry.run_id for entry in wanted.entries if not entry.hold]
    needed = {spec.id for other in others if other != run_id for spec in _phases(runs, other)}
    phases = [runs.phase(spec.id) for spec in _phases(runs, run_id) if spec.id not in needed]
    jobs.hold(filter(None, (phase.last_attempt() for phase in phases if not phase.done)), held)
    if not held:
        daemon.ensure_running(runs)


def set_cpu_slots(runs: RunsFolder, slots: int | None) -> None:
    """Limit how many phases run on the CPU at once, each with its share of the cores. None: as many
    as are ready, at most one per core."""
    if slots is not None and slots < 1:
        raise UserError(f"{slots} phases at once: give 1 or more, or nothing for as many as fit")
    queue.set_limits(runs, slots, read_queue(runs).api_slots)


def _phases(runs: RunsFolder, run_id: str) -> tuple[PhaseSpec, ...]:
    """Return the run's phases; none when its file can't be read."""
    try:
        return read_run(runs, run_id).spec.phases
    except UserError:
        return ()


def _work(runs: RunsFolder, run_id: str, spec: PhaseSpec, found: PhaseState) -> Work:
    attempt = runs.phase(spec.id).last_attempt()
    try:
        assert attempt is not None
        owner = read_json(attempt.process)
        gpus = tuple(map(int, owner["devices"]["gpus"]))
        pid = owner["handle"].get("pid")  # a job of a cluster has none that is known here
    except DAMAGED:  # or its starter has not said yet
        pid, gpus = None, ()
    paid = spending(spec, recent_view(attempt)) if attempt is not None else None
    job = jobs.job_of(attempt) if attempt is not None else None
    return Work(run_id, spec, found.state, found.attempt, pid, gpus, paid, job)


def requested(request: DeviceRequest) -> str:
    """Say in a word which devices a run asked for, or which site."""
    kind, _, site = request.launcher.partition(":")
    if site:
        return f"{kind} {Path(site).stem}"
    if request.cpu:
        return "CPU"
    if request.gpus is not None:
        named = ",".join(map(str, request.gpus))
        return f"{request.gpu_count} of {named}" if request.gpu_count else f"GPU {named}"
    return f"{request.gpu_count} GPUs" if request.gpu_count else "any"
