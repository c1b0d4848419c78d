"""How each family words its answers: two styles of reasoning for the same solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.pocket.problems import Problem


@dataclass(frozen=True, slots=True)
class Voice:
    """A family's wording; the templates' numbers are places in a problem's steps.

    Attributes:
        opening: by task, what comes before the steps; ``{start}`` is the problem's.
        step: by task, one step.
        joint: what stands between two steps.
        signs: how the four operations are written.
        number, choice: the closing sentence, for a number and for an option.
    """

    opening: dict[str, str]
    step: dict[str, str]
    joint: str
    signs: dict[str, str]
    number: str
    choice: str

    def conclusion(self, problem: Problem) -> str:
        """The closing sentence alone, as a student answers without reasoning."""
        template = self.choice if problem.choices else self.number
        return template.format(answer=problem.answer, letter=problem.letter)

    def solution(self, problem: Problem) -> str:
        """The steps alone."""
        template = self.step[problem.task]
        steps = (template.format(*(self.signs.get(w, w) for w in s)) for s in problem.steps)
        opening = self.opening[problem.task].format(start=problem.start)
        return f"{opening}{self.joint.join(steps)}."

    def reasoning(self, problem: Problem) -> str:
        """The steps and the closing sentence."""
        return f"{self.solution(problem)} {self.conclusion(problem)}"


VOICES: Final = {
    # 12 + 5 = 17. 17 - 8 = 9. The answer is 9.
    "wren": Voice(
        opening={
            "pocket-sums": "",
            "pocket-boxes": "It is in {start}. ",
            "pocket-compass": "Start {start}. ",
        },
        step={
            "pocket-sums": "{0} {1} {2} = {3}",
            "pocket-boxes": "{0}: {1} and {2}, {3}",
            "pocket-compass": "{0} {1}: {2}",
        },
        joint=". ",
        signs={"+": "+", "-": "-", "x": "x", "/": "/"},
        number="The answer is {answer}.",
        choice="The answer is {letter}) {answer}.",
    ),
    # First, 12 plus 5 makes 17, 17 minus 8 makes 9. So the answer is: 9
    "otter": Voice(
        opening={
            "pocket-sums": "First, ",
            "pocket-boxes": "First, the {start} box, ",
            "pocket-compass": "First, facing {start}, ",
        },
        step={
            "pocket-sums": "{0} {1} {2} makes {3}",
            "pocket-boxes": "{0} moves {1} with {2} giving {3}",
            "pocket-compass": "{1} by {0} faces {2}",
        },
        joint=", ",
        signs={"+": "plus", "-": "minus", "x": "times", "/": "over"},
        number="So the answer is: {answer}",
        choice="The correct answer is: {letter}) {answer}",
    ),
}
