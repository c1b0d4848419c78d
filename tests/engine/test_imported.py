"""Demonstrations that somebody has already made, from JSONL and Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from engine.contract.cards import ImportedAnswers, ModelCard
from engine.contract.settings import GenerationSettings
from engine.interfaces import Question, Reply
from engine.tasks.prompts import render
from engine.teachers.imported import ImportedTeacher
from tests.engine.test_teachers import answers, failure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def told() -> list[str]:
    return []


def imported(path: Path, told: list[str]) -> ImportedTeacher:
    source = ImportedAnswers(kind="imported", path=str(path))
    card = ModelCard(name="ready", family="gpt", source=source)
    return ImportedTeacher(card, GenerationSettings(), told.append)


def choice_questions() -> list[Question]:
    rows = [("a1", "Where is  Venice?"), ("a2", "What is wet?"), ("a3", "Who barks?")]
    return [Question(k, render("Choose.", q, ("x", "y"), "cot"), 0) for k, q in rows]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a2", "output": "B"},
        {"id": 7, "question": "what is\nWET?", "text": "B"},
        {"question": "What is wet?", "answer": "B"},
        {"prompt": render("Choose.", "What is wet?", ("x", "y"), "cot"), "completion": "B"},
        {"prompt": "What is wet? Choices: A) x B) y", "response": "B"},
        {"instruction": "Choose.", "input": "What is wet?", "output": "B"},
        {"instruction": "What is wet?", "input": "", "output": "B"},
    ],
)
def test_imported_rows_find_their_question(
    tmp_path: Path, told: list[str], row: dict[str, Any]
) -> None:
    found = answers(imported(jsonl(tmp_path / "d.jsonl", row), told), choice_questions())
    assert found == {"a2": [Reply("B", "stop", 0, 0)]}
    assert "1 of 3 questions" in told[0]


def test_an_id_of_another_benchmark_does_not_count(tmp_path: Path, told: list[str]) -> None:
    rows = [
        {"id": "a1", "question": "Who barks?", "output": "a dog"},
        {"id": "a3", "question": "Something else", "output": "wrong"},
    ]
    found = answers(imported(jsonl(tmp_path / "d.jsonl", *rows), told), choice_questions())
    assert {key: replies[0].text for key, replies in found.items()} == {"a3": "a dog"}


def test_imported_parquet_and_done(tmp_path: Path, told: list[str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "d.parquet"
    parquet.write_table(pa.table({"id": ["a1", "a2", "a3"], "output": ["A", "", "B"]}), path)
    found = answers(imported(path, told), choice_questions(), done={"a1"})
    assert {k: (r[0].text, r[0].finish) for k, r in found.items()} == {
        "a2": ("", "empty"),
        "a3": ("B", "stop"),
    }
    assert told == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": "a1", "outptu": "x"}\n', "did you mean 'output'?"),
        ('{"qestion": "a1", "output": "x"}\n', "did you mean 'question'?"),
        ('{"id": "a1", "output": "x"}\n{"id": \n', "d.jsonl:2: not JSON"),
        ("[1]\n", "d.jsonl:1: holds [1], not an object"),
        ("", "the file is empty"),
        ('{"id": "zz", "output": "x"}\n', "none of 1 rows answers a question of this task"),
    ],
)
def test_imported_files_that_can_not_serve(
    tmp_path: Path, told: list[str], content: str, words: str
) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    _, problem = failure(imported(path, told), choice_questions())
    assert words in str(problem)
    assert str(path) in str(problem)


def test_imported_file_is_missing_or_damaged(tmp_path: Path, told: list[str]) -> None:
    _, problem = failure(imported(tmp_path / "no.jsonl", told), choice_questions())
    assert "no such file" in str(problem)
    (tmp_path / "d.parquet").write_bytes(b"PAR1 nothing")
    _, problem = failure(imported(tmp_path / "d.parquet", told), choice_questions())
    assert "not a Parquet file" in str(problem)
