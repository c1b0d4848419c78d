"""The prompt for a judge. The wording is ours, since the paper's is not known.

The rule is spelt out, so that a verdict can be held against correctness. Answers stand in marked
blocks, since they are text that nobody has vetted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.tasks.prompts import LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1  # raise it with every change of the wording: it is part of a judgement's fingerprint
RULE = (
    "Compare two answers to one question. A right answer is better than a wrong one. Of two right "
    "answers the one that reasons in sound steps is better. Otherwise they are equal. Order and "
    "length mean nothing."
)
REQUEST = (
    "Solve the question, say what each answer says, and end with one line: "
    "Verdict: A, Verdict: B or Verdict: tie"
)


def comparison(question: str, choices: Sequence[str], first: str, second: str) -> str:
    """Return the user message that shows ``first`` as answer A and ``second`` as answer B."""
    lines = [RULE, f"Question: {question}"]
    lines += [f"{letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False)]
    lines += [f"[Answer A]\n{first}\n[Answer B]\n{second}\n[End]", REQUEST]
    return "\n".join(lines)
