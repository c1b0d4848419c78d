"""Warns of preference pairs whose two answers are alike, when made and again before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.phases.context import Context
    from engine.schema.records import Pair
    from engine.schema.settings import ElicitSettings

WARN_FROM: Final = 0.5


def tell_alike(ctx: Context, pairs: Sequence[Pair], settings: ElicitSettings) -> None:
    """Warn if half or more of the plain answers reason in steps like the CoT answers: then a pair
    prefers no style, and if the rejected one is right too, no correctness either."""
    reasoned = sum(pair.plain_has_steps for pair in pairs)
    if not pairs or reasoned / len(pairs) < WARN_FROM:
        return
    right = sum(pair.rejected_verdict.correct for pair in pairs)
    advice = (
        "to ask for the answer alone, set elicit.plain to answer_only"
        if settings.plain == "paper"
        else "the student was asked for the answer alone, but reasons all the same"
    )
    plain = "rejected" if settings.objective == "dpo_cot" else "chosen"  # of the plain prompt
    ctx.warn(
        f"these pairs teach little, since both answers are alike: in {_share(reasoned, pairs)} the "
        f"{plain} answer, given to the plain prompt, reasons in steps too, in "
        f"{_share(right, pairs)} the rejected answer is right too; {advice}",
        "plain-has-steps",
    )


def _share(count: int, pairs: Sequence[Pair]) -> str:
    return f"{count} of {len(pairs)} ({100 * count / len(pairs):.0f} %)"
