"""Finds the model's own turn in a reply: after its thinking and before the next speaker.

A model that doesn't know where to stop goes on as its template would: with another role's line,
or with a question of its own, and answers that. Control tokens left over in the text end the turn
too. At the very beginning all of these are headers of the reply and are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.thinking import THOUGHT

if TYPE_CHECKING:
    from collections.abc import Iterator

# A role's name in a template, as text or as tokens. Where it stands alone on its line something
# must follow: a reply may be the one word "user".
_LINE: Final = r"(?<![^\n])[ \t]{0,8}(?:[#*>]{1,4} ?)?"
_ALONE: Final = r"(?:\*\*)?[ \t]{0,4}\n(?=\s{0,8}\S)"
_HEADING: Final = r"(?<![^\n])#{2,4} ?"
_TO_COLON: Final = r"\b[^\n:]{0,20}(?:\n|:)"
_BEGIN: Final = r"(?:<\|(?:im_start|start|start_header_id)\|>|<start_of_turn>)\s?"
_OTHERS: Final = (
    rf"{_LINE}(?:GPT4 Correct )?(?:Human|User|USER|Instruction)(?: [0-9]{{1,2}})?\s?(?:\*\*)?:"
    rf"|{_HEADING}(?:Instruction|Input|User|Human){_TO_COLON}"
    rf"|(?:(?<![^\n])|(?<=[^\sA-Za-z]))(?:user|system){_ALONE}"
    rf"|{_BEGIN}(?:user|system|developer|human)\b|<\|(?:user|system)\|>|<[|｜]User[|｜]>"
    r"|\[INST\]|<<SYS>>"
)
_OWN: Final = (
    rf"{_LINE}(?:GPT4 Correct )?(?:Assistant|ASSISTANT)\s?(?:\*\*)?:"
    rf"|{_HEADING}(?:Response|Assistant){_TO_COLON}"
    rf"|(?:(?<![^\n])|(?<=\S))assistant{_ALONE}"
    rf"|{_BEGIN}(?:(?:assistant|model)\b)?|<\|assistant\|>|<[|｜]Assistant[|｜]>|\[/INST\]"
)
_TOKEN: Final = (
    r"</?s>|<(?:bos|eos|pad|end_of_turn|end_of_utterance)>"
    r"|<\|[A-Za-z][A-Za-z0-9_]{1,24}\|>|<｜[^<>｜\n]{1,24}｜>"
)
_QUESTION: Final = (
    rf"{_LINE}(?:(?:New|Next|Another|Example) )?(?:Question|Problem|Q)(?: ?[0-9]{{1,3}})?"
    r" ?(?:\*\*|__)? ?:"
    rf"|{_HEADING}(?:(?:New|Next|Another|Example) )?(?:Question|Problem){_TO_COLON}"
    rf"|{_LINE}\[(?:(?:New|Next|Another|Example) )?(?:Question|Problem)\]"
)
_MARK: Final = re.compile(
    f"{THOUGHT}|(?P<others>{_OTHERS})|(?P<own>{_OWN})|(?P<token>{_TOKEN})|(?P<question>{_QUESTION})"
)
_GIVEN: Final = re.compile(r"\W{0,6}(?:given|known|facts|information)\b[^\n]{0,40}:", re.IGNORECASE)
_FIRST: Final = re.compile(rf"\s*(?:{_QUESTION})(?<=1:)")
_DIGIT: Final = re.compile(r"[0-9]")
_BLANK: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"\d+|[^\W\d]{4,}")
SAME: Final = 0.7  # share of words that an echo of the question, or of its end, repeats


def own_turn(text: str, question: str = "") -> Iterator[str]:
    """The parts of a reply to read, in order: a later one counts only if none before has an answer.

    First what comes before a new question or a second answer, then all up to the next speaker:
    some models restate the question before they answer. A restatement that is known to be one,
    since it repeats ``question``, ends nothing. Yields nothing for thinking that never ends.
    """
    marks = list(_MARK.finditer(text))
    tags = [mark for mark in marks if mark["opens"] or mark["closes"]]
    thinking = bool(tags and tags[0]["closes"])  # the template has opened it
    asking = False  # the reply begins with the question's own turn
    start, again, end = 0, None, len(text)
    for mark in marks:
        if mark["opens"] or mark["closes"]:
            thinking = bool(mark["opens"])
            start, again = mark.end(), None
        elif thinking:
            continue
        elif asking or _begins(text, start, mark):
            if not mark["question"]:
                asking = bool(mark["others"]) or (asking and not mark["own"])
                start = mark.end()
        elif mark["others"] or mark["token"]:
            end = mark.start()
            break
        elif again is None and not (mark["question"] and _restates(question, text, start, mark)):
            again = mark.start()
    if thinking:
        return
    if again is not None:
        yield text[start:again]
    yield text[start:end]


def _begins(text: str, start: int, mark: re.Match[str]) -> bool:
    """Whether there is no text between ``start`` and this mark."""
    blank = _BLANK.match(text, start)
    return blank is not None and blank.end() >= mark.start()


def _restates(question: str, text: str, start: int, mark: re.Match[str]) -> bool:
    """Whether the model restates the question there or asks itself the next of its own steps."""
    if _GIVEN.match(text, start):
        return True
    if _FIRST.match(text, start) and _DIGIT.search(mark[0]):
        return True
    asked = set(_WORD.findall(question.casefold()))
    end = mark.end() + len(question) + 40
    following = _MARK.search(text, mark.end(), end)
    line = text[mark.end() : following.start() if following else end]
    there = set(_WORD.findall(line.casefold()))
    first = set(_WORD.findall(line.split("?")[0].casefold()))
    return bool(asked) and (
        len(asked & there) >= SAME * len(asked) or len(asked & first) >= SAME * max(len(first), 4)
    )
