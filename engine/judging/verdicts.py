"""Read a judge's replies and count its verdicts.

A question counts for a model only when the judge prefers it in both orders. Two ties are a tie;
everything else is undecided: the judge has contradicted itself, or given no verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from engine.scoring.extraction import extract
from engine.scoring.statistics import mcnemar, share
from engine.scoring.text import plain
from engine.scoring.verdict import score_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.interfaces import AnswerKind
    from engine.schema.accuracy import Share
    from engine.schema.records import JudgedAnswers

Label = Literal["A", "B", "tie"]
Preference = Literal["first", "second", "tie"]
Outcome = Literal["first", "second", "tie", "undecided"]
STRAIGHT: Final[dict[Label, Preference]] = {"A": "first", "B": "second", "tie": "tie"}
SWAPPED: Final[dict[Label, Preference]] = {"A": "second", "B": "first", "tie": "tie"}
DIFFERENT: Final = {"first", "second"}
SHOWN_FIRST: Final = ("first", "second")  # which answer stands first: straight, swapped

_WORD: Final = re.compile(r"verdict", re.IGNORECASE)
_VERDICT: Final = re.compile(
    r"\bverdict\b[^\w\n]{1,8}(?:is\W{1,4})?(?:answer\W{1,4})?(a|b|tie)\b[^\w\n]{0,8}$",
    re.IGNORECASE,
)


def read_verdict(text: str) -> Label | None:
    """Read the last line that ends in ``Verdict: …``; one that names several is ignored."""
    for line in reversed(plain(text).splitlines()):
        found = _VERDICT.search(line)
        if found and len(_WORD.findall(line)) == 1:
            word = found[1].upper()
            return "tie" if word == "TIE" else "A" if word == "A" else "B"
    return None


def by_own_answer(
    kind: AnswerKind, text: str, choices: Sequence[str], answers: tuple[str, str]
) -> Preference | None:
    """Derive a preference from a judge's own answer ``text``: it prefers the one of two answers
    that agrees with it, if exactly one does; None when it gives no answer."""
    own = extract(kind, text, choices).answer
    if own is None:
        return None
    first, second = (score_answer(kind, answer, own, choices).correct for answer in answers)
    return "tie" if first == second else "first" if first else "second"


def outcome(judged: JudgedAnswers) -> Outcome:
    if judged.same:
        return "tie"
    if judged.straight is None or judged.straight != judged.swapped:
        return "undecided"
    return judged.straight


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts over all questions of a judgement.

    ``first``, ``second``, ``tie``, ``undecided``: shares of the questions, one each. ``p``:
    exact two-sided sign test over the decided ones. ``same``: answers that were the same text,
    among the ties. ``unread``: replies without a verdict, of all replies.

    Of the judge: ``flips``: questions asked in which it preferred the same *place* in both
    orders; ``first_place``: of its replies that prefer an answer, those for the one shown first
    (half, without a bias). ``agrees``, ``disagrees``: of the questions that exactly one model
    got right, those in which it prefers the right, the wrong answer; it may do neither.
    """

    questions: int
    first: Share
    second: Share
    tie: Share
    undecided: Share
    p: float
    same: int
    unread: Share
    flips: Share
    first_place: Share
    agrees: Share
    disagrees: Share


def told(found: Tally, names: tuple[str, str]) -> str:
    """Summarise as ``16 to 3 of 24, equal 5, undecided 0, sign test p 0.0044: ONE against OTHER``;
    ``names``: who gave the first and the second answers."""
    counts = (found.first.count, found.second.count, found.tie.count, found.undecided.count)
    first, second, equal, undecided = counts
    return (
        f"{first} to {second} of {found.questions}, equal {equal}, undecided {undecided}, "
        f"sign test p {found.p:.2g}: {names[0]} against {names[1]}"
    )


def tally(judged: Iterable[JudgedAnswers], both_orders: bool = True) -> Tally:
    """Count the verdicts; without ``both_orders``, the judge saw no order that could bias it."""
    rows = list(judged)
    outcomes = [outcome(row) for row in rows]
    total = len(rows)
    asked = [row for row in rows if not row.same]
    replies = [
        (shown, reply)
        for row in asked
        for shown, reply in zip(SHOWN_FIRST, (row.straight, row.swapped), strict=True)
        if both_orders or shown == SHOWN_FIRST[0]
    ]
    in_order = asked if both_orders else []
    preferring = [(s, reply) for s, reply in replies if both_orders and reply in DIFFERENT]
    contested = [
        ("first" if row.first_correct else "second", found)
        for row, found in zip(rows, outcomes, strict=True)
        if row.first_correct != row.second_correct
    ]
    agrees = sum(right == found for right, found in contested)
    disagrees = sum({right, found} == DIFFERENT for right, found in contested)
    counts = {name: outcomes.count(name) for name in ("first", "second", "tie", "undecided")}
    return Tally(
        questions=total,
        first=share(counts["first"], total),
        second=share(counts["second"], total),
        tie=share(counts["tie"], total),
        undecided=share(counts["undecided"], total),
        p=mcnemar(counts["first"], counts["second"]),
        same=total - len(asked),
        unread=share(sum(reply is None for _, reply in replies), len(replies)),
        flips=share(sum({r.straight, r.swapped} == DIFFERENT for r in in_order), len(in_order)),
        first_place=share(sum(s == r for s, r in preferring), len(preferring)),
        agrees=share(agrees, len(contested)),
        disagrees=share(disagrees, len(contested)),
    )
