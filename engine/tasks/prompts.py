"""The paper's prompts (appendix A for CSQA; the other instruction lines are inferred).

The plain prompt ends in ``Answer:``; the CoT prompt in ``Answer: Let's think step by step``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import PromptStyle

LETTERS = "ABCDEFGHIJ"
TRIGGER = "Let's think step by step"
NUMBER_INSTRUCTION = "Answer the following mathematical question with a numerical solution."


def choice_instruction(count: int) -> str:
    """The instruction line of a multiple-choice task with ``count`` options."""
    options = ", ".join(LETTERS[:count])
    return f"Choose the answer to the question only from options {options}."


def render(
    instruction: str, question: str, choices: Sequence[str] = (), style: PromptStyle = "plain"
) -> str:
    """The user message for one item, before the model's own chat template."""
    lines = [instruction, f"Question: {question}"]
    if choices:
        lines.append("Choices:")
        lines += [f"{letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    lines.append(f"Answer: {TRIGGER}" if style == "cot" else "Answer:")
    return "\n".join(lines)
