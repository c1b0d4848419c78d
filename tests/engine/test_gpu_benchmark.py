"""The GPU benchmark where there is no GPU: its parts in small, from a prepared folder, and what is
kept when one goes wrong."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import gpu
from benchmarks.on_gpu import folder as prepared
from benchmarks.on_gpu.table import describe

if TYPE_CHECKING:
    from pathlib import Path


def outcome(records: list[dict[str, Any]]) -> dict[str, str]:
    return {record["part"]: record["state"] for record in records}


@pytest.fixture
def conductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gpu.Conductor:
    monkeypatch.setattr(gpu, "MODULES", {"ours": "tests.engine.dying_child"})
    monkeypatch.setattr(gpu, "START_S", 0.0)
    given = argparse.Namespace(minutes=1.0, out=tmp_path, memory_gib=0.0, tiny=True)
    return gpu.Conductor(given, tmp_path)


@pytest.mark.parametrize(("part", "why"), [("dies", "died (7)"), ("hangs", "too long")])
def test_a_part_that_goes_wrong_is_lost_alone(
    conductor: gpu.Conductor, part: str, why: str
) -> None:
    conductor.take(("m", "ours", {"first": 5.0, part: 5.0, "last": 5.0}))
    records = conductor.records()
    assert outcome(records) == {"first": "done", part: "failed", "last": "done"}
    assert why in records[1]["why"]


def test_every_part_of_a_model_has_a_turn_and_checks_come_last() -> None:
    taken = [(model, part) for model, _, parts in gpu.turns(gpu.MODELS, 8.0) for part in parts]
    assert len(taken) == len(set(taken)) == 20
    assert [part for _, part in taken[-2:]] == ["unpacked", "export"]
    longer = dict(next(gpu.turns(gpu.MODELS, 16.0))[2])
    assert longer["load"] == 2 * gpu.MAIN["ours"]["load"]


def test_the_table_divides_only_what_both_sides_have() -> None:
    ours = {"model": "m", "side": "ours", "state": "done", "seconds": 3.0}
    records = [
        ours | {"part": "refine-128", "tokens_per_s": 300.0, "peak_gib": 20.5},
        ours | {"part": "instruct", "tokens_per_s": 500.0, "peak_gib": 9.0},
        {"model": "m", "side": "trl", "part": "dpo-128", "state": "done", "tokens_per_s": 200.0},
        {"model": "m", "side": "trl", "part": "sft", "state": "failed", "why": "a | b"},
    ]
    text = describe({"card": "a card"}, records)
    assert "| 300 | 200 | 1.50 | 20.5, – |" in text
    assert "| 500 | – | – | 9.0, – |" in text
    assert "a / b" in text


def test_an_unknown_cuda_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"--cuda 999: .* 130"):
        prepared.prepare(tmp_path / "folder", None, "999")


def test_what_was_compiled_for_another_python_does_not_fit() -> None:
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    here = ".".join(map(str, sys.version_info[:2]))
    compiled, pure = prepared.distribution("pydantic-core"), prepared.distribution("peft")
    assert prepared._fits(compiled, prepared._tags(here))
    assert not prepared._fits(compiled, prepared._tags(other))
    assert prepared._fits(pure, prepared._tags(other))


@pytest.mark.slow(50)
def test_a_prepared_folder_measures_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    prepared.prepare(folder, None, "130")
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) < 60 * 2**20
    with zipfile.ZipFile(folder / prepared.ARCHIVE) as archive:
        names = archive.namelist()
    assert [n for n in names if "libbitsandbytes_cuda" in n] == [
        "bitsandbytes/libbitsandbytes_cuda130.so"
    ]
    assert not any(n.startswith(("textual/", "torch/")) for n in names)

    command = [sys.executable, "benchmarks/gpu.py", "--tiny", "--models", "mistral-7b"]
    subprocess.run(
        [*command, "--minutes", "8", "--out", str(tmp_path / "out")],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        check=True,
        capture_output=True,
    )
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    parts = {record["part"]: record for record in found["parts"]}
    assert {part: one.get("why", one["state"]) for part, one in parts.items()} == dict.fromkeys(
        [*gpu.MAIN["ours"], *gpu.MAIN["trl"], *gpu.LAST["ours"]], "done"
    )
    assert parts["refine"]["step0_loss"] == pytest.approx(0.693147, abs=1e-5)
    assert parts["refine"]["moved_weights"] > 50
    assert parts["export"]["mean_kl"] < parts["export"]["allowed"]
    assert parts["answers"]["answers"] == parts["generate"]["answers"] == 6
    log = (tmp_path / "out" / "log.txt").read_text()
    assert "Traceback" not in log
    table = (tmp_path / "out" / "gpu.md").read_text()
    assert table.count("| mistral-7b | ") == len(parts) + 4
