"""Finds mathematical values in a sentence: as math-verify finds them, and in plain text.

It reads one sentence at a time, so that no regular expression sees a long text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 600  # characters of a sentence that are looked at


class Stated(NamedTuple):
    """A mathematical value in a text: its place, and its LaTeX without delimiters."""

    start: int
    end: int
    latex: str

    @property
    def is_name(self) -> bool:
        """Whether it is only a name: ``x``, ``f(x)``, ``\\triangle ABC``."""
        return _NAME.fullmatch(self.latex) is not None


_NAME: Final = re.compile(
    r"(?:\\(?:triangle|angle|text|mathrm|overline|vec)\s?)?\{?\\?[a-zA-Z]{1,8}\}?'?"
    r"(?:_(?:\w|\{[^{}]{1,8}\}))?(?:\([a-zA-Z0-9, ]{1,12}\))?"
)
_NUMBER: Final = r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]*\\overline\{[0-9]+\}|\.[0-9]+)?"
_BRACES: Final = r"\{(?:[^{}\n]|\{[^{}\n]{0,40}\}){0,60}\}"
_TERM: Final = (
    rf"(?:{_NUMBER}|√\s?(?:[0-9a-z]+|\([^()\n]{{1,30}}\))|[π∞²³!°]|(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])"
    rf"|\\?(?:ln|log|sin|cos|tan|sqrt)\s?(?:\([^()\n]{{1,30}}\)|[0-9a-z]{{1,9}}(?![a-zA-Z0-9]))"
    rf"|\([^()\n,]{{1,40}}\)|\\[dt]?frac{_BRACES}{_BRACES}|\\sqrt(?:\[[0-9]\])?{_BRACES}"
    rf"|\\(?:pi|infty|theta|alpha)(?![a-z])|\^{_BRACES})"
)
_RUN: Final = (
    rf"-?\s?{_TERM}(?:\s?[+*×·/^-]\s?-?{_TERM}|\s?(?:\\cdot|\\times)\s?{_TERM}|{_TERM}){{0,25}}"
)
_PLAIN: Final = re.compile(
    rf"(?<![\w$\\.])(?:(?:[(\[{{]|\\{{)\s?{_RUN}(?:\s?,\s?{_RUN}){{1,9}}\s?(?:[)\]}}]|\\}})"
    rf"|{_RUN}(?:\s?(?:[<>≤≥]=?|:)\s?{_RUN}){{0,2}})(?:_[0-9]{{1,2}})?(?![\w$])"
)
_WORTH: Final = re.compile(r"[0-9π∞]|\\")
_COMPOUND: Final = re.compile(r"[a-zA-Zπ√∞²³!^(\[{\\:_]")
_ORDINAL: Final = re.compile(r"(?:st|nd|rd|th)\b")
_LEAD: Final = re.compile(r"^[\s*=$€£¥]+")


def values(sentence: str) -> list[Stated]:
    """All values of a sentence, in order; one inside another is left out."""
    found = _as_math_verify(sentence) + _plain(sentence)
    kept: list[Stated] = []
    for value in sorted(found, key=lambda v: (v.start, -v.end)):
        if value.latex and (not kept or value.start >= kept[-1].end):
            kept.append(value)
    return kept


@lru_cache(maxsize=1)
def _patterns() -> Sequence[re.Pattern[str]]:
    """math-verify's most general patterns: any LaTeX, any number or calculation."""
    from math_verify.parser import (
        ExprExtractionConfig,
        LatexExtractionConfig,
        get_extraction_regexes,
    )

    kinds = get_extraction_regexes((LatexExtractionConfig(), ExprExtractionConfig()))
    weakest = max(rank for ranked, _ in kinds for _, rank in ranked)
    return [pattern for ranked, _ in kinds for pattern, rank in ranked if rank == weakest]


def _as_math_verify(sentence: str) -> list[Stated]:
    found: list[Stated] = []
    for match in (m for pattern in _patterns() for m in pattern.finditer(sentence)):
        number = _number(match)
        found += [number] if number else _formulas(match)
    return found


def _formulas(match: re.Match[str]) -> list[Stated]:
    """One formula, or several that are listed; each with its delimiters' place."""
    names = [name for name, text in match.groupdict().items() if text and "_latex" in name]
    found = []
    for name in names:
        text = match[name].strip()
        if _is_prose(text):
            break
        sign = r"\%" if match[f"{name.partition('_')[0]}_percent"] else ""
        found.append(Stated(match.start(name) - 1, match.end(name) + 1, text + sign))
    return found


def _is_prose(text: str) -> bool:
    """Whether it is text between two prices and no formula: ``$12 and $13``."""
    return re.search(r"[a-zA-Z]{3}", re.sub(r"\\[a-zA-Z]+|\{[^{}]*\}", "", text)) is not None


def _number(match: re.Match[str]) -> Stated | None:
    if not {"integer1", "expr"} & match.groupdict().keys():
        return None
    if _ORDINAL.match(match.string, match.end()):
        return None
    before = len(match[0]) - len(_LEAD.sub("", match[0]))
    text = re.sub(r"\s?(?:%|[Pp]erc.*|[Pp]ct)$", r"\\%", match[0][before:]).rstrip(".,:$* ")
    if text.endswith(")") and text.count("(") < text.count(")"):
        text = text[:-1]
    return Stated(match.start() + before, match.end(), text)


def _plain(sentence: str) -> list[Stated]:
    """Values math-verify would split: ``(3, 4)``, ``2√3``, ``x^2 + 1``, LaTeX without ``$``."""
    return [
        Stated(match.start(), match.end(), match[0].strip())
        for match in _PLAIN.finditer(sentence)
        if _WORTH.search(match[0]) and _COMPOUND.search(match[0])
    ]
