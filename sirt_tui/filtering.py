"""Which runs a person means: words, ``field:value``, ``acc>80``, and ``-`` before any of them."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.contract.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.contract.run import RunRow


def best(row: RunRow) -> float | None:
    """The better accuracy of a run's two prompt styles on its own task, in per cent."""
    found = [share for share in (row.plain, row.cot) if share is not None]
    return 100 * max(found) if found else None


FIELDS: dict[str, Callable[[RunRow], str]] = {
    "state": lambda r: r.state,
    "name": lambda r: r.name,
    "id": lambda r: r.run_id,
    "experiment": lambda r: r.experiment,
    "arm": lambda r: r.arm,
    "student": lambda r: r.student or "",
    "teacher": lambda r: r.teacher or "",
    "task": lambda r: f"{r.task or ''} {r.refine_task or ''}",
    "seed": lambda r: str(r.seed),
    "fraction": lambda r: str(r.fraction),
    "rounds": lambda r: str(r.rounds),
    "tag": lambda r: " ".join(r.tags),
    "note": lambda r: r.note,
    "family": lambda r: {True: "in", False: "out", None: ""}[r.in_family],
}
EXACT = frozenset({"seed", "fraction", "rounds", "family"})
COMPARE = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
FIGURES: dict[str, Callable[[RunRow], float | None]] = {
    "acc": best,
    "seed": lambda r: float(r.seed),
    "fraction": lambda r: float(r.fraction),
    "rounds": lambda r: float(r.rounds),
}
_FIGURE = re.compile(r"(\w+)(>=|<=|>|<|=)(-?\d+(?:\.\d+)?)\Z")


@dataclass(frozen=True, slots=True)
class Filter:
    """``problem``: what is wrong with the words; such a word is left out of the tests."""

    tests: tuple[Callable[[RunRow], bool], ...] = ()
    problem: str = ""

    def __call__(self, row: RunRow) -> bool:
        return all(test(row) for test in self.tests)


def parse(text: str) -> Filter:
    """All words must hold. A word without a field is looked for in everything."""
    tests, problems = [], []
    for word in text.split():
        negated = word.startswith("-") and len(word) > 1
        try:
            test = _test(word[1:] if negated else word)
        except ValueError as error:
            problems.append(str(error))
            continue
        tests.append(_negation(test) if negated else test)
    return Filter(tuple(tests), "; ".join(problems))


def apply(rows: Iterable[RunRow], chosen: Filter) -> list[RunRow]:
    return [row for row in rows if chosen(row)]


def _test(word: str) -> Callable[[RunRow], bool]:
    if found := _FIGURE.match(word):
        name, sign, value = found.groups()
        return _figure_test(name, COMPARE[sign], float(value))
    name, colon, value = word.partition(":")
    if colon and value:
        return _field_test(name, value.lower())
    if colon and name in FIELDS:  # still being typed: nothing is left out yet
        return bool
    wanted = word.lower()
    return lambda row: any(wanted in of(row).lower() for of in FIELDS.values())


def _field_test(name: str, wanted: str) -> Callable[[RunRow], bool]:
    if name not in FIELDS:
        raise ValueError(f"no field {name!r}: {nearest(name, FIELDS)}")
    of = FIELDS[name]
    if name in EXACT:
        return lambda row: of(row).lower() == wanted
    return lambda row: wanted in of(row).lower()


def _figure_test(
    name: str, holds: Callable[[float, float], bool], value: float
) -> Callable[[RunRow], bool]:
    if name not in FIGURES:
        raise ValueError(f"no figure {name!r}: {nearest(name, FIGURES)}")
    of = FIGURES[name]

    def test(row: RunRow) -> bool:
        figure = of(row)
        return figure is not None and holds(figure, value)

    return test


def _negation(test: Callable[[RunRow], bool]) -> Callable[[RunRow], bool]:
    return lambda row: not test(row)
