"""PIQA (Bisk et al., 2020): a goal and two solutions; the test is the hub's validation split.

Label 0 is the first solution. The original files keep the labels beside the rows
(``train_labels``, ``test_labels``); the hub's rows hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.tasks.benchmark import Benchmark, letter_of
from engine.tasks.prompts import choice_instruction

if TYPE_CHECKING:
    from engine.tasks.row import Row


def _item(row: Row, fallback_id: str) -> Item:
    letter = letter_of(row, row.label("label"), ("0", "1"))
    choices = (row.text("sol1"), row.text("sol2"))
    return Item(row.key("id", fallback_id), row.text("goal"), choices, letter, letter)


TASK: Final = Benchmark(
    name="piqa",
    instruction=choice_instruction(2),
    kind="choice",
    default_source=TaskSource(hub="baber/piqa", revision="main"),
    hub_splits={"train": "train", "test": "validation"},
    sizes=(16113, 1838),
    item=_item,
)
