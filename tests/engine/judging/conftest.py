"""Two runs whose answers are judged, by a judge that likes what is longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.judging.helpers import longer, runs_with_answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.store.layout import RunsFolder


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return runs_with_answers(tmp_path / "runs")


@pytest.fixture
def says() -> Callable[[str], str]:
    return longer
