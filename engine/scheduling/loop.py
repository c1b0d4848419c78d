"""The conductor's loop: puts ready phases on free devices and watches them.

It keeps no state of its own: what to run is in the queue, what has happened in the phase
folders, which process runs in each attempt's process file. So it can be killed at any moment;
the next one reads the same folders, adopts what still runs and goes on.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import catalog
from engine.interfaces import TogetherLauncher
from engine.machine import processes
from engine.scheduling.agenda import LOCAL, Agenda
from engine.scheduling.claims import Claims
from engine.scheduling.folders import Folders
from engine.scheduling.notices import Notices
from engine.scheduling.policy import alike, handed_over, made, problem, starts
from engine.scheduling.queue import forgive
from engine.scheduling.starting import start_attempts
from engine.scheduling.watching import Running, adopted, tell_end, watch
from engine.schema.errors import UserError, explain, told
from engine.store.conductor_dir import ConductorDir
from engine.store.eventlog import HEARTBEAT_S
from engine.store.registry import folder_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.interfaces import Capacity, Launcher
    from engine.scheduling.policy import Node, QueuedRun, Start
    from engine.scheduling.servers import Servers
    from engine.store.layout import RunsFolder

IDLE_S = 10.0
SHARE, LONGEST_S = 20, 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """The loop's waiting times in seconds. ``grace``: between asking a phase to stop and killing
    it; longer than a phase waits for replies already paid for. ``look``: between two full reads
    of the folders when nothing seems to change. ``back_off``: after a start that failed, for
    example by a full disk."""

    poll: float = 0.3
    look: float = 5.0
    idle: float = IDLE_S
    grace: float = 75.0
    back_off: float = 30.0


class Conductor:
    """Starts and watches the queued phases until nothing is left to do (:meth:`run`).

    ``local`` starts phases on this machine, beside the ``servers`` that they share; other launchers
    are found by name. ``holds`` says
    whether the conductor's lock is still the folder's, ``release`` gives it up.
    """

    def __init__(
        self,
        runs: RunsFolder,
        local: Launcher,
        servers: Servers,
        holds: Callable[[], bool],
        release: Callable[[], None],
        timing: Timing,
    ) -> None:
        self.runs = runs
        self._holds = holds
        self._release = release
        self.running: dict[str, Running] = {}
        self._local = local
        self._timing = timing
        self._folders = Folders(runs)
        self._agenda = Agenda(runs, self._folders, self._say)
        self._claims = Claims(runs, self._folders)
        self._servers = servers
        self._notices = Notices(runs)
        self._said: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._next_look = 0.0
        self._next_start = 0.0
        self._waiting = False
        self._next_beat = 0.0
        self._leave = False

    # --- the loop ---

    def run(self) -> None:
        """Loop until idle or told to leave; running phases are left running."""
        self.adopt()
        self._notices.begin()
        busy_at = time.monotonic()
        pause = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self.leave())
        while not self._leave:
            try:
                self._beat()
                if not self._holds():
                    log.warning("the folder was deleted or made anew; leaving")
                    return
                if self.step():
                    busy_at = time.monotonic()
                elif time.monotonic() - busy_at > self._timing.idle and self._resign():
                    return
            except (OSError, UserError) as error:  # disk full, say: said once, tried again
                if not self.runs.root.is_dir():
                    return
                self._say(f"can't go on for now: {told(error)}", logging.ERROR)
                pause.wait(self._timing.look)
            pause.wait(self._timing.poll)
        self._notices.close()
        log.info("told to leave; %d phases go on", len(self.running))

    def adopt(self) -> None:
        """Watch the phases an earlier conductor left running, even if their run isn't queued."""
        self.running |= adopted(self.runs, self._folders, self._claims, self._launcher)

    def leave(self) -> None:
        self._leave = True

    def _resign(self) -> bool:
        """Release the lock; True when the queue is unchanged since the last look.

        Under the queue's lock: whoever queues a run and then finds this conductor's lock held
        can rely on being seen (see :func:`ensure_running`).
        """
        with folder_lock(self.runs):
            if self._agenda.outdated:
                return False
            log.info("nothing left to do")
            self._release()
            return True

    def step(self) -> bool:
        """Look at the queue once and act; True while something runs or could run."""
        ended = watch(self.running, self._timing.grace, self._say)
        for running, poll in ended:
            tell_end(self._folders, running, poll)
            if poll.again:
                forgive(self.runs, running.phase.id, running.attempt.number)
        if ended or self._agenda.outdated or time.monotonic() >= self._next_look:
            self._next_look = _done_and_due(self._look, self._timing.look)
            self._next_start = 0.0
        if time.monotonic() >= self._next_start:
            self._next_start = _done_and_due(self._start_ready, 0.0)
        return bool(self.running) or self._waiting or self._notices.busy

    def _look(self) -> None:
        self._agenda.look(self.running)
        self._notices.look(self._agenda.wanted, self._agenda.stands, self.running)
        self._agenda.drop_finished()

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + HEARTBEAT_S
            ConductorDir(self.runs.conductor).alive.touch()

    # --- starting ---

    def _start_ready(self) -> None:
        """Start what fits, and say whether something could run but waits for a device or a
        retry."""
        queued = {
            p for p, s in self._agenda.stands.items() if s.state == "queued"
        } - self.running.keys()
        wanted = self._agenda.with_some_to_start(self.running)
        self._servers.look(
            node
            for run in wanted
            if run.request.launcher in LOCAL and not run.hold
            for node in run.nodes
            if node.id in queued
        )
        names = sorted({run.request.launcher for run in wanted})
        self._waiting = any([self._start_with(name, wanted, queued) for name in names])

    def _start_with(self, name: str, wanted: list[QueuedRun], queued: set[str]) -> bool:
        """Start the phases that one launcher is responsible for."""
        asked = [run for run in wanted if run.request.launcher == name and not run.hold]
        try:
            launcher = self._launcher(name)
        except UserError as error:
            self._say(str(error), logging.ERROR)
            return False
        try:
            room = self._room(launcher)
        except UserError as error:  # the file of its site is gone or wrong
            self._say(str(error), logging.ERROR)
            return bool(asked)
        if room.jobs is not None:
            return self._hand_over(name, asked, launcher, room)
        asked = [run for run in asked if queued.intersection(node.id for node in run.nodes)]
        possible = [run for run in asked if self._can_ever_start(run, room)]
        queued = queued - self.running.keys()  # another launcher may have started one meanwhile
        ready = {p for p in queued if self._not_before.get(p, 0.0) <= time.monotonic()}
        nodes = {n.id: n for r in possible for n in r.nodes if n.id in ready}
        kept = {phase: self._folders.cpu_threads(phase) for phase in ready} if room.cpu else {}
        rank = self._agenda.rank(len(room.cards))
        for start in starts(possible, ready, room, kept, rank):
            here = launcher is self._local
            if not (here and self._servers.in_the_way(nodes[start.phase], start.devices, room)):
                self._start(start, name)
        short = self._claims.tell_waiting(possible, ready - self.running.keys(), room)
        self._servers.make_room(nodes[phase] for phase in short)
        return bool(possible)

    def _hand_over(
        self, name: str, wanted: list[QueuedRun], launcher: Launcher, room: Capacity
    ) -> bool:
        """Give a queue elsewhere all that it takes, whole chains at once; phases whose model is
        behind an endpoint run here. True when some are left."""
        until = time.monotonic() + HEARTBEAT_S
        nodes = {node.id: node for run in wanted for node in run.nodes}
        mine = {p for p, one in self.running.items() if one.launcher is launcher}
        at_once = len(mine) + (room.jobs or 0)
        rank = self._agenda.rank(at_once)
        chosen = handed_over(wanted, self._agenda.stands, mine, room, rank)
        groups = alike(chosen, nodes, self._agenda.stands)
        if not isinstance(launcher, TogetherLauncher):
            groups = [[start] for start in chosen]
        for group in groups:
            kind = f"{name} {nodes[group[0].phase].kind}"
            ready = [start for start in group if self._can_be_handed_over(nodes[start.phase], kind)]
            if not ready:
                continue
            if not self._start_together(ready, name):  # the others of its kind would fare alike
                self._not_before[kind] = time.monotonic() + self._timing.back_off
            if time.monotonic() > until:
                break
        self._claims.tell()
        there = {p for p, node in nodes.items() if node.remote and p not in self.running}
        remote = {p for p in there if self._agenda.stands[p].state == "queued"}
        for start in starts(wanted, remote, self._room(self._local), rank=rank) if remote else ():
            self._start(start, name)
        return bool(chosen or remote)

    def _can_be_handed_over(self, node: Node, kind: str) -> bool:
        waits = max(self._not_before.get(what, 0.0) for what in (kind, node.id))
        if node.id in self.running or waits > time.monotonic():
            return False
        return all(made(i, self._agenda.stands) or i in self.running for i in node.inputs)

    def _room(self, launcher: Launcher) -> Capacity:
        held = [r.held for r in self.running.values() if r.launcher is launcher]
        elsewhere = sum(r.slot == "api" for r in self.running.values())
        api = max(0, self._agenda.queue.api_slots - elsewhere)
        asking = self._folders.generations([r.phase for r in self.running.values()])
        room = launcher.capacity(held, self._agenda.queue.cpu_slots)
        return replace(room, api=api, asking=asking)

    def _can_ever_start(self, run: QueuedRun, room: Capacity) -> bool:
        reason = problem(run.request, room.cards)
        if reason:
            self._say(f"run {run.run_id} can't start here: {reason}", logging.ERROR)
        return not reason

    def _start(self, start: Start, name: str) -> bool:
        """Start a phase; one that asks a model elsewhere needs no device and always starts here.
        False when nothing could be started."""
        devices = start.devices
        if start.slot == "cpu" and (threads := self._folders.cpu_threads(start.phase)):
            devices = replace(devices, threads=threads)  # rounding depends on it
        name = "local" if start.slot == "api" else name
        return self._start_together([replace(start, devices=devices)], name)

    def _start_together(self, group: list[Start], name: str) -> bool:
        """Start phases on the same devices, all of them or none; False for none."""
        launcher = self._launcher(name)
        try:
            started = start_attempts(self.runs, group, launcher)
        except OSError as error:
            for start in group:
                self._say(f"{start.phase} can't be started: {explain(error)}", logging.ERROR)
                self._claims.refused[start.phase] = f"can't be started: {explain(error)}"
                self._not_before[start.phase] = time.monotonic() + self._timing.back_off
            return False
        devices, slot = group[0].devices, group[0].slot
        where = ", ".join(f"GPU {i}" for i in devices.gpus) or slot
        for phase, attempt, handle in started:
            self._claims.refused.pop(phase.id, None)
            memory = self._claims.of(phase, devices)
            self.running[phase.id] = Running(
                phase, attempt, launcher, handle, devices, slot, memory
            )
            log.info("%s attempt %d: %s on %s", phase.id, attempt.number, name, where)
            try:
                processes.write_owner(attempt, name, handle, devices)
            except OSError as error:  # the phase says it too, as soon as it runs
                self._say(explain(error), logging.ERROR)
        return True

    def _launcher(self, name: str) -> Launcher:
        return self._local if name in LOCAL else catalog.launcher(name)

    def _say(self, text: str, level: int = logging.INFO) -> None:
        """Log a line once, though the loop comes here many times."""
        if text not in self._said:
            self._said.add(text)
            log.log(level, "%s", text)


def _done_and_due(do: Callable[[], None], wait_s: float) -> float:
    """Do something; returns when to do it again. With tens of thousands of phases it takes its
    time, and a twentieth of a core is enough for it, if that means no long wait."""
    began = time.thread_time()
    do()
    return time.monotonic() + max(wait_s, min(LONGEST_S, SHARE * (time.thread_time() - began)))
