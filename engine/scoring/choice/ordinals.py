"""Options named by their place in the list: "the first option", "Solution 2", "the other one".

They are rewritten as letters ("option A") before the rules read the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.scoring.choice.options import Options

_PLACES: Final = {
    place: index
    for places in ("first second third fourth fifth sixth", "1st 2nd 3rd 4th 5th 6th")
    for index, place in enumerate(places.split())
} | {"last": -1}
_GOOD: Final = r"(?:the\s|a\s)?(?:most\s|only\s)?(?:best|better|correct|right|answer|likely)\b"
_NOUN: Final = r"(?:(?:answer|given)\s)?(?:option|choice|solution|alternative)"
_PLACE: Final = re.compile(
    rf"""
    (?P<led>(?:\b(?:choose|chose|pick|select|with|say|answer\sis|answer\swould\sbe|it's|it\sis)
        |\banswer\s?[:-])\s)?
    (?: (?:\bthe\s)?\b(?P<place>{"|".join(_PLACES)})\b
        (?P<noun>\s(?:{_NOUN}\b(?!\Z|\s(?:is\sto|to|of)\b)|(?P<statement>statement)\b
            |one(?=\s(?:is|seems|looks|sounds|would\sbe)\s{_GOOD})))?
        (?P<end>(?:\sone)?(?=[.!,]|\n|\Z))?
      | (?:\b(?:option|choice|solution)\s\#?|\bsol\.?\s?|(?<![\#\w])\#)
        (?P<number>[1-9])(?![0-9,:]|\.[0-9]|\)\s?\S|\s?[-+*/=])
      | \A(?:the\s)?(?P<pair>former|latter)\b
      | \b(?:the\s)?(?P<other>other)\s(?:{_NOUN}|one|answer)\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LETTER: Final = re.compile(r"\b(?:option|choice|solution)\s\(?([AB])\b", re.IGNORECASE)
# Options about the question's own statements: "True, False", "I only", "Both statements".
_ABOUT_STATEMENTS: Final = re.compile(
    r"\b(?:true|false|only|both|statements?|I{1,3})\b|^\W*\w+\W*$", re.IGNORECASE
)

NEAR: Final = 400  # characters before "the other one" in which the one is named


def as_letters(text: str, options: Options) -> str:
    """Rewrite places as letters; the text stays unchanged if an option's own text names a place."""
    if not options.texts or any(map(_PLACE.search, options.texts)):
        return text
    parts: list[str] = []
    start = 0
    for found in _PLACE.finditer(text):
        before = "".join(parts[-1:]) + text[max(start, found.start() - NEAR) : found.start()]
        letter = _letter(found, before, options)
        if letter:
            parts += [text[start : found.start()], f"{found['led'] or ''}option {letter}"]
            start = found.end()
    return "".join(parts) + text[start:]


def _letter(found: re.Match[str], before: str, options: Options) -> str | None:
    letters = options.letters
    if found["other"]:
        told = _LETTER.findall(before)
        return "BA"["AB".index(told[-1].upper())] if told and len(letters) == 2 else None
    if found["pair"]:
        return letters["latter" in found["pair"].lower()] if len(letters) == 2 else None
    if found["number"]:  # "option 3" may be the one whose text is 3
        place = len(letters) if options.values.letters else int(found["number"]) - 1
    elif found["statement"] and any(map(_ABOUT_STATEMENTS.search, options.texts)):
        return None
    elif found["noun"] or (found["led"] and found["end"] is not None):
        place = _PLACES[found["place"].lower()]
    else:
        return None
    return letters[place] if place < len(letters) else None
