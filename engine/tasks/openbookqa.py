"""OpenBookQA (Mihaylov et al., 2018): four options.

The paper's text takes the validation split as test for this benchmark too, and so do we; the
hub's validation and test splits both have 500 rows, so the row count can't tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.tasks.benchmark import Benchmark, letter_of, nested_choices
from engine.tasks.prompts import choice_instruction

if TYPE_CHECKING:
    from engine.tasks.row import Row


def _item(row: Row, fallback_id: str) -> Item:
    question, labels, texts = nested_choices(row, "question_stem")
    letter = letter_of(row, row.label("answerKey"), labels)
    return Item(row.key("id", fallback_id), question, tuple(texts), letter, letter)


TASK: Final = Benchmark(
    name="obqa",
    instruction=choice_instruction(4),
    kind="choice",
    default_source=TaskSource(hub="allenai/openbookqa", config="main", revision="main"),
    hub_splits={"train": "train", "test": "validation"},
    sizes=(4957, 500),
    item=_item,
)
