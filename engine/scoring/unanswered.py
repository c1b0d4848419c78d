"""Decides whether a text gives up on its question, or was cut off before its end."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_FIND: Final = (
    r"(?:determine|calculate|solve|find|compute|answer|say|tell|know|figure|conclude|provide|give|"
    r"deduce|infer|establish)"
)
_REFUSES: Final = re.compile(
    rf"""
    \b(?:can(?:not|'t|\snot)|could(?:\snot|n't)|unable\sto|not\sable\sto|impossible\sto|not\spossible\sto|
        no\sway\sto|difficult\sto|hard\sto)\s(?:be\s|accurately\s|actually\s|exactly\s|possibly\s|
        directly\s|really\s|uniquely\s)?{_FIND}
    | \b(?:not|n't|no|in|without)\s?(?:have\s|provide\s|given\s)?(?:enough|sufficient|adequate)\s
        (?:\w{{1,20}}\s){{0,2}}(?:information|info|data|details?|context|facts|clues|to\s{_FIND})\b
    | \binsufficient\b | \bmissing\sinformation\b
    | \bneed(?:s|ed)?\s(?:to\sknow\b|(?:some\s|any\s)?(?:more|additional|further)\s
        (?:information|data|details|context|facts))
    | \b(?:more|additional|further)\s(?:information|data|details|context)\s
        (?:is|are|would|about|on|to)\b
    | \bwithout\s(?:knowing|(?:more|further|additional|any|the|this|that)\s
        \w{{1,20}}(?:\s\w{{1,20}})?,?\s
        (?:we|I|it|you|one)\s(?:can|could))
    | \b(?:we|I|you|one)\s(?:do\snot|don't|can't|cannot)\s(?:know|have\s(?:any|the|enough))\b
    | \b(?:does|do|did)(?:\snot|n't)\s(?:provide|give|specify|say|mention|state|tell|
        include|contain)\b
    | \b(?:is|are|was|were)(?:\snot|n't)\s(?:given|provided|specified|stated|mentioned|known|
        clear|possible|determinable|solvable)\b
    | \b(?:is|are|remains?)\s(?:unknown|unclear|undetermined|indeterminate|ambiguous|unsolvable)\b
    | ^\W*(?:unknown|undetermined|undefined|none|not\spossible|impossible|indeterminate|DNE)\b
    | \bno\s(?:unique\s|valid\s|real\s|possible\s|definite\s|definitive\s|single\s)?
        (?:solution|answer)\b
    | \bplease\s(?:provide|clarify|give|specify) | \bI(?:'m|\sam)\s(?:sorry|not\ssure|unsure)\b
    | \b(?:is|are)\smissing\b | ^\W*(?:sorry|apologies)\b | \bI\scan\sonly\b
    | \b(?:question|problem)\s(?:has|contains|seems|is)\s(?:\w{{1,12}}\s){{0,3}}
        (?:mistake|error|flawed|incomplete|contradictory|inconsistent)\b
    | \b(?:answer|result)\s(?:would\s)?depends?\b
    | \bN/A\b | \bnot\sapplicable\b
    """,
    re.IGNORECASE | re.VERBOSE,
)

_ENDED: Final = re.compile(r"[.!?)\]}\"'$%`|>*]$|<<|\\boxed\{")
_HANGS: Final = re.compile(
    r"(?:[-+*/=×÷(,:&^]|\\times|\\cdot|\b(?:the|a|an|of|to|in|and|or|is|are|was|were|for|with|by|"
    r"from|on|at|that|which|per|so|if|then|than|as|we|he|she|they|it|his|her|their|has|have|"
    r"had|did|does|do|can|will|would|because|since|how|many|but|be|get|find|gives?|equals))$",
    re.IGNORECASE,
)
_PROSE: Final = re.compile(r"^[^0-9]*$|(?:[A-Za-z]{2,}[^A-Za-z]+){2}[A-Za-z]{2}")
_BEGINS: Final = re.compile(
    r"(?:after|in|by|for|when|if|at|on|with|since|then|next)\b", re.IGNORECASE
)
_EQUATION: Final = re.compile(r"=\s?[$€£]?[0-9][0-9.,/]*%?(?:[\s/][A-Za-z'%/]+){0,8}$")
_DIGITS: Final = re.compile(r"[0-9][0-9.,]*")
_WORDS: Final = re.compile(r"[A-Za-z]{2,}")
_MATHS: Final = (("\\[", "\\]"), ("\\(", "\\)"))
_ITEM_NUMBER: Final = re.compile(r"[1-9][0-9]?")
_LABEL: Final = re.compile(r"^\W{0,3}\w{1,2}[.):]\s")
LOOP: Final = 4  # times the same sentence, or with other numbers twice as often
SHORT: Final = 12  # characters of a line that may well be there twice


def gives_up(sentence: str) -> bool:
    """Whether the sentence says that there is no answer, or that it can't be found."""
    return _REFUSES.search(sentence) is not None


def before_open_maths(text: str) -> str:
    """The text before LaTeX maths that it leaves open at its end; all of it if there is none."""
    starts = [
        text.rfind(opens) for opens, closes in _MATHS if text.rfind(opens) > text.rfind(closes)
    ]
    return text[: min(starts)] if starts else text


def ends_early(sentences: list[str]) -> bool:
    """Whether the last sentence is incomplete, or the text repeats itself to its end."""
    if not sentences:
        return False
    last = sentences[-1].rstrip()
    if _ITEM_NUMBER.fullmatch(last) and f"{int(last) - 1}." in sentences:
        return True  # the next item's number, and nothing yet behind it
    begun = _BEGINS.match(last) and len(_WORDS.findall(last)) < 3 and not _ENDED.search(last)
    return bool(begun or _HANGS.search(last) or _loops(sentences[-40:]))


def lacks_an_end(sentences: list[str]) -> bool:
    """Whether the last sentence alone has no full stop: it may have been cut off."""
    prose = [one for one in sentences[-12:-1] if len(_WORDS.findall(one)) >= 2]
    ended = sum(one.rstrip().endswith((".", "!", "?", ":")) for one in prose)
    return bool(prose) and unfinished(sentences[-1]) and ended >= 0.7 * len(prose)


def unfinished(sentence: str) -> bool:
    """Whether it is prose without end punctuation; a number or short line needs none."""
    words = sentence.rstrip()
    if _ENDED.search(words) or _EQUATION.search(words):
        return False
    return bool(_PROSE.search(words) or _BEGINS.match(words))


def _loops(sentences: list[str]) -> bool:
    """Whether one sentence is repeated many times, apart from its numbers and its label."""
    exact = Counter(sentences)
    *before, last = sentences
    begun = [one for one in before if one.startswith(last) and one != last]
    if any(exact[one] > 1 for one in begun):
        return True
    if begun:
        last = before[-1]
    shapes = Counter(map(_shape, sentences))
    often = exact[last] if len(last) > SHORT else 0
    return shapes[_shape(last)] >= (LOOP if begun else 2 * LOOP) or often >= LOOP


def _shape(sentence: str) -> str:
    return _DIGITS.sub("0", _LABEL.sub("", sentence))
