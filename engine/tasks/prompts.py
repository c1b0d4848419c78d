"""The paper's prompts: appendix A for CSQA, the other instruction lines are inferred, MATH's ours.

The plain prompt ends in ``Answer:``; the CoT prompt in ``Answer: Let's think step by step``. Ours
is ``answer_only``, the plain prompt for models that reason without being asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import PromptStyle, Task

    Style = PromptStyle | Literal["answer_only"]

LETTERS = "ABCDEFGHIJ"
_LISTED: Final = re.compile(r"\bA(?:, [B-J])+\b")
TRIGGER = "Let's think step by step"
# ours: asked plainly, qwen2.5-coder-0.5b answers 20 of 20 multiarith and gsm8k questions in steps;
# with these words, none
ONLY_THE_ANSWER = "Reply with the final number alone: no steps, no explanation."
ONLY_THE_LETTER = "Reply with the letter of the answer alone: no steps, no explanation."
NUMBER_INSTRUCTION = "Answer the following mathematical question with a numerical solution."
BOX_INSTRUCTION = (  # ours: answers that are formulas need to be set apart from their derivation
    "Answer the following mathematical question. Put the final answer in \\boxed{}."
)


def prompt_version(task: Task) -> int:
    """The version (from 1) of a task's instruction line in new runs."""
    return 1 + len(task.former_instructions)


def instruction_of(task: Task, version: int) -> str:
    """A task's instruction line in a version; ``UserError`` if the version is unknown."""
    if version > prompt_version(task):
        raise UserError(
            f"{task.name}: asked with prompt {version}, but this sirt knows {prompt_version(task)} "
            "at most; update it"
        )
    return (*task.former_instructions, task.instruction)[version - 1]


def choice_instruction(count: int) -> str:
    """The instruction line of a multiple-choice task with ``count`` options."""
    options = ", ".join(LETTERS[:count])
    return f"Choose the answer to the question only from options {options}."


def with_letters(instruction: str, choices: Sequence[str]) -> str:
    """The instruction with the letters for a row of ``count`` options: a task's own line has those
    of its usual rows."""
    return _LISTED.sub(", ".join(LETTERS[: len(choices)]), instruction) if choices else instruction


def render(
    instruction: str, question: str, choices: Sequence[str] = (), style: Style = "plain"
) -> str:
    """The user message for one item, before the model's own chat template."""
    lines = [with_letters(instruction, choices), f"Question: {question}"]
    if choices:
        lines.append("Choices:")
        lines += [f"{letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    if style == "answer_only":
        lines.append(ONLY_THE_LETTER if choices else ONLY_THE_ANSWER)
    lines.append(f"Answer: {TRIGGER}" if style == "cot" else "Answer:")
    return "\n".join(lines)
