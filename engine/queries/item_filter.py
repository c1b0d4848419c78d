"""Filter items by a line such as ``chosen:teacher rejected:right len>200 flagged words``.

=====================  =====================================================================
``chosen:teacher``     whose the chosen text of a pair is: student or teacher; also ``winner:``,
                       as the pairs' file has it
``chosen:wrong``       right, wrong or unparsed, by the text's name: chosen, rejected; teacher,
                       plain, cot, answer; A, B
``gained`` ``lost``    questions that turned right, or wrong, from A (or the plain prompt) to B (the
                       CoT prompt); ``flipped``: either
``kept`` ``dropped``   demonstrations
``outcome:wrong``      what became of an item, as its row says
``chosen:shorter``     shorter or longer than the other text
``flagged`` ``left-out`` ``noted``   what was marked
``len>200``            characters of the longest text; of one text: ``chosen>200``
``chosen<rejected``    two figures of a pair, here the lengths of its texts
``margin<0``           pairs by refine's margin over the reference, in nats
``id: target: group: label: text: note: tier:``   the rest
=====================  =====================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.filter_language import Language
from engine.store.item_notes import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.filter_language import Filter
    from engine.queries.items import Item
    from engine.store.item_notes import Marks

AUTHORS = ("student", "teacher")  # of the chosen text
VERDICTS = ("right", "wrong", "unparsed")
LENGTHS = ("shorter", "longer")
ALTERNATIVES = (AUTHORS, VERDICTS, LENGTHS)
LEFT_OUT = ("left-out", "excluded")  # the second as the marks' file has it
MARKED = ("flagged", *LEFT_OUT, "noted")
OUTCOME = "outcome"
FLIPPED = ("gained", "lost")
LABELLED = {  # words for what became of an item, and which items have them
    **dict.fromkeys((*FLIPPED, "flipped"), ("answers", "predictions")),
    **dict.fromkeys(("kept", "dropped"), ("demonstrations",)),
}
VERDICTS_OF = ("chosen", "rejected", "teacher", "plain", "cot", "answer")
TWO_RUNS = ("A", "B")  # what their answers are called, unless they have other names


def parse(text: str, marks: Marks, names: Sequence[str] = TWO_RUNS) -> Filter[Item]:
    """Parse a filter for items; ``marks`` are the marks of the items' phase, ``names`` what the
    answers of two runs are called."""
    return language(marks, names).parse(text)


def language(marks: Marks, names: Sequence[str] = TWO_RUNS) -> Language[Item]:
    """What a filter for items may ask for."""
    sides = (*VERDICTS_OF, *names, *map(str.lower, names))
    fields: dict[str, Callable[[Item], str]] = {
        "winner": lambda item: item.label,
        **dict.fromkeys((OUTCOME, "label"), lambda item: item.label),
        "id": lambda item: item.id,
        "target": lambda item: item.target,
        "group": lambda item: item.group,
        "text": lambda item: "\n".join(_texts(item)),
        "note": lambda item: marks.get(item.id, NONE).note,
        "tier": lambda item: " ".join(side.tier or "" for side in item.sides),
    }
    words: dict[str, Callable[[Item], bool]] = {
        "flagged": lambda item: marks.get(item.id, NONE).flagged,
        **dict.fromkeys(LEFT_OUT, lambda item: marks.get(item.id, NONE).excluded),
        "noted": lambda item: bool(marks.get(item.id, NONE).note),
    }
    fields |= {name: _verdict_of(name) for name in sides}
    words |= {word: _labelled(word) for word in LABELLED}
    figures: dict[str, Callable[[Item], float | None]] = {
        "len": lambda item: item.length,
        "margin": lambda item: item.margin,
    }
    figures |= {name: _length_of(name) for name in sides}
    return Language(
        fields,
        figures,
        searched=_texts,
        exact=frozenset({"target", "group"}),
        values={
            "winner": AUTHORS,
            **dict.fromkeys(sides, (*VERDICTS, *LENGTHS)),
            "chosen": (*VERDICTS, *LENGTHS, *AUTHORS),
        },
        words=words,
    )


def _texts(item: Item) -> Iterator[str]:
    yield item.question
    for side in item.sides:
        yield side.text
    yield item.id


def _verdict_of(name: str) -> Callable[[Item], str]:
    def said(item: Item) -> str:
        for at, side in enumerate(item.sides):
            if side.name.lower() == name.lower():
                more = (item.difference or 0) * (-1 if at else 1)
                length = LENGTHS[more > 0] if more else ""
                author = item.label if name == "chosen" else ""
                return f"{side.verdict} {length} {author}"
        return ""

    return said


def _length_of(name: str) -> Callable[[Item], int | None]:
    return lambda item: item.length_of(name.lower())


def _labelled(word: str) -> Callable[[Item], bool]:
    meant = FLIPPED if word == "flipped" else word
    return lambda item: item.label.startswith(meant)
