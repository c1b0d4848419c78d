"""Reads a reply's ``\\boxed{}``: a letter, an option's text, several, or something else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.boxed import last_boxed
from engine.scoring.choice.doubt import INSTEAD
from engine.scoring.choice.reply import Reply

if TYPE_CHECKING:
    from engine.scoring.choice.options import Options

_NAME: Final = re.compile(
    r"(?:(?:the\s)?(?:option|choice|answer|letter)\s?(?:is|:)?\s?)?", re.IGNORECASE
)


_TWO: Final = re.compile(
    r"boxed\s?\{[^{}]{1,60}\}[$.]?,?\s?(?:and|or|,|/)\s?\$?\\f?boxed", re.IGNORECASE
)


class Box(NamedTuple):
    """The content of a reply's box. ``named``: the letter of the option whose text is in it.

    ``none_at``: where one stands that holds several letters, or says that none is right.
    ``other``: it holds something that is no option.
    """

    letter: str | None = None
    named: str | None = None
    none_at: int | None = None
    other: bool = False


def read(reply: Reply) -> Box:
    content, at = last_boxed(reply.text), reply.text.rfind("boxed")
    if _TWO.search(reply.text):
        return Box(none_at=at)
    if not content or not content.strip():
        return Box()
    inner = Reply(content.strip(), reply.options)
    name = _NAME.match(inner.text)
    match = inner.letter_at(name.end() if name else 0, lower=True)
    if match:
        group = inner.group_at(match)
        several = group is not None and group.letter is None
        return Box(none_at=at) if several else Box(letter=match["letter"].upper())
    named = _option(inner.text, reply.options)
    if named:
        return Box(named=named)
    if INSTEAD.match(inner.text) and not reply.options.refuses:
        return Box(none_at=at)
    return Box(other=True)


def _option(text: str, options: Options) -> str | None:
    letter = options.only(text) or options.values.first(text)[1]
    index = None if letter else options.wording.nearest(text, share=0.6, distinct=0.6)
    return letter or (options.letters[index] if index is not None else None)
