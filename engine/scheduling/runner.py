"""Runs one attempt of one phase in this process, from its first event to its last.

It ends in this order: outputs by rename, manifest by rename, final event. Whatever goes wrong
before that becomes a final event with one clear line; a killed process leaves none, which is
how death is told from failure.
"""

from __future__ import annotations

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
from engine.machine.devices import ResourceMonitor, memory
from engine.phases.context import Context, Stopped
from engine.planning.memory import rough_gib
from engine.schema import events as ev
from engine.schema.errors import UserError, explain
from engine.store.eventlog import EventWriter
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
from engine.store.locking import Timeout, held
from engine.store.provenance import provenance
from engine.store.specification import own_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.interfaces import Devices
    from engine.schema.specs import PhaseSpec

OTHER_ATTEMPT_TIMEOUT_S = 30.0
OUTCOME_CODES = {"done": 0, "failed": 1, "stopped": 3}


def run_attempt(phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> int:
    """Run a phase to its end; returns the process exit code (see ``OUTCOME_CODES``)."""
    signal.signal(signal.SIGTERM, lambda *_: attempt.stop.touch())
    runs = RunsFolder(phase.path.parent.parent)
    with _sole_attempt(phase), EventWriter(attempt.events, attempt.alive) as writer:
        context = Context(runs, phase, attempt, writer, devices)
        outcome, error, figures = "done", "", {}
        try:
            writer.emit(_started(phase, attempt, devices))
            with ResourceMonitor(writer.emit, devices) as monitor, context.pulse:
                figures = _work(context, monitor)
        except Stopped:
            outcome, error = "stopped", "stopped on request; a retry goes on from here"
        except Exception as problem:
            with suppress(OSError):  # the disk may be full
                traceback.print_exc()
            outcome, error = "failed", _one_line(problem)
        writer.emit_last(_finished(outcome, error, figures))
        return OUTCOME_CODES[outcome]


@contextmanager
def _sole_attempt(phase: PhaseDir) -> Iterator[None]:
    """Lock the phase, so that two attempts never share a work folder."""
    try:
        with held(phase.lock, OTHER_ATTEMPT_TIMEOUT_S):
            yield
    except Timeout:
        sys.exit(f"{phase.path}: another attempt of this phase is still running; stop it first")


def _work(context: Context, monitor: ResourceMonitor) -> dict[str, Any]:
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
    began = time.monotonic()
    figures = catalog.recipe(spec)(context, spec)
    figures["seconds"] = round(time.monotonic() - began, 2)
    figures |= monitor.peaks
    context.folder.publish(context.staging, figures, context.accepted)
    return figures


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
    names = tuple(f"cuda:{i}" for i in devices.gpus) or ("cpu",)
    return ev.PhaseStarted(
        phase=phase.id,
        attempt=attempt.number,
        host=socket.gethostname(),
        pid=os.getpid(),
        devices=names,
        details={"python": platform.python_version(), "argv": sys.argv[:3]} | provenance(),
    )


def _finished(outcome: str, error: str, figures: dict[str, Any]) -> ev.PhaseFinished:
    known: Literal["done", "failed", "stopped"] = outcome  # type: ignore[assignment]
    return ev.PhaseFinished(outcome=known, error=error, figures=figures)


def _one_line(problem: Exception) -> str:
    """The error in one line, as the user reads it; the traceback is in stderr.log."""
    if isinstance(problem, UserError):
        return str(problem)
    if isinstance(problem, OSError) and problem.strerror:
        return explain(problem)
    first = (str(problem).strip().splitlines() or [""])[0]
    return f"{type(problem).__name__}: {first}"
