"""CommonsenseQA (Talmor et al., 2019): five options; the test is the hub's validation split.

Some rows hold two equal options, so an answer counts by its letter, never by its text.
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
    question, labels, texts = nested_choices(row, "question")
    letter = letter_of(row, row.label("answerKey"), labels)
    return Item(row.key("id", fallback_id), question, tuple(texts), letter, letter)


TASK: Final = Benchmark(
    name="csqa",
    instruction=choice_instruction(5),
    kind="choice",
    default_source=TaskSource(hub="tau/commonsense_qa", revision="main"),
    hub_splits={"train": "train", "test": "validation"},
    sizes=(9741, 1221),
    item=_item,
)
