"""Finds an answer letter by its position in the text: first, last or the only one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.choice.doubt import CONDITION, DISMISSED, HEDGED
from engine.scoring.choice.options import NEGATED, RULED_OUT
from engine.scoring.choice.statements import SUBJECT
from engine.scoring.text import sentence_before, sentence_from

if TYPE_CHECKING:
    from engine.scoring.choice.reply import Group, Reply

_NAME: Final = re.compile(r"(?:(?:option|choice) )?", re.IGNORECASE)
_LINE_NAME: Final = re.compile(r"^(?:[-•>] ?)?(?:(?:option|choice) )?", re.IGNORECASE)
_ITEM: Final = re.compile(r"(?:^|\n)(?:[Oo]ption )?[-•(\[]{0,3}([A-J])[)\].:] ?")
_AFTER_BARE: Final = re.compile(r"$|\n|\.(?:\s|$)|,\s|:\s| [-(]|;")
_CLOSED: Final = re.compile(r"[.!)\"']{0,3}\s{0,2}(?:$|\n)")
_TAIL: Final = re.compile(r"(?:[.:!?,] ?\(?|\n\(?|\()([A-J])\)?\.?$")
_LOWER_TAIL: Final = re.compile(r"\(([a-j])\)")


_BULLET: Final = re.compile(r"\s?(?:[-•>]|[0-9]{1,2}[.)])?\s?")
_CONTRAST: Final = re.compile(
    r",\s(?:and\s)?not\b|,?\s(?:rather\sthan|unlike|instead\sof|since|because|as)\b", re.IGNORECASE
)


def first_letter(reply: Reply, cut_off: bool) -> str | None:
    text = reply.text
    name = _NAME.match(text)
    match = reply.letter_at(name.end() if name else 0, lower=True)
    if match is None or not reply.is_asserted(match) or reply.goes_through_several:
        return None
    group = reply.group_at(match)
    own = reply.own_text(match)
    ends = bool(_CLOSED.match(text, own or match.end()))
    if group and group.letter is None:
        return None
    if (cut_off or match["letter"].islower()) and not ends and not _stands_alone(text, own):
        return None
    if own and not ends and NEGATED.search(sentence_from(text, own)):
        return None  # it speaks of this option and goes on
    bare = match["close"] is None
    rest = text[match.end() : match.end() + 2]
    if bare and not own and not _AFTER_BARE.match(rest):
        return None
    if not own and SUBJECT.match(text, match.end()):
        return None
    if bare and rest == ": " and match["letter"] == "A" and not own:
        return None  # "Q: ... A: ..."
    return match["letter"].upper()


def _stands_alone(text: str, own: int) -> bool:
    return bool(own) and text[own : own + 1] in tuple(".\n")


def last_letter(reply: Reply) -> str | None:
    text = reply.text
    start = text.rfind("\n") + 1
    name = _LINE_NAME.match(text[start:])
    match = reply.letter_at(start + (name.end() if name else 0), lower=True)
    if match and not _lists_lines(text, start):
        end = max(reply.own_text(match), match.end())
        if end >= len(text.rstrip(" .!)")):
            return match["letter"].upper()
    tail = _TAIL.search(text, max(0, len(text) - 10))
    last = reply.groups[-1] if reply.groups else None
    if tail and tail[1] in reply.options.letters and last and last.letter == tail[1]:
        before = sentence_before(text, last.start)
        return None if DISMISSED.search(before) or CONDITION.search(before) else tail[1]
    return _lower_at_end(reply)


def _lists_lines(text: str, start: int) -> bool:
    """Whether the line before is an item of the same list."""
    before = text[:start].rstrip("\n")
    return start > 0 and bool(_ITEM.match(before[before.rfind("\n") + 1 :]))


def _lower_at_end(reply: Reply) -> str | None:
    """The last letter, alone in its sentence: "... is (c)." or "... was (e) $78.20."."""
    group = _last_group(reply)
    if group is None or group.letter is None:
        return None
    ended = _CLOSED.match(reply.text, group.end)
    return group.letter if ended and _LOWER_TAIL.match(reply.text, group.start) else None


def last_sentence(reply: Reply) -> str | None:
    group = _last_group(reply)
    return group.letter if group else None


def _last_group(reply: Reply) -> Group | None:
    """The letters that the last sentence names; None if it only lists or doubts them."""
    if not reply.sentences or reply.text.endswith("?"):
        return None
    text, (start, _) = reply.text, reply.sentences[-1]
    inside = [
        group
        for group in reply.groups
        if group.start >= start
        and group.marked
        and not DISMISSED.search(text[max(start, group.start - 80) : group.start])
    ]
    if len(inside) != 1:
        return None
    (group,) = inside
    before, after = text[start : group.start], _CONTRAST.split(text[group.end :], maxsplit=1)[0]
    item = group.start == start or _BULLET.fullmatch(before)
    if item and (reply.goes_through_several or len(after) > 3):
        return None
    if HEDGED.search(before) or HEDGED.search(after) or RULED_OUT.match(text, group.end):
        return None
    return group


def _standing(reply: Reply, group: Group) -> bool:
    """Whether a letter is marked as an option, and not ruled out or denied in its sentence."""
    before = reply.text[max(0, group.start - 40) : group.start]
    if not group.marked or group.range or DISMISSED.search(before):
        return False
    if group.end == group.bare_end and _LOWER_TAIL.match(reply.text, group.start):
        return False  # "(a)" may be a part of the question
    rest = sentence_from(reply.text, group.end, 200)
    against = NEGATED.search(rest) or re.search(r"\b(?:but|however)\b", rest)
    return not against and not RULED_OUT.match(reply.text, group.end)


def mention(reply: Reply) -> str | None:
    standing: set[str] = set()
    for group in reply.groups:
        item = reply.goes_through_several and _begins_sentence(reply.text, group.start)
        if _standing(reply, group) and not item:
            rest = sentence_from(reply.text, group.end, 200)
            end = group.end + len(rest)
            asked = reply.text[end : end + 1] == "?"
            standing |= {*group.letters, "?"} if asked else set(group.letters)
    return standing.pop() if len(standing) == 1 else None


def _begins_sentence(text: str, position: int) -> bool:
    return text[max(0, position - 2) : position].strip(" ") in ("", ".", "\n", ".\n")


def offers_several(reply: Reply) -> bool:
    """Whether several letters remain as answers, so that no option's text may decide."""
    return len({x for g in reply.groups if _standing(reply, g) for x in g.letters}) > 1
