"""The Slurm launcher: one job a phase, a whole chain handed over at once."""

from __future__ import annotations

import contextlib
import getpass
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.interfaces import Capacity, Devices, Poll
from engine.machine import processes
from engine.machine.allocation import GOES_ON
from engine.machine.deaths import ending
from engine.machine.state import DAMAGED, alive_age, final_event
from engine.planning.sites import load_site
from engine.scheduling.launchers.slurm import states
from engine.scheduling.launchers.slurm.arrays import key_of, name_of, progress
from engine.scheduling.launchers.slurm.handles import NAME, handed_over, job_id, owner_of
from engine.scheduling.launchers.slurm.program import NoAnswer, ask
from engine.scheduling.launchers.slurm.queries import (
    OVER,
    Job,
    Queue,
    Snapshot,
    fitting_time,
    hides_jobs,
    shared_queue,
)
from engine.scheduling.launchers.slurm.script import STARTED, devices_of
from engine.scheduling.launchers.slurm.starting import Starting
from engine.scheduling.launchers.slurm.submit import being_submitted
from engine.schema.errors import UserError
from engine.schema.kinds import PHASES
from engine.store.eventlog import STALE_AFTER_S, last_said
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from engine.interfaces import Handle, Held
    from engine.schema.site import Site

SETTLE_S = 10.0  # until a job that was handed over, but whose id nobody knows, must be in the queue
LOG_BYTES = 4_096
NODE_TRIES = 2
LAST_SEEN = "; last seen "
ASKED = "asked to stop; the queue has not confirmed it yet"
NOT_YOURS = "asked to stop; only {} can cancel it while it waits, else it stops once it starts"


class SlurmLauncher:
    """Phases as jobs of the cluster that the file ``site`` describes. How they fare can be asked
    without that file."""

    def __init__(self, site: str = "", queue: Queue | None = None) -> None:
        self._path = Path(site)
        self._queue = queue or shared_queue()
        self._ended: dict[Path, tuple[int, bool]] = {}
        self._let_go: dict[Path, float] = {}
        self._progress: dict[tuple[str, float], str] = {}

    @property
    def site(self) -> Site:
        """As it is now; ``UserError`` when its file is missing or wrong."""
        return load_site(self._path)

    def capacity(self, held: Sequence[Held], at_once: int | None) -> Capacity:
        site = self.site
        each = {kind: devices_of(site.asked(kind)) for kind in PHASES}
        cards = max((len(one.gpus) for one in each.values()), default=0)
        return Capacity(tuple(range(cards)), jobs=max(0, site.jobs - len(held)), each=each)

    # --- starting ---

    @cached_property
    def _starting(self) -> Starting:
        return Starting(f"{NAME}:{self._path}", self._queue)

    def start(self, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        return self._starting.one(self._known_site(), phase, attempt, devices)

    def start_together(
        self, places: Sequence[tuple[PhaseDir, AttemptDir]], devices: Devices
    ) -> list[Handle]:
        return self._starting.together(self._known_site(), places, devices)

    def _known_site(self) -> Site:
        try:
            return self.site
        except UserError as error:
            raise OSError(str(error)) from error

    # --- how they fare ---

    def poll(self, handles: Mapping[AttemptDir, Handle]) -> Mapping[AttemptDir, Poll]:
        found = {one: Poll("exited") for one in handles if self._over(one)}
        left = {one: handle for one, handle in handles.items() if one not in found}
        if not left:
            return found
        self._queue.heed(owner_of(handle) for handle in left.values())
        seen = self._queue.look()
        absent = []
        for attempt, handle in left.items():
            job = seen.jobs.get(key_of(handle))
            if seen.problem:
                found[attempt] = self._unknown(attempt, seen)
            elif job is not None and not _of_before(job, handle, seen.asked):
                found[attempt] = self._seen(attempt, handle, job)
            elif seen.asked < handed_over(handle):
                found[attempt] = Poll("pending", why="handed over to Slurm")
            elif not handle["job"] and not self._is_settled(attempt, seen):
                found[attempt] = Poll("pending", why="being handed over to Slurm")
            else:
                absent.append(attempt)
        found |= self._absent({one: left[one] for one in absent})
        return {one: self._beside(poll, one, left.get(one, {})) for one, poll in found.items()}

    def _beside(self, poll: Poll, attempt: AttemptDir, handle: Handle) -> Poll:
        """With how far its array is, as long as it goes on; counted once for all of its tasks."""
        if poll.state not in ("pending", "running") or "task" not in handle:
            return poll
        key = name_of(key_of(handle)), self._queue.look().asked
        if key not in self._progress:
            runs = RunsFolder(attempt.path.parent.parent.parent)
            self._progress = {k: v for k, v in self._progress.items() if k[1] == key[1]}
            self._progress[key] = progress(handle, runs)
        return poll._replace(others=self._progress[key])

    def _is_settled(self, attempt: AttemptDir, seen: Snapshot) -> bool:
        """Whether no ``sbatch`` of a dead client can have added a job since the queue was asked."""
        if being_submitted(attempt):
            return False
        return seen.asked > self._let_go.setdefault(attempt.path, time.time())

    def _over(self, attempt: AttemptDir) -> bool:
        """Whether the folder says that the attempt has ended; its log is read when it has grown."""
        try:
            size = attempt.events.stat().st_size
        except OSError:
            return False
        known = self._ended.get(attempt.path)
        if known is None or known[0] != size:
            self._ended[attempt.path] = known = size, final_event(attempt) is not None
        return known[1]

    def _seen(self, attempt: AttemptDir, handle: Handle, job: Job) -> Poll:
        state = states.short(job.state)
        if state in states.ENDED:
            return self._gone(attempt, job)
        about = f"job {job.id}" + (f" on {job.node}" if job.node else "")
        if attempt.stop.exists():
            probe, _ = states.PASSING.get(state, ("pending", ""))
            owner = owner_of(handle)
            asked = NOT_YOURS.format(owner) if owner and probe == "pending" else ASKED
            return Poll(probe, why=f"{about}: {asked}")
        if state not in states.PASSING:
            lives = _began(attempt) and _beats(attempt)
            return Poll("running" if lives else "pending", why=f"{about}: Slurm says {job.state}")
        probe, said = states.PASSING[state]
        if state == "PENDING":
            fits = self._fits(job.reason)
            said = states.reason(job.reason, fits).said
            said += f"; expected to start {_when(job.start)}" if job.start else ""
            said = f"{about}: {said}"
        elif said or probe == "running":
            about += f", {job.cards}" if job.cards else ""
            about += f", until {_when(job.end)} at the latest" if job.end else ""
            said = f"{about}, {state}: {said}" if said else about
        return Poll(probe, why=said)

    def _fits(self, reason: str) -> str:
        if states.reason(reason).outlook != "will never start":
            return ""
        partition = ""
        with contextlib.suppress(UserError):
            partition = self.site.partition
        return self._fitting.setdefault(reason, fitting_time(partition, reason))

    @cached_property
    def _hides_jobs(self) -> bool:
        return hides_jobs()

    @cached_property
    def _fitting(self) -> dict[str, str]:
        return {}

    def _unknown(self, attempt: AttemptDir, seen: Snapshot) -> Poll:
        """Nothing could be asked: one that has begun is judged by its heartbeat, the others wait as
        they did."""
        last = last_said(attempt.queued).rpartition(LAST_SEEN)[2]
        before = LAST_SEEN + last if last else ""
        why = f"unknown for now: {seen.problem}"
        return Poll("unknown", why=why) if _began(attempt) else Poll("pending", why=why + before)

    def _absent(self, handles: Mapping[AttemptDir, Handle]) -> dict[AttemptDir, Poll]:
        """Those that the queue has forgotten, or never had."""
        if not handles:
            return {}
        since = min(map(handed_over, handles.values()))
        names = {attempt: key_of(handle) for attempt, handle in handles.items()}
        known = self._queue.over(names.values(), since)
        found = {}
        for attempt, name in names.items():
            handle = handles[attempt]
            if name in known and not _of_before(known[name], handle, time.time()):
                found[attempt] = self._gone(attempt, known[name])
            elif _began(attempt) and _beats(attempt) and not _last_state(attempt):
                found[attempt] = Poll("running", why="Slurm has forgotten the job, which goes on")
            elif (owner := owner_of(handle)) and not _last_state(attempt) and self._hides_jobs:
                why = f"a job of {owner}, and this cluster shows nobody the jobs of others"
                found[attempt] = Poll("unknown" if _began(attempt) else "pending", why=why)
            elif _began(attempt) or attempt.stop.exists() or _last_state(attempt):
                found[attempt] = self._gone(attempt, Job(job_id(attempt, handle, self._queue), ""))
            elif time.time() - handed_over(handle) < SETTLE_S:
                found[attempt] = Poll("pending", why="being handed over to Slurm")
            else:  # never taken, or lost by a controller that died: it has not begun
                found[attempt] = Poll("withdrawn", why="Slurm has no such job")
        return found

    def _gone(self, attempt: AttemptDir, job: Job) -> Poll:
        """A job that has ended, though its phase wrote no last event."""
        phase = PhaseDir(attempt.path.parent)
        began = _began(attempt)
        in_vain = job.reason == states.IN_VAIN or _waits_for_inputs(phase)
        if not began and not attempt.stop.exists() and in_vain:
            return Poll("withdrawn", why="a job before it ended badly")
        log = ending(attempt.queue_log, LOG_BYTES)
        state = states.short(job.state) or _last_state(attempt) or states.of_log(log)
        code = processes.read_exit_code(attempt)
        code = job.code if code is None else code
        code = 128 - code if code is not None and 128 < code < 160 else code
        said = [states.ended(state)] if states.ended(state) else []
        if not began:
            told = f"; Slurm's own file ends: {_in_line(log)}" if log.strip() else ""
            about = f"job {job.id}, " if job.id else ""
            ended = f"{about}{state or 'forgotten by Slurm'}"
            said.append(f"ended before it started ({ended}){told}")
        elif not attempt.events.exists():
            said.append(f"the program did not begin; Slurm's own file ends: {_in_line(log)}")
        again = state in states.NODE_FAILED and _node_failures(phase) <= NODE_TRIES
        again = again or state == "PREEMPTED" or (code == GOES_ON and began)
        if attempt.stop.exists():
            again = False
        return Poll("exited", code, "; ".join(said), again)

    # --- ending ---

    def cancel(self, handles: Mapping[AttemptDir, Handle]) -> None:
        """Asked of Slurm; whether it has done it, the queue says."""
        known = {one: job_id(one, handle, self._queue) for one, handle in handles.items()}
        ids = [found for found in known.values() if found]
        # a name is that of all tasks of an array: a task is cancelled once its id is known
        unnamed = [h["name"] for one, h in handles.items() if not known[one] and "task" not in h]
        with contextlib.suppress(NoAnswer):  # asked again
            if ids:
                ask(("scancel", *ids))
            for name in unnamed:
                ask(("scancel", f"--user={getpass.getuser()}", f"--name={name}"))
        self._queue.forget()


def _of_before(job: Job, handle: Handle, asked: float) -> bool:
    """Whether ``job`` is an ended one of the same name: what was taken back goes by its old name
    when it is handed over again. ``asked``: when the queue told of it."""
    if states.short(job.state) not in OVER:
        return False
    told = str(handle.get("job") or "")
    return job.id != told if told else asked < handed_over(handle)


def _began(attempt: AttemptDir) -> bool:
    """Whether the script or the phase has said anything."""
    if attempt.events.exists():
        return True
    with contextlib.suppress(OSError), attempt.queue_log.open("rb") as file:
        head = file.read(LOG_BYTES).decode(errors="replace")
        return any(line.startswith(STARTED) for line in head.splitlines())
    return False


def _beats(attempt: AttemptDir) -> bool:
    """Whether its process touches its files, and nobody saw it end."""
    age = alive_age(attempt)
    return age is not None and age < STALE_AFTER_S and not attempt.exit_code.exists()


def _waits_for_inputs(phase: PhaseDir) -> bool:
    runs = RunsFolder(phase.path.parent.parent)
    with contextlib.suppress(*DAMAGED):
        return not all(runs.phase(name).done for name in phase.spec().inputs)
    return False


def _last_state(attempt: AttemptDir) -> str:
    """The state that it ended in, if the conductor has seen it; "" otherwise."""
    word = last_said(attempt.queued).partition(":")[0]
    return word if word in OVER else ""


def _node_failures(phase: PhaseDir) -> int:
    """How many of a phase's attempts in a row were ended by their node, this one counted."""
    count = 1
    for attempt in reversed(phase.attempts()[:-1]):
        if _last_state(attempt) not in states.NODE_FAILED:
            break
        count += 1
    return count


def _when(start: datetime) -> str:
    return f"{start.astimezone():%d %b %H:%M}"


def _in_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.splitlines() if line.strip()) or "(nothing)"
