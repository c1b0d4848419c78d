"""Pairs on the command line: reading, marking, and refining again without some of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from engine.store.layout import PAIR_SCORES, RunsFolder
from tests.acceptance.conftest import make_command_line, wait_for
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import CommandLine


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[CommandLine, str]:
    """The command line on the recorded runs, and a run that has pairs."""
    runs = copy_recorded(tmp_path / "runs")
    return make_command_line(runs.root), run_of(runs, "both", "wren-3m")


@pytest.mark.slow
def test_pairs_are_chosen_marked_and_listed(recorded: tuple[CommandLine, str]) -> None:
    sirt, run_id = recorded
    chosen = sirt.json("pairs", run_id, "--filter", "rejected:wrong -winner:teacher")
    assert len(chosen) == 10
    first = chosen[0]["id"]
    said = sirt.json("pairs", run_id, "--id", first, "--exclude", "--note", "not so")
    mark = {"flagged": False, "excluded": True, "note": "not so"}
    assert said == {"marked": [first], "marks": {first: mark}}
    assert "13 pairs marked; 1 of 24 left out" in sirt(
        "pairs", run_id, "--filter", "rejected:wrong", "--flag"
    )
    assert "flagged  left out  note: not so" in sirt("pairs", run_id, "--marks")
    assert len(sirt.json("pairs", run_id, "--filter", "flagged", "--limit", "99")) == 13
    (only,) = sirt.json("pairs", run_id, "--filter", "left-out")
    assert only["mark"] == mark | {"flagged": True}
    sirt("pairs", run_id, "--filter", "len>0", "--unflag", "--include", "--note", "")
    assert sirt.json("pairs", run_id, "--marks") == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--exclude"], "which pairs? choose them with --id or --filter"),
        (["--id", "train-0104x", "--flag"], "did you mean 'train-0104'?"),
        (["--id", "train-0104", "--winner", "teacher", "--flag"], "--winner leaves it out"),
        (["--filter", "wniner:x"], "did you mean 'winner'?"),
        (["--refine-again"], "no pair is left out"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    recorded: tuple[CommandLine, str], arguments: list[str], told: str
) -> None:
    sirt, run_id = recorded
    said = sirt("pairs", run_id, *arguments, code=2)
    assert told in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow(37)
def test_refining_again_without_some_pairs(copy: CommandLine) -> None:
    """Only refine and its evaluations are new; marks taken back, it is the first run again."""
    (first,) = copy.json("status")
    pairs = copy.json("pairs", first["run_id"], "--limit", "999")
    left_out = [pair["id"] for pair in pairs[:3]]
    ids = [word for pair_id in left_out for word in ("--id", pair_id)]
    copy("pairs", first["run_id"], *ids, "--exclude", "--note", "a lucky guess")
    told = copy.json("pairs", first["run_id"], "--refine-again")
    assert told["left_out"] == 3
    assert {phase.partition("-")[0] for phase in told["new"]} == {"refine", "evaluate"}

    folder = RunsFolder(copy.runs)
    wait_for(lambda: all(folder.phase(p).done for p in told["new"]), "the curated run is done")
    (name,) = (run["name"] for run in copy.json("status") if run["run_id"] == told["run_id"])
    assert "3 left out" in name
    phases = {p["kind"]: p for p in copy.json("status", told["run_id"])["phases"]}
    before = {p["kind"]: p for p in copy.json("status", first["run_id"])["phases"]}
    assert phases["elicit"]["id"] == before["elicit"]["id"]
    assert phases["refine"]["figures"]["excluded"] == 3
    used, held = (phases["refine"]["figures"][name] for name in ("pairs", "held_out"))
    assert used + held == len(pairs) - 3
    scores = folder.phase(phases["refine"]["id"]).out / PAIR_SCORES
    scored = {json.loads(line)["id"] for line in scores.read_text().splitlines()}
    assert scored == {pair["id"] for pair in pairs[3:]}
    copy("pairs", told["run_id"], *ids, "--include", "--note", "")
    again = copy.json("pairs", told["run_id"], "--refine-again")
    assert (again["run_id"], again["new"]) == (first["run_id"], [])
