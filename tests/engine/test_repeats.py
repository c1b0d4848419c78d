"""Questions that a benchmark asks twice are on one side, or said to be on both."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from engine.interfaces import Item
from engine.phases.refine import _held_out
from engine.schema.cards import ImportedAnswers, ModelCard, TaskSource
from engine.schema.settings import RefineSettings
from engine.schema.specs import AnnotateSpec, TaskRef
from engine.store.layout import RunsFolder
from engine.tasks.repeats import shared
from tests.engine.annotating import TeacherLab
from tests.engine.training_helpers import pair

if TYPE_CHECKING:
    from pathlib import Path


def test_no_question_is_both_trained_on_and_held_out() -> None:
    pairs = [pair(i) for i in range(40)]
    again = [p.model_copy(update={"id": f"{p.id}#2", "question": f" {p.question} "}) for p in pairs]
    held = _held_out([*pairs, *again], RefineSettings(), 0)
    assert held == {f"{key.partition('#')[0]}{end}" for key in held for end in ("", "#2")}
    assert 8 <= len(held) <= 16
    assert _held_out(pairs, RefineSettings(), 0) < {p.id for p in pairs}


def test_the_same_item_is_known_by_question_and_options() -> None:
    def item(question: str, *choices: str) -> Item:
        return Item("i", question, choices, "A")

    known = [item("Who  sings?", "a bird", "a stone")]
    assert shared([item("who sings?", "a stone", "A bird")], known) == 1
    assert shared([item("who sings?", "a stone", "a tree"), item("why?")], known) == 0


def test_training_questions_that_are_tested_on_are_said(tmp_path: Path) -> None:
    rows = [{"question": f"{i} + 1?", "answer": f"#### {i + 1}"} for i in range(9)]
    for name, part in (("train", rows[:6]), ("test", rows[4:])):
        lines = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    answers = tmp_path / "answers.jsonl"
    lines = [json.dumps({"question": r["question"], "output": r["answer"]}) for r in rows]
    answers.write_text("\n".join(lines))
    teacher = ModelCard(
        name="ready",
        family="f",
        source=ImportedAnswers(kind="imported", path=str(answers), revision="1"),
    )
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    lab = TeacherLab(runs)
    (tmp_path / "bad.jsonl").write_text('{"question": "1 + 1?", "answer": "two"}\n')
    for test, said in (
        ("test.jsonl", ["2 of 6 training questions"]),
        ("none.jsonl", []),
        ("bad.jsonl", ["the test split can't be evaluated on: gsm8k: none of its 1 rows"]),
    ):
        source = TaskSource(
            train=str(tmp_path / "train.jsonl"), test=str(tmp_path / test), revision=test
        )
        lab.attempt(AnnotateSpec(teacher=teacher, task=TaskRef(name="gsm8k", source=source)))
        codes = {"test-overlap", "test-rows"}
        messages = [m.text for m in lab.views[-1].messages if m.code in codes]
        assert [re.split(" stand| can be", m)[0] for m in messages] == said
