"""Folds a phase's events into a view of its state, for screens, ``status`` and tests.

A view is frozen; that of an attempt not yet read is :data:`EMPTY`, so no panel has to handle
None. Series grow by appending to a shared list of which each view sees its own length, so
folding n events costs O(n).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from engine.schema import events as ev
from engine.schema.rates import is_sure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

T = TypeVar("T")
State = Literal[
    "waiting", "queued", "pending", "running", "stopping", "done",
    "failed", "stopped", "lost", "unreachable", "blocked",
]  # fmt: skip
Probe = Literal["pending", "running", "exited", "unknown", "withdrawn"]
SAMPLES_KEPT = 200
MESSAGES_KEPT = 500
RESOURCES_KEPT = 3_600


class Tail(Generic[T]):
    """An immutable view of the first ``length`` elements of a list that only grows."""

    __slots__ = ("_items", "length")

    def __init__(self, items: list[T] | None = None, length: int = 0) -> None:
        self._items: list[T] = [] if items is None else items
        self.length = length

    def append(self, item: T, keep: int | None = None) -> Tail[T]:
        """A longer view; this one is unchanged. With ``keep``, old elements are dropped."""
        items = self._items
        if self.length != len(items):  # another view has appended to it: copy
            items = items[: self.length]
        if keep is not None and len(items) >= 2 * keep:
            items = items[-keep + 1 :]
        items.append(item)
        return Tail(items, len(items))

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[T]:
        return iter(self._items[: self.length])

    def __getitem__(self, index: int) -> T:
        return self._items[range(self.length)[index]]

    def first(self, count: int) -> Tail[T]:
        """A view of the oldest ``count`` elements alone."""
        return Tail(self._items, count)

    def last(self, count: int) -> list[T]:
        """The newest ``count`` elements, oldest first."""
        return self._items[max(0, self.length - count) : self.length]


class Moment(NamedTuple):
    """When a step was measured: after so many seconds of work, and the epoch if it was reported."""

    step: int
    worked: float
    epoch: float | None


@dataclass(frozen=True, slots=True)
class PhaseView:
    """The state of one attempt, from all its events, with what holds of those that it goes on from
    too: curves, time at work, money (:func:`gone_on_with`).

    ``began``: when the present stretch of work did, after ``worked`` seconds of others: of earlier
    attempts and, on a cluster, of earlier allocations.
    ``metrics``: name -> (step, value) points; ``moments``: their times. ``gaps``: number of
    missing sequence numbers, which mean that the log was damaged. ``unknown``: events of kinds
    this version does not know. ``latest``: the last event of each kind that no other field here
    holds. ``highest``: of each figure of ``resources``, also of those that are kept no more and of
    earlier attempts. ``progress_began``, ``cost_began``: the count where this stretch of work began
    to count these units, and what had been paid by then. ``progressed``: when the last event came
    that is a sign of progress, as a reading of the memory is not.
    """

    phase: str = ""
    attempt: int = 0
    host: str = ""
    devices: tuple[str, ...] = ()
    details: dict[str, object] = field(default_factory=dict)
    started: datetime | None = None
    began: datetime | None = None
    worked: float = 0.0
    last_event: datetime | None = None
    progressed: datetime | None = None
    finished: datetime | None = None
    outcome: Literal["done", "failed", "stopped"] | None = None
    error: str = ""
    activity: str = ""
    waiting: bool = False
    progress: ev.Progress | None = None
    progress_began: ev.Progress | None = None
    metrics: dict[str, Tail[tuple[int, float]]] = field(default_factory=dict)
    moments: Tail[Moment] = field(default_factory=Tail)
    samples: Tail[ev.Sample] = field(default_factory=Tail)
    scores: tuple[ev.Scored, ...] = ()
    resources: Tail[ev.Resource] = field(default_factory=Tail)
    highest: ev.Resource | None = None
    messages: Tail[ev.Message] = field(default_factory=Tail)
    unknown: Tail[ev.Event] = field(default_factory=Tail)
    latest: dict[str, ev.Event] = field(default_factory=dict)
    answering: ev.Answering | None = None
    cost: ev.Cost | None = None
    cost_began: ev.Cost | None = None
    artefacts: tuple[ev.Artefact, ...] = ()
    checkpoint: ev.CheckpointSaved | None = None
    figures: dict[str, object] = field(default_factory=dict)
    next_seq: int = 0
    gaps: int = 0

    def took(self, now: datetime | None = None) -> float | None:
        """Seconds at work in all, until the last event, or until ``now`` for one that still is;
        None where nothing was written or the clock was set back."""
        until = now or self.finished or self.last_event
        if self.began is None or until is None:
            return self.worked or None
        last = (until - self.began).total_seconds()
        return self.worked + last if last >= 0 else self.worked or None

    @property
    def rate(self) -> float | None:
        """Units of progress per second since the count last stood where it began; None in waits.
        Loading a model comes before that, so it slows no rate."""
        first, now = self.progress_began, self.progress
        if self.waiting or first is None or now is None or now.done <= first.done:
            return None
        seconds = (now.ts - first.ts).total_seconds()
        return (now.done - first.done) / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None until the rate is sure."""
        first, now = self.progress_began, self.progress
        if self.rate is None or first is None or now is None:
            return None
        seconds = (now.ts - first.ts).total_seconds()
        done, to_do = now.done - first.done, now.total - first.done
        if not is_sure(done, to_do, seconds, now.under_way):
            return None
        return (now.total - now.done) / self.rate

    @property
    def counting(self) -> bool:
        """Whether progress is under way: false before the first unit, and while work goes on
        after the last."""
        now = self.progress
        if now is None or now.total <= 0:
            return False
        return now.done < now.total and (now.done > 0 or not self.activity)

    @property
    def warnings(self) -> list[ev.Message]:
        return [m for m in self.messages if m.level != "info"]


EMPTY = PhaseView()


def fold(view: PhaseView, event: ev.Event) -> PhaseView:
    """The view after one more event."""
    gap = event.seq - view.next_seq if event.seq >= 0 else 0
    base = replace(
        view,
        began=view.began or event.ts,
        last_event=event.ts,
        progressed=view.progressed if isinstance(event, ev.Resource) else event.ts,
        next_seq=event.seq + 1,
        gaps=view.gaps + max(0, gap),
    )
    match event:
        case ev.Metric():
            moment = Moment(event.step, base.took() or 0.0, event.epoch)
            moments = base.moments.append(moment)
            return replace(base, metrics=_with_points(base.metrics, event), moments=moments)
        case ev.Progress():
            first = base.progress_began
            if first is None or first.unit != event.unit or event.done <= first.done:
                return replace(base, progress=event, progress_began=event, cost_began=None)
            return replace(base, progress=event)
        case ev.Resource():
            resources = base.resources.append(event, RESOURCES_KEPT)
            highest = event if base.highest is None else _higher(base.highest, event)
            return replace(base, resources=resources, highest=highest)
        case ev.Sample():
            return replace(base, samples=base.samples.append(event, SAMPLES_KEPT))
        case ev.Message():
            return replace(base, messages=base.messages.append(event, MESSAGES_KEPT))
        case ev.Activity():
            return replace(base, activity=event.text, waiting=event.waiting)
        case ev.PhaseStarted():
            return _started(base, event, view.took())
        case ev.Scored():
            return replace(base, scores=(*base.scores, event))
        case ev.Answering():
            return replace(base, answering=event)
        case ev.Cost():
            return replace(base, cost=event, cost_began=base.cost_began or event)
        case ev.Artefact():
            return replace(base, artefacts=(*base.artefacts, event))
        case ev.CheckpointSaved():
            return replace(base, checkpoint=event)
        case ev.PhaseFinished():
            return replace(
                base,
                finished=event.ts,
                outcome=event.outcome,
                error=event.error,
                figures=event.figures,
                activity="",
                waiting=False,
            )
        case ev.Unknown():
            return replace(base, unknown=base.unknown.append(event, MESSAGES_KEPT))
        case _:
            return replace(base, latest=base.latest | {event.kind: event})


def fold_all(events: Iterable[ev.Event], view: PhaseView = EMPTY) -> PhaseView:
    for event in events:
        view = fold(view, event)
    return view


def _higher(one: ev.Resource, other: ev.Resource) -> ev.Resource:
    """The higher of each figure, as one reading."""
    gpus = zip_longest(one.gpus, other.gpus, fillvalue=dict[str, float]())
    return one.model_copy(
        update={
            "rss": _most(one.rss, other.rss),
            "cpu": _most(one.cpu, other.cpu),
            "gpus": tuple(
                {name: _most(a.get(name, nan), b.get(name, nan)) for name in a | b} for a, b in gpus
            ),
        }
    )


def _most(one: float, other: float) -> float:
    return max((one, other), key=lambda value: value if isfinite(value) else -inf)


def _with_points(
    metrics: dict[str, Tail[tuple[int, float]]], event: ev.Metric
) -> dict[str, Tail[tuple[int, float]]]:
    """The curves with more points; steps that are gone through again replace those that an earlier
    attempt had reached after its last checkpoint."""
    grown = dict(metrics)
    for name, value in event.values.items():
        points, known = grown.get(name, Tail()), len(grown.get(name, ()))
        while known and points[known - 1][0] >= event.step:
            known -= 1
        grown[name] = points.first(known).append((event.step, value))
    return grown


def gone_on_with(view: PhaseView) -> PhaseView:
    """What a next attempt's view begins with, from that of the last one."""
    return replace(
        EMPTY,
        worked=view.took() or 0.0,
        metrics=view.metrics,
        moments=view.moments,
        highest=view.highest,
        cost=view.cost,
        checkpoint=view.checkpoint,
    )


def _started(view: PhaseView, event: ev.PhaseStarted, worked: float | None) -> PhaseView:
    return replace(
        view,
        phase=event.phase,
        attempt=event.attempt,
        host=event.host,
        devices=event.devices,
        details=dict(event.details),
        started=event.ts,
        began=event.ts,  # on a cluster it may go on with an attempt, after a time in the queue
        worked=worked or 0.0,
        progress_began=None,
        cost_began=None,
    )


def attempt_state(
    outcome: Literal["done", "failed", "stopped"] | None,
    probe: Probe,
    alive_age_s: float | None,
    stale_after_s: float,
) -> State:
    """The attempt's state, by the first rule that fits: the final event's outcome; *pending* if
    launched but not begun; *waiting* if it never will begin, as if it had not been launched; *lost*
    if gone without final event; *unreachable* if the launcher can't know and the heartbeat is
    stale; else *running*."""
    if outcome is not None:
        return outcome
    if probe == "withdrawn":
        return "waiting"
    if probe == "pending":
        return "pending"
    if probe == "exited":
        return "lost"
    if probe == "unknown" and (alive_age_s is None or alive_age_s > stale_after_s):
        return "unreachable"
    return "running"
