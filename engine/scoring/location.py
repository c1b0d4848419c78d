"""Finds the place in a reply from which its answer was extracted.

Rules read a cleaned text and return only a value, so the place is found by trial: it is the place
where another answer, put there, is read instead. An answer that was made of several places
("2 hours and 30 minutes"), or told in words that are no option's own, has no such place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.numerals import WORDS
from engine.scoring.text import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.interfaces import AnswerKind

TRIALS: Final = 16  # places that are tried, the last ones first
_OTHER_NUMBER: Final = "8191"  # few texts hold it
_NUMBER: Final = re.compile(
    rf"\\[dtc]?frac\s?\{{[^{{}}]*\}}\s?\{{[^{{}}]*\}}|\.?[0-9](?:(?:[0-9.,'/ ]|\{{,\}})*[0-9])?"
    rf"|{WORDS.pattern}",
    re.IGNORECASE,
)
_SIGNS: Final = "-−$€£"
_MARKS: Final = r"[)\]}.:*_\"'\s-]{0,6}"  # between a letter and its option's text


class _Place(NamedTuple):
    """A place to try; ``instead`` is the text put between ``start`` and ``end``."""

    start: int
    end: int
    instead: str


def locate(
    kind: AnswerKind,
    text: str,
    answer: str,
    choices: Sequence[str],
    read: Callable[[str], str | None],
) -> tuple[int, int] | None:
    """The start and end (exclusive) of the ``answer`` that ``read`` finds in ``text``.

    None if no place is certain.
    """
    if kind == "choice":
        other = _other_letter(text, answer, choices)
        places = set(_of_option(text, answer, other, choices))
    else:
        other = _OTHER_NUMBER
        places = set(_of_value(text, answer))
    last_first = sorted(places, key=lambda place: (-place.end, place.start))
    for start, end, instead in last_first[:TRIALS]:
        found = read(text[:start] + instead + text[end:])
        if found is not None and found.lstrip("-") == other:
            return (len(text[:start].rstrip(_SIGNS)) if kind == "number" else start), end
    return None


def _of_value(text: str, answer: str) -> Iterator[_Place]:
    """The places of the answer as it was read, and of every number."""
    for found in re.finditer(re.escape(answer), text):
        yield _Place(*found.span(), _OTHER_NUMBER)
    for found in _NUMBER.finditer(text):
        yield _Place(*found.span(), _OTHER_NUMBER)


def _other_letter(text: str, answer: str, choices: Sequence[str]) -> str:
    """Another option letter, one that the text doesn't mention if there is one."""
    others = [x for x in reversed(LETTERS[: max(len(choices), 2)]) if x != answer]
    return next((x for x in others if not re.search(rf"\b{x}\b", text)), others[0])


def _of_option(text: str, answer: str, other: str, choices: Sequence[str]) -> Iterator[_Place]:
    """The places of the letter, with or without its option's text, and of that text alone."""
    told, untold = _option(answer, choices), _option(other, choices)
    own = re.escape(told) or "(?!)"
    pattern = rf"(?<![a-z0-9])(?:{own}|(?P<letter>{answer})(?P<own>{_MARKS}{own})?)(?![a-z0-9'])"
    for found in re.finditer(pattern, text, re.IGNORECASE):
        if found["letter"] is None:
            yield _Place(*found.span(), untold)
            continue
        letter = other if found["letter"].isupper() else other.lower()
        marks = (found["own"] or "")[: -len(told) or None]
        yield _Place(*found.span(), letter + marks + (untold if found["own"] else ""))


def _option(letter: str, choices: Sequence[str]) -> str:
    number = LETTERS.index(letter)
    return choices[number].strip().rstrip(".") if number < len(choices) else ""
