"""GSM8K (Cobbe et al., 2021): grade-school word problems, the answer after ``####``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.tasks.benchmark import Benchmark
from engine.tasks.prompts import NUMBER_INSTRUCTION
from engine.tasks.row import number_text

if TYPE_CHECKING:
    from engine.tasks.row import Row


def _item(row: Row, fallback_id: str) -> Item:
    _, mark, answer = row.text("answer").rpartition("####")
    target = number_text(answer) if mark else None
    if target is None:
        raise row.error("column 'answer' has no number after '####'")
    return Item(fallback_id, row.text("question"), (), target)


TASK: Final = Benchmark(
    name="gsm8k",
    instruction=NUMBER_INSTRUCTION,
    kind="number",
    default_source=TaskSource(hub="openai/gsm8k", config="main", revision="main"),
    hub_splits={"train": "train", "test": "test"},
    sizes=(7473, 1319),
    item=_item,
)
