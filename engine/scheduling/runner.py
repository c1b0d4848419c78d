"""Runs one attempt of one phase in this process, from its first event to its last.

It ends in this order: outputs by rename, manifest by rename, final event. Whatever goes wrong
before that becomes a final event with one clear line; a killed process leaves none, which is
how death is told from failure.
"""

from __future__ import annotations

import math
import os
import platform
import signal
import socket
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from engine import catalog
from engine.machine import allocation, processes, ranks
from engine.machine.devices import ResourceMonitor, cores, memory
from engine.phases.context import Context, Stopped
from engine.planning.memory import rough_gib
from engine.schema import events as ev
from engine.schema.allocation import Allocation
from engine.schema.errors import UserError, explain
from engine.store import program
from engine.store.eventlog import EventReader, EventWriter, readings
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
from engine.store.locking import Timeout, acquire
from engine.store.provenance import provenance
from engine.store.shared_disk import refresh
from engine.store.spans import seconds_before, work_of
from engine.store.specification import own_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from filelock import FileLock

    from engine.interfaces import Devices
    from engine.schema.specs import PhaseSpec

OTHER_ATTEMPT_TIMEOUT_S = 30.0
SAVING_TIMEOUT_S = 300.0
DEATH_NOTED_S = 5.0
OUTCOME_CODES = {"done": 0, "failed": 1, "stopped": 3}


def run_attempt(phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> int:
    """Run a phase to its end, or in a cluster's job to where the next allocation goes on; returns
    the process exit code (see ``OUTCOME_CODES``)."""
    in_job = bool(allocation.job())
    asked = attempt.goes_on if in_job else attempt.stop
    signal.signal(signal.SIGTERM, lambda *_: asked.touch())
    runs = RunsFolder(phase.path.parent.parent)
    with (
        _sole_attempt(phase, attempt, in_job),
        EventWriter(attempt.events, attempt.alive) as writer,
    ):
        context = Context(
            runs, phase, attempt, writer, devices, scratch=allocation.scratch() if in_job else None
        )
        outcome, error, figures = "done", "", {}
        try:
            writer.emit(_started(phase, attempt, devices))
            _tell_cores(context)
            if in_job:
                _tell_allocation(context)
            with (
                ResourceMonitor(
                    writer.emit,
                    devices,
                    processes=devices.processes_a_node,
                    before=readings(phase),
                ) as monitor,
                context.pulse,
            ):
                figures = _work(context, monitor)
        except Stopped:
            if asked == attempt.goes_on and not attempt.stop.exists():
                context.message("its work is saved; it goes on in its next allocation")
                return allocation.GOES_ON
            outcome, error = "stopped", "stopped on request; a retry goes on from here"
        except Exception as problem:
            with suppress(OSError):  # the disk may be full
                traceback.print_exc()
            outcome, error = "failed", _of_another(attempt, problem) or one_line(problem)
        writer.emit_last(_finished(outcome, error, figures))
        return OUTCOME_CODES[outcome]


def _of_another(attempt: AttemptDir, problem: Exception) -> str:
    """Which other process died, where this one failed for want of it; "" otherwise."""
    if ranks.world() == 1 or isinstance(problem, UserError):
        return ""
    deadline = time.monotonic() + DEATH_NOTED_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            return f"{attempt.death.read_text().strip()}; a retry goes on from what is saved"
        time.sleep(processes.POLL_S)
    return ""


@contextmanager
def _sole_attempt(phase: PhaseDir, attempt: AttemptDir, in_job: bool) -> Iterator[None]:
    """Lock the phase, so that two attempts never share a work folder. In a cluster's job, whoever
    has the lock works on a node that was given up; it is asked to save its work and leave."""
    lock: FileLock | None
    try:
        lock = acquire(phase.lock, OTHER_ATTEMPT_TIMEOUT_S)
    except Timeout:
        lock = _after_the_other(phase, attempt) if in_job else None
    if lock is None:
        sys.exit(f"{phase.path}: another attempt of this phase is still running; stop it first")
    try:
        yield
    finally:
        lock.release()


def _after_the_other(phase: PhaseDir, attempt: AttemptDir) -> FileLock | None:
    for one in phase.attempts():
        one.goes_on.touch()
    try:
        return acquire(phase.lock, SAVING_TIMEOUT_S)
    except Timeout:
        return None
    finally:
        attempt.goes_on.unlink(missing_ok=True)


def _work(context: Context, monitor: ResourceMonitor) -> dict[str, Any]:
    refresh(context.folder.path)
    if context.folder.done:  # died between the manifest and the final event
        context.message("already done; nothing to do")
        return context.folder.manifest()["figures"]  # type: ignore[no-any-return]
    spec = own_spec(context.folder)
    if spec.outdated:
        raise UserError(
            f"{context.folder.spec_file}: planned by an earlier version, whose {spec.kind} did "
            "something else; launch its experiment again, which makes it anew beside this one"
        )
    context.doing("reading its inputs")
    context.clear_staging()
    _tell_memory(context, spec)
    if ranks.world() > 1:
        context.doing(f"waiting for {ranks.world() - 1} other processes to start")
        ranks.join(bool(context.devices.gpus) and spec.trains)
        context.doing("reading its inputs")
    if context.scratch is not None:  # the disk of the node on which all processes are
        if ranks.is_first():
            context.bring_checkpoints()
        ranks.meet()
    began = time.monotonic()
    figures = catalog.recipe(spec)(context, spec)
    before = seconds_before(context.folder, context.attempt) + work_of(context.attempt).before
    took = time.monotonic() - began + before
    figures["seconds"] = round(took, 2)
    figures |= monitor.peaks | ({"taken": context.taken} if context.taken else {})
    context.publish(figures)
    return figures


def _tell_cores(context: Context) -> None:
    """Warn when the process is bound to fewer cores than it was given."""
    given, has = context.devices.threads, cores()
    if has < given:
        context.warn(
            f"asked for {given} cores, and may use {has}: it takes longer than it should; look at "
            "cpus in the site, and at what binds processes to cores on this machine",
            "cores",
        )


def _tell_allocation(context: Context) -> None:
    """Say which job this is and why it waited; ``UserError`` when the last ones got nowhere."""
    events = EventReader(context.attempt.events).read(10_000_000, math.inf)
    earlier = [event for event in events if isinstance(event, Allocation)]
    number = len(earlier) + 1
    for told in EventReader(context.attempt.queued).read(10_000_000, math.inf):
        if isinstance(told, ev.Message) and not (earlier and told.ts < earlier[-1].ts):
            context.emit(told.model_copy(update={"text": f"in the queue: {told.text}"}))
    context.emit(Allocation(job=allocation.job(), node=allocation.node(), number=number))
    program.check()
    if barren(events) >= allocation.BARREN:
        raise UserError(
            f"{allocation.BARREN} allocations in a row brought it no further: their time limit is "
            "too short for one step and its checkpoint; raise the site's time for this kind of "
            "phase, then go on with: sirt retry"
        )


def barren(events: Iterable[ev.Event]) -> int:
    """How many of the last allocations in a log reached nothing that those before them had not."""
    best: dict[str, int] = {}
    count, further = 0, True
    for event in events:
        if isinstance(event, Allocation):
            count, further = 0 if further else count + 1, False
        elif isinstance(event, ev.Progress) and event.done > best.get(event.unit, 0):
            best[event.unit], further = event.done, True
    return 0 if further else count + 1


def _tell_memory(context: Context, spec: PhaseSpec) -> None:
    """Warn of too little memory before anything is loaded: a swapping machine no longer can."""
    needed = rough_gib(spec, on_gpu=bool(context.devices.gpus))
    if needed is None or context.devices.gpus:
        return
    total = memory()[0] / 1024
    if needed > total:
        context.warn(
            f"needs about {needed:.1f} GiB of memory (rough), and this machine has {total:.1f}: "
            "lower generation.token_budget or the batch size, or use a smaller model",
            "memory",
        )


def _started(phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> ev.PhaseStarted:
    names = tuple(f"cuda:{i}" for i in devices.gpus) or ("cpu",) * devices.on_cpu
    together = {"processes": devices.processes, "nodes": devices.nodes}
    return ev.PhaseStarted(
        phase=phase.id,
        attempt=attempt.number,
        host=socket.gethostname(),
        pid=os.getpid(),
        devices=names * devices.nodes,
        details={"python": platform.python_version(), "argv": sys.argv[:3]}
        | together
        | provenance(),
    )


def _finished(outcome: str, error: str, figures: dict[str, Any]) -> ev.PhaseFinished:
    known: Literal["done", "failed", "stopped"] = outcome  # type: ignore[assignment]
    return ev.PhaseFinished(outcome=known, error=error, figures=figures)


def one_line(problem: Exception) -> str:
    """The error in one line, as the user reads it; the traceback is in stderr.log."""
    if isinstance(problem, UserError):
        return str(problem)
    if isinstance(problem, OSError) and problem.strerror:
        return explain(problem)
    first = (str(problem).strip().splitlines() or [""])[0]
    return f"{type(problem).__name__}: {first}"
