"""One line that says which things a person means: words, ``field:value``, ``figure>80``, and
``-`` before any of them. What fields there are is the caller's: runs have others than pairs."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from engine.schema.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")
COMPARE = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_FIGURE = re.compile(r"(\w+)(>=|<=|>|<|=)(-?\d+(?:\.\d+)?)\Z")
_NAME = re.compile(r"-?(\w+)(?::|[<>=])")
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Filter(Generic[T]):
    """``problem``: what is wrong with the words; such a word is left out of the tests. ``words``:
    plain ones that must all occur; ``names``: fields and figures that are asked for."""

    tests: tuple[Callable[[T], bool], ...] = ()
    problem: str = ""
    words: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def __call__(self, thing: T) -> bool:
        return all(test(thing) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Language(Generic[T]):
    """``fields``: what ``name:value`` is looked for in, whole values for those in ``exact``.
    ``words``: words with a meaning of their own; any other word is looked for in ``searched``."""

    fields: Mapping[str, Callable[[T], str]]
    figures: Mapping[str, Callable[[T], float | None]]
    searched: Callable[[T], Iterable[str]]
    exact: frozenset[str] = frozenset()
    words: Mapping[str, Callable[[T], bool]] = field(default_factory=dict)

    def parse(self, text: str) -> Filter[T]:
        """All words must hold; ``"two words"`` in quotes are one."""
        tests, problems, words, names = [], [], [], set()
        for quoted in _WORD.findall(text):
            word = quoted.replace('"', "")
            negated = word.startswith("-") and len(word) > 1
            try:
                test = self._test(word[1:] if negated else word)
            except ValueError as error:
                problems.append(str(error))
                continue
            tests.append(_negation(test) if negated else test)
            if name := _NAME.match(word):
                names.add(name[1])
            elif not negated and word.lower() not in self.words:
                words.append(word.lower())
        return Filter(tuple(tests), "; ".join(problems), tuple(words), frozenset(names))

    def _test(self, word: str) -> Callable[[T], bool]:
        if found := _FIGURE.match(word):
            name, sign, value = found.groups()
            return self._figure_test(name, COMPARE[sign], float(value))
        name, colon, value = word.partition(":")
        if colon and value:
            return self._field_test(name, value.lower())
        if colon and name in self.fields:  # still being typed: nothing is left out yet
            return bool
        wanted = word.lower()
        return self.words.get(wanted) or (
            lambda thing: any(wanted in text.lower() for text in self.searched(thing))
        )

    def _field_test(self, name: str, wanted: str) -> Callable[[T], bool]:
        if name not in self.fields:
            if name in self.figures:
                raise ValueError(f"{name!r} is a figure: ask for {name}>1, {name}<1 or {name}=1")
            raise ValueError(f"no field {name!r}: {nearest(name, self.fields)}")
        of = self.fields[name]
        if name in self.exact:
            return lambda thing: of(thing).lower() == wanted
        return lambda thing: wanted in of(thing).lower()

    def _figure_test(
        self, name: str, holds: Callable[[float, float], bool], value: float
    ) -> Callable[[T], bool]:
        if name not in self.figures:
            if name in self.fields:
                raise ValueError(f"{name!r} is no figure: ask for {name}:{value:g}")
            raise ValueError(f"no figure {name!r}: {nearest(name, self.figures)}")
        of = self.figures[name]

        def test(thing: T) -> bool:
            figure = of(thing)
            return figure is not None and holds(figure, value)

        return test


def _negation(test: Callable[[T], bool]) -> Callable[[T], bool]:
    return lambda thing: not test(thing)
