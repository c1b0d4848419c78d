"""The paper's prompts (appendix A for CSQA; the other instruction lines are inferred).

The plain prompt ends in ``Answer:``; the CoT prompt in ``Answer: Let's think step by step``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import PromptStyle

LETTERS = "ABCDEFGHIJ"
_LISTED: Final = re.compile(r"\bA(?:, [B-J])+\b")
TRIGGER = "Let's think step by step"
NUMBER_INSTRUCTION = "Answer the following mathematical question with a numerical solution."


def choice_instruction(count: int) -> str:
    """The instruction line of a multiple-choice task with ``count`` options."""
    options = ", ".join(LETTERS[:count])
    return f"Choose the answer to the question only from options {options}."


def with_letters(instruction: str, choices: Sequence[str]) -> str:
    """The instruction with the letters that a row of so many options has, where it lists others:
    a task's own line is that of its usual rows."""
    return _LISTED.sub(", ".join(LETTERS[: len(choices)]), instruction) if choices else instruction


def render(
    instruction: str, question: str, choices: Sequence[str] = (), style: PromptStyle = "plain"
) -> str:
    """The user message for one item, before the model's own chat template."""
    lines = [with_letters(instruction, choices), f"Question: {question}"]
    if choices:
        lines.append("Choices:")
        lines += [f"{letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    lines.append(f"Answer: {TRIGGER}" if style == "cot" else "Answer:")
    return "\n".join(lines)
