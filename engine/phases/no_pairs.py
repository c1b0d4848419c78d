"""Say why no question gave a pair, and what helps against the most frequent reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.phases import pairing
from engine.schema.counts import count
from engine.schema.errors import SAME_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.schema.settings import ElicitSettings

LONGER: Final = "raise max_new_tokens, so that answers come to their end"


def why_no_pairs(total: int, dropped: Mapping[str, int], settings: ElicitSettings) -> str:
    """Return the line for ``total`` questions that all gave none. ``dropped``: how many for each
    of the gate's reasons."""
    reasons = sorted(dropped, key=lambda why: -dropped[why])
    said = ", ".join(f"{count(dropped[why])} dropped: {why}" for why in reasons)
    return (
        f"no preference pair came out of {count(total)} questions ({said}); "
        f"{_advice(reasons[0], settings)}; {SAME_AGAIN}"
    )


def _advice(reason: str, settings: ElicitSettings) -> str:
    if reason == pairing.SAME_TEXT:
        alone = "set elicit.plain to answer_only, which asks for the answer alone, or "
        return (
            "no gate helps where the student answers both prompts alike: "
            f"{alone if settings.plain == 'paper' else ''}keep the two prompts apart with a lower "
            "instruct.learning_rate or fewer instruct.epochs"
        )
    if reason == pairing.WRONG_REASONING:
        return (
            "the gate 'elicit.winner' is too strict: set it to cot_if_correct_else_teacher or "
            "cot_always"
        )
    if reason == pairing.WRONG_ANSWER:
        return "set elicit.objective to dpo_cot, or use a better student"
    if reason == pairing.CUT_OFF:
        return LONGER
    if reason == pairing.ALL_THINKING:
        return f"{LONGER}, or set elicit.thinking to keep"
    return "look at the elicited answers and the student's chat template"
