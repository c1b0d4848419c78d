"""MMLU (Hendrycks et al., 2021): four options, 57 subjects, for evaluation only.

The original files are one headerless CSV a subject, named ``<subject>_test.csv``; everything in
them is text, and fields may hold newlines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.contract.cards import TaskSource
from engine.contract.errors import UserError, nearest
from engine.interfaces import Item
from engine.tasks.benchmark import Benchmark, letter_of
from engine.tasks.prompts import choice_instruction
from engine.tasks.rows import Row, read_csv, read_rows

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = ("question", "A", "B", "C", "D", "answer")


def _item(row: Row, fallback_id: str) -> Item:
    label = row.label("answer")  # the hub counts from 0, the files give the letter
    letter = letter_of(row, label, ("0", "1", "2", "3") if label.isdigit() else tuple("ABCD"))
    choices = tuple(str(text).strip() for text in row["choices"])
    return Item(fallback_id, row.text("question"), choices, letter, row.text("subject"))


def _read(path: Path) -> list[Row]:
    if path.is_file():
        return _subject(path) if path.suffix == ".csv" else read_rows(path)
    files = sorted(path.glob("*.csv"))
    if not files:
        folders = [f.parent.relative_to(path).as_posix() for f in path.glob("*/*.csv")]
        hint = nearest("test", folders) if folders else "it should hold <subject>_test.csv files"
        raise UserError(f"{path}: no .csv file in this folder; {hint}")
    return [row for file in files for row in _subject(file)]


def _subject(path: Path) -> list[Row]:
    subject = path.stem.rpartition("_")[0] or path.stem
    return [
        Row(
            {
                "question": row["question"],
                "choices": [row[letter] for letter in "ABCD"],
                "answer": row["answer"],
                "subject": subject,
            },
            row.where,
        )
        for row in read_csv(path, COLUMNS)
    ]


TASK: Final = Benchmark(
    name="mmlu",
    instruction=choice_instruction(4),
    kind="choice",
    default_source=TaskSource(hub="cais/mmlu", config="all", revision="main"),
    hub_splits={"test": "test"},
    item=_item,
    read=_read,
)
