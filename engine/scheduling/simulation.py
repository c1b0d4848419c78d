"""How long runs take on so many cards: the scheduler's own policy on a clock that is made up.

Nothing is read or started.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.interfaces import Capacity
from engine.planning.engines import START_S
from engine.scheduling.order import UNKNOWN_S, Order
from engine.scheduling.policy import placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.scheduling.order import Rule
    from engine.scheduling.policy import Candidate, QueuedRun, Start


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it. ``seconds``: until all is done; ``half``: until half of the runs are
    finished. ``busy``: the share of the time that the cards work, 0 to 1. ``loads``: how many times
    a card's server was started."""

    cards: int
    rule: Rule
    seconds: float
    half: float
    busy: float
    loads: int


def simulate(
    runs: Sequence[QueuedRun], cards: int, api: int, rule: Rule, shared: bool = True
) -> Simulated:
    """Start the runs' phases on equal cards as these become free.

    Phases behind an endpoint take no card, and at most ``api`` of them go at once. A phase takes as
    long as it is expected to, on several cards that much less. One that asks a server takes the
    server's start too, unless the servers are ``shared`` and its card has served the same model
    last.
    """
    lab = _Lab(runs, cards, api, rule, shared)
    clock, ends = 0.0, list[float]()
    while True:
        lab.start(clock)
        if not lab.ends:
            break
        clock, phase = heapq.heappop(lab.ends)
        ends += [clock] * lab.end(phase)
    half = ends[(len(ends) - 1) // 2] if ends else 0.0
    share = lab.busy / (clock * cards) if clock else 0.0
    return Simulated(cards, rule, clock, half, share, lab.loads)


class _Lab:
    """What is ready, what is free and what goes on. ``ends``: when each phase at work ends."""

    def __init__(
        self, runs: Sequence[QueuedRun], cards: int, api: int, rule: Rule, shared: bool
    ) -> None:
        self.ends: list[tuple[float, str]] = []
        self.busy = 0.0
        self.loads = 0
        self._order = Order(runs, rule=rule)
        self._cards, self._api, self._shared = tuple(range(cards)), api, shared
        self._at_work: dict[str, Start] = {}
        self._serves: dict[int, str] = {}  # the model that each card's server has
        self._asking: dict[str, list[str]] = {}  # what is being generated: who waits for it
        self._runs_of: dict[str, list[int]] = defaultdict(list)
        self._left = [len(run.nodes) for run in runs]
        self._candidates: dict[str, Candidate] = {}
        for number, run in enumerate(runs):
            for node in run.nodes:
                self._runs_of[node.id].append(number)
                self._candidates.setdefault(node.id, (run, node))
        nodes = self._order.nodes
        self._after: dict[str, list[str]] = defaultdict(list)
        for one in nodes.values():
            for needed in one.inputs:
                self._after[needed].append(one.id)
        self._lacks = {one.id: sum(i in nodes for i in one.inputs) for one in nodes.values()}
        self._ready = {remote: _Ready(self._order) for remote in (False, True)}
        for phase in [phase for phase, lacks in self._lacks.items() if not lacks]:
            self._ready[nodes[phase].remote].add(phase)

    def start(self, clock: float) -> None:
        """Start what fits."""
        taken = {card for start in self._at_work.values() for card in start.devices.gpus}
        cards = tuple(card for card in self._cards if card not in taken)
        api = self._api - sum(start.slot == "api" for start in self._at_work.values())
        asking = frozenset(self._asking)
        late = self._order.is_late(len(self._cards))
        for ready, free in (
            (self._ready[False], Capacity(self._cards, cards, cards, asking=asking)),
            (self._ready[True], Capacity(api=api, asking=asking)),
        ):
            if free.gpus or free.api:
                tried: list[str] = []
                started = placed(self._tried(ready, late, tried), free)
                for start in started:
                    self._begin(start, clock)
                for phase in set(tried).difference(one.phase for one in started):
                    waits = self._asking.get(self._order.nodes[phase].generation or "")
                    waits.append(phase) if waits is not None else ready.add(phase)

    def _tried(self, ready: _Ready, late: bool, tried: list[str]) -> Iterator[Candidate]:
        for phase in ready.taken(late):
            tried.append(phase)
            yield self._candidates[phase]

    def _begin(self, start: Start, clock: float) -> None:
        node = self._order.nodes[start.phase]
        took = (node.seconds or UNKNOWN_S) / max(1, len(start.devices.gpus))
        for card in start.devices.gpus:
            if node.served and not (self._shared and self._serves.get(card) == node.served):
                self.loads += 1
                took += START_S
            self._serves[card] = node.served
        self.busy += took * len(start.devices.gpus)
        self._order.begun(node.id)
        self._at_work[node.id] = start
        if node.generation:
            self._asking[node.generation] = []
        heapq.heappush(self.ends, (clock + took, node.id))

    def end(self, phase: str) -> int:
        """End a phase; returns how many runs are finished by it."""
        del self._at_work[phase]
        for waiting in self._asking.pop(self._order.nodes[phase].generation or "", ()):
            self._ready[self._order.nodes[waiting].remote].add(waiting)
        for after in self._after[phase]:
            self._lacks[after] -= 1
            if not self._lacks[after]:
                self._ready[self._order.nodes[after].remote].add(after)
        for run in self._runs_of[phase]:
            self._left[run] -= 1
        return sum(not self._left[run] for run in self._runs_of[phase])


class _Ready:
    """Phases that could start, sorted by both of an order's ranks."""

    def __init__(self, order: Order) -> None:
        self._rank = {late: order.rank(late) for late in (False, True)}
        self._heaps: dict[bool, list[tuple[tuple[object, ...], str]]] = {False: [], True: []}
        self._there: set[str] = set()

    def add(self, phase: str) -> None:
        self._there.add(phase)
        for late, heap in self._heaps.items():
            heapq.heappush(heap, (self._rank[late](phase), phase))

    def taken(self, late: bool) -> Iterator[str]:
        """Take them out, the first ones first, as long as somebody asks for more."""
        heap = self._heaps[late]
        while heap:
            _, phase = heapq.heappop(heap)
            if phase in self._there:
                self._there.remove(phase)
                yield phase
