"""What answering took and cost: seconds and money per 1,000 questions, as far as it was recorded.

Times are those of a phase's logs, in each attempt from its first question to its last answer, so
the model's loading and whatever else the machine did are in them. What then asks for conclusions of
unclear answers is not. Money is what an endpoint was paid.
"""

from __future__ import annotations

import re
from collections import defaultdict
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
    from collections.abc import Iterable, Sequence

    from engine.queries.evaluations import Evaluated
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

QUESTIONS = 1_000
KIND = re.compile(rb'"kind": ?"(phase_started|phase_finished|progress|cost|answering)"')
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Effort:
    """Per 1,000 questions: ``seconds`` and ``cost`` in ``currency``, None where not recorded.
    ``tokens``: of an answer on average, None where none were counted (option letters, answers from
    a file) or the score's file is damaged. ``where``: the machine and device, or the endpoint, that
    answered, and by which engine; times are comparable where it is the same."""

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
    tokens = next((found.mean_tokens for found in one.accuracies), 0.0) or None
    took = None if card.source.ready_made else log.seconds
    paid = card.source.bills_in is not None
    cost = next((cost for log in logs if (cost := log.cost)), None) if paid else None
    return Effort(took, cost, card.source.bills_in or "", tokens, where)


def why_unknown(one: Evaluated) -> str:
    """Say why what an evaluation's answers took is not in its log; empty when it is."""
    if _Log.read(one.folder) is not None:
        return ""
    return f"{one.folder.id}: what its answers took is not known, since its log is not whole"


@dataclass(frozen=True, slots=True)
class _Log:
    """What the logs of a phase's attempts say: where the last one worked, by which engine, what all
    have paid, and where the count of questions stood at both ends of each stretch of work."""

    started: PhaseStarted
    engine: str
    paid: Cost | None
    counts: Sequence[tuple[Progress, Progress]]

    @classmethod
    def read(cls, folder: PhaseDir) -> _Log | None:
        """None unless the last attempt's log has both its ends."""
        stretches = [lines for one in folder.attempts() for lines in _stretches(one)]
        last = stretches[-1] if stretches else {}
        started = _first(last.get("phase_started", ()), PhaseStarted)
        if started is None or _first(last.get("phase_finished", ()), PhaseFinished) is None:
            return None
        engine = _first(reversed(last.get("answering", [])), Answering)
        paid = _first(reversed(last.get("cost", [])), Cost)
        counts = filter(None, (_ends(lines.get("progress", [])) for lines in stretches))
        return cls(started, engine.engine if engine else "builtin", paid, tuple(counts))

    @property
    def answered(self) -> int:
        """How many questions the phase answered itself."""
        return sum(last.done - first.done for first, last in self.counts)

    @property
    def seconds(self) -> float | None:
        took = sum(max(0.0, (b.ts - a.ts).total_seconds()) for a, b in self.counts)
        return QUESTIONS * took / self.answered if self.answered else None

    @property
    def cost(self) -> float | None:
        """Of what was paid; replies that had to be asked for again are in it."""
        if self.paid is None or not self.counts or not self.paid.spent:
            return None
        asked = min(self.paid.requests, self.counts[-1][1].done)
        return QUESTIONS * self.paid.spent / asked if asked else None

    @property
    def where(self) -> str:
        devices = [name.partition(":")[0] for name in self.started.devices]
        gpus = devices.count("cuda")
        on = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "CPU"
        engine = f" {self.engine}" if self.engine != "builtin" else ""
        return f"{self.started.host} {on}{engine}"


def _stretches(attempt: AttemptDir) -> list[dict[str, list[bytes]]]:
    """The lines of an attempt's log by their kind, as far as anything is read of them, for each
    stretch of work: on a cluster it may go on in a next allocation."""
    found: list[dict[str, list[bytes]]] = []
    try:
        with attempt.events.open("rb") as file:
            for line in file:
                if (kind := KIND.search(line)) is None:
                    continue
                if kind[1] == b"phase_started" or not found:
                    found.append(defaultdict(list))
                found[-1][kind[1].decode()].append(line)
    except OSError:
        return []
    return found


def _first(lines: Iterable[bytes], kind: type[E]) -> E | None:
    """The first whole event among the lines, which are read no further."""
    return next((one for line in lines if isinstance(one := decode(line), kind)), None)


def _ends(lines: Sequence[bytes]) -> tuple[Progress, Progress] | None:
    """The first and the last count of what was counted first."""
    first = _first(lines, Progress)
    later = (one for line in reversed(lines) if isinstance(one := decode(line), Progress))
    last = next((one for one in later if first is not None and one.unit == first.unit), None)
    return (first, last) if first is not None and last is not None else None
