"""The gate: makes a preference pair from both answers, or gives the reason why there is none.

It has no side effects, so another gate or pair prompt needs no new generations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.records import (
    Answer,
    ElicitedAnswers,
    Pair,
    Verdict,
    asked,
)
from engine.scoring.steps import has_steps
from engine.scoring.thinking import without_thinking

if TYPE_CHECKING:
    from engine.schema.records import Finish
    from engine.schema.settings import ElicitSettings

SAME_TEXT = "both answers are the same"
WRONG_REASONING = "the reasoned answer is wrong"
WRONG_ANSWER = "the direct answer is wrong"
CUT_OFF = "the answer that would be chosen is cut off"
NO_CHOSEN = "the chosen answer is empty"
ALL_THINKING = "the rejected answer is all thinking"


def make_pair(
    both: ElicitedAnswers,
    teacher_verdict: Verdict,
    settings: ElicitSettings,
    teacher_finish: Finish = "stop",
) -> Pair | str:
    """The preference pair of a question, or the reason why it gives none.

    ``dpo_cot``: the student's own reasoning is chosen, its plain answer rejected (the paper,
    section 2.2); where it is wrong, ``winner`` decides. ``dpo_answer`` (inferred, by symmetry):
    conditioned on the plain prompt, the right direct answer is chosen over the reasoned one. The
    rejected answer isn't gated.
    With ``thinking: drop`` neither text holds the thinking before the answer.
    An answer cut off by the token limit counts as wrong here, as a teacher's does: preferring
    it would teach the model not to end.
    """
    if settings.thinking == "drop":
        both = both.model_copy(
            update={"plain": _without_thinking(both.plain), "cot": _without_thinking(both.cot)}
        )
    if settings.objective == "dpo_answer":
        if not both.plain.verdict.correct or _is_cut_off(both.plain):
            return CUT_OFF if both.plain.verdict.correct else WRONG_ANSWER
        return _pair(both, both.plain, both.cot, "student", "plain")
    right = both.cot.verdict.correct and not _is_cut_off(both.cot)
    if right or settings.winner == "cot_always":
        return _pair(both, both.cot, both.plain, "student", settings.pair_prompt)
    if settings.winner == "cot_if_correct_else_teacher":
        teacher = Answer(
            prompt=both.cot.prompt,
            text=both.teacher,
            finish=teacher_finish,
            tokens=0,
            verdict=teacher_verdict,
        )
        return _pair(both, teacher, both.plain, "teacher", settings.pair_prompt)
    return CUT_OFF if both.cot.verdict.correct else WRONG_REASONING


def _without_thinking(answer: Answer) -> Answer:
    kept = without_thinking(answer.text)
    verdict = answer.verdict.at_the_end(answer.text, kept)
    return answer.model_copy(update={"text": kept, "verdict": verdict})


def _is_cut_off(answer: Answer) -> bool:
    return answer.finish == "length"


def _pair(
    both: ElicitedAnswers, chosen: Answer, rejected: Answer, winner: str, prompt: str
) -> Pair | str:
    if not chosen.text.strip():
        return NO_CHOSEN
    if not rejected.text.strip() and rejected.finish != "empty":
        return ALL_THINKING
    if chosen.text.strip() == rejected.text.strip():
        return SAME_TEXT
    return Pair(
        **asked(both),
        prompt=both.cot.prompt if prompt == "cot" else both.plain.prompt,
        prompt_plain=both.plain.prompt,
        prompt_cot=both.cot.prompt,
        chosen=chosen.text,
        rejected=rejected.text,
        winner=winner,
        chosen_verdict=chosen.verdict,
        rejected_verdict=rejected.verdict,
        plain_has_steps=has_steps(both.plain.text, both.choices),
        chosen_finish=chosen.finish,
        rejected_finish=rejected.finish,
    )
