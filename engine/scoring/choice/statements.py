"""Finds sentences that state the answer: "the answer is D", "D) Venice is correct"."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.choice.doubt import DISMISSED, DOUBTED, HEDGED, INSTEAD, is_conditional
from engine.scoring.text import sentence_before, sentence_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.scoring.choice.reply import Reply

_FLAGS: Final = re.IGNORECASE | re.VERBOSE
_BE: Final = (
    r"(?:is|are|was|were|(?:would|will|should|must|could|might|may)(?:\s\w+ly)?\sbe|"
    r"can\sonly\sbe|has\sto\sbe|have\sto\sbe|seems\sto\sbe|appears\sto\sbe|comes\sout\sas)"
)
_ADVERB: Final = (
    r"(?:most\slikely|likely|probably|definitely|clearly|therefore|thus|then|simply|indeed|"
    r"obviously|actually|really|hence|surely|certainly|in\sfact|of\scourse|still|also)"
)
_GOOD: Final = (
    r"(?:correct|right|best|final|chosen|appropriate|suitable|logical|accurate|plausible|"
    r"likely|sensible|reasonable|fitting|remaining|better|closest|nearest|probable|preferable|"
    r"true|proper)"
)
_CLAUSE: Final = rf"\s(?:that\s)?(?:I|we)(?:'d|'ll|'re)?(?:\s\w+){{1,4}}?(?=\s{_BE})"
# What leads to a letter; the letter itself is read right behind it.
_CUE: Final = re.compile(
    rf"""
    (?: (?P<answer>\b(?:answers?|letter)(?:'s)?
          (?:\s(?:choices?|option|letter|here)(?!\s?:?\s?\(?A[).:])|{_CLAUSE})?)
      | \b(?:{_GOOD}|natural|obvious)\s(?:options?|choices?|solution|response|one|letter|
          selection|statement|match|thing|bet|pick|guess)\b
      | \b(?:my|final)\s(?:choice|verdict|decision|pick|selection)\b
      | \b(?:I|we)(?:'d|'ll|\swould|\swill|\smust)?(?:\s(?!(?:cannot|not|never)\b)\w+)?
        \s(?:choose|chose|pick|select|go\swith|opt\sfor|answer)
      | \b(?:he|she|they|it|one)\s(?:would|should|will|must)(?:\s\w+ly)?\s(?:choose|pick|select)
      | \b(?:option|choice|one){_CLAUSE}
      | (?:答案|答え|正解|정답)(?:是|为|は|은)?
      | \b(?:r[ée]ponse|antwort|respuesta|resposta|risposta)(?:\s\w+){{0,2}}?
        (?:\s(?:est|ist|lautet|es|é|è)\b|\s?:)
      | \b(?:ans|correct)(?=\s?[:=]\s)
      | (?P<hash>\#\#\#\#)
      | (?:\bactually|\bwait|\bno|\brather|\binstead|\bcorrection),?\s(?:it's|it\sis|it\sshould\sbe)
    )
    (?:\s(?:to|for)\s(?:this|the|that)\s(?:question|problem|riddle|above))?
    ["']?
    (?:,\s(?:then|therefore|thus|of\scourse|here|however|in\s\w+\s(?:case|opinion|view)),(?=\s))?
    (?P<link>(?:\s?(?:[:=>]|->|\s-(?=\s))|,?\s{_BE})*)
    (?:\s{_ADVERB},?)*
    (?:\s?:)?
    (?:\s(?:that\sof|either|both|between|one\sof|any\sof))?
    (?:\snot\s\(?[A-J]\b[^.\n]{{0,80}}?\bbut\b(?:\s(?:rather|instead))?)?
    (?:\s(?:the\s)?(?:options?|choices?|letters?|answers?|solution)(?!\s(?:{_BE})|\s?:|\w))?
    [ \n]?[:#]{{0,4}}[ \n]?
    """,
    _FLAGS,
)
_CONCLUSION: Final = re.compile(
    rf"""
    (?: \b(?:so|therefore|thus|hence|consequently|in\sconclusion|finally|overall|
             conclude(?:\sthat)?)\b
        [,:]?
        (?:\s(?:it's|it\s{_BE}|that's|this\sis|we\shave|we\sget|that\sleaves|the\sonly\sone\sis))?
      | \b(?:it's|it\s{_BE}|I'd\ssay|I\swould\ssay|I\sthink|my\sguess:?|points\sto)
      | \bleav(?:es|ing)(?:\sus)?(?:\swith)?(?:\sonly)?
      | \b(?:are|is)\sleft\swith(?:\sonly)?
      | \b(?:no|rather|instead),
      | \b(?:obviously|clearly|definitely|certainly|surely|undoubtedly)
      | \b(?:everything|anything|all|nothing|none)\s(?:except(?:\sfor)?|but|other\sthan)
      | \bnot\s\(?[A-J]\)?,?\s(?:but|rather)
    )
    (?:\s{_ADVERB})?(?:\s(?:the\s)?(?:option|choice|letter|statement|solution))?\s
    """,
    _FLAGS,
)
# "D) Venice is the correct answer": what follows a letter and, perhaps, its option's text.
_PRAISE: Final = re.compile(
    rf"""
    ["')]?\?\s(?:yes|right|correct|exactly)\b
    | ["')]?[.:]?\s?[-:(]\s?(?:yes,?\s)?(?:this\sis\s)?(?:the\s)?correct\b
    | \scorrect(?:\s?[-.,:;!(]|$|\n)
    | ["')]?,?\s(?:(?:which|that|it)\s)?
    (?: (?:is|must\sbe|would\sbe|has\sto\sbe|(?:seems|appears)(?:\sto\sbe)?|looks|sounds)
        (?:\s{_ADVERB})*
        (?:\s(?:the|a))?(?:\s(?:most|only|single|much))?\s(?:{_GOOD}|answer)\b
        (?!\sto\s(?:avoid|rule))
      | best\s(?:answers|fits|matches|completes|describes)
      | (?:fits|matches|answers)(?:\sthe\s\w+)?\sbest
      | is\smore\s{_GOOD}\sthan
      | makes\s(?:the\smost|more)\ssense
      | (?:remains|is\sleft)\b | is\sthe\sonly\s(?:option|choice|one)\b
    )
    """,
    _FLAGS,
)
_SUPERLATIVE: Final = re.compile(
    r"\b(?:most|best|closest|nearest|only)\b[^\n]*\b(?:is|are|was|were|be)(?:\s(?:an?|the|to))?\s$",
    re.IGNORECASE,
)
SUBJECT: Final = re.compile(r"\s(?:is|was|has|does|did|and|would|could|can|be)\b")
_SUMMARY: Final = re.compile(
    r"(?:^|\n|[.!] )[^.\n]{0,50}?(?:"
    r"\b(?:combin|summar|collect|compil|putting|together|list)\w*\b[^.\n:]{0,40}|"
    r"\ball\s(?:of\s)?(?:the\s|my\s)?(?:final\s|correct\s)?)"
    r"answers\b[^.\n:]{0,20}\s?:|(?:\n|[.,] )[^\n]{0,20}(?:总结|所有)[^\n]{0,10}答案|"
    r"\n(?:answer )?(?:options|choices)(?: are)?\s?:",
    re.IGNORECASE,
)
_VERB: Final = re.compile(
    r"\b(?:to|would|could|might|may|will|can|people|students|they|you|must|should|not)\s$",
    re.IGNORECASE,
)
_OUTSIDE: Final = re.compile(r"[(\[\"']{0,2}([A-Z])(?:[)\]\"']|\.?$|\.?\n|\.\s)")
_ASKED: Final = re.compile(r"\b(?:why|if|whether|is)\s$", re.IGNORECASE)
_REASONED: Final = 40  # characters before a statement that are more than its heading


_BARE_LEAD: Final = re.compile(
    r"[\s.)\]*]*(?:(?:so|thus|therefore|hence),?\s)?(?:the\s(?:correct\s|final\s|right\s)?)?",
    re.IGNORECASE,
)


class Claim(NamedTuple):
    """One stated answer; ``letter`` is None if it says that there is no single answer."""

    start: int
    end: int
    letter: str | None


def _by_start(claim: Claim) -> int:
    return claim.start


def last_statement(reply: Reply) -> Claim | None:
    """The last explicit statement of an answer, before or after its letter."""
    claims = sorted([*led_to(reply), *_praised(reply)], key=_by_start)
    if not claims:
        return None
    summary = _SUMMARY.search(reply.text, claims[0].end)
    if summary:
        claims = [claim for claim in claims if claim.start < summary.end()]
    return _first_of_a_row(reply.text, claims)


def _first_of_a_row(text: str, claims: Sequence[Claim]) -> Claim:
    """The last claim; of directly adjacent claims, the one that the reasoning led to.

    A model that runs on after its answer says "The answer is A. The answer is C." for questions
    of its own. Where nothing was reasoned before, its last word counts, unless it loops.
    """
    row = [claims[-1]]
    for claim in reversed(claims[:-1]):
        lead = text[claim.end : row[0].start]
        if claim.letter is None or not _BARE_LEAD.fullmatch(lead):
            break
        row.insert(0, claim)
    letters = [claim.letter for claim in row]
    changes = [a for a, b in pairwise(letters) if a != b]
    loops = len(set(changes)) < len(changes)
    reasoned = len(text[: row[0].start].strip()) > _REASONED
    return row[0] if loops or (changes and reasoned) else row[-1]


def led_to(reply: Reply) -> Iterator[Claim]:
    """The claim after "the answer is": a letter, several letters, or that there is none."""
    for cue in _CUE.finditer(reply.text):
        if _is_no_cue(cue, reply.text) or reply.quotes(cue.start()):
            continue
        claim = _claim_at(reply, cue, lower=True)
        if claim:
            yield claim
        elif _says_none(reply, cue):
            yield Claim(cue.start(), cue.end(), None)


def concluded(reply: Reply) -> Claim | None:
    """The last conclusion such as "so it must be D"."""
    claims = []
    for cue in _CONCLUSION.finditer(reply.text):
        named = bool(
            re.search(r"(?:option|choice|letter|statement|solution)\s$", cue[0], re.IGNORECASE)
        )
        claim = None if reply.quotes(cue.start()) else _claim_at(reply, cue, lower=named)
        closed = named or reply.text[cue.end() : cue.end() + 1] == "("
        if claim and (closed or not SUBJECT.match(reply.text, claim.end)):
            claims.append(claim)
    claims += _superlatives(reply)
    return max(claims, key=_by_start, default=None)


def _superlatives(reply: Reply) -> Iterator[Claim]:
    """Claims made with a superlative: "The most likely place is (D) Venice"."""
    for group in reply.groups:
        before = sentence_before(reply.text, group.start, 200)
        if not group.marked or not _SUPERLATIVE.search(before) or DOUBTED.search(before):
            continue
        after = sentence_from(reply.text, group.end)
        if not HEDGED.search(before) and not is_conditional(before, "", after):
            yield Claim(group.start, group.end, group.letter)


def _is_no_cue(cue: re.Match[str], text: str) -> bool:
    """Whether "answer" is a verb about others: "many would answer A"."""
    return bool(
        cue["answer"]
        and not cue["link"]
        and _VERB.search(text[max(0, cue.start() - 12) : cue.start()])
    )


def _claim_at(reply: Reply, cue: re.Match[str], lower: bool) -> Claim | None:
    """The letter right after a cue, unless it is doubted, asked, ruled out or conditional."""
    text = reply.text
    match = reply.letter_at(cue.end(), lower)
    before = sentence_before(text, cue.start())
    if match is None or DOUBTED.search(before):
        return None
    group = reply.group_at(match)
    end = max(reply.own_text(match), match.end())
    if group and group.letter is None:
        asked = text[group.end : group.end + 1] == "?"
        return None if asked else Claim(cue.start(), group.end, None)
    if not reply.is_asserted(match) or is_conditional(before, cue[0], sentence_from(text, end)):
        return None
    return Claim(cue.start(), end, match["letter"].upper())


def _says_none(reply: Reply, cue: re.Match[str]) -> bool:
    """Whether it says "The answer is none of these", or names a letter that no option has."""
    text = reply.text
    if reply.options.refuses or DOUBTED.search(sentence_before(text, cue.start())):
        return False
    if reply.options.at(text, cue.end()):
        return False
    start = cue.end() - 1 if text[cue.end() - 1 : cue.end()] == " " else cue.end()
    if INSTEAD.match(text, start):
        return True
    outside = _OUTSIDE.match(text, cue.end())
    return bool(cue["link"] and outside and outside[1] not in reply.options.letters)


def _praised(reply: Reply) -> Iterator[Claim]:
    text = reply.text
    for group in reply.groups:
        if group.letter is None:
            continue
        before = sentence_before(text, group.start)
        if DISMISSED.search(before) or _ASKED.search(before):
            continue
        praise = _PRAISE.match(text, group.end)
        if praise is None:
            continue
        after = sentence_from(text, praise.end())
        if text[praise.end() + len(after) : praise.end() + len(after) + 1] == "?":
            continue
        if not is_conditional(before, praise[0], after):
            yield Claim(group.start, praise.end(), group.letter)
