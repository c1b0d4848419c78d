"""The refine phase's objective: from its settings to the arguments of TRL's ``DPOConfig``.

Whatever the objective, a pair's reward is ``beta`` times how much more likely the policy makes an
answer than the reference does, and plain DPO's loss at the start is checked to be ln 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.schema.settings import RefineSettings


def dpo(settings: RefineSettings) -> dict[str, Any]:
    """Direct preference optimisation (Rafailov et al., 2023), with a likelihood term on the chosen
    answer if ``sft_weight`` is set (RPO, Pang et al., 2024)."""
    terms = {"sigmoid": 1.0}
    if settings.sft_weight:
        terms["sft"] = settings.sft_weight
    return {"loss_type": list(terms), "loss_weights": list(terms.values())}
