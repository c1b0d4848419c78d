"""A cluster of stand-ins for most tests; a Slurm of our own for those marked ``slurm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.slurm.standins import Cluster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster.made(tmp_path, monkeypatch)
