"""Counts and reports the thinking that a model writes before its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.scoring.thinking import without_thinking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.phases.context import Context
    from engine.schema.settings import AnnotateSettings, ElicitSettings


def tell_thinking(
    ctx: Context, texts: Sequence[str], settings: AnnotateSettings | ElicitSettings
) -> int:
    """The number of texts that hold thinking; reported if there are any."""
    count = sum(without_thinking(text) != text for text in texts)
    if count:
        done = "left out of what is learnt" if settings.thinking == "drop" else "learnt with them"
        ctx.message(
            f"{count} of {len(texts)} answers begin with thinking: it is {done} "
            f"(thinking: {settings.thinking})"
        )
    return count
