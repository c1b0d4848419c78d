"""A finished run shown, packed, taken in elsewhere, merged there and sent to a hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from safetensors import safe_open

from tests.acceptance.conftest import CommandLine, kill_all, make_command_line
from tests.engine.hub_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow(25)


@pytest.fixture
def colleague(tmp_path: Path) -> Iterator[CommandLine]:
    """Another folder of runs, as if on another machine."""
    line = make_command_line(tmp_path / "elsewhere")
    yield line
    kill_all(line)


def test_show_tells_versions_hashes_and_scores(finished: CommandLine) -> None:
    (run,) = finished.json("status")
    told = finished.json("show", run["run_id"])
    assert [p["kind"] for p in told["phases"]][:4] == ["annotate", "instruct", "elicit", "refine"]
    for phase in told["phases"]:
        (attempt,) = phase["attempts"]
        assert attempt["outcome"] == "done"
        assert attempt["libraries"]["torch"].startswith("2.")
        assert attempt["program"]
        assert phase["files"]
    text = finished("show", run["run_id"])
    assert "made with sirt" in text
    assert "adapter_model.safetensors  sha256" in text


def test_a_run_goes_to_a_colleague_and_its_model_to_the_hub(
    finished: CommandLine, colleague: CommandLine, tmp_path: Path
) -> None:
    (run,) = finished.json("status")
    packed = tmp_path / "run.tar.gz"
    finished("bundle", run["run_id"], str(packed))
    assert ": imported" in colleague("import", str(packed))
    (theirs,) = colleague.json("status")
    same = ("run_id", "state", "accuracies", "phases", "seconds")
    assert {k: theirs[k] for k in same} == {k: run[k] for k in same}
    assert colleague("report", "--format", "csv") == finished("report", "--format", "csv")
    assert colleague("pairs", run["run_id"], "--json") == finished("pairs", run["run_id"], "--json")

    model = tmp_path / "student"
    with serving() as hub:
        said = colleague(
            "export", run["run_id"], "--merged", str(model), "--push", "me/student",
            HF_ENDPOINT=hub.address, HF_TOKEN="hf_secret", HF_HUB_OFFLINE="0",
            HF_HUB_DISABLE_XET="1",
        )  # fmt: skip
    assert "same greedy token in 100.0%" in said
    assert said.splitlines()[-1] == f"{hub.address}/me/student"
    kept = hub.repos["me/student"]
    assert hub.private["me/student"]
    assert kept["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert kept["README.md"].startswith(b"---\nlanguage: en\n")
    assert not any(b"hf_secret" in raw for raw in kept.values())
    with safe_open(model / "model.safetensors", framework="pt") as weights:
        assert not [name for name in weights.keys() if "lora" in name]  # noqa: SIM118
    assert json.loads((model / "lineage.json").read_text())["run_id"] == run["run_id"]
    assert "is there already" in colleague("export", run["run_id"], "--merged", str(model), code=2)
