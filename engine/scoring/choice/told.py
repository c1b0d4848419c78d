"""Finds options that are named by their own text or words, without a letter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.choice.doubt import DOUBTED, HEDGED
from engine.scoring.choice.options import NEGATED, RULED_OUT
from engine.scoring.text import sentence_before, sentence_from

if TYPE_CHECKING:
    from engine.scoring.choice.reply import Reply

_CUE: Final = re.compile(
    r"""
    (?: (?P<heading>(?:^|\n)(?:(?:final|correct|my|best)\s)?answer\s?:)
      | \b(?:answer|choice|option|solution)
        (?:\s(?:to|for)\s(?:this|the|that)\s(?:question|problem|riddle)|\shere|
           \sthat\s(?:\w+\s){1,4}?(?=is\b))?
        ["']?,?
        (?:\s?(?::|=|->)|(?:'s|\s(?:is|would\sbe|must\sbe|should\sbe|could\sbe|will\sbe|
           has\sto\sbe)))
        (?:\s(?:most\slikely|likely|probably|definitely|clearly|therefore|thus|then|indeed))?
      | \#\#\#\#
    )
    (?:\s(?:that\b|to\b|:))?[ \n]?
    """,
    re.IGNORECASE | re.VERBOSE,
)
# "The best place to keep it is in Venice", "which leaves only Venice"
_SUPERLATIVE: Final = re.compile(
    r"(?:^|[.,\n]\s?)(?:\w+,?\s){0,4}?(?:best|most\s\w+)(?:\s[\w'-]+){1,12}?\s"
    r"(?:is|are|would\sbe)\s(?:probably\s|likely\s|by\s|with\s)?(?=\S)|"
    r"\bleav(?:es|ing)\s(?:us\s)?(?:with\s)?(?:only\s)?(?=\S)|"
    r"(?P<it_is>\bit(?:'s|\sis))\s(?=\S)",
    re.IGNORECASE,
)
_REASON: Final = re.compile(
    r",?\s\(?(?:because|since|as\s(?:it|they|this|he|she)|which|rather\sthan|instead\sof|unlike|"
    r"but|while|whereas|not)\b",
    re.IGNORECASE,
)
_CONTRAST: Final = re.compile(
    r",?\s(?:whereas|rather\sthan|instead\sof|unlike)\s|,\swhile\s", re.IGNORECASE
)
_IT_IS: Final = re.compile(r"\bit\sis[.!]?$", re.IGNORECASE)  # "the cellar it is!"
_PHRASE: Final = 40  # characters of a sentence that only names an option
_FIRST: Final = 12  # sentences among which no other one may do so
_EXPLAINED: Final = re.compile(
    r"\b(?:explanation|reason(?:ing)?|rationale|justification)\s?:", re.IGNORECASE
)
_AND: Final = re.compile(r"\s?(?:,|;|/|&|\band\b|\bor\b|, (?:and|or)\b) ?", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"\s(?:is|was|does)\b")
_CONCESSION: Final = re.compile(r"\b(?:while|although|though|even\sif)\b[^,\n]*$", re.IGNORECASE)
_CONCLUDING: Final = re.compile(
    r"(?:[0-9]{1,2}[.)] ?|step [0-9]{1,2}: ?)?(?:and |but )?(?:so|therefore|thus|hence|overall|"
    r"consequently|in conclusion|finally|based on|in summary|as a result)\b",
    re.IGNORECASE,
)


class Told(NamedTuple):
    """The option that the last "the answer is ..." names, exactly or approximately.

    ``says_none``: it names several, or something that is no option.
    """

    start: int = -1
    exact: str | None = None
    near: str | None = None
    says_none: bool = False


def statement(reply: Reply) -> Told:
    cues = [cue for cue in _CUE.finditer(reply.text) if cue.end() < len(reply.text)]
    for cue in reversed(cues):
        doubted = DOUBTED.search(sentence_before(reply.text, cue.start()))
        if not doubted and not reply.quotes(cue.start()):
            told = _told_at(reply, cue)
            if told:
                return told
    return Told(start=len(reply.text))


def _told_at(reply: Reply, cue: re.Match[str]) -> Told | None:
    text, options = reply.text, reply.options
    start = cue.start()
    begins = options.at(text, cue.end())
    if begins:
        letter, end = begins
        several = _goes_on(reply, letter, end)
        return Told(start, says_none=True) if several else Told(start, exact=letter)
    scope = sentence_from(text, cue.end())
    if options.values.letters:
        return _value_told(reply, start, scope)
    said = _REASON.split(scope, maxsplit=1)[0]
    exact = options.only(said) or (options.only(scope) if not said.strip() else None)
    if exact:
        return Told(start, exact=exact)
    index = options.wording.nearest(said, share=0.5, distinct=0.5)
    if index is not None:
        return Told(start, near=options.letters[index])
    explained = _EXPLAINED.search(text, cue.end() + len(scope), cue.end() + len(scope) + 60)
    return Told(start, says_none=True) if cue["heading"] and explained and scope.strip() else None


def _value_told(reply: Reply, start: int, scope: str) -> Told | None:
    """The value right after a cue, or after the equals sign at the end of its sentence."""
    for part in (scope, scope.rpartition("=")[2] if "=" in scope else ""):
        is_value, equal = reply.options.values.first(part)
        if is_value and ("=" not in scope or part != scope):
            return Told(start, exact=equal, says_none=equal is None)
    return None


def _goes_on(reply: Reply, letter: str, end: int) -> bool:
    """Whether another option's text follows in a list: "ladder, rope"."""
    joined = _AND.match(reply.text, end)
    other = reply.options.at(reply.text, joined.end()) if joined else None
    return bool(other and other[0] != letter and not _SUBJECT.match(reply.text, other[1]))


def superlative(reply: Reply) -> str | None:
    """The option named right after the last "the best place to keep it is ..."."""
    letter = None
    for lead in _SUPERLATIVE.finditer(reply.text):
        here = reply.options.at(reply.text, lead.end())
        if here and lead["it_is"] and reply.text[here[1] :].strip(" .!"):
            continue  # only what the text ends in: "for trains it is the platform."
        if here and not HEDGED.search(lead[0]) and not RULED_OUT.match(reply.text, here[1]):
            letter = None if _goes_on(reply, *here) else here[0]
    return letter


def whole_text(reply: Reply) -> str | None:
    """The only option that the text names without negation, first or last of all it names."""
    options = reply.options
    if options.values.letters:
        sentence = _last_sentence(reply)
        return None if NEGATED.search(sentence) else options.values.last(sentence)
    named = options.named(reply.text)
    standing = {option for option, stands in named if stands}
    if len(standing) != 1:
        return None
    (option,) = standing
    if len({name for name, _ in named}) > 1 and option not in (named[0][0], named[-1][0]):
        return None
    return options.letter_of(option)


def last_wording(reply: Reply) -> str | None:
    """The option that the last sentence paraphrases, if no other option is named."""
    options, sentence = reply.options, _last_sentence(reply)
    told = _CONTRAST.split(sentence, maxsplit=1)[0]
    index = options.wording.nearest(told, share=0.7, distinct=0.7)
    if index is None or reply.text.endswith("?") or _CONCESSION.search(sentence):
        return None
    concludes = _CONCLUDING.match(sentence) or _IT_IS.search(sentence)
    named = options.named(sentence if concludes else reply.text)
    own = options.texts[index].casefold()
    rivals = any(stands for option, stands in named if option != own) or (
        not concludes and _says_another(reply, index)
    )
    denied = any(not stands for option, stands in named if option == own)
    return None if rivals or denied else options.letters[index]


def _says_another(reply: Reply, index: int) -> bool:
    """Whether a sentence before the last paraphrases another option."""
    wording = reply.options.wording
    before = [one for _, one in reply.sentences[-_FIRST:-1] if not NEGATED.search(one)]
    return any(
        wording.nearest(one, 0.5, 0.5) not in (index, None) or wording.all_own(one) - {index}
        for one in before
    )


def first_wording(reply: Reply) -> str | None:
    """The option whose words, or some of them, are the whole first sentence."""
    wording, told = reply.options.wording, [sentence for _, sentence in reply.sentences[:_FIRST]]
    if len(told) < 2 or len(told[0]) > _PHRASE or told[0].endswith(("?", ":")):
        return None
    index = wording.of_part(told[0])
    again = {wording.of_part(one) for one in told[1:] if len(one) <= _PHRASE}
    return None if index is None or again - {index, None} else reply.options.letters[index]


def remaining(reply: Reply) -> str | None:
    """The one remaining option, if the text names all others and rules them out."""
    options = reply.options
    named = options.named(reply.text)
    if any(stands for _, stands in named) or options.refuses or options.values.letters:
        return None
    denied = {option for option, _ in named}
    left = [text.casefold() for text in options.texts if text.casefold() not in denied]
    return options.letter_of(left[0]) if len(left) == 1 and len(options.texts) > 2 else None


def _last_sentence(reply: Reply) -> str:
    return reply.sentences[-1][1] if reply.sentences else ""
