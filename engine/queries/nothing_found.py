"""Say why a filter finds no item: what is there of what each of its conditions asks about.

Items are gone through again for it, so it is asked only where nothing was found.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.queries.filter_language import parts
from engine.queries.item_filter import ALTERNATIVES, LABELLED, MARKED, OUTCOME, language
from engine.schema.counts import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.filter_language import Filter, Language
    from engine.queries.items import Item, Reader
    from engine.store.item_notes import Marks

SAID = {"student": "the student's", "teacher": "the teacher's"}
FEW = 6  # values that are listed
LOOKED_AT = 1_000  # items, before it is asked whether to go on


def why_none(
    reader: Reader, keep: Filter[Item], marks: Marks, stopped: Callable[[], bool] = lambda: False
) -> str:
    """Return ``no pair: all 192 chosen are right``, or how many each condition finds alone; empty
    when it was stopped."""
    found, seen = [0] * len(keep.tests), 0
    for seen, item in enumerate(reader.all(), 1):
        if seen % LOOKED_AT == 0 and stopped():
            return ""
        found = [n + test(item) for n, test in zip(found, keep.tests, strict=True)]
    asked, what = language(marks, reader.source.names), reader.source.what
    if not seen:
        return f"there are no {what}"
    none = [
        _why(said, reader.all(), asked, what)
        for said, n in zip(keep.said, found, strict=True)
        if not n
    ]
    one = f"no {what.removesuffix('s')}"
    if none:
        return f"{one}: {'; '.join(none)}"
    alone = ", ".join(f"{_are(n)} {said}" for said, n in zip(keep.said, found, strict=True))
    return f"{one} is all of this at once: {alone}"


def _why(said: str, items: Iterator[Item], asked: Language[Item], what: str) -> str:
    """Say why a condition that holds for no item does not."""
    negated, name, sign, wanted = parts(said)
    if name in asked.figures and sign != ":":
        if wanted in asked.figures:
            return f"none is {said}"
        figures = [figure for item in items if (figure := asked.figures[name](item)) is not None]
        return _range(name, figures, what)
    if sign == ":":
        texts = [text for item in items if (text := asked.fields[name](item))]
        kinds = [kind for kind in ALTERNATIVES if any(wanted in value for value in kind)]
        known = name in asked.values and kinds
        return _tally(name, texts, kinds[0], what) if known else _without(name, wanted, texts)
    if wanted in MARKED:
        return f"all are {wanted}" if negated else f"none is {wanted}"
    if wanted in LABELLED:
        labels = Counter(item.label.partition(":")[0] for item in items)
        of = LABELLED[wanted]
        return _counts(labels) if what in of else f"only {' and '.join(of)} are {wanted}"
    if negated:
        return f"all have {wanted!r} in a text"
    return f"no text has {wanted!r}{_meant(wanted, items, asked)}"


def _meant(word: str, items: Iterator[Item], asked: Language[Item]) -> str:
    """Name the condition that finds the items whose verdict or outcome this word is."""
    for item in items:
        fields = [side.name for side in item.sides if side.name in asked.fields]
        for name in (*fields, OUTCOME):
            if word in asked.fields[name](item).split():
                return f", but {name}:{word} finds some"
    return ""


def _range(name: str, figures: Sequence[float], what: str) -> str:
    if not figures:
        why = "refine has not scored them" if name == "margin" else f"these are {what}"
        return f"none has a {name}: {why}"
    least, most = min(figures), max(figures)
    if name == "margin":
        return f"their margins are {least:+.2f} to {most:+.2f} nats"
    of = "the longest texts have" if name == "len" else f"the {name} texts have"
    return f"{of} {least:.0f} to {most:.0f} characters"


def _tally(name: str, texts: Sequence[str], kind: Sequence[str], what: str) -> str:
    """Say how many are of which kind: ``all 192 chosen are right``."""
    name = "chosen" if name == "winner" else name
    counts = Counter(word for text in texts for word in text.split() if word in kind)
    return _counts(counts, f" {name}") if counts else f"of these {what} no {name} text is like that"


def _counts(counts: Counter[str], name: str = "") -> str:
    told = [(SAID.get(value, value), n) for value, n in counts.most_common()]
    if len(told) == 1:
        return f"all {count(told[0][1])}{name} are {told[0][0]}"
    each = ", ".join(f"{_are(n)} {value}" for value, n in told)
    return f"of {count(counts.total())}{name} {each}"


def _are(number: int) -> str:
    return f"{count(number)} {'is' if number == 1 else 'are'}"


def _without(name: str, wanted: str, texts: Sequence[str]) -> str:
    there = sorted(set(texts))
    if not there:
        return f"none has a {name}"
    few = (
        f"; there is {', '.join(there)}" if len(there) <= FEW and max(map(len, there)) < 40 else ""
    )
    return f"no {name} has {wanted!r}{few}"
