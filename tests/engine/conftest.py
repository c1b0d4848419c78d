"""A folder of runs to work in, and a server that answers as a test's ``says`` would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.generation.endpoint import patience
from engine.store.layout import RunsFolder
from tests.engine.annotating import Lab
from tests.engine.misbehaving_server import MisbehavingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    return Lab(runs)


@pytest.fixture
def says() -> Callable[[str], str] | None:
    """From prompt to answer; None for one fixed answer. Test files give their own."""
    return None


@pytest.fixture
def server(says: Callable[[str], str] | None) -> Iterator[MisbehavingServer]:
    with MisbehavingServer(says) if says else MisbehavingServer() as it:
        yield it


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries of a request are short."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.02)
