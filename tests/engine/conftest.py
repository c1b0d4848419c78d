"""A folder of runs to work in, a server that answers as a test's ``says`` would, and a user's
configuration of notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.generation.endpoint import patience
from engine.store.layout import RunsFolder
from tests.engine.annotating import TeacherLab
from tests.engine.misbehaving_server import MisbehavingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> TeacherLab:
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    return TeacherLab(runs)


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


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration of notices, which is not there yet; nor is one of the machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "shared"))
    folder = tmp_path / "own" / "sirt"
    folder.mkdir(parents=True)
    return folder / "notify.yaml"
