"""Removes a model's thinking before its answer, as its template marks it.

Tags (``<think>``, ``<reasoning>``, ``[THINK]`` ...), tokens (``<|begin_of_thought|>``,
``<|START_THINKING|>``), the channels of Harmony, and Granite's two sentences. A template that opens
the block itself leaves a closing tag alone in the reply. A tag between quotes or backticks is only
talked about.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = (
    r"(?:[a-z]{1,12}[:_])?(?:think(?:ing)?|thoughts?|reasoning|scratchpad|inner_monologue)"
)
_OPENS: Final = (
    rf"<\s?{_NAME}\s?>|\[\s?{_NAME}\s?\]|◁think▷"
    r"|<\|(?:begin_of_thought|start_thinking)\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)\b"
    r"|\A\s*analysis(?=[A-Z])|\A\s*here(?:'s| is) my thought process:"
)
_CLOSES: Final = (
    rf"<\s?/\s?{_NAME}\s?>|\[\s?/\s?{_NAME}\s?\]|◁/think▷"
    r"|<\|(?:end_of_thought|end_thinking)\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>final\b[^<\n]{0,40}<\|message\|>"
    r"|(?<=\S)assistantfinal(?=\S)|here(?:'s| is) my response:"
)
THOUGHT: Final = rf"(?i:(?<![`'\"])(?:(?P<opens>{_OPENS})|(?P<closes>{_CLOSES}))(?![`'\"]))"
_TAG: Final = re.compile(THOUGHT)


def without_thinking(text: str) -> str:
    """The text after the last closing tag of thinking; ``""`` if a block is never closed.

    A text that holds no tag comes back as it is, so a result that differs from ``text`` tells
    that something was dropped.
    """
    tags = list(_TAG.finditer(text))
    if not tags:
        return text
    return "" if tags[-1]["opens"] else text[tags[-1].end() :].strip()
