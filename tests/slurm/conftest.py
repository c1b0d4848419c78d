"""A cluster of stand-ins for most tests; a Slurm of our own for those marked ``slurm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.slurm.real import Slurm, missing
from tests.slurm.standins import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster.made(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real one, with its nodes idle."""
    if absent := missing():
        pytest.skip(f"no Slurm of our own: {absent}")
    found = Slurm(tmp_path_factory.mktemp("slurm") / "cluster")
    try:
        found.start()
        yield found
    finally:
        found.stop()
