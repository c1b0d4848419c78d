"""Simulated grids: small ones with known answers, and the shipped ones by every order."""

from __future__ import annotations

import pytest

from engine.cli.simulating import cards_of
from engine.commands.experiments import plan_experiment
from engine.commands.simulating import simulations
from engine.planning.engines import START_S
from engine.planning.estimate import expectations
from engine.scheduling.order import LATE, RULES, UNKNOWN_S, Order
from engine.scheduling.policy import DeviceRequest, Node, QueuedRun
from engine.scheduling.simulation import simulate
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder


def run(*nodes: Node, run_id: str = "r", **more) -> QueuedRun:
    return QueuedRun(run_id, nodes, DeviceRequest(), **more)


def node(name: str, seconds: float, *inputs: str, **more) -> Node:
    return Node(name, inputs, seconds=seconds, **more)


SHARED = node("a", 10.0)
CHAIN = run(SHARED, node("b", 20.0, "a"), node("c", 30.0, "b"))
FORK = run(SHARED, node("d", 5.0, "a"), node("e", 5.0, "a"), run_id="s")
# in queue order the chain is left over at the end
LATE_CHAIN = [
    *(run(node(f"x{n}", 30.0), run_id=f"x{n}") for n in range(4)),
    run(node("l1", 30.0), node("l2", 30.0, "l1"), node("l3", 30.0, "l2"), run_id="l"),
]
ONE, OTHER = ({"served": name} for name in ("one", "other"))
SERVED = [
    run(node(f"{n}1", 10.0, **ONE), node(f"{n}2", 10.0, **OTHER), run_id=str(n)) for n in range(3)
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("runs", "cards", "seconds", "busy"),
    [
        ([], 1, 0.0, 0.0),
        ([CHAIN], 1, 60.0, 1.0),
        ([CHAIN, FORK], 1, 70.0, 1.0),  # one card: the sum, what is shared once
        ([CHAIN, FORK], 1000, 60.0, 70 / 60_000),  # very many: the longest chain
        ([run(Node("p"), Node("q"))], 1, 2 * UNKNOWN_S, 1.0),
        ([run(node("p", 10.0, remote=True), node("q", 10.0))], 1, 10.0, 1.0),
        ([run(*(node(str(n), 10.0, remote=True) for n in range(5)))], 1, 30.0, 0.0),  # 2 at once
        # who would ask the same waits, and whoever comes after it goes on meanwhile
        ([run(*(node(n, 10.0, generation="g") for n in "pq"), node("r", 10.0))], 2, 20.0, 0.75),
    ],
)
def test_small_graphs(runs, cards, seconds, busy, rule):
    found = simulate(runs, cards, 2, rule)
    assert (found.seconds, found.busy) == (pytest.approx(seconds), pytest.approx(busy))


@pytest.mark.parametrize(
    ("runs", "cards", "expected"),
    [
        (LATE_CHAIN, 2, {"queue": 150.0, "chains": 120.0, "balanced": 120.0}),
        (SERVED, 1, {"queue": 60.0 + 6 * START_S, "models": 60.0 + 2 * START_S}),
        # a training takes both cards for half as long, and what comes after it doesn't overtake it
        (
            [
                run(node("p", 10.0), run_id="p"),
                QueuedRun("t", (node("t", 10.0, trains=True),), DeviceRequest(gpu_count=2)),
                run(node("q", 10.0), run_id="q"),
            ],
            2,
            {"queue": 25.0},
        ),
    ],
)
def test_what_an_order_is_worth(runs, cards, expected):
    found = {rule: simulate(runs, cards, 2, rule).seconds for rule in expected}
    assert found == pytest.approx(expected)


def test_half_of_the_runs_are_early_in_queue_order_and_when_balanced():
    many = [run(node(f"t{n}", 50.0), node(f"e{n}", 5.0, f"t{n}"), run_id=str(n)) for n in range(50)]
    half = {rule: simulate(many, 1, 2, rule).half for rule in RULES}
    assert half["balanced"] == half["queue"] == 25 * 55.0
    assert half["chains"] > 2500.0


def test_servers_that_are_not_shared_start_for_each_phase():
    assert simulate(SERVED, 1, 2, "models", shared=False).loads == 6


def test_a_run_that_somebody_moved_stays_where_it_is():
    """Though another chain is longer."""
    moved, long = run(node("m", 1.0), batch="moved"), run(node("n", 99.0), run_id="s", batch="e")
    order = Order([moved, long])
    assert order.is_late(1)
    assert sorted(["n", "m"], key=order.rank(late=True)) == ["m", "n"]
    together = Order([run(node("m", 1.0), batch="e"), long])
    assert sorted(["n", "m"], key=together.rank(late=True)) == ["n", "m"]


def test_what_is_done_is_no_work_and_no_chain():
    order = Order([CHAIN, FORK], done={"a", "b"})
    assert set(order.nodes) == {"c", "d", "e"}
    assert order.is_late(1) == (30.0 * LATE >= 40.0)


@pytest.mark.parametrize("name", ["pocket", "main-in-family", "low-resource"])
def test_the_scheduler_takes_an_order_that_is_about_the_best_on_shipped_experiments(name, tmp_path):
    runs = RunsFolder(tmp_path)
    plan = plan_experiment(runs, name, on_gpu=True).plan
    counts = (1, 4, 16, 64)
    made = simulations(plan, runs, counts, ("queue", "chains", "balanced"))
    found = {(one.cards, one.rule): one for one in made}
    for cards in counts:
        queue, chains, balanced = (found[cards, rule] for rule in ("queue", "chains", "balanced"))
        assert chains.seconds <= queue.seconds * 1.001
        assert balanced.seconds <= chains.seconds * 1.01
    took = expectations(plan.to_do, runs, True, {})
    alone = found[1, "queue"]
    on_card = (took[s.id].seconds for s in plan.to_do if not s.card or s.card.source.needs_device)
    assert alone.seconds * alone.busy == pytest.approx(sum(on_card))
    assert found[1, "balanced"].half <= found[1, "queue"].half * 1.3


@pytest.mark.parametrize("said", ["", "0", "1,x", "-1", "99999"])
def test_numbers_of_cards_that_are_none(said):
    with pytest.raises(UserError, match="numbers of GPUs"):
        cards_of(said)
