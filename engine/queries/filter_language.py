"""Parse a filter line: words, ``field:value``, ``figure>80``, ``time<2h``, each negated by ``-``.
The caller says which fields there are, since runs have others than pairs. A condition that can't be
read becomes a problem that names the nearest known one."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from engine.schema.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

T = TypeVar("T")
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
UNITS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_CONDITION = re.compile(r"([^\W\d]\w*)(>=|<=|>|<|=)(.*)\Z", re.DOTALL)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\Z", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s?(min|[smhdw])")
_NAME = re.compile(r"-?(\w+)(?::|[<>=])")
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Filter(Generic[T]):
    """A parsed filter. ``problem``: what is wrong with the words that can't be read and are
    ignored. ``words``: plain words that must all occur; ``names``: fields and figures asked for."""

    tests: tuple[Callable[[T], bool], ...] = ()
    problem: str = ""
    words: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def __call__(self, thing: T) -> bool:
        return all(test(thing) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Language(Generic[T]):
    """What a filter may ask for. ``fields``: texts for ``name:value``, matched whole for those in
    ``exact``; ``values``: a field's possible values, where known. ``figures``: numbers, in seconds
    for those in ``times``. ``words``: words with a meaning of their own; any other word is looked
    for in ``searched``."""

    fields: Mapping[str, Callable[[T], str]]
    figures: Mapping[str, Callable[[T], float | None]]
    searched: Callable[[T], Iterable[str]]
    exact: frozenset[str] = frozenset()
    values: Mapping[str, Collection[str]] = field(default_factory=dict)
    times: frozenset[str] = frozenset()
    words: Mapping[str, Callable[[T], bool]] = field(default_factory=dict)

    def parse(self, text: str) -> Filter[T]:
        """Parse a filter; all its words must hold. A quoted ``"two words"`` is plain text."""
        tests, problems, words, names = [], [], [], set()
        for quoted in _WORD.findall(text):
            word = quoted.replace('"', "")
            negated = word.startswith("-") and len(word) > 1
            literal = quoted.startswith('"', int(negated))
            try:
                bare = word[1:] if negated else word
                test = self._occurs(bare) if literal else self._test(bare)
            except ValueError as error:
                problems.append(str(error))
                continue
            tests.append(_negation(test) if negated else test)
            if (name := _NAME.match(word)) and not literal:
                names.add(name[1])
            elif not negated and word.lower() not in self.words:
                words.append(word.lower())
        return Filter(tuple(tests), "; ".join(problems), tuple(words), frozenset(names))

    def _test(self, word: str) -> Callable[[T], bool]:
        if found := _CONDITION.match(word):
            return self._figure_test(*found.groups())
        name, colon, value = word.partition(":")
        if colon and value:
            return self._field_test(name, value.lower())
        if colon and name in self.fields:  # still being typed: nothing is left out yet
            return bool
        return self.words.get(word.lower()) or self._occurs(word)

    def _occurs(self, word: str) -> Callable[[T], bool]:
        wanted = word.lower()
        return lambda thing: any(wanted in text.lower() for text in self.searched(thing))

    def _field_test(self, name: str, wanted: str) -> Callable[[T], bool]:
        if name not in self.fields:
            if name in self.figures:
                one = self._example(name)
                raise ValueError(f"{name!r} is a figure: ask for {name}>{one} or {name}<{one}")
            raise ValueError(f"no field {name!r}: {nearest(name, self.fields)}")
        known = self.values.get(name)
        if known and not any(wanted in value for value in known):
            raise ValueError(f"no {name} {wanted!r}: {nearest(wanted, known)}")
        of = self.fields[name]
        if name in self.exact:
            return lambda thing: of(thing).lower() == wanted
        return lambda thing: wanted in of(thing).lower()

    def _figure_test(self, name: str, sign: str, said: str) -> Callable[[T], bool]:
        if name not in self.figures:
            if name in self.fields:
                raise ValueError(f"{name!r} is no figure: ask for {name}:{said}")
            raise ValueError(f"no figure {name!r}: {nearest(name, self.figures)}")
        if not said:  # still being typed
            return bool
        value = _seconds(said) if name in self.times else _number(said)
        if value is None:
            kind = "time" if name in self.times else "number"
            raise ValueError(f"{said!r} is no {kind}: {name}{sign}{self._example(name)}, say")
        of, holds = self.figures[name], COMPARE.get(sign) or _shown_as(said, value)

        def test(thing: T) -> bool:
            figure = of(thing)
            return figure is not None and holds(figure, value)

        return test

    def _example(self, name: str) -> str:
        return "2h" if name in self.times else "80"


def _number(said: str) -> float | None:
    """Read ``80``, ``98.3``, ``1e-5`` or ``80%``."""
    bare = said.removesuffix("%")
    return float(bare) if _NUMBER.match(bare) else None


def _seconds(said: str) -> float | None:
    """Read a time such as ``45s``, ``30min``, ``1h30m`` or ``2.5d``, in seconds."""
    parts = _TIME.findall(said.lower())
    if "".join(number + unit for number, unit in parts) != said.lower().replace(" ", ""):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts) if parts else None


def _shown_as(said: str, value: float) -> Callable[[float, float], bool]:
    """Test equality to as many decimals as were given: 98.33 equals ``98.3``."""
    digits = len(said.removesuffix("%").partition(".")[2])
    return lambda figure, _: round(figure, digits) == value or figure == value


def _negation(test: Callable[[T], bool]) -> Callable[[T], bool]:
    return lambda thing: not test(thing)
