"""What the queue asks for, and where each of its phases stands."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.scheduling.order import Order
from engine.scheduling.policy import Fact, blocked, finished, standings
from engine.scheduling.queue import Queue, change, read_queue
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from engine.scheduling.folders import Folders
    from engine.scheduling.order import Rank
    from engine.scheduling.policy import QueuedRun, Standing
    from engine.scheduling.watching import Running
    from engine.store.layout import RunsFolder

LOCAL = ("local", "forked")  # the latter in what version 0.1 started
log = logging.getLogger(__name__)


class Agenda:
    """The queue as last read (:meth:`look`): its runs, and the standing of their phases.

    ``say`` logs a line once.
    """

    def __init__(self, runs: RunsFolder, folders: Folders, say: Callable[[str, int], None]) -> None:
        self._runs = runs
        self._folders = folders
        self._say = say
        self._stamp: object = None
        self.queue = Queue()
        self.wanted: list[QueuedRun] = []
        self.stands: Mapping[str, Standing] = {}
        self._order: Order | None = None

    @property
    def outdated(self) -> bool:
        """Whether the queue has changed since it was read."""
        return self._stamp_now() != self._stamp

    def _stamp_now(self) -> object:
        try:
            status = self._runs.queue.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def look(self, running: Mapping[str, Running]) -> None:
        """Read the queue and its phases' folders; what is ``running`` by phase counts as such."""
        stamp = self._stamp_now()
        try:
            self.queue = read_queue(self._runs)
        except UserError as error:
            self._say(str(error), logging.ERROR)
        self._stamp = stamp
        self.wanted = []
        for entry in self.queue.entries:
            try:
                self.wanted.append(self._folders.queued_run(entry))
            except UserError as error:
                self._say(f"run {entry.run_id} is passed over: {error}", logging.ERROR)
        facts = self._folders.facts(self.wanted)
        for phase_id, one in running.items():
            if phase_id in facts and facts[phase_id].state != "done":
                facts[phase_id] = Fact("running", one.attempt.number)
        before, self.stands = self.stands, standings(self.wanted, facts)
        if self.stands != before:
            self._order = None
        self._tell_blocked()

    def rank(self, cards: int) -> Rank:
        """The order in which phases start on so many cards."""
        if self._order is None:
            begun = {p for p, where in self.stands.items() if where.state in ("done", "running")}
            self._order = Order((run for run in self.wanted if not run.hold), begun)
        return self._order.rank(self._order.is_late(cards))

    def with_some_to_start(self, running: Container[str]) -> list[QueuedRun]:
        """The runs with phases to be started now. A queue elsewhere takes those that wait for their
        inputs too."""
        queued = {p for p, s in self.stands.items() if s.state == "queued" and p not in running}
        waiting = {p for p, s in self.stands.items() if s.state == "waiting" and p not in running}
        there = queued | waiting
        return [
            run
            for run in self.wanted
            if not (queued if run.request.launcher in LOCAL else there).isdisjoint(
                node.id for node in run.nodes
            )
        ]

    def drop_finished(self) -> None:
        """Take finished runs off the queue."""
        over = {r.run_id for r in self.wanted if finished(r, self.stands)}
        if not over:
            return
        change(self._runs, lambda q: q.with_entries(e for e in q.entries if e.run_id not in over))
        for run_id in sorted(over):
            log.info("run %s is finished", run_id)

    def _tell_blocked(self) -> None:
        for culprit, phases in blocked(self.stands).items():
            number = self._folders.attempt_number(culprit)
            state = self.stands[culprit].state if culprit in self.stands else "missing"
            self._say(
                f"{culprit} ({state}, attempt {number}) blocks {', '.join(phases)}; "
                "other branches go on",
                logging.WARNING,
            )
