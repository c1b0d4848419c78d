"""What a plan says of the data that its phases will read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import composing, drafts
from engine.commands.composing import Planned
from engine.commands.experiments import plan_experiment
from engine.schema.errors import Problems
from engine.store.layout import RunsFolder
from engine.tasks import benchmark, rows

if TYPE_CHECKING:
    from pathlib import Path

SIQA = {
    "context": "Kim fell.",
    "question": "What next?",
    "answerA": "gets up",
    "answerB": "flies",
    "answerC": "sings",
}
DRAFT: dict[str, Any] = {
    "name": "mine",
    "teachers": ["wren-3m"],
    "students": ["wren-1m"],
    "tasks": ["siqa"],
    "arms": ["instruct-only"],
}


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return RunsFolder(tmp_path / "runs")


def write(path: Path, *found: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def draft(tmp_path: Path, *train: dict[str, Any], **source: Any) -> dict[str, Any]:
    files = {
        "train": write(tmp_path / "train.jsonl", *train),
        "test": write(tmp_path / "test.jsonl", SIQA | {"label": "2"}),
    }
    return DRAFT | {"sources": {"siqa": files | source}}


def test_a_file_without_labels_is_told_by_the_plan_with_its_key_and_line(runs, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(drafts.text_of(draft(tmp_path, SIQA, SIQA)))
    with pytest.raises(Problems) as caught:
        plan_experiment(runs, str(file))
    (line,) = caught.value.problems
    place = next(n for n, text in enumerate(file.read_text().split("\n"), 1) if "siqa:" in text)
    assert line.startswith(f"{file}:{place}: sources.siqa: none of its 2 rows can be used")
    assert f"{tmp_path / 'train.jsonl'}:1: no answer in 'label'" in line
    (problem,) = composing.plan(runs, draft(tmp_path, SIQA, SIQA))  # type: ignore[misc]
    assert problem.key == "sources.siqa"
    assert list(composing.by_setting([problem])) == ["sources"]


def test_nothing_is_launched_while_a_row_can_not_be_used(runs, tmp_path):
    file = tmp_path / "mine.yaml"
    good = [SIQA | {"label": label} for label in "123"]
    file.write_text(drafts.text_of(draft(tmp_path, *good, SIQA | {"label": "4"})))
    for verb in (["plan"], ["run", "--cpu", "--detach"]):
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *verb, str(file)])
        assert done.exit_code != 0
        assert runs.run_ids() == []


def test_rows_that_are_left_out_are_counted_in_the_plan(runs, tmp_path):
    good = [SIQA | {"label": label} for label in "123"]
    found = composing.plan(runs, draft(tmp_path, *good, SIQA, skip_bad_rows=True))
    assert isinstance(found, Planned)
    assert [note.split(":")[:2] for note in found.notes] == [
        ["siqa train", " 1 of 4 rows are left out"]
    ]


def test_a_file_is_read_once_while_a_draft_is_composed(runs, tmp_path, monkeypatch):
    read: list[Path] = []

    def counting(path: Path) -> list[rows.Row]:
        read.append(path)
        return rows.read_rows(path)

    monkeypatch.setattr(benchmark.Benchmark, "_read", lambda _, file: counting(tmp_path / file))
    good = [SIQA | {"label": label} for label in "12"]
    first = composing.plan(runs, draft(tmp_path, *good))
    again = composing.plan(runs, draft(tmp_path, *good) | {"seeds": [4]})
    assert isinstance(first, Planned)
    assert isinstance(again, Planned)
    assert len(read) == 2, "each split once"
    changed = composing.plan(runs, draft(tmp_path, *good, SIQA | {"label": "x"}))
    assert not isinstance(changed, Planned)


def test_rows_on_the_hub_are_not_fetched_for_a_plan(runs, monkeypatch):
    monkeypatch.setattr(benchmark, "read_hub", None)
    found = composing.plan(runs, DRAFT)
    assert isinstance(found, Planned)
    assert found.notes == ("rows on the hub (siqa) are checked when a phase reads them",)


def test_a_file_of_ready_answers_is_read_by_the_plan(runs, tmp_path):
    answers = write(tmp_path / "ready.jsonl", {"id": "a", "output": "x", "response": "y"})
    card = {"name": "ready", "family": "f", "source": {"kind": "imported", "path": answers}}
    mine = draft(tmp_path, SIQA | {"label": "1"}) | {"teachers": ["ready"], "cards": [card]}
    (problem,) = composing.plan(runs, mine)  # type: ignore[misc]
    assert problem.key == "teachers"
    assert "answer_column: output" in problem.text
    card["source"] |= {"answer_column": "response"}  # type: ignore[operator]
    assert isinstance(composing.plan(runs, mine), Planned)
