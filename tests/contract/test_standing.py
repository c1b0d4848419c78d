"""Where phases and runs stand: one derivation for lists, screens, following and the scheduler."""

from __future__ import annotations

import pytest

from engine.scheduling.standing import (
    Fact,
    forgiven_by,
    run_state,
    standings,
)

NEEDS = (("a", ()), ("b", ("a",)), ("c", ("a", "b")), ("d", ("c",)), ("e", ()))


def told(facts, forgiven):
    found = standings(NEEDS, facts, forgiven)
    return " ".join("<".join((one.state, *one.blocked_by)) for one in found.values())


@pytest.mark.parametrize(
    ("facts", "forgiven", "expected"),
    [
        ({}, None, "waiting waiting waiting waiting waiting"),
        ({}, {}, "queued queued queued queued queued"),
        ({"a": Fact("done"), "b": Fact("lost", 1)}, {}, "done lost blocked<b blocked<b queued"),
        ({"a": Fact("failed", 1)}, None, "failed blocked<a blocked<a blocked<a waiting"),
        ({"a": Fact("failed", 2)}, {"a": 2}, "queued queued queued queued queued"),
        ({"a": Fact("failed", 3)}, {"a": 2}, "failed blocked<a blocked<a blocked<a queued"),
        ({"a": Fact("pending", 1)}, {"a": 1}, "pending queued queued queued queued"),
        ({"a": Fact("unreachable", 1)}, {}, "unreachable waiting<a waiting<a waiting<a queued"),
        (
            {"a": Fact("unreachable", 1), "b": Fact("stopped", 1)},
            {},
            "unreachable stopped blocked<a<b blocked<a<b queued",
        ),
        (
            {"a": Fact("stopped", 1), "b": Fact("done")},
            {},
            "stopped done blocked<a blocked<a queued",
        ),
    ],
)
def test_who_blocks_whom_is_said_of_the_phase_that_has_to_be_tried_again(facts, forgiven, expected):
    assert told(facts, forgiven) == expected


def test_a_shared_phase_is_tried_again_as_often_as_any_run_on_the_queue_allows():
    assert forgiven_by([{"a": 1, "b": 4}, {}, {"a": 3}]) == {"a": 3, "b": 4}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["done", "done"], "done"),
        (["done", "failed", "blocked", "running"], "running"),
        (["done", "failed", "blocked", "queued"], "failed"),
        (["pending", "failed", "queued"], "pending"),
        (["done", "blocked"], "blocked"),
        (["done", "queued", "blocked"], "queued"),
        (["done", "waiting"], "waiting"),
    ],
)
def test_a_run_is_in_the_state_that_matters_most(states, expected):
    assert run_state(states) == expected
