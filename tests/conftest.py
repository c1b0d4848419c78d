"""A worker a core runs the tests: more threads in each would only fight for the cores, and the
files that take longest come first, so that no worker is left with one when all else is done."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from engine.machine import devices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch

SLOW_S = 2.0  # a slow test that doesn't say how slow
FAST_S = 0.1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``@pytest.mark.slow(seconds)`` says about how long a test takes, where it is long."""
    seconds: Counter[Path] = Counter()
    for item in items:
        mark = item.get_closest_marker("slow")
        seconds[item.path] += (*mark.args, SLOW_S)[0] if mark else FAST_S
    items.sort(key=lambda item: -seconds[item.path])  # stable: a file's tests keep their order


@pytest.fixture(autouse=True)
def _no_cards_of_another_test() -> Iterator[None]:
    """What a test says of GPUs is not remembered in the next one."""
    yield
    devices.smallest_card.cache_clear()
