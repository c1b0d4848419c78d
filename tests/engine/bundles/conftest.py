"""The recorded runs with weights, one of them packed, and an empty folder elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.commands.bundling import bundle
from engine.store.layout import ADAPTER, RunsFolder, hash_file
from engine.store.writing import write_json
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = b"weights, as it were"


@pytest.fixture(scope="package")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunsFolder:
    """The recorded runs, with an adapter (which the recording leaves out)."""
    runs = copy_recorded(tmp_path_factory.mktemp("source") / "runs")
    for phase in runs.phase_dirs():
        if phase.done and phase.id.startswith(("instruct-", "refine-")):
            file = phase.out / ADAPTER / "adapter_model.safetensors"
            file.parent.mkdir(parents=True)
            file.write_bytes(WEIGHTS)
            facts = {"bytes": len(WEIGHTS), "sha256": hash_file(file)}
            manifest = phase.manifest()
            manifest["files"][str(file.relative_to(phase.path))] = facts
            write_json(phase.manifest_file, manifest)
    return runs


@pytest.fixture(scope="package")
def run_id(source: RunsFolder) -> str:
    return run_of(source, "both", "wren-3m")


@pytest.fixture(scope="package")
def packed(source: RunsFolder, run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "run.tar.gz"
    bundle(source, [run_id], file)
    return file


@pytest.fixture
def elsewhere(tmp_path: Path) -> RunsFolder:
    return RunsFolder(tmp_path / "elsewhere")
