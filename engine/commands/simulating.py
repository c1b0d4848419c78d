"""Simulate an experiment on so many cards, before anything of it is launched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.machine.vllm import is_installed
from engine.planning.engines import served_model
from engine.planning.estimate import expectations, seconds_left
from engine.planning.history import history
from engine.scheduling.order import RULES, USED
from engine.scheduling.policy import DeviceRequest, Node, QueuedRun, node_of
from engine.scheduling.queue import API_SLOTS
from engine.scheduling.simulation import Simulated, simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.planning.plan import Plan
    from engine.scheduling.order import Rule
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder

__all__ = ["CARDS", "RULES", "USED", "Simulated", "simulations"]
CARDS = (1, 4, 16, 64)


def simulations(
    plan: Plan,
    runs: RunsFolder,
    cards: Sequence[int],
    rules: Iterable[Rule] = tuple(RULES),
    shared: bool = True,
    training: int = 1,
    seconds: Mapping[str, float] | None = None,
) -> list[Simulated]:
    """What is still to do of a plan, on each number of GPUs by each rule. Phases take as long as
    similar ones took, or as their model's size lets expect. ``shared``: phases on one card share a
    server; those of a cluster's jobs don't. ``training``: the GPUs that a training takes, where
    there are so many. ``seconds``: of each phase on a GPU, where they are known already."""
    to_do, there = plan.to_do, is_installed(runs.root)
    if seconds is None:
        seconds = seconds_left(plan, runs, expectations(to_do, runs, True, history(runs)))
    nodes = {spec.id: _node(spec, seconds[spec.id], there) for spec in to_do}
    chains = [tuple(nodes[p.id] for p in run.phases if p.id in nodes) for run in plan.runs]
    rules, found = list(rules), []
    for count in cards:
        request = DeviceRequest(gpu_count=min(training, count))
        wanted = [QueuedRun(str(n), chain, request) for n, chain in enumerate(chains) if chain]
        found += [simulate(wanted, count, API_SLOTS, rule, shared) for rule in rules]
    return found


def _node(spec: PhaseSpec, seconds: float, there: bool) -> Node:
    return replace(node_of(spec), seconds=seconds, served=served_model(spec, True, there))
