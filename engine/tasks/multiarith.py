"""MultiArith (Roy & Roth, 2015): 600 short arithmetic problems.

The hub's copy has 420 training and 180 test rows. The original is one file of all 600, and
which of them the hub tests on is not known; given one local file, our own fixed split takes
30 % for the test (180) and leaves 420. Rows that ask the same question (20 of the 600 repeat
another) go to the same side, so no test question is ever trained on.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from engine.interfaces import Item, Split
from engine.schema.cards import TaskSource
from engine.tasks.benchmark import Benchmark
from engine.tasks.prompts import NUMBER_INSTRUCTION
from engine.tasks.repeats import normal
from engine.tasks.row import RowError, number_text, shown

if TYPE_CHECKING:
    from engine.tasks.row import Row

SPLIT_SEED: Final = 600
TEST_SHARE: Final = 0.3


def _question(row: Row) -> str:
    return row.text("sQuestion" if "sQuestion" in row else "question")


def _target(row: Row) -> str:
    if "lSolutions" not in row:
        return row.number("final_ans")
    solutions = row["lSolutions"]
    found = number_text(solutions[0]) if isinstance(solutions, list) and solutions else None
    if found is None or len(solutions) != 1:
        raise row.error(f"'lSolutions' holds {shown(solutions)}, not one number")
    return found


def _item(row: Row, fallback_id: str) -> Item:
    return Item(fallback_id, _question(row), (), _target(row))


def _divide(rows: list[Row], split: Split) -> list[tuple[int, Row]]:
    """Numbered rows of a split, drawn by question, independent of the rows' order. Rows without a
    question are in both, so that each reports them."""
    asked: dict[str, list[int]] = {}
    unread: set[int] = set()
    for number, row in enumerate(rows):
        try:
            asked.setdefault(normal(_question(row)), []).append(number)
        except RowError:
            unread.add(number)
    questions = sorted(asked)
    Random(SPLIT_SEED).shuffle(questions)
    room = round(TEST_SHARE * len(rows))
    test: set[int] = set()
    for question in questions:
        if len(test) + len(asked[question]) <= room:
            test.update(asked[question])
    wanted = unread | (test if split == "test" else set(range(len(rows))) - test)
    return [(number, rows[number]) for number in sorted(wanted)]


TASK: Final = Benchmark(
    name="multiarith",
    instruction=NUMBER_INSTRUCTION,
    kind="number",
    default_source=TaskSource(hub="ChilleD/MultiArith", revision="main"),
    hub_splits={"train": "train", "test": "test"},
    sizes=(420, 180),
    item=_item,
    divide=_divide,
)
