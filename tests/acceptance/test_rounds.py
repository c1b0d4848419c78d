"""Two rounds of refining and a teacher on what it annotates, with the real command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import SMALL, CommandLine

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = {
    "arms: [both]": "arms: [teacher, both]\nrounds: [2]",
    "evaluate_on: [pocket-sums, pocket-compass]\n": "",
    "limit: 48, methods: [match, logprob]": "prompts: [cot], teacher_splits: [train, test]",
    "limit: 64, keep": "limit: 24, keep",
    "max_steps: 8": "max_steps: 2",
    "generation: {max_batch: 16}": "generation: {max_batch: 64}",
}


@pytest.mark.slow(25)
def test_a_second_round_and_a_teacher_on_its_training_questions(
    sirt: CommandLine, tmp_path: Path
) -> None:
    text = SMALL.read_text()
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "rounds.yaml"
    file.write_text(text.replace("prompts: [cot]", "limit: 24, prompts: [cot]"))
    sirt("run", str(file))
    rows = {row["arm"]: row for row in sirt.json("status")}
    assert [row["state"] for row in rows.values()] == ["done"] * 2
    phases = sirt.json("status", rows["both"]["run_id"])["phases"]
    refined = [phase["figures"] for phase in phases if phase["kind"] == "refine"]
    assert [f["step0_loss"] for f in refined] == pytest.approx([0.6931] * 2, abs=1e-4)
    assert "both 2 rounds" in sirt("report", "small")
    (annotated,) = (phase["figures"] for phase in phases if phase["kind"] == "annotate")
    marks = {mark["split"]: mark for mark in rows["teacher"]["accuracies"]}
    assert set(marks) == {"train", "test"}
    assert marks["train"]["correct"] == annotated["correct"]
    assert "took 24 replies" in sirt("logs", rows["teacher"]["run_id"], "--phase", "evaluate")
