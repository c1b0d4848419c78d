"""Watches running and pending phases, including those that an earlier conductor started."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.interfaces import Devices, Held
from engine.machine import deaths, processes
from engine.machine.state import DAMAGED, UNKNOWN, alive_age
from engine.schema.jsonfile import read_json
from engine.store.eventlog import STALE_AFTER_S, last_said, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.interfaces import Handle, Launcher, Poll, Slot
    from engine.scheduling.claims import Claims
    from engine.scheduling.folders import Folders
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

    Say = Callable[[str, int], None]

log = logging.getLogger(__name__)


@dataclass
class Running:
    """A phase process that this conductor watches, started by it or by an earlier one."""

    phase: PhaseDir
    attempt: AttemptDir
    launcher: Launcher
    handle: Handle
    devices: Devices
    slot: Slot
    memory: float = 0.0
    stop_seen: float | None = None
    told: str = ""

    @property
    def held(self) -> Held:
        return Held(self.handle, self.devices, self.slot, self.memory)

    def cancel(self) -> None:
        self.launcher.cancel({self.attempt: self.handle})


def adopted(
    runs: RunsFolder, folders: Folders, claims: Claims, launcher_of: Callable[[str], Launcher]
) -> dict[str, Running]:
    """By phase, the attempt that an earlier conductor started and that has not ended."""
    found: dict[str, Running] = {}
    for phase in runs.phase_dirs():
        attempt = folders.open_attempt(phase)
        if attempt is None or _taken_back(attempt):
            continue
        try:
            owner = read_json(attempt.process)
            launcher = launcher_of(owner["launcher"])
            handle, given = owner["handle"], owner["devices"]
            known = launcher.poll({attempt: handle})[attempt]
            if known.state == "exited" and not known.again:
                continue
            devices = Devices.from_json(given)
            slot = folders.slot(phase, devices)
        except DAMAGED:  # another program's, or deleted
            continue
        memory = claims.of(phase, devices)
        told = last_said(attempt.queued)
        found[phase.id] = Running(
            phase, attempt, launcher, handle, devices, slot, memory, told=told
        )
        log.info("%s attempt %d: adopted", phase.id, attempt.number)
    return found


def _taken_back(attempt: AttemptDir) -> bool:
    """Take back an attempt whose starter was killed before anything ran in it.

    Only the holder of the conductor's lock starts attempts, so no other process interferes. If
    its process still starts, it finds no attempt folder and exits.
    """
    if attempt.process.exists() or attempt.events.exists():
        return False
    revoked = attempt.path.with_name(f".revoked-{attempt.path.name}")
    try:
        attempt.path.rename(revoked)
    except OSError:
        return False
    shutil.rmtree(revoked, ignore_errors=True)
    log.info("%s: was never started; taken back", attempt.path)
    return True


def watch(running: dict[str, Running], grace_s: float, say: Say) -> list[tuple[Running, Poll]]:
    """Return the phases that have ended, and drop them from ``running``. If the launcher can't
    tell, it says why and is asked again, or else a heartbeat decides; a phase that was asked to
    stop is killed after the grace."""
    ended = []
    for phase_id, poll in _polled(running).items():
        one = running[phase_id]
        _note(one, poll)
        lives = poll.state in ("pending", "running")
        if lives or (poll.state == "unknown" and (poll.why or _beats(one.attempt))):
            _enforce_stop(one, poll.state != "pending", grace_s, say)
        else:
            ended.append((running.pop(phase_id), poll))
    return ended


def _note(one: Running, poll: Poll) -> None:
    """Write down what a queue elsewhere says of a phase, whenever that is something new."""
    if poll.why and poll.why != one.told and poll.state != "unknown":
        one.told = poll.why
        with contextlib.suppress(OSError):  # a full disk; or it was deleted
            note(one.attempt.queued, poll.why)


def _polled(running: dict[str, Running]) -> dict[str, Poll]:
    """Poll all running phases, with one request to each launcher."""
    known: dict[AttemptDir, Poll] = {}
    for launcher in {id(r.launcher): r.launcher for r in running.values()}.values():
        mine = [r for r in running.values() if r.launcher is launcher]
        known |= launcher.poll({r.attempt: r.handle for r in mine})
    return {name: known.get(r.attempt, UNKNOWN) for name, r in running.items()}


def _beats(attempt: AttemptDir) -> bool:
    age = alive_age(attempt)
    return age is not None and age < STALE_AFTER_S


def _enforce_stop(running: Running, begun: bool, grace_s: float, say: Say) -> None:
    """Cancel a phase that was asked to stop: at once if it has not begun, else after the grace."""
    if not running.attempt.stop.exists():
        return
    now = time.monotonic()
    if running.stop_seen is None:
        log.info("%s: asked to stop", running.phase.id)
        running.stop_seen = now
        if not begun:
            running.cancel()
    elif now - running.stop_seen > grace_s:
        say(f"{running.phase.id}: did not stop; killed", logging.WARNING)
        running.stop_seen = now
        running.cancel()


def tell_end(folders: Folders, running: Running, poll: Poll) -> None:
    """Log how a phase ended; worker processes that a lost phase left behind are killed."""
    name, number = running.phase.id, running.attempt.number
    outcome = folders.outcome(running.phase, running.attempt)
    if poll.state == "withdrawn":
        log.info("%s attempt %d: taken back, %s", name, number, poll.why)
        shutil.rmtree(running.attempt.path, ignore_errors=True)
    elif outcome is not None:
        log.info("%s attempt %d: %s", name, number, outcome)
    elif poll.state == "unknown":
        log.warning("%s attempt %d: no heartbeat from its host", name, number)
    else:
        code = processes.await_exit_code(running.attempt) if poll.code is None else poll.code
        log.warning("%s attempt %d: lost, %s", name, number, poll.why or deaths.how(code))
        running.cancel()
