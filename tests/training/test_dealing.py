"""How the rows of a step are dealt among processes."""

from __future__ import annotations

from math import ceil

import pytest
from torch.utils.data import SequentialSampler

from engine.machine import ranks
from engine.training.dealing import Deal


@pytest.mark.parametrize(
    ("rows", "step", "world", "at_once"),
    [(21, 4, 2, 2), (23, 5, 2, 3), (7, 8, 3, 1), (64, 32, 4, 4), (10, 4, 4, 1), (9, 6, 4, 2)],
)
def test_each_step_has_the_rows_it_would_have_alone_each_once(
    rows: int, step: int, world: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "world", lambda: world)
    passes = []
    for rank in range(world):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        deal = Deal(SequentialSampler(range(rows)), step, at_once)
        passes.append(list(deal))
        assert len(passes[-1]) == len(deal)
    assert len({len(own) for own in passes}) == 1, "all take part in every pass"
    assert max(len(batch) for own in passes for batch in own) <= at_once
    a_step = ceil(ceil(step / world) / at_once)
    for number in range(ceil(rows / step)):
        own = [part[number * a_step : (number + 1) * a_step] for part in passes]
        dealt = sorted(row for part in own for batch in part for row in batch)
        assert dealt == list(range(rows))[number * step : (number + 1) * step]
