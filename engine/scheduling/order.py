"""In which order phases are started. The scheduler and the simulation take it from here.

Which rule is the best is measured by :mod:`engine.scheduling.simulation` (BENCHMARKS.md, "The order
of phases"): the longest chain first ends soonest, but no run is finished before nearly all are.
``balanced`` ends as soon, and its first runs are finished as early as in queue order.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from engine.scheduling.policy import Node, QueuedRun

    Rank = Callable[[str], tuple[object, ...]]  # of a phase; the lowest is started first

Rule = Literal["queue", "chains", "models", "balanced"]
RULES: Final[dict[Rule, str]] = {
    "queue": "queue order",
    "chains": "longest chain first",
    "models": "a model at a time",
    "balanced": "queue, then chains",
}
USED: Final[Rule] = "balanced"  # by the scheduler
LATE: Final = 3.0
UNKNOWN_S: Final = 5.0  # of a phase about which nothing is known


class Order:
    """The order of the phases of these runs that are not ``done``.

    ``queue``: as the runs stand in the queue. ``chains``: by how long a phase and what follows it
    take, the longest first. ``models``: phases that ask the same server's model one after the
    other. ``balanced``: as in the queue as long as there is more to do than a few times the longest
    chain (:data:`LATE`) for each card; then the longest chain first, so that no long one is left
    over at the end.

    A rule holds among runs that stand together (``QueuedRun.batch``); a batch that comes first in
    the queue comes first.
    """

    def __init__(
        self, runs: Iterable[QueuedRun], done: Container[str] = (), rule: Rule = USED
    ) -> None:
        self._rule = rule
        self._places: dict[str, tuple[int, int]] = {}  # of the batch, of the phase
        self.nodes: dict[str, Node] = {}
        for number, (_, batch) in enumerate(groupby(runs, lambda run: run.batch)):
            for node in (node for run in batch for node in run.nodes):
                if node.id not in self.nodes and node.id not in done:
                    self._places[node.id] = number, len(self.nodes)
                    self.nodes[node.id] = node
        self._chains = _chains(self.nodes)
        self._longest_first = sorted(self._chains, key=self._chains.__getitem__)
        self._begun: set[str] = set()
        self._work = sum(map(_seconds, self.nodes.values()))

    def begun(self, phase: str) -> None:
        """From now on the phase is no work that is left."""
        if phase in self.nodes and phase not in self._begun:
            self._begun.add(phase)
            self._work -= _seconds(self.nodes[phase])

    def is_late(self, cards: int) -> bool:
        """Whether long chains come first from now on, with so many cards."""
        while self._longest_first and self._longest_first[-1] in self._begun:
            self._longest_first.pop()
        if self._rule != "balanced" or not self._longest_first:
            return self._rule == "chains"
        longest = self._chains[self._longest_first[-1]]
        return longest * LATE >= self._work / max(1, cards)

    def rank(self, late: bool) -> Rank:
        """By what phases are sorted. ``late``: see :meth:`is_late`."""
        places, chains, nodes = self._places, self._chains, self.nodes
        if late:
            return lambda phase: (places[phase][0], -chains[phase], places[phase][1])
        if self._rule == "models":
            return lambda phase: (places[phase][0], nodes[phase].served, places[phase][1])
        return places.__getitem__


def _seconds(node: Node) -> float:
    return node.seconds or UNKNOWN_S


def _chains(nodes: dict[str, Node]) -> dict[str, float]:
    """Of each phase the seconds from its start to the end of what follows it, however many cards
    there are."""
    after = dict.fromkeys(nodes, 0.0)
    found: dict[str, float] = {}
    for node in reversed(nodes.values()):  # inputs stand first
        found[node.id] = _seconds(node) + after[node.id]
        for needed in node.inputs:
            if needed in after:
                after[needed] = max(after[needed], found[node.id])
    return found
