"""What Slurm's queue and accounting know of our jobs.

Three answers: seen, absent, could not be asked. One question for all jobs, kept for a while, since
it costs the cluster's controller.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from engine.scheduling.launchers.slurm import states
from engine.scheduling.launchers.slurm.arrays import name_of, tasks_of
from engine.scheduling.launchers.slurm.program import NoAnswer, ask
from engine.schema.durations import duration
from engine.schema.site import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX = "sirt:"
FIELDS = "%i|%T|%r|%N|%S|%j|%e|%Q|%b|%u"
NAME_AT = 5
KEPT_S = 30.0
NO_ACCOUNTING_S = 600.0
MOST = 200  # names in one question
_FIELD = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Job:
    """One job as Slurm tells of it. ``start``: when it began or will begin, where known. ``end``:
    when its limit ends it, while it runs. ``cards``: what it has on each node, as ``gpu:2``.
    ``user``: whose it is. ``code``: how it ended, where known."""

    id: str
    state: str
    reason: str = ""
    node: str = ""
    start: datetime | None = None
    code: int | None = None
    end: datetime | None = None
    priority: int | None = None
    cards: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue at one moment. ``jobs``: by key, ours alone. ``others``: the user's jobs that are
    not ours. ``problem``: why it could not be asked; then ``jobs`` are those of the last answer.
    ``asked``: wall time before asking."""

    jobs: dict[str, Job] = field(default_factory=dict)
    problem: str = ""
    asked: float = 0.0
    others: tuple[Job, ...] = ()


class Queue:
    """Our jobs in the queue and in the accounting, each asked at most every ``kept_s`` seconds.
    Those of colleagues in the same folder are asked for once they are known (:meth:`heed`)."""

    def __init__(self, kept_s: float | None = None) -> None:
        told = os.environ.get("SIRT_SLURM_LOOK_S")
        self._kept_s = kept_s if kept_s is not None else float(told or KEPT_S)
        self._users: tuple[str, ...] = ()
        self._seen = Snapshot()
        self._next = 0.0
        self._over: dict[str, Job] = {}
        self._asked_over: dict[str, float] = {}
        self._no_accounting_until = 0.0

    def look(self) -> Snapshot:
        """The queue, as it was at most ``kept_s`` seconds ago."""
        if time.monotonic() >= self._next:
            asked = time.time()
            try:
                ours, others = queued(self._users)
                self._seen = Snapshot(ours, asked=asked, others=others)
            except NoAnswer as error:
                seen = self._seen
                self._seen = Snapshot(seen.jobs, str(error), seen.asked, seen.others)
            self._next = time.monotonic() + self._kept_s
        return self._seen

    def heed(self, users: Iterable[str]) -> None:
        """Ask for these users' jobs too."""
        if new := sorted(set(users) - {"", getpass.getuser(), *self._users}):
            self._users = (*self._users, *new)
            self._next = 0.0

    def forget(self) -> None:
        """Ask afresh at the next look: something was handed over or cancelled."""
        self._next = min(self._next, time.monotonic() + min(2.0, self._kept_s))

    def over(self, keys: Iterable[str], since: float) -> dict[str, Job]:
        """What the accounting says of jobs that the queue has forgotten, by key; those that it
        doesn't know, or where there is none, are left out. ``since``: Unix time before which none
        of them was handed over."""
        now = time.monotonic()
        new = [k for k in keys if k not in self._over and self._asked_over.get(k, 0.0) <= now]
        if new and now >= self._no_accounting_until:
            self._asked_over |= dict.fromkeys(new, now + self._kept_s)
            try:
                names = dict.fromkeys(map(name_of, new))
                found = accounted(names, since, everybody=bool(self._users))
            except NoAnswer:
                self._no_accounting_until = now + NO_ACCOUNTING_S
            else:
                self._over |= {n: j for n, j in found.items() if states.short(j.state) in OVER}
        return self._over


OVER = frozenset(states.ENDED) | {"PREEMPTED"}


@cache
def shared_queue() -> Queue:
    """The one of this process, whatever its sites: one question answers for all."""
    return Queue()


def queued(users: Sequence[str] = ()) -> tuple[dict[str, Job], tuple[Job, ...]]:
    """Our jobs in the queue by key, those that ended a few minutes ago too, and this user's other
    jobs; :class:`NoAnswer` when it could not be asked, or the answer was cut off. ``users``: whose
    jobs may be ours besides this user's."""
    whose = f"--user={','.join((getpass.getuser(), *users))}" if users else "--me"
    said = ask(("squeue", whose, "--array", "--noheader", "--states=all", f"--format={FIELDS}"))
    if said.code:
        raise NoAnswer(f"squeue: {said.complaint}")
    if said.out and not said.out.endswith("\n"):
        raise NoAnswer("squeue: its answer was cut off")
    found: dict[str, Job] = {}
    others: list[Job] = []
    for line in said.out.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) <= NAME_AT:
            continue
        job, name = _job(*parts), parts[NAME_AT]
        if not name.startswith(PREFIX):
            others += [job] if job.user in ("", getpass.getuser()) else []
            continue
        for task, key in tasks_of(job.id, name):
            one = replace(job, id=task)
            if key not in found or _newer(one, found[key]):
                found[key] = one
    return found, tuple(others)


def _job(
    number: str, state: str, reason: str, node: str, start: str, _name: str,
    end: str = "", priority: str = "", cards: str = "", user: str = "", *_more: str,
) -> Job:  # fmt: skip
    """A job from the fields of a line."""
    return Job(
        number,
        state,
        reason,
        _node(node),
        _time(start),
        end=_time(end) if state == "RUNNING" else None,
        priority=int(priority) if priority.isdigit() else None,
        cards=_cards(cards),
        user=user,
    )


def accounted(names: Iterable[str], since: float, everybody: bool = False) -> dict[str, Job]:
    """Jobs by their keys as the accounting knows them, ``everybody``'s or this user's, those of
    these names; :class:`NoAnswer` where there is none."""
    if shutil.which("sacct") is None:
        raise NoAnswer("sacct: not installed")
    names = list(names)
    if len(names) > MOST:  # a command's line has an end
        first, rest = names[:MOST], names[MOST:]
        return accounted(first, since, everybody) | accounted(rest, since, everybody)
    begin = datetime.fromtimestamp(since, UTC) - timedelta(hours=1)
    said = ask(
        (
            "sacct", "--noheader", "--parsable2", "--allocations", "--duplicates",
            *["--allusers"] * everybody,
            f"--starttime={begin:%Y-%m-%dT%H:%M:%S}", f"--name={','.join(names)}",
            "--format=JobID,State,ExitCode,NodeList,JobName",
        )
    )  # fmt: skip
    if said.code:
        raise NoAnswer(f"sacct: {said.complaint}")
    found: dict[str, Job] = {}
    for line in said.out.splitlines():
        parts = line.split("|", 4)
        if len(parts) == 5 and parts[4].startswith(PREFIX):
            number, state, code, node, name = parts
            for task, key in tasks_of(number, name):  # the last line is the newest
                found[key] = Job(task, state, node=_node(node), code=_code(code))
    return found


def hides_jobs() -> bool:
    """Whether this cluster shows nobody other users' jobs; assumed where it can't be asked."""
    try:
        said = ask(("scontrol", "show", "config"))
    except NoAnswer:
        return True
    found = re.search(r"^PrivateData\s*=\s*(.*)$", said.out, re.MULTILINE)
    return found is None or "jobs" in found[1] or "all" in found[1]


def fitting_time(partition: str, reason: str) -> str:
    """What would start, for a job that never will: the partition's limit, or the time up to the
    next maintenance; "" where that isn't known."""
    try:
        if "PartitionTimeLimit" in reason:
            limit = partition_limit(partition)
            return f"at most {limit} would" if limit else ""
        if "aint" in reason and (left := _until_maintenance()) is not None:
            return f"a time of less than {duration(left)} would"
    except NoAnswer:
        pass
    return ""


def partition_limit(partition: str) -> str:
    """The partition's (the default one's) limit on time, as Slurm writes it; "" without one."""
    said = ask(("scontrol", "--oneliner", "show", "partition"))
    for line in said.out.splitlines():
        found = dict(_FIELD.findall(line))
        if found.get("PartitionName") == partition or (
            not partition and found.get("Default") == "YES"
        ):
            limit = found.get("MaxTime", "")
            return "" if seconds_of(limit) == float("inf") else limit
    return ""


def _until_maintenance() -> float | None:
    said = ask(("scontrol", "--oneliner", "show", "reservation"))
    now, starts = datetime.now(UTC), []
    for line in said.out.splitlines():
        found = dict(_FIELD.findall(line))
        start = _time(found.get("StartTime", ""))
        if "MAINT" in found.get("Flags", "") and start is not None and start > now:
            starts.append((start - now).total_seconds())
    return min(starts, default=None)


def _newer(job: Job, than: Job) -> bool:
    """Of two jobs with one name the one that lives, else the later."""
    lives = [states.short(one.state) not in states.ENDED for one in (job, than)]
    if lives[0] != lives[1]:
        return lives[0]
    return _number(job.id) > _number(than.id)


def _number(job_id: str) -> int:
    found = re.match(r"\d+", job_id)
    return int(found[0]) if found else 0


def _node(text: str) -> str:
    return "" if text.strip() in ("", "None assigned", "(null)", "Unknown") else text.strip()


def _cards(text: str) -> str:
    """``gpu:2`` of ``gres/gpu:2`` or ``gres:gpu:2``; "" where there are none."""
    return "" if text.strip() in ("", "N/A", "(null)") else re.sub(r"\bgres[/:]", "", text.strip())


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:  # N/A
        return None


def _code(text: str) -> int | None:
    """``3`` of ``3:0``; the negative signal of ``0:9``."""
    code, _, signal = text.partition(":")
    if not code.isdigit():
        return None
    return -int(signal) if signal.isdigit() and int(signal) else int(code)
