"""Where queued phases stand, and which are started on what is free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.interfaces import Capacity, Devices
from engine.scheduling.launchers.local import cpu_free
from engine.scheduling.policy import (
    DeviceRequest,
    Fact,
    Node,
    QueuedRun,
    finished,
    node_of,
    problem,
    standings,
    starts,
)
from tests.engine.fakes import chain

A = Node("a", remote=True)
B = Node("b", ("a",), trains=True)
C = Node("c", ("b",))
CPU = DeviceRequest(cpu=True)


def run(*nodes: Node, run_id: str = "r", request: DeviceRequest = CPU, **more) -> QueuedRun:
    return QueuedRun(run_id, nodes, request, **more)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "queued waiting waiting"),
        ({"a": Fact("running", 1)}, "running waiting waiting"),
        ({"a": Fact("done")}, "done queued waiting"),
        ({"a": Fact("done"), "b": Fact("failed", 1)}, "done failed blocked<b"),
        ({"a": Fact("lost", 1)}, "lost blocked<a blocked<a"),
        ({"a": Fact("stopped", 2)}, "stopped blocked<a blocked<a"),
        ({"a": Fact("unreachable", 1)}, "unreachable waiting waiting"),
        ({"c": Fact("done")}, "queued waiting done"),
    ],
)
def test_where_phases_stand(facts, expected):
    found = standings([run(A, B, C)], facts)
    said = [s.state + (f"<{s.because}" if s.because else "") for s in found.values()]
    assert " ".join(said) == expected


def test_a_forgiven_failure_is_tried_again_and_the_next_one_is_not():
    queued = run(A, forgiven={"a": 2})
    assert standings([queued], {"a": Fact("failed", 2)})["a"].state == "queued"
    assert standings([queued], {"a": Fact("failed", 3)})["a"].state == "failed"
    assert standings([queued], {"a": Fact("unreachable", 2)})["a"].state == "queued"


def test_forgiveness_of_one_run_counts_for_all_that_share_the_phase():
    runs = [run(A, run_id="x"), run(A, run_id="y", forgiven={"a": 1})]
    assert standings(runs, {"a": Fact("failed", 1)})["a"].state == "queued"


def test_a_run_is_finished_when_all_its_phases_are():
    queued = run(A, B)
    assert not finished(queued, standings([queued], {"a": Fact("done")}))
    assert finished(queued, standings([queued], {"a": Fact("done"), "b": Fact("done")}))


def begun(runs, ready, free):
    return [(s.phase, s.run_id, s.slot, s.devices.gpus) for s in starts(runs, ready, free)]


def test_shared_phases_start_once_in_queue_order_and_held_runs_start_nothing():
    runs = [
        run(Node("h"), run_id="held", hold=True),
        run(Node("s"), Node("x"), run_id="first"),
        run(Node("s"), Node("y"), run_id="second"),
    ]
    found = begun(runs, {"h", "s", "x", "y"}, Capacity(cpu=2))
    assert found == [("s", "first", "cpu", ()), ("x", "first", "cpu", ())]


def test_remote_phases_need_no_device_and_have_their_own_bound():
    runs = [run(Node("p", remote=True), Node("q", remote=True), Node("m"))]
    assert [s[:3] for s in begun(runs, {"p", "q", "m"}, Capacity(cpu=0, api=1))] == [
        ("p", "r", "api")
    ]


CARDS = (0, 1, 2, 3)
TRAIN = Node("t", trains=True)


@pytest.mark.parametrize(
    ("request_", "node", "gpus", "quiet", "expected"),
    [
        (DeviceRequest(), TRAIN, CARDS, CARDS, (0,)),
        (DeviceRequest(), TRAIN, CARDS, (2, 3), (2,)),
        (DeviceRequest(), TRAIN, CARDS, (), None),  # never joins somebody unasked
        (DeviceRequest(gpu_count=2), TRAIN, CARDS, (1, 3), (1, 3)),
        (DeviceRequest(gpu_count=2), TRAIN, CARDS, (1,), None),
        (DeviceRequest(gpu_count=2), Node("t"), CARDS, (1, 3), (1,)),  # generation: one card
        (DeviceRequest(gpu_count=2), Node("t", spreads=True), CARDS, (1, 3), (1, 3)),
        (DeviceRequest(gpu_count=2), Node("t", spreads=True, served="m"), CARDS, (1, 3), (1,)),
        (DeviceRequest(), Node("t", spreads=True), CARDS, (1, 3), (1,)),
        (DeviceRequest(gpus=(2, 3)), TRAIN, CARDS, (0,), (2, 3)),  # named: taken though in use
        (DeviceRequest(gpus=(2, 3)), TRAIN, (0, 1, 2), (), None),  # 3 has a phase of ours
        (DeviceRequest(gpus=(2, 3)), Node("t"), (0, 3), (), (3,)),
        (DeviceRequest(gpus=(2, 3), gpu_count=1), TRAIN, CARDS, (0, 3), (3,)),
    ],
)
def test_which_cards_a_phase_gets(request_, node, gpus, quiet, expected):
    free = Capacity(cards=CARDS, gpus=gpus, quiet=quiet, cpu=1, threads=4)
    found = starts([run(node, request=request_)], {"t"}, free)
    assert [s.devices for s in found] == ([] if expected is None else [Devices(expected, 4)])


def test_phases_that_share_their_questions_share_what_is_free():
    asking = [Node(name, spreads=True) for name in "abc"]
    free = Capacity(cards=CARDS, gpus=CARDS, quiet=CARDS)
    found = begun([run(*asking, request=DeviceRequest(gpus=CARDS))], set("abc"), free)
    assert [devices for *_, devices in found] == [(0,), (1,), (2, 3)]


def test_a_request_for_many_cards_is_not_starved_by_requests_for_few():
    runs = [
        run(Node("big", trains=True), run_id="1", request=DeviceRequest(gpu_count=2)),
        run(Node("small"), run_id="2", request=DeviceRequest(gpu_count=1)),
        run(Node("cpu"), run_id="3"),
    ]
    ready = {"big", "small", "cpu"}
    one_free = Capacity(cards=(0, 1), gpus=(1,), quiet=(1,), cpu=1)
    assert [s[0] for s in begun(runs, ready, one_free)] == ["cpu"]
    named = run(Node("big", trains=True), request=DeviceRequest(gpus=(0,)))
    assert begun([named, runs[1]], ready, one_free) == [("small", "2", "gpu", (1,))]


def test_without_a_card_no_wish_means_cpu():
    assert begun([run(TRAIN, request=DeviceRequest())], {"t"}, Capacity(cpu=1))[0][2] == "cpu"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (DeviceRequest(gpus=(0, 7)), "no GPU 7 here; present: 0, 1"),
        (DeviceRequest(gpus=()), "empty list"),
        (DeviceRequest(gpu_count=3), "3 GPUs were asked for, and there are 2"),
        (DeviceRequest(gpus=(1,), gpu_count=2), "2 GPUs were asked for, and there are 1"),
    ],
)
def test_impossible_requests_are_named_and_start_nothing(request_, said):
    assert said in problem(request_, (0, 1))
    free = Capacity(cards=(0, 1), gpus=(0, 1), quiet=(0, 1), cpu=1)
    assert starts([run(TRAIN, request=request_)], {"t"}, free) == []


def test_what_scheduling_reads_from_a_spec():
    annotate, instruct, evaluate = (node_of(p) for p in chain().phases)
    assert (annotate.remote, annotate.trains, annotate.inputs) == (True, False, ())
    assert (instruct.remote, instruct.trains, instruct.inputs) == (False, True, (annotate.id,))
    assert (evaluate.remote, evaluate.trains, evaluate.inputs) == (False, False, (instruct.id,))


LARGE, SMALL = Node("large", memory=12.0), Node("small", memory=1.0)


@pytest.mark.parametrize(
    ("memory", "alone", "expected"),
    [
        (23.0, True, ["large", "small"]),
        (12.5, True, ["large"]),  # the small one would not fit beside it
        (11.0, False, ["small"]),  # the large one waits for what runs; the small one need not
        (0.5, False, []),
        (5.0, True, ["large"]),  # too large for the machine: alone it may have all there is
    ],
)
def test_phases_start_beside_each_other_only_where_their_memory_fits(memory, alone, expected):
    free = Capacity(cpu=4, memory=memory, alone=alone)
    started = starts([run(LARGE, SMALL)], {"large", "small"}, free)
    assert [s.phase for s in started] == expected


REAL, OTHER, TOY = Node("real"), Node("other"), Node("toy", pocket=True)


@pytest.mark.parametrize(
    ("nodes", "free", "expected"),
    [
        ([REAL], Capacity(cpu=4), [4]),  # nobody beside it: all of them
        ([REAL, OTHER], Capacity(cpu=4), [2, 2]),
        ([REAL, OTHER], Capacity(cpu=3), [1, 2]),  # what is left over is used
        ([REAL, OTHER], Capacity(cpu=1), [1]),
        ([TOY], Capacity(cpu=4), [1]),
        ([TOY, REAL], Capacity(cpu=4), [1, 3]),
        ([REAL], Capacity(cpu=1, share=2), [2]),  # two at once were asked for on four cores
        ([REAL, TOY], Capacity(cpu=2, share=2), [2, 1]),
        # what has no memory to run beside it doesn't count
        ([replace(REAL, memory=6.0), replace(OTHER, memory=6.0)], Capacity(cpu=4, memory=8.0), [4]),
        ([REAL, Node("far", remote=True)], Capacity(cpu=4, api=1), [4, 1]),
    ],
)
def test_phases_on_the_cpu_share_its_cores(nodes, free, expected):
    started = starts([run(*nodes)], {node.id for node in nodes}, free)
    assert [s.devices.threads for s in started] == expected


def test_a_retry_has_as_many_threads_as_before_and_waits_for_them():
    both = [run(REAL, TOY)]
    started = starts(both, {"real", "toy"}, Capacity(cpu=4), {"real": 2})
    assert [s.devices.threads for s in started] == [2, 1]
    assert starts(both, {"real", "toy"}, Capacity(cpu=1, alone=False), {"real": 2}) == []
    alone = starts(both, {"real"}, Capacity(cpu=1), {"real": 2})  # a machine of fewer cores
    assert [s.devices.threads for s in alone] == [2]


@pytest.mark.parametrize(
    ("at_once", "running", "expected"),
    [(None, [], (4, 0)), (None, [2, 1], (1, 0)), (None, [4, 4], (0, 0)), (2, [1], (1, 2))],
)
def test_what_is_free_on_the_cpu(at_once, running, expected):
    assert cpu_free(4, at_once, running) == expected


def test_a_named_card_in_use_is_taken_only_where_there_is_room_on_it():
    wanted = run(Node("p", card_memory=10.0), request=DeviceRequest(gpus=(1,)))
    free = Capacity(cards=(0, 1), gpus=(0, 1), quiet=(0,), card_memory={1: 8.0})
    assert starts([wanted], {"p"}, free) == []
    (start,) = starts([wanted], {"p"}, replace(free, card_memory={1: 30.0}))
    assert start.devices.gpus == (1,)


def test_an_input_of_no_queued_run_was_there_when_the_run_was_made():
    judge = Node("judge", ("evaluate-a", "evaluate-b"), remote=True)
    assert standings([run(judge)], {})["judge"].state == "queued"
    again = run(Node("evaluate-a"), run_id="retried")  # made again meanwhile: then it waits
    assert standings([run(judge), again], {})["judge"].state == "waiting"


def test_who_would_ask_the_same_waits_for_whoever_asks_it_and_takes_the_replies():
    few, many = (Node(name, remote=True, generation="g") for name in ("few", "many"))
    other = Node("other", remote=True, generation="h")
    queued = [run(few), run(many, run_id="s"), run(other, run_id="t")]
    free = Capacity(api=4)
    found = starts(queued, {"few", "many", "other"}, free)
    assert [start.phase for start in found] == ["few", "other"]
    assert not starts(queued, {"many"}, replace(free, asking=frozenset({"g"})))
    assert [start.phase for start in starts(queued, {"many"}, free)] == ["many"]
