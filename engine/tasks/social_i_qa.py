"""Social IQa (Sap et al., 2019): three options; the test is the hub's validation split.

Labels are "1" to "3". The original files keep them beside the rows (``train_labels``,
``test_labels``). Context and question share the question line of the prompt.
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
    letter = letter_of(row, row.label("label"), ("1", "2", "3"))
    question = f"{row.text('context')} {row.text('question')}"
    choices = tuple(row.text(column) for column in ("answerA", "answerB", "answerC"))
    return Item(row.key("id", fallback_id), question, choices, letter, letter)


TASK: Final = Benchmark(
    name="siqa",
    instruction=choice_instruction(3),
    kind="choice",
    default_source=TaskSource(hub="lighteval/siqa", revision="main"),
    hub_splits={"train": "train", "test": "validation"},
    sizes=(33410, 1954),
    item=_item,
)
