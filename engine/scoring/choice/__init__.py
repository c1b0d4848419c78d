"""Finds the option letter that a text gives as its answer.

Tiers, most explicit first:

=====================  ============================================================
``boxed``              ``\\boxed{D}``
``boxed_text``         ``\\boxed{Venice}``
``statement``          "the answer is D", "D) Venice is correct", "I choose (D)"; the last one
``first_letter``       the text begins "D) Venice ..."
``last_letter``        the text ends in a line or sentence that is only "D" or "(D) Venice"
``statement_text``     "the answer is Venice": exactly one option's text, with no letter
``statement_wording``  "the answer is the city Venise": one option misspelt, inflected, in part
``conclusion``         "so it must be D"
``list``               each option has its verdict, and one has another than the rest
``last_sentence``      the last sentence names one letter alone: "... would be in Venice (D)"
``mention``            one letter alone is mentioned ("option D fits") and not ruled out
``superlative_text``   "the best place is in Venice", with no letter
``text``               exactly one option's text occurs in the whole answer
``wording``            the last sentence has one option's words, inflected or misspelt; or the
                       first is nothing but some of them: "Rubber band!"
``remaining``          the text speaks against every option but one
=====================  ============================================================

An option whose text equals another's is never told by its text. A letter that is asked about,
ruled out, supposed ("would be B if ...") or offered beside another ("A or B") is no answer.
What comes before a take-back ("Wait, that is not right") doesn't count. Where a reply says that
there is no single answer, weaker rules don't look for one; neither do the weakest where it was
cut off, since its end concludes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.scoring.choice import box, position, statements, told
from engine.scoring.choice.doubt import refusals, taken_back
from engine.scoring.choice.options import Options, unmarked
from engine.scoring.choice.ordinals import as_letters
from engine.scoring.choice.reply import Reply
from engine.scoring.choice.verdicts import odd_one_out
from engine.scoring.unanswered import ends_early

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.text import Asked, Rule


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """Apply the rules in order; stop early if the text says that there is no single answer."""
    options = Options(asked.choices)
    words = as_letters(unmarked(text).removeprefix(unmarked(asked.question)), options)
    reply = Reply(words[taken_back(words) :].lstrip(" .,!:;\n-"), options)
    cut_off = asked.cut_off
    if cut_off is None:
        cut_off = ends_early([sentence for _, sentence in reply.sentences])

    boxed, concluded = box.read(reply), statements.concluded(reply)
    yield "boxed", lambda: boxed.letter
    yield "boxed_text", lambda: boxed.named
    none_at = boxed.none_at
    if none_at is None and (stated := statements.last_statement(reply)):
        yield "statement", lambda: stated.letter
        none_at = stated.end
    if none_at is not None:  # several, or none: only what is concluded later still counts
        if concluded and concluded.start >= none_at:
            yield "conclusion", lambda: concluded.letter
        return
    refused = -1 if options.refuses else max(refusals(reply), default=-1)
    yield "first_letter", lambda: position.first_letter(reply, cut_off)
    yield "last_letter", lambda: None if asked.cut_off else position.last_letter(reply)
    named = told.statement(reply)
    if named.start > refused:
        yield "statement_text", lambda: named.exact
        yield "statement_wording", lambda: named.near
    if named.says_none:
        return
    if concluded and concluded.start > refused:
        yield "conclusion", lambda: concluded.letter
    if refused >= 0 or boxed.other or cut_off:
        return
    yield "list", lambda: odd_one_out(reply)
    yield "last_sentence", lambda: position.last_sentence(reply)
    yield "mention", lambda: position.mention(reply)
    if not position.offers_several(reply):
        yield "superlative_text", lambda: told.superlative(reply)
        yield "text", lambda: told.whole_text(reply)
        yield "wording", lambda: told.first_wording(reply) or told.last_wording(reply)
        yield "remaining", lambda: told.remaining(reply)
