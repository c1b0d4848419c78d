"""Finds signs that a reply gives no firm answer: doubts, conditions, refusals, take-backs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.unanswered import gives_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.choice.reply import Reply

_FLAGS: Final = re.IGNORECASE | re.VERBOSE

# Before a letter: it is set aside.
DISMISSED: Final = re.compile(
    r"""(?:(?:\bnot|\bcannot|\bnever|n't)(?:\s(?:be|choose|pick|select))?
    | \b(?:neither|nor|unlike|than|over|instead\sof|except(?:\sfor)?|besides)
    | \b(?:exclud|eliminat|reject|dismiss|discard|remov|disregard|ignor)(?:e|es|ed|ing|s)?
    | \b(?:rul|cross|strik|tak)(?:e|es|ed|ing)?(?:\sout)?|\bleav(?:e|ing)\sout)
    (?:\s(?:options?|choices?|the|answers?|both|out|away))*\s$
    | (?:\bnot|n't|\bunlike|\brather\sthan|\binstead\sof)\s(?:(?!but\b)\w+\s){1,4}$""",
    _FLAGS,
)
# Before a cue, in its sentence: others say so, or it isn't so.
DOUBTED: Final = re.compile(
    r"""(?:n't|\bnot|\bnever|\bcannot)\s(?:\w+\s){0,2}
        (?:think|believe|say|claim|agree|mean|sure|certain|know|true|clear|correct)\b[^.,;:]*$
      | \b(?:if|whether|unless|suppose|assume|assuming|why)\s(?:that\s)?(?:the\s|my\s)?(?:\w+\s)?$
      | \b(?:you|one|people|some|many|most|students?|someone|others|they|who|readers?)\b
        [^.,;:]{0,30}
        \b(?:think|say|believe|guess|assume|argue|claim|thought|said|answer|choose|pick|select|
            tempted|suggest|conclude)\b[^.,;:]*$
      | \b(?:wrong|incorrect|bad|tempting|common|other|another|previous|no|any|each|every|
            his|her|their|(?:a|one)\spossible|potential|alternative|second|next)\s$
      | \b(?:may|might|could)\b[^.;:]{0,25}\b(?:that|seem|appear|think)\s(?:the\s)?(?:\w+\s)?$
      | \b(?:first|initially|originally)\b,?\s(?:glance,?\s)?(?:I\s)?(?:thought\s)?
        (?:that\s)?(?:the\s)?$
    """,
    _FLAGS,
)
CONDITION: Final = re.compile(
    r"\b(?:if|unless|suppose|assuming|provided|had\s(?:it|the|he|she|they|we|this)|"
    r"were\s(?:it|the|he|she|they|this|we)|otherwise|without|in\sthat\scase|only\swhen)\b",
    _FLAGS,
)
_OTHERWISE: Final = re.compile(r"\b(?:otherwise|or\selse)\b", re.IGNORECASE)
_MODAL: Final = re.compile(r"\b(?:would|could|might|may)\b", re.IGNORECASE)

# Around a letter, in its sentence: it is one of several, or not sure, or not meant.
HEDGED: Final = re.compile(
    r"\b(?:not|never|no|neither|cannot|but|however|while|although|though|unlike|less|could|might|"
    r"may|can|also|possible|possibly|if|many|some|people|incorrect|wrong|eliminate\w*|why|"
    r"question|part|parts)\b|n't\b",
    re.IGNORECASE,
)

# What is said instead of an answer, right behind "the answer is".
INSTEAD: Final = re.compile(
    r"""[ ]?["'($]{0,2}(?:
      none\b | neither\b | n/?a\b | nothing\b | un(?:known|clear|certain|determined|available)\b
    | ambiguous\b | indeterminate\b | missing\b | insufficient\b | not\senough\b
    | not\s(?:listed|given|among|in\sthe|available|provided|included|one\sof|any\sof|here|
        possible|determin\w+|clear|certain|known|stated|mentioned|specified|applicable|present|
        shown|there)\b
    | (?:cannot|can't|can\snot|could\snot|couldn't)\sbe\s(?:determin|found|known|infer|answer|
        decid|deduc|identif|establish|given|chosen|certain|calculat|said)\w*
    | impossible\sto\b | (?:all|any|both|each)\sof\s(?:the\s|these|them|those)
    | all\s(?:the\s)?(?:options|choices|answers)\b | no\s(?:option|choice|answer)
    | (?:both|all)\s?(?:[.,;\n]|$)
    )""",
    _FLAGS,
)
# The same in a sentence of its own; it stops only what is weaker than a statement.
_REFUSAL: Final = re.compile(
    r"""
      \b(?:none|neither)\sof\s(?:the\s(?!other|rest|remaining)|these|those|them)
    | \bneither\s(?:\(?[A-J]\b|option|choice|answer|solution)
    | ^(?:neither|none|n/?a|unknown|both)\b\s?(?:[.,:;!\n]|$|work|fit|are|seem)
    | \bno\s(?:correct\s|right\s|suitable\s|valid\s|good\s|such\s|single\s|clear\s)?
      (?:option|choice|answer)s?\s(?:is|are|fits?|here|can|given|among|matches|available|for)\b
    | \bno\s(?:single\s|clear\s|one\s)?(?:correct|right)\s(?:option|choice|answer)\b
    | \b(?:cannot|can't|can\snot|(?:un|not\s)able\sto|(?:impossible|difficult|hard)\sto)\s
      (?:be\s|really\s|confidently\s|definitively\s)?(?:choose|pick|select|decide|narrow)\b
    | \b(?:more\sthan\sone|multiple|several|two|all|both)\s(?:of\s(?:the|these|them)\s)?
      (?:the\s)?(?:options?|choices?|answers?|correct\sanswers?|possible\sanswers?|solutions?)\b
      [^.\n]{0,20}\b(?:is|are|could|can|may|might|seem|work|here)\b
    | \b(?:multiple|several|more\sthan\sone)\s(?:correct|right|possible|valid)\sanswers?\b
    | \ball\sof\s(?:the\sabove|these\s(?:options|choices|answers)|the\s(?:options|choices))
    | (?:\bnot|n't)\s(?:listed|among|one\sof|in|included\sin|any\sof|present\sin|match\sany\sof|
        available\sin)\s(?:the|these)\s(?:given\s|answer\s|available\s|provided\s)?
      (?:list|options?|choices?|answers?)\b
    | \boptions\s(?:provided\s|given\s)?(?:do\snot|don't)\b
    """,
    _FLAGS,
)
_TAKEN_BACK: Final = re.compile(
    r"""
      \b(?:wait|hmm+|hm|oops|sorry|actually|oh|no|hold\son|but)\b[,.!:;\s-]{1,6}
      (?:(?:no|wait|actually|sorry|but|hold\son)\b[,.!\s]{1,3}){0,2}(?:I\sthink\s)?
      (?:that|this|it|that\sanswer|my\sanswer)
      (?:(?:'s|\sis|\swas|\scan|\sdoes)(?:\snot|n't)\s(?:be\s)?(?:quite\s)?
         (?:right|correct|true|make\ssense)\b
        |(?:'s|\sis|\swas|\smust\sbe)\s(?:\w+\s)?(?:wrong|incorrect|a\smistake|mistaken)\b)
    | \b(?:actually|hmm+),?\sno\b[,.!] | \bno,?\swait\b[,.!]? | \bwait,?\sno\b[,.!]?
    | \blet\s(?:me|us|'s)\s(?:re-?consider|re-?think|think\sagain|try\sagain|start\s(?:over|again)|
        correct\s(?:that|this|myself|my))\b
    | \bI\s(?:made|have\smade)\s(?:a|an)\s(?:\w+\s)?(?:mistake|error)
    | \b(?:my\smistake|my\sbad|scratch\sthat|strike\sthat|I\swas\s(?:wrong|mistaken)|
        I\stake\s(?:that|it)\sback|I\smis(?:read|understood|counted|calculated)|
        on\s(?:second\sthoughts?|reflection)|correction\s?:|
        apolog(?:ies|i[sz]e)\sfor\s(?:the|my|any)\s(?:earlier\s|previous\s)?
        (?:confusion|mistake|error|oversight))
    """,
    _FLAGS,
)


def is_conditional(before: str, said: str, after: str) -> bool:
    """Whether a statement is conditional: "If it were wet, it would be B".

    ``before`` and ``after`` are what the sentence says around ``said``.
    """
    modal = _MODAL.search(said) or _MODAL.search(before[-40:]) or _MODAL.match(after.lstrip())
    modal = modal or _OTHERWISE.search(before) or _OTHERWISE.search(after)
    return bool(modal and (CONDITION.search(before) or CONDITION.search(after)))


def refusals(reply: Reply) -> Iterator[int]:
    """The places where a text says that there is no single answer."""
    yield from (match.end() for match in _REFUSAL.finditer(reply.text))
    yield from (start for start, sentence in reply.sentences if gives_up(sentence))


def taken_back(text: str) -> int:
    """Where the last take-back ends ("Wait, that is wrong"); 0 when there is none."""
    ends = [match.end() for match in _TAKEN_BACK.finditer(text)]
    return ends[-1] if ends else 0
