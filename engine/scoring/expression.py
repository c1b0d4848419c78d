"""Finds the mathematical expression that a text gives as its answer.

Tiers, most explicit first: ``boxed``, ``hash`` (a last line ``#### 3x``), ``statement`` ("the
answer is ..."), ``conclusion`` (the last sentence with a value, when it concludes: "Therefore, the
sum is ..."), ``last_value`` (the last sentence with a value). All but the first find values as
math-verify does; whichever of a sentence's values it states is decided here.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from engine.scoring.boxed import last_boxed
from engine.scoring.formula import same_formula
from engine.scoring.mathvalues import LONGEST, Stated, values
from engine.scoring.numerals import in_digits
from engine.scoring.unanswered import ends_early

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.text import Asked, Rule

WINDOW: Final = 4_000  # characters at the end of a text that are read when nothing is boxed

_INVISIBLE: Final = dict.fromkeys([0, 1, 0xAD, 0xFEFF, *range(0x200B, 0x2010)])
_MINUS: Final = {0x2212: "-", 0x2013: "-"}
_EMPHASIS: Final = re.compile(
    r"\*\*|\\(?=\$[0-9])|__|`{1,3}|</?(?:b|i|em|strong|u)>|\\boxed\s?\{\s?\}"
)
_MATH: Final = re.compile(
    r"\\\[(?:[^\\]|\\(?!\])){1,500}?\\\]|\$\$[^$]{1,500}\$\$"
    r"|\\\((?:[^\\\n]|\\(?!\))){1,300}?\\\)|(?<![\\\d])\$[^$\n]{1,300}\$(?![0-9])"
)
_HEADING: Final = re.compile(r"(?:^|\n)#{0,4} ?((?:final )?answer):?[ \t]*\n\s*", re.IGNORECASE)
_JOINED: Final = re.compile(r"\s*\n\s*(?=\x01)|(?<=:)[ \t]*\n\s*|\x01(\s*\n\s*)(?=[a-z])")
_END: Final = re.compile(r"[.!?](?=\s|$)|\n")
_HASH: Final = re.compile(r"(?:^|\n| )####[ \t:]{1,3}([^\n]{1,300})\s*\Z")
_JSON: Final = re.compile(
    r'"(?:final_?)?answer"\s?:\s{0,3}("(?:[^"\\\n]|\\.){1,300}"|-?[0-9.]{1,40})', re.IGNORECASE
)
_CUE: Final = re.compile(
    r"\banswer\b(?:\s[a-z']+){0,6}?"
    r"(?:\s?[:=]|\s(?:is|are|was|(?:would|will|should|must)(?:\s[a-z]+)?\sbe|equals|becomes))+:?\s?"
    r"|\banswer\b:?\s(?=[$\\\x01]|-?[0-9])",
    re.IGNORECASE,
)
_COPULA: Final = re.compile(
    r"\b(?:is|are|equals?|be|was|were|becomes?|gives?|giving|yields?|get|obtain|find|found|have|has"
    r"|simplif\w+ to|reduces? to|evaluates? to|comes? to|only|exactly|needs?|takes?|at least"
    r"|at most|so|hence|thus|therefore|then)\b"
    r"(?! (?:about|approx|rough))|[=:]",
    re.IGNORECASE,
)
_REASON: Final = re.compile(
    r"[,;]?\s\(?(?:since|because|as|where|when|if|given|for which|so that|assuming|provided"
    r"|(?:which )?(?:occurs|occurring|happens|(?:is )?(?:attained|achieved|reached))"
    r" (?:at|when|by|for))\b"
    r"|\s\(|[.,;]\s(?:not|but not|rather than|instead of)\b",
    re.IGNORECASE,
)
_RESUMES: Final = re.compile(
    r"[,;]\s(?:and\s)?(?:so|thus|hence|then|therefore|giving|leading|which (?:gives|means))\b",
    re.IGNORECASE,
)
_CONCLUDES: Final = re.compile(
    r"\b(?:therefore|thus|hence|so|finally|in conclusion|we (?:get|have|find|conclude|obtain|see)"
    r"|consequently|in total|which means|gives|final|value|total|answer)\b",
    re.IGNORECASE,
)
_REMARK: Final = re.compile(
    r"\s{0,3}[(\[]?(?:note|check|to (?:check|verify|confirm)|verif|let me know|i hope|please|feel"
    r"|this (?:problem|question)|step [0-9]|source|reference)",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"\(?[a-zA-Z][\w ,'()-]{0,80}")
_YES_OR_NO: Final = re.compile(r"(yes|no|true|false)\b(?=[,.;:!]|\s*$)", re.IGNORECASE)
_BOX_LEAD: Final = re.compile(
    r"^\\(?:text|mathrm|textbf)\s?\{[^{}]{0,60}?(?:\b(?:is|are|equals)|[:=])\s?\}\s*(?=\S)"
)
_SHARE_OF: Final = re.compile(r".{0,2}%\$?\sof\s\$?.?")
_END_OF_PROOF: Final = re.compile(r"\s?\$?\\(?:blacksquare|square|qed)\$?\.?\s*\Z|\s?[∎■□]\s*\Z")
_IS_SAID: Final = re.compile(r"\s?(?:are|is)\b")  # "x = 2 and x = 3 are the roots"
_SPELT: Final = re.compile(
    r"(?:\b(?:is|are|was|has|have|equals|gives|be|get|exactly)\s|^)(-?[0-9]+(?:/[0-9]+)?)\b"
)
_NOT: Final = re.compile(r"(?:not|n't)\b", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(?:\\?[a-zA-Z]+(?:_\{?\w+\}?)?'?(?:\([^()=]{1,20}\))?|[^a-zA-Z=]*)\s*="
)
_LINKED: Final = re.compile(r"\s?(?:,|,?\s?(?:and|or))\s?(?:[a-zA-Z]\s?=\s?)?")
_APPROX: Final = re.compile(r"\\(?:approx|simeq)(?![a-z])|≈")
_DELIMITER: Final = re.compile(r"\\[()\[\]]|\$|\\(?=\Z)")
_ABOUT: Final = re.compile(r"(?:about|approximately|roughly|approx\.?|≈)\s?$")


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """Apply the rules in order; each gives LaTeX without its delimiters."""
    yield "boxed", lambda: _in_box(last_boxed(text.replace("\0", "")) or "") or None
    tail = _EMPHASIS.sub("", text[-WINDOW:].translate(_INVISIBLE | _MINUS)).rstrip()
    tail = _END_OF_PROOF.sub("", tail)
    yield "hash", lambda: _after_hash(tail)
    sentences = _sentences(_HEADING.sub(r"\n\1: ", tail))
    yield "statement", lambda: _json_answer(tail) or _statement(sentences)
    concluding = _last_with_a_value(sentences)
    cut_off = asked.cut_off or ends_early(sentences)
    if concluding is None:
        yield "last_value", lambda: None if cut_off else _in_words(sentences)
        return
    sentence, answer = concluding
    broken = ends_early(sentences) and sentence != sentences[-1]  # "Thus the roots are"
    if _CONCLUDES.search(sentence) and not broken:
        yield "conclusion", lambda: answer
    elif not cut_off:
        yield "last_value", lambda: answer


def _in_box(content: str) -> str:
    """The box's content without the words before the value, and without its rounded form."""
    content = _BOX_LEAD.sub("", content)
    return next((part.strip() for part in _APPROX.split(content) if part.strip()), "")


def _in_words(sentences: list[str]) -> str | None:
    """A number that the last sentence of a text without any digits spells out."""
    spelt = in_digits(sentences[-1]) if sentences else ""
    found = _SPELT.search(spelt)
    return found[1] if found else None


def _after_hash(tail: str) -> str | None:
    found = _HASH.search(tail)
    return found[1].strip().strip("$").rstrip(". ") or None if found else None


def _json_answer(tail: str) -> str | None:
    found = _JSON.findall(tail)
    if not found:
        return None
    try:
        said = str(json.loads(found[-1]))
    except ValueError:  # single backslashes, as in "\frac"
        said = found[-1].strip('"')
    return _chosen(said, led=0) or said.strip(" $.") or None


def _sentences(tail: str) -> list[str]:
    """Sentences; formulas are never cut, and a display stays with the text that leads to it."""
    masked = _MATH.sub(lambda m: "\x01" * len(m[0]), tail)
    joined = list(masked)
    for match in _JOINED.finditer(masked):
        for at in range(match.start(), match.end()):
            joined[at] = " " if masked[at] in "\n\r\t" else masked[at]
    sentences, start = [], 0
    for end in [*(m.end() for m in _END.finditer("".join(joined))), len(tail)]:
        sentence = tail[start:end].strip()
        if sentence:
            sentences.append(sentence)
        start = end
    return sentences


def _statement(sentences: list[str]) -> str | None:
    for number in range(len(sentences) - 1, -1, -1):
        sentence = sentences[number]
        for cue in reversed(list(_CUE.finditer(sentence))):
            scope = sentence[cue.end() :][:LONGEST]
            after = " ".join(sentences[number + 1 :])
            if not scope.strip(" .:") or _NOT.match(scope):
                continue
            if said := _YES_OR_NO.match(scope):
                return said[1]
            stated = _chosen(scope, led=0)
            begins = number == 0 and cue.start() == 0 and re.match(r"[a-zA-Z]{2}", scope)
            if (stated is None or begins) and re.search(r"[0-9$\\]", after):
                continue
            if stated is not None:
                return stated
            words = in_digits(scope.strip(" .:$*\"'"))
            if re.fullmatch(r"[0-9]+(?:/[0-9]+)?", words):
                return words
            if _WORDS.fullmatch(words):
                return words
    return None


def _last_with_a_value(sentences: list[str]) -> tuple[str, str] | None:
    remark = None
    for sentence in reversed(sentences):
        answer = _chosen(sentence[-LONGEST:])
        if answer is None:
            continue
        if not _REMARK.match(sentence):
            return sentence, answer
        remark = remark or (sentence, answer)
    return remark


def _chosen(sentence: str, led: int | None = None) -> str | None:
    """The value that a sentence states: the first one after the last word that leads to one, and
    what is listed with it; the last one where nothing leads to any.

    ``led``: where something has led to a value already.
    """
    found = values(sentence)
    found = [value for value in found if not value.is_name] or found
    found = [v for v in found if not _ABOUT.search(sentence[: v.start])] or found
    found = _without_operands(sentence, found) or found
    if not found:
        return None
    words = _without(sentence, found)
    leads = [at for at in (led, *_leads(words, found)) if at is not None]
    end = _before_reasons(words, found, leads)
    found = [value for value in found if value.start < end]
    led_to = [n for at in leads if (n := _next(found, at)) is not None]
    first = led_to[-1] if led_to else len(found) - 1
    said = _IS_SAID.match(words, found[-1].end) and found[0].start <= 3
    begins = 0 if said or _of_one_name(found) else first
    while first > min(led_to, default=begins) and _LINKED.fullmatch(
        _between(sentence, found, first)
    ):
        first -= 1
    return _value_of(_together(sentence, found[first:]))


def _without_operands(sentence: str, found: list[Stated]) -> list[Stated]:
    """The values without operands, such as ``15%`` and ``240`` of "36 is 15% of 240"."""
    operands: set[int] = set()
    for number, (one, two) in enumerate(pairwise(found)):
        if _SHARE_OF.fullmatch(sentence[one.end - 2 : two.start + 1]):
            operands |= {number, number + 1}
    return [value for number, value in enumerate(found) if number not in operands]


def _of_one_name(found: list[Stated]) -> bool:
    """Whether all are values of one variable: ``$x = 7$ or $x = -3$``."""
    names = {value.latex.partition("=")[0].strip() for value in found}
    return len(names) == 1 and all("=" in value.latex for value in found)


def _leads(words: str, found: list[Stated]) -> Iterator[int]:
    """Where a word leads to a value: ``is``, ``equals``; ``Thus`` only to what it begins with."""
    for match in _COPULA.finditer(words):
        following = _next(found, match.end())
        opens = match.start() == 0 and match[0][0].isalpha()
        if following is None:
            continue
        if not opens or (
            "=" not in found[following].latex
            and not words[match.end() : found[following].start].strip(" ,")
        ):
            yield match.end()


def _next(found: list[Stated], at: int) -> int | None:
    return next((number for number, value in enumerate(found) if value.end > at), None)


def _before_reasons(words: str, found: list[Stated], leads: list[int]) -> int:
    """Where a reason or condition begins, after a value that was led to; else the end."""
    for match in _REASON.finditer(words):
        told = any(at < value.end <= match.start() for at in leads for value in found)
        if told and not _RESUMES.search(words, match.end()):
            return match.start()
    return len(words)


def _without(sentence: str, found: list[Stated]) -> str:
    """The sentence with its values blanked out, so that only its words are read."""
    for value in found:
        blank = "\x01" * (value.end - value.start)
        sentence = sentence[: value.start] + blank + sentence[value.end :]
    return sentence


def _together(sentence: str, found: list[Stated]) -> str:
    """The first value together with those listed after it: ``$2$ and $3$``."""
    listed = [found[0].latex]
    for number in range(1, len(found)):
        if not _LINKED.fullmatch(_between(sentence, found, number)):
            break
        if not same_formula(listed[0], found[number].latex):
            listed.append(found[number].latex)
    return ", ".join(listed)


def _between(sentence: str, found: list[Stated], number: int) -> str:
    """The text between a value and the one before, if they may be listed together."""
    left, right = found[number - 1].latex, found[number].latex
    if ("=" in left) != ("=" in right) or not (_NAMED.match(right) or "=" not in right):
        return "="
    return _DELIMITER.sub("", sentence[found[number - 1].end : found[number].start])


def _value_of(latex: str) -> str | None:
    """The result of an equation: ``5`` for ``x = 5`` and for ``2 + 3 = 5``."""
    latex = _APPROX.split(latex.strip())[0].rstrip(".,;: ")
    sides = re.split(r"(?<![\\<>!])=", latex)
    listed = "," in re.sub(r"[0-9],[0-9]{3}", "", latex)
    comes_to = len(sides) > 2 or (len(sides) == 2 and _NAMED.match(latex))
    return (sides[-1].strip() if comes_to and not listed else latex) or None
