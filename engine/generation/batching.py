"""Divide all prompts into batches before the first token is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_batches(
    lengths: Sequence[int], new_tokens: int, token_budget: int, max_batch: int
) -> list[list[int]]:
    """Return batches of indices into ``lengths`` (the prompts' lengths in tokens).

    Prompts of like length go together, the longest first, so that little is padded and memory
    runs out at once or never. A batch holds at most ``max_batch`` sequences and, padded to its
    longest prompt plus ``new_tokens``, at most ``token_budget`` tokens; a single prompt over
    the budget is a batch of its own. The result depends on the arguments alone, which is what
    lets an interrupted phase go on with the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        width = lengths[order[start]] + new_tokens
        size = max(1, min(max_batch, token_budget // width))
        batches.append(order[start : start + size])
        start += size
    return batches
