"""What answering took and cost: seconds and money per 1,000 questions, as far as it was recorded.

Times are those of a phase's log, from its first question to its last answer, so the model's
loading and whatever else the machine did are in them. Money is what an endpoint was paid.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from engine.schema.events import (
    Answering,
    Cost,
    Event,
    PhaseFinished,
    PhaseStarted,
    Progress,
    decode,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.evaluations import Evaluated
    from engine.store.layout import PhaseDir, RunsFolder

QUESTIONS = 1_000
HEAD_BYTES, TAIL_BYTES = 32_768, 65_536  # of a log; its first and its last count are there
TOLD = (b'"phase_started"', b'"phase_finished"', b'"progress"', b'"cost"', b'"answering"')
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Effort:
    """Per 1,000 questions: ``seconds`` and ``cost`` in ``currency``, None where not recorded.
    ``tokens``: of an answer on average, None where the score's file is damaged. ``where``: the
    machine and device, or the endpoint, that answered, and by which engine; times are comparable
    where it is the same."""

    seconds: float | None
    cost: float | None
    currency: str
    tokens: float | None
    where: str


def effort_of(runs: RunsFolder, one: Evaluated) -> Effort | None:
    """Return what an evaluation's answers took; None if none of its logs is whole.

    Answers that were taken from another phase took what they took there.
    """
    folders = [one.folder, *(runs.phase(i) for i in (one.spec.answers, one.spec.twin) if i)]
    logs = [log for folder in folders if (log := _Log.read(folder)) is not None]
    if not logs:
        return None
    log = next((log for log in logs if log.answered), logs[0])
    card = one.spec.model
    where = log.where if card.source.needs_device else f"endpoint {card.name}"
    tokens = next((found.mean_tokens for found in one.accuracies), None)
    paid = card.source.bills_in is not None
    cost = next((cost for log in logs if (cost := log.cost)), None) if paid else None
    return Effort(log.seconds, cost, card.source.bills_in or "", tokens, where)


def why_unknown(one: Evaluated) -> str:
    """Say why what an evaluation's answers took is not in its log; empty when it is."""
    if _Log.read(one.folder) is not None:
        return ""
    return f"{one.folder.id}: what its answers took is not known, since its log is not whole"


@dataclass(frozen=True, slots=True)
class _Log:
    """The counts and the cost in the whole log of a phase's last attempt."""

    events: Sequence[Event]

    @classmethod
    def read(cls, folder: PhaseDir) -> _Log | None:
        attempt = folder.last_attempt()
        if attempt is None:
            return None
        try:
            with attempt.events.open("rb") as file:
                head = file.read(HEAD_BYTES)
                size = os.fstat(file.fileno()).st_size
                file.seek(max(len(head), size - TAIL_BYTES))
                tail = file.read()
        except OSError:
            return None
        lines = (x for x in (*head.splitlines(), *tail.splitlines()) if any(k in x for k in TOLD))
        log = cls([event for line in lines if (event := decode(line))])
        ends = log._of(PhaseStarted), log._of(PhaseFinished)
        return log if all(ends) else None

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def answered(self) -> int:
        """How many questions this attempt answered itself."""
        counts = self._of(Progress)
        return counts[-1].done - counts[0].done if counts else 0

    @property
    def seconds(self) -> float | None:
        counts = self._of(Progress)
        if not self.answered:
            return None
        return QUESTIONS * (counts[-1].ts - counts[0].ts).total_seconds() / self.answered

    @property
    def cost(self) -> float | None:
        """Of what was paid; replies that had to be asked for again are in it."""
        costs, counts = self._of(Cost), self._of(Progress)
        if not costs or not counts or not costs[-1].spent:
            return None
        asked = min(costs[-1].requests, counts[-1].done)
        return QUESTIONS * costs[-1].spent / asked if asked else None

    @property
    def where(self) -> str:
        started, engines = self._of(PhaseStarted), self._of(Answering)
        devices = [name.partition(":")[0] for name in started[0].devices]
        gpus = devices.count("cuda")
        on = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "CPU"
        engine = engines[-1].engine if engines else "builtin"
        return f"{started[0].host} {on}" + (f" {engine}" if engine != "builtin" else "")
