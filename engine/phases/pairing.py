"""The gate: from both answers to a preference pair, or the reason why there is none.

Pure, so that another gate or pair prompt needs no new generations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.contract.records import Answer, ElicitedAnswers, Pair, Verdict
from engine.scoring.steps import has_steps

if TYPE_CHECKING:
    from engine.contract.settings import ElicitSettings

SAME_TEXT = "both answers are the same"
WRONG_REASONING = "the reasoned answer is wrong"
WRONG_ANSWER = "the direct answer is wrong"
NO_WINNER = "the winner is empty"


def make_pair(
    both: ElicitedAnswers, teacher_verdict: Verdict, settings: ElicitSettings
) -> Pair | str:
    """The pair, or why the question gives none.

    ``dpo_cot``: the student's own reasoning wins over its plain answer (the paper, section 2.2);
    where it is wrong, ``winner`` decides. ``dpo_answer`` (inferred, by symmetry): conditioned on
    the plain prompt, the right direct answer wins over the reasoned one. The loser isn't gated.
    """
    if settings.objective == "dpo_answer":
        if not both.plain.verdict.correct:
            return WRONG_ANSWER
        return _pair(both, both.plain.text, both.plain.verdict, both.cot, "student", "plain")
    if both.cot.verdict.correct or settings.winner == "cot_always":
        winner, text, verdict = "student", both.cot.text, both.cot.verdict
    elif settings.winner == "cot_if_correct_else_teacher":
        winner, text, verdict = "teacher", both.teacher, teacher_verdict
    else:
        return WRONG_REASONING
    return _pair(both, text, verdict, both.plain, winner, settings.pair_prompt)


def _pair(
    both: ElicitedAnswers,
    chosen: str,
    chosen_verdict: Verdict,
    loser: Answer,
    winner: str,
    prompt: str,
) -> Pair | str:
    if not chosen.strip():
        return NO_WINNER
    if chosen.strip() == loser.text.strip():
        return SAME_TEXT
    return Pair(
        id=both.id,
        question=both.question,
        choices=both.choices,
        target=both.target,
        group=both.group,
        prompt=both.cot.prompt if prompt == "cot" else both.plain.prompt,
        prompt_plain=both.plain.prompt,
        prompt_cot=both.cot.prompt,
        chosen=chosen,
        rejected=loser.text,
        winner=winner,
        chosen_verdict=chosen_verdict,
        rejected_verdict=loser.verdict,
        plain_has_steps=has_steps(both.plain.text, both.choices),
    )
