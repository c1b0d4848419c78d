"""Reads lists that judge every option, in which one option's verdict differs from the rest."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.choice.reply import Reply

_ITEM: Final = re.compile(r"(?:^|[\n;|]|:\s)[-•* |]{0,4}(?:[Oo]ption )?\(?([A-J])(?:[).:|]|\s?-)")
_LINE: Final = re.compile(r"(?:^|\n)(?:[-•*|] ?|[1-9][.)] )?")
_ITEM_ENDS: Final = re.compile(r"[\n;]|\.(?=\s(?:[Oo]ption )?\(?[A-J][).:])")
_VERDICT: Final = re.compile(
    r"(?:(?:^|[-:=,(|>]|\bis)[\s:>-]*((?:[a-z]+\s){0,2}[a-z]+)|([✓✔✅✗✘❌×]))$"
)
_YES: Final = frozenset(["✓", "✔", "✅", "yes", "true", "correct", "right"])
LONGEST: Final = 160  # characters of an item that are read


def _items(reply: Reply) -> Iterator[tuple[str, int]]:
    """Each item's letter and its option text's end; else the lines that begin with option texts."""
    text, options = reply.text, reply.options
    lettered = list(_ITEM.finditer(text))
    for item in lettered:
        yield item[1], options.own_text(text, item[1], item.end()) or item.end()
    if not lettered:
        yield from filter(None, (options.at(text, line.end()) for line in _LINE.finditer(text)))


def odd_one_out(reply: Reply) -> str | None:
    """The only letter whose verdict differs from all others; of two letters, the accepted one."""
    told: dict[str, str] = {}
    for letter, start in _items(reply):
        end = _ITEM_ENDS.search(reply.text, start, start + LONGEST)
        said = reply.text[start : end.start() if end else start + LONGEST].lower()
        verdict = _VERDICT.search(said.strip(" .;|*)!"))
        if verdict is None or letter in told:
            return None
        told[letter] = verdict[1] or verdict[2]
    if set(told) != set(reply.options.letters):
        return None
    if len(told) == 2:
        held = [letter for letter, verdict in told.items() if verdict in _YES]
    else:
        count = Counter(told.values())
        held = [letter for letter, verdict in told.items() if count[verdict] == 1]
        if len(count) != 2:
            return None
    return held[0] if len(held) == 1 else None
