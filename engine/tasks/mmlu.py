"""MMLU (Hendrycks et al., 2021): four options, 57 subjects, for evaluation only.

The original files are one headerless CSV a subject, named ``<subject>_test.csv``; everything in
them is text, and fields may hold newlines.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.schema.errors import UserError, nearest
from engine.tasks.benchmark import Benchmark, letter_of
from engine.tasks.prompts import LETTERS, choice_instruction
from engine.tasks.rows import read_csv, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from engine.tasks.row import Row

COLUMNS: Final = ("question", "A", "B", "C", "D", "answer")


def _item(row: Row, fallback_id: str) -> Item:
    choices = tuple(row.texts("choices"))
    label = row.label("answer")  # the hub counts from 0, the files give the letter
    numbers = [str(number) for number in range(len(choices))]
    letter = letter_of(row, label, numbers if label.isdigit() else list(LETTERS[: len(choices)]))
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
    return [_in_the_hubs_shape(row, subject) for row in read_csv(path, COLUMNS)]


def _in_the_hubs_shape(row: Row, subject: str) -> Row:
    choices = [row.values[letter] for letter in "ABCD" if letter in row]
    return replace(row, values=row.values | {"choices": choices, "subject": subject})


TASK: Final = Benchmark(
    name="mmlu",
    instruction=choice_instruction(4),
    kind="choice",
    default_source=TaskSource(hub="cais/mmlu", config="all", revision="main"),
    hub_splits={"test": "test"},
    sizes=(0, 14042),
    item=_item,
    read=_read,
)
