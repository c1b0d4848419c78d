"""What answering took and cost: seconds and money per 1,000 questions, as far as it was recorded.

Times are those of a phase's log, from its first question to its last answer, so the model's
loading and whatever else the machine did are in them. Money is what an endpoint was paid.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.queries.evaluations import Evaluated
    from engine.store.layout import PhaseDir, RunsFolder

QUESTIONS = 1_000
HEAD_BYTES, TAIL_BYTES = 32_768, 65_536  # of a log; its first and its last count are there
TOLD = frozenset({"phase_started", "progress", "cost", "answering"})


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
    """Return what an evaluation's answers took; None if none of its logs is there.

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


@dataclass(frozen=True, slots=True)
class _Log:
    """The counts and the cost in the log of a phase's last attempt."""

    events: Sequence[dict[str, Any]]

    @classmethod
    def read(cls, folder: PhaseDir) -> _Log | None:
        attempt = folder.last_attempt()
        try:
            assert attempt is not None
            with attempt.events.open("rb") as file:
                head = file.read(HEAD_BYTES)
                size = os.fstat(file.fileno()).st_size
                file.seek(max(len(head), size - TAIL_BYTES))
                tail = file.read()
        except (OSError, AssertionError):
            return None
        return cls(list(_events([*head.splitlines(), *tail.splitlines()])))

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]

    @property
    def answered(self) -> int:
        """How many questions this attempt answered itself."""
        counts = self._of("progress")
        return int(counts[-1]["done"]) - int(counts[0]["done"]) if counts else 0

    @property
    def seconds(self) -> float | None:
        counts = self._of("progress")
        if not self.answered:
            return None
        begin, end = (datetime.fromisoformat(counts[n]["ts"]) for n in (0, -1))
        return QUESTIONS * (end - begin).total_seconds() / self.answered

    @property
    def cost(self) -> float | None:
        """Of what was paid; replies that had to be asked for again are in it."""
        costs, counts = self._of("cost"), self._of("progress")
        if not costs or not counts or not costs[-1]["spent"]:
            return None
        asked = min(int(costs[-1]["requests"]), int(counts[-1]["done"]))
        return QUESTIONS * float(costs[-1]["spent"]) / asked if asked else None

    @property
    def where(self) -> str:
        started, engines = self._of("phase_started"), self._of("answering")
        if not started:
            return "?"
        devices = [str(name).partition(":")[0] for name in started[0].get("devices", ())]
        gpus = devices.count("cuda")
        on = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "CPU"
        engine = engines[-1].get("engine", "builtin") if engines else "builtin"
        return f"{started[0].get('host', '?')} {on}" + (f" {engine}" if engine != "builtin" else "")


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            event = json.loads(line)
            if event["kind"] in TOLD:
                yield event
