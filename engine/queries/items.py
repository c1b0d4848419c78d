"""Read what models said, item by item: pairs, demonstrations, elicited answers, predictions.

An item is one question with one or two texts beside each other. Items are made as they are asked
for, from files of any size (:mod:`engine.queries.line_index`); a file of 200,000 opens like one of
5,000, and a filter streams what it finds.
"""

from __future__ import annotations

import json
import math
import re
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.queries.line_index import Lines
from engine.store.scores import scored_again

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from engine.queries.filter_language import Filter
    from engine.store.layout import PhaseDir

What = Literal["pairs", "demonstrations", "answers", "predictions"]
BATCH_S = 0.25
BLOCK = 64
SURE = 2_000  # so many lines are counted at once; beyond, a phase's own count is believed
FLIPS = {
    (True, True): "both right",
    (False, False): "both wrong",
    (True, False): "lost",
    (False, True): "gained",
}
REMARKS = {"length": "cut off", "filtered": "refused", "refused": "refused", "empty": "empty"}
_LITERAL = re.compile(r"[a-z0-9 .,:;?!()$%+*=-]+\Z")  # stands in JSON as it is
_ID = re.compile(rb'\{"id":"([^"\\]*)"')


@dataclass(frozen=True, slots=True)
class Side:
    """One text of an item. ``answer``, ``tier``: what was extracted and by which rule, None if
    nothing; ``span``: where it stands in the text, None if unknown. ``logps``: the text's
    log-probability (natural, summed) under refine's reference and its policy."""

    name: str
    text: str
    answer: str | None
    tier: str | None
    correct: bool
    span: tuple[int, int] | None = None
    remark: str = ""
    logps: tuple[float, float] | None = None

    @property
    def verdict(self) -> Literal["right", "wrong", "unparsed"]:
        if self.answer is None:
            return "unparsed"
        return "right" if self.correct else "wrong"


@dataclass(frozen=True, slots=True)
class Item:
    """One question with the texts that answer it.

    ``prompts``: name and text, the one in use first. ``label``: what became of it (who won, why
    it was dropped, how two runs differ). ``problem``: why the line can't be read, else empty.
    """

    number: int
    id: str
    question: str = ""
    choices: tuple[str, ...] = ()
    target: str = ""
    group: str = ""
    prompts: tuple[tuple[str, str], ...] = ()
    sides: tuple[Side, ...] = ()
    label: str = ""
    problem: str = ""

    @property
    def length(self) -> int:
        """Characters of the longest text."""
        return max((len(side.text) for side in self.sides), default=0)

    def length_of(self, name: str) -> int | None:
        """Characters of the text with this name; None if there is none."""
        return next((len(s.text) for s in self.sides if s.name.lower() == name), None)

    @property
    def difference(self) -> int | None:
        """How many characters the first of two texts has more than the second."""
        return len(self.sides[0].text) - len(self.sides[1].text) if len(self.sides) == 2 else None

    @property
    def margin(self) -> float | None:
        """How much more than the reference the policy prefers the first text to the second, in
        nats; training makes it grow from 0."""
        if len(self.sides) < 2 or self.sides[0].logps is None or self.sides[1].logps is None:
            return None
        (ref_a, policy_a), (ref_b, policy_b) = self.sides[0].logps, self.sides[1].logps
        return (policy_a - ref_a) - (policy_b - ref_b)


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a run's items. ``count``: its lines, None when the phase does not say. ``against``:
    another run's answers to the same questions. ``scores``: refine's scores of the pairs.
    ``names``: what the two runs' answers are called. ``excluded``: pairs that the run's refine
    phase left out. ``also_right``: how many rejected answers are right; None where unknown.
    ``scored``: the evaluations whose answers these are, if they were scored again since."""

    what: What
    title: str
    phase_id: str
    file: Path
    count: int | None = None
    against: Path | None = None
    names: tuple[str, str] = ("A", "B")
    scores: Path | None = None
    excluded: frozenset[str] = frozenset()
    also_right: int | None = None
    scored: tuple[PhaseDir, ...] = ()


FIGURES: dict[str, Callable[[Item], float | None]] = {
    "margin": lambda item: item.margin,
    "length": lambda item: item.length,
    "chosen": lambda item: item.length_of("chosen"),
    "rejected": lambda item: item.length_of("rejected"),
    "difference": lambda item: item.difference,
}


class Reader:
    """Reads items of a source by number. Every method reads files: call it in a thread."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lines = Lines(source.file)
        self._other = _ById(source.against) if source.against else None
        self._scores = _ById(source.scores) if source.scores else None
        self._figures: dict[str, array[float]] = {}
        self._again = {folder.out: scored_again(folder) for folder in source.scored}
        found = self._lines.reach(SURE)
        if found == SURE:
            found = self._lines.all() if source.count is None else max(SURE, source.count)
        self.count = found

    def read(self, numbers: Sequence[int]) -> list[Item]:
        """Return items in the order asked for; one whose line can't be read says why."""
        lines = self._lines.read(numbers)
        return [self._item(n, line) for n, line in zip(numbers, lines, strict=True)]

    def lines(self, numbers: Sequence[int]) -> list[bytes]:
        """Return lines as they are in the file."""
        return self._lines.read(numbers)

    def all(self) -> Iterator[Item]:
        """Yield all items in the file's order."""
        for number, line in enumerate(self._lines.scan()):
            yield self._item(number, line)

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """Return the ids of these items; a line that can't be read has none."""
        found = (id_of(line) for line in self._lines.read(numbers))
        return [item_id for item_id in found if item_id]

    def sift(
        self, keep: Filter[Item], stopped: Callable[[], bool]
    ) -> Iterator[tuple[int, list[int]]]:
        """Search all items, yielding every 0.25 s how many were read and which newly match.

        A line in which a word does not occur is not parsed; scores are read when asked for.
        """
        words = [w.encode() for w in keep.words if _LITERAL.match(w) and self._other is None]
        scored = "margin" in keep.names
        kept: list[int] = []
        due = time.monotonic() + BATCH_S
        number = -1
        for number, line in enumerate(self._lines.scan()):
            if all(word in line.lower() for word in words) and keep(
                self._item(number, line, scored)
            ):
                kept.append(number)
            if time.monotonic() >= due:
                if stopped():
                    return
                yield number + 1, kept
                kept, due = [], time.monotonic() + BATCH_S
        yield number + 1, kept

    def ordered(self, numbers: Sequence[int], by: str, descending: bool) -> list[int]:
        """Return these numbers in the order of one of their items' :data:`FIGURES`; those that
        have none come last. The first time it reads the whole file."""
        if by not in self._figures:
            of = FIGURES[by]
            figures = (of(self._item(n, line)) for n, line in enumerate(self._lines.scan()))
            self._figures[by] = array("d", (math.nan if f is None else f for f in figures))
        found = self._figures[by]
        known = [n for n in numbers if not math.isnan(found[n])]
        unknown = [n for n in numbers if math.isnan(found[n])]
        return sorted(known, key=found.__getitem__, reverse=descending) + unknown

    def find(self, ids: Collection[str], numbers: Sequence[int]) -> int | None:
        """Return the first of these numbers whose item has one of the ids."""
        for first in range(0, len(numbers), 1000):
            part = numbers[first : first + 1000]
            for number, line in zip(part, self._lines.read(part), strict=True):
                if id_of(line) in ids:
                    return number
        return None

    def _item(self, number: int, line: bytes, scored: bool = True) -> Item:
        try:
            record = _parsed(line)
            self._read_again(record, self.source.file)
            if self._scores is not None and scored:
                return _pair(number, record, self._scores.record(number, record["id"]))
            if self._other is None:
                return ITEMS[self.source.what](number, record)
            theirs = self._other.record(number, record["id"])
            if theirs and self.source.against:
                self._read_again(theirs, self.source.against)
            return _two_predictions(number, record, theirs, self.source.names)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{self.source.file}:{number + 1}: {type(error).__name__}: {error}"
            return Item(number, id_of(line) or f"line {number + 1}", problem=why)

    def _read_again(self, record: dict[str, Any], file: Path) -> None:
        """Put the verdict of a later scoring in place of the published one."""
        if found := self._again.get(file.parent, {}).get(record["id"]):
            record["verdict"] = found.model_dump()


class _ById:
    """Another file about the same items. Most stand in the same line there; the others are found by
    an index of ids that is made once."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._numbers: dict[str, int] | None = None
        self._block: tuple[int, list[bytes]] = (0, [])

    def record(self, number: int, wanted: str) -> dict[str, Any] | None:
        """Return the item's record, or None when this file has no such item."""
        line = self._line(number) if self._numbers is None else b""
        if id_of(line) != wanted:
            if self._numbers is None:
                self._numbers = {id_of(x): n for n, x in enumerate(self._lines.scan())}
            at = self._numbers.get(wanted)
            line = self._line(at) if at is not None else b""
        return _parsed(line) if line else None

    def _line(self, number: int) -> bytes:
        """Read a line together with those after it, which are mostly asked for next."""
        first, lines = self._block
        if not first <= number < first + len(lines):
            first, lines = number, self._lines.read(range(number, number + BLOCK))
            self._block = first, lines
        return lines[number - first]


def id_of(line: bytes) -> str:
    """Return a record's id, mostly without parsing the rest; empty when it has none."""
    match = _ID.match(line)
    if match is not None:
        return match[1].decode(errors="replace")
    try:
        return str(_parsed(line)["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _parsed(line: bytes) -> dict[str, Any]:
    value = json.loads(line.decode(errors="replace"))
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _side(
    name: str,
    text: str,
    verdict: dict[str, Any],
    remark: str = "",
    logps: tuple[float, float] | None = None,
) -> Side:
    answer, tier = verdict["answer"], verdict["tier"]
    start, end = verdict.get("span") or (0, 0)
    span = (int(start), int(end)) if end else None
    return Side(name, str(text), answer, tier, bool(verdict["correct"]), span, remark, logps)


def _item(
    number: int,
    record: dict[str, Any],
    prompts: tuple[tuple[str, str], ...],
    sides: tuple[Side, ...],
    label: str,
) -> Item:
    return Item(
        number,
        str(record["id"]),
        str(record["question"]),
        tuple(map(str, record.get("choices", ()))),
        str(record["target"]),
        str(record.get("group", "")),
        prompts,
        sides,
        label,
    )


def _remark(finish: str, tokens: int | None = None) -> str:
    said = REMARKS.get(finish, "")
    return ", ".join(x for x in (f"{tokens} tokens" if tokens is not None else "", said) if x)


def _pair(number: int, record: dict[str, Any], score: dict[str, Any] | None = None) -> Item:
    """Make an item of a pair; ``score`` is refine's, of a pair that it trained on or held out."""
    prompts = (("plain", record["prompt_plain"]), ("cot", record["prompt_cot"]))
    if prompts[0][1] != record["prompt"]:
        prompts = prompts[::-1]
    steps = "reasons too" if record["plain_has_steps"] else ""
    sides = (
        _side("chosen", record["chosen"], record["chosen_verdict"], "", _logps(score, "chosen")),
        _side(
            "rejected",
            record["rejected"],
            record["rejected_verdict"],
            steps,
            _logps(score, "rejected"),
        ),
    )
    return _item(number, record, prompts, sides, str(record["winner"]))


def _logps(score: dict[str, Any] | None, name: str) -> tuple[float, float] | None:
    if score is None:
        return None
    return float(score[f"reference_{name}"]), float(score[f"policy_{name}"])


def _demonstration(number: int, record: dict[str, Any]) -> Item:
    side = _side("teacher", record["output"], record["verdict"], _remark(record["finish"]))
    label = "kept" if record["kept"] else f"dropped: {record['dropped_because']}"
    return _item(number, record, (("teacher's", record["prompt"]),), (side,), label)


def _answers(number: int, record: dict[str, Any]) -> Item:
    sides = tuple(
        _side(style, said["text"], said["verdict"], _remark(said["finish"], said["tokens"]))
        for style, said in (("plain", record["plain"]), ("cot", record["cot"]))
    )
    prompts = tuple((style, record[style]["prompt"]) for style in ("plain", "cot"))
    return _item(number, record, prompts, sides, _flip(*sides))


def _prediction_side(name: str, record: dict[str, Any]) -> Side:
    remark = _remark(record["finish"], record["tokens"])
    return _side(name, record["output"], record["verdict"], remark)


def _prediction(number: int, record: dict[str, Any]) -> Item:
    side = _prediction_side("answer", record)
    sides: tuple[Side, ...] = (side,)
    if committed := record.get("committed"):
        remark = _remark(committed["finish"], committed["tokens"])
        text = f"{committed['cue']} {committed['text'].lstrip()}"
        sides = (side, _side("committed", text, committed["verdict"], remark))
    return _item(number, record, (("asked", record["prompt"]),), sides, side.verdict)


def _two_predictions(
    number: int, mine: dict[str, Any], theirs: dict[str, Any] | None, names: tuple[str, str]
) -> Item:
    prompts = (("asked", mine["prompt"]),)
    first = _prediction_side(names[0], mine)
    if theirs is None:
        return _item(number, mine, prompts, (first,), "not asked")
    second = _prediction_side(names[1], theirs)
    return _item(number, mine, prompts, (first, second), _flip(first, second))


def _flip(first: Side, second: Side) -> str:
    """Say what the second answer won or lost against the first: ``gained by B``."""
    said = FLIPS[first.correct, second.correct]
    return said if first.correct == second.correct else f"{said} by {second.name}"


ITEMS: dict[What, Callable[[int, dict[str, Any]], Item]] = {
    "pairs": _pair,
    "demonstrations": _demonstration,
    "answers": _answers,
    "predictions": _prediction,
}
