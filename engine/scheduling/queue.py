"""The queue, ``queue.json``: which runs to do, in which order, on which devices.

Every change happens under the folder's lock and replaces the file atomically. The queue says
what is wanted, never what has happened: that is in the phase folders.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from engine.machine.state import DAMAGED, final_event, phase_state
from engine.scheduling.policy import DeviceRequest
from engine.schema.cards import Frozen
from engine.schema.errors import UserError, nearest
from engine.schema.jsonfile import read_as, read_json
from engine.store.registry import folder_lock
from engine.store.run import read_record
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.store.layout import PhaseDir, RunsFolder

__all__ = [
    "DeviceRequest",
    "Entry",
    "Queue",
    "change",
    "enqueue",
    "forgive",
    "hold",
    "is_elsewhere",
    "move",
    "read_queue",
    "remove",
    "request_stop",
    "retry",
    "set_limits",
]
API_SLOTS = 4
GOING = ("running", "pending", "waiting")  # the last: handed over, and taken back unbegun


class Entry(Frozen):
    """A queued run. ``forgiven``: by phase, the attempt up to which failures are tried again.
    ``moved``: somebody has put it where it stands, so that none of its phases starts before those
    of a run that is ahead of it, nor after those of one behind."""

    run_id: str
    devices: DeviceRequest = DeviceRequest()
    forgiven: dict[str, int] = Field(default_factory=dict)
    hold: bool = False
    moved: bool = False


class Queue(Frozen):
    """The queued runs in order. ``cpu_slots``: CPU phases at once, each with its share of the
    cores; when not set, as many as are ready share those that are free;
    ``api_slots``: phases at once whose model is behind an endpoint or in a file."""

    entries: tuple[Entry, ...] = ()
    cpu_slots: Annotated[int, Field(ge=1)] | None = None
    api_slots: Annotated[int, Field(ge=1)] = API_SLOTS

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(e.run_id for e in self.entries)

    def entry(self, run_id: str) -> Entry:
        for entry in self.entries:
            if entry.run_id == run_id:
                return entry
        hint = nearest(run_id, self.run_ids) if self.entries else "it is empty"
        raise UserError(f"run {run_id!r} is not in the queue: {hint}")

    def with_entry(self, changed: Entry) -> Queue:
        """The queue with the run's entry replaced, or appended if it has none."""
        if changed.run_id not in self.run_ids:
            return self.with_entries((*self.entries, changed))
        same = changed.run_id
        return self.with_entries(changed if e.run_id == same else e for e in self.entries)

    def with_entries(self, entries: Iterable[Entry]) -> Queue:
        return self.model_copy(update={"entries": tuple(entries)})

    def without(self, run_id: str) -> Queue:
        return self.with_entries(e for e in self.entries if e.run_id != run_id)


def read_queue(runs: RunsFolder) -> Queue:
    """The queue, empty when there is no file; ``UserError`` when the file is damaged."""
    todo = "mend it, or delete it and launch again"
    try:
        return read_as(runs.queue, _queue_of, todo)
    except FileNotFoundError:
        return Queue()


def _queue_of(raw: bytes) -> Queue:
    found = Queue.model_validate_json(raw)
    if "entries" not in found.model_fields_set:  # all that is written has them, if only none
        raise ValueError("entries: missing")
    return found


def change(runs: RunsFolder, edit: Callable[[Queue], Queue]) -> Queue:
    """Read, edit and replace the queue under its lock."""
    with folder_lock(runs):
        before = read_queue(runs)
        after = edit(before)
        if after != before:
            atomic_write(runs.queue, after.model_dump_json(indent=1) + "\n")
        return after


def enqueue(runs: RunsFolder, run_ids: Iterable[str], devices: DeviceRequest) -> Queue:
    """Append runs (those already queued keep their place), and retry those of their phases that
    ended without success."""
    run_ids = list(run_ids)

    def edit(queue: Queue) -> Queue:
        for run_id in run_ids:
            runs.stop_file(run_id).unlink(missing_ok=True)
            forgiven = _ended_attempts(runs, run_id)
            queue = queue.with_entry(Entry(run_id=run_id, devices=devices, forgiven=forgiven))
        return queue

    return change(runs, edit)


def retry(runs: RunsFolder, run_id: str) -> Queue:
    """Retry the phases of a run that failed, stopped or died; it need not be queued any more."""

    def edit(queue: Queue) -> Queue:
        there = run_id in queue.run_ids
        entry = (
            queue.entry(run_id)
            if there
            else Entry(run_id=run_id, devices=_last_request(runs, run_id))
        )
        forgiven = _ended_attempts(runs, run_id)
        runs.stop_file(run_id).unlink(missing_ok=True)
        return queue.with_entry(entry.model_copy(update={"forgiven": forgiven, "hold": False}))

    return change(runs, edit)


def forgive(runs: RunsFolder, phase_id: str, attempt: int) -> Queue:
    """Have the queued runs that need a phase try it again after this attempt."""

    def edit(queue: Queue) -> Queue:
        for entry in queue.entries:
            if any(phase.id == phase_id for phase in _phases(runs, entry.run_id)):
                forgiven = entry.forgiven | {phase_id: attempt}
                queue = queue.with_entry(entry.model_copy(update={"forgiven": forgiven}))
        return queue

    return change(runs, edit)


def move(runs: RunsFolder, run_id: str, position: int) -> Queue:
    """Move a run to ``position`` (0 is first); beyond the end means last."""

    def edit(queue: Queue) -> Queue:
        entry = queue.entry(run_id)
        rest = list(queue.without(run_id).entries)
        rest.insert(max(0, position), entry.model_copy(update={"moved": True}))
        return queue.with_entries(rest)

    return change(runs, edit)


def hold(runs: RunsFolder, run_id: str, held: bool) -> Queue:
    """Hold or release a run; a held run starts no phase and keeps its place."""
    return change(runs, lambda q: q.with_entry(q.entry(run_id).model_copy(update={"hold": held})))


def remove(runs: RunsFolder, run_id: str) -> Queue:
    """Take a run off the queue; its running phases go on (see :func:`request_stop`)."""
    return change(runs, lambda q: q.without(run_id))


def set_limits(runs: RunsFolder, cpu_slots: int | None, api_slots: int = API_SLOTS) -> Queue:
    """Set how many phases without a GPU may run at once."""
    limits = {"cpu_slots": cpu_slots, "api_slots": api_slots}
    return change(runs, lambda q: q.model_copy(update=limits))


def request_stop(runs: RunsFolder, run_id: str) -> list[str]:
    """Take a run off the queue and ask its running phases to stop; returns those phases.

    Phases that another queued run needs go on. The conductor kills what has not stopped after
    a grace.
    """
    asked: list[str] = []

    def edit(queue: Queue) -> Queue:
        with contextlib.suppress(FileNotFoundError):
            runs.stop_file(run_id).touch()
        rest = queue.without(run_id)
        needed = {phase.id for other in rest.run_ids for phase in _phases(runs, other)}
        for phase in _phases(runs, run_id):
            attempt = phase.last_attempt()
            if phase.id not in needed and attempt and final_event(attempt) is None:
                with contextlib.suppress(FileNotFoundError):  # deleted just now
                    attempt.stop.touch()
                asked.append(phase.id)
        return rest

    change(runs, edit)
    return asked


def _phases(runs: RunsFolder, run_id: str) -> list[PhaseDir]:
    try:
        return [runs.phase(phase_id) for phase_id in read_record(runs, run_id).spec.phase_ids]
    except UserError:  # deleted or damaged: it needs nothing
        return []


def _last_request(runs: RunsFolder, run_id: str) -> DeviceRequest:
    """What a run that is no longer queued had: it goes on where its phases were handed over."""
    had = [found for phase in _phases(runs, run_id) if (found := _elsewhere(phase))]
    if not had:
        return DeviceRequest()
    return DeviceRequest(launcher=had[-1][0], cpu=not any(gpus for _, gpus in had))


def is_elsewhere(phase: PhaseDir) -> bool:
    """Whether the phase's last attempt was handed over to a site."""
    return _elsewhere(phase) is not None


def _elsewhere(phase: PhaseDir) -> tuple[str, bool] | None:
    """The site's launcher that has the last attempt, and whether that has GPUs."""
    attempt = phase.last_attempt()
    with contextlib.suppress(*DAMAGED):
        owner = read_json(attempt.process) if attempt else {}
        if ":" in owner["launcher"]:
            return owner["launcher"], bool(owner["devices"]["gpus"])
    return None


def _ended_attempts(runs: RunsFolder, run_id: str) -> dict[str, int]:
    """The last attempt by phase, if it ended without success or was asked to stop."""
    ended = {}
    for phase in _phases(runs, run_id):
        attempt = phase.last_attempt()
        if attempt is None or phase.done:
            continue
        if attempt.stop.exists() or phase_state(phase).state not in GOING:
            ended[phase.id] = attempt.number
    return ended
