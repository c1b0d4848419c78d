"""The pocket problems as benchmarks, as loaded by the engine's catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.pocket.problems import CHOICES, pool
from engine.schema.cards import TaskSource
from engine.tasks.prompts import NUMBER_INSTRUCTION, choice_instruction

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.interfaces import AnswerKind, Split
    from engine.pocket.problems import Problem

SIZES: Final[dict[Split, int]] = {"train": 4000, "test": 600}
SOURCE: Final = TaskSource(revision="1")  # raise it when the same seed gives other questions


@dataclass(frozen=True, slots=True)
class PocketTask:
    """A generated benchmark; follows the ``Task`` protocol."""

    name: str
    instruction: str
    kind: AnswerKind
    former_instructions: tuple[str, ...] = ()
    default_source: TaskSource = SOURCE
    trains: bool = True
    sizes: tuple[int, int] = (SIZES["train"], SIZES["test"])

    def load(
        self, source: TaskSource, split: Split, tell: Callable[[str], None] = lambda _: None
    ) -> list[Item]:
        """The split's fixed items; the source is ignored, as rows are generated."""
        problems = pool(self.name, split, SIZES[split])
        return [_item(problem, f"{split}-{i:04d}") for i, problem in enumerate(problems)]


def _item(problem: Problem, key: str) -> Item:
    target = problem.letter or problem.answer
    return Item(key, problem.question, problem.choices, target, group=problem.letter)


def _task(name: str) -> PocketTask:
    count = CHOICES[name]
    if count:
        return PocketTask(name, choice_instruction(count), "choice")
    return PocketTask(name, NUMBER_INSTRUCTION, "number")


SUMS: Final = _task("pocket-sums")
BOXES: Final = _task("pocket-boxes")
COMPASS: Final = _task("pocket-compass")
TASKS: Final = {task.name: task for task in (SUMS, BOXES, COMPASS)}
