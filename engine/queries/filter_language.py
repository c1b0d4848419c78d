"""Parse a filter line: words, ``field:value``, ``figure>80``, ``time<2h``, ``setting=0.1``, each
negated by ``-``; ``figure<figure`` compares two. The caller says which fields there are, since runs
have others than pairs. A condition that can't be read becomes a problem that names the nearest
known one."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from engine.schema.errors import closest, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
LISTED = 4  # names, where none is nearly the one that was typed: a filter's line is short
GOES_ON = 3  # names that are offered for the beginning of one
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
UNITS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SIGNS = {"==": "=", "≥": ">=", "=>": ">=", "≤": "<=", "=<": "<=", "≠": "!="}  # as people write
_SIGN = r"(?:[<>=!]=|=[<>]|[<>=≥≤≠])"
_CONDITION = re.compile(rf"([^\W\d][\w.]*)({_SIGN})(.*)\Z", re.DOTALL)
_HALF = re.compile(rf"{_SIGN}[\d.]|[\d.]+%?{_SIGN}")  # a figure without its name, or before it
_APART = re.compile(rf"(?<=[\w.])[ ]*({_SIGN})[ ]+(?=[^\s])|(?<=[\w.])[ ]+({_SIGN})(?=[^\s])")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\Z", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s?(min|[smhdw])")
_NAME = re.compile(rf"-?([\w.]+)(?::|{_SIGN})")
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Filter(Generic[T]):
    """A parsed filter. ``said``: its conditions as they were typed, one for each test. ``problem``:
    what is wrong with the words that can't be read and are ignored. ``words``: plain words that
    must all occur; ``names``: fields and figures asked for. ``unfinished``: how the last word may
    go on, where it is the beginning of a condition."""

    tests: tuple[Callable[[T], bool], ...] = ()
    problem: str = ""
    words: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()
    unfinished: str = ""

    def __call__(self, thing: T) -> bool:
        return all(test(thing) for test in self.tests)


class Settings(Protocol[T_contra]):
    """Named values of which a thing may have several by one name; a condition holds when it holds
    for one of them."""

    @property
    def names(self) -> Collection[str]:
        """All names, for a hint to the nearest."""

    def find(self, name: str) -> Callable[[T_contra], Sequence[object]] | None:
        """How to get the values by a name; None if there is no such setting."""

    def texts(self, name: str) -> Collection[str]:
        """The values that are texts, among all things."""


@dataclass(frozen=True, slots=True)
class Language(Generic[T]):
    """What a filter may ask for. ``fields``: texts for ``name:value``, matched whole for those in
    ``exact``; ``values``: a field's possible values, where known. ``figures``: numbers, in seconds
    for those in ``times``. ``settings``: may be asked for as either, by names that the caller
    knows. ``words``: words with a meaning of their own; any other word is looked for in
    ``searched``."""

    fields: Mapping[str, Callable[[T], str]]
    figures: Mapping[str, Callable[[T], float | None]]
    searched: Callable[[T], Iterable[str]]
    exact: frozenset[str] = frozenset()
    values: Mapping[str, Collection[str]] = field(default_factory=dict)
    times: frozenset[str] = frozenset()
    words: Mapping[str, Callable[[T], bool]] = field(default_factory=dict)
    settings: Settings[T] | None = None

    def parse(self, text: str) -> Filter[T]:
        """Parse a filter; all its words must hold. A quoted ``"two words"`` is plain text."""
        tests, said, problems, words, names = [], [], [], [], set()
        for quoted in _WORD.findall(_joined(text)):
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
            said.append(quoted)
            if (name := _NAME.match(word)) and not literal:
                names.add(name[1])
                if (found := _CONDITION.match(bare)) and found[3] in self.figures:
                    names.add(found[3])
            elif not negated and word.lower() not in self.words:
                words.append(word.lower())
        return Filter(
            tuple(tests),
            "; ".join(problems),
            tuple(words),
            frozenset(names),
            tuple(said),
            self._goes_on(text),
        )

    def _goes_on(self, text: str) -> str:
        """Say how the last word may go on, if it is the beginning of a condition."""
        *_, last = text.split(" ")
        word = last.removeprefix("-")
        if word[:-1] in self.fields and word.endswith(":"):
            known = self.values.get(word[:-1], ())
            return f"{word}{', '.join(known)}" if known else f"{word}WORD"
        if (found := _CONDITION.match(word)) and not found[3]:
            return f"{word}{self._example(found[1])}" if found[1] in self.figures else f"{word}…"
        begun = word.lower()
        names = [f"{name}:" for name in self.fields if begun and name.startswith(begun)]
        names += [f"{n}>" for n in self.figures if begun and n.startswith(begun)]
        return " or ".join(names[:GOES_ON])

    def _test(self, word: str) -> Callable[[T], bool]:
        if found := _CONDITION.match(word):
            return self._figure_test(*found.groups())
        if _HALF.match(word):
            name = next(iter(self.figures), "NAME")
            raise ValueError(f"{word!r}: of what? {name}>{self._example(name)}, say")
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
            if (test := self._setting_test(name, "=", wanted)) is not None:
                return test
            raise ValueError(f"no field {name!r}: {self._nearest(name, self.fields)}")
        known = self.values.get(name)
        if known and not any(wanted in value for value in known):
            raise ValueError(f"no {name} {wanted!r}: {nearest(wanted, known)}")
        of = self.fields[name]
        if name in self.exact:
            return lambda thing: of(thing).lower() == wanted
        return lambda thing: wanted in of(thing).lower()

    def _figure_test(self, name: str, sign: str, said: str) -> Callable[[T], bool]:
        sign = SIGNS.get(sign, sign)
        if name not in self.figures:
            if name in self.fields:
                known = self.values.get(name, ())
                fitting = [value for value in known if said and said.lower() in value]
                one = next(iter([*fitting, *known]), said or "WORD")
                raise ValueError(f"{name!r} is no figure: ask for {name}:{one}")
            if (of_setting := self._setting_test(name, sign, said)) is not None:
                return of_setting
            raise ValueError(f"no figure {name!r}: {self._nearest(name, self.figures)}")
        if not said:  # still being typed
            return bool
        if sign == "!=":
            return _negation(self._figure_test(name, "=", said))
        if said in self.figures and said != name:
            return self._compared(name, sign, said)
        value = _seconds(said) if name in self.times else _number(said)
        if value is None:
            kind = "time" if name in self.times else "number"
            raise ValueError(f"{said!r} is no {kind}: {name}{sign}{self._example(name)}, say")
        of, holds = self.figures[name], COMPARE.get(sign) or _shown_as(said, value)

        def test(thing: T) -> bool:
            figure = of(thing)
            return figure is not None and holds(figure, value)

        return test

    def _compared(self, name: str, sign: str, other: str) -> Callable[[T], bool]:
        """Compare two figures of a thing; it must have both."""
        first, second, holds = (
            self.figures[name],
            self.figures[other],
            COMPARE.get(sign, operator.eq),
        )

        def test(thing: T) -> bool:
            one, two = first(thing), second(thing)
            return one is not None and two is not None and holds(one, two)

        return test

    def _nearest(self, name: str, names: Collection[str]) -> str:
        twice = {one.lower() for one in names if one != one.lower()}
        own = {*names} - twice
        known = {*own, *(self.settings.names if self.settings else ())}
        return closest(name, known) or nearest(name, own, LISTED)

    def _setting_test(self, name: str, sign: str, said: str) -> Callable[[T], bool] | None:
        """Test a setting; None when there is none of that name. Numbers are compared as they are,
        not as they are shown."""
        of = self.settings.find(name) if self.settings else None
        if of is None or self.settings is None:
            return None
        if not said:  # still being typed
            return bool
        if sign == "!=":
            equal = self._setting_test(name, "=", said)
            return equal and _negation(equal)
        value = _number(said)
        if sign != "=" and value is None:
            raise ValueError(f"{said!r} is no number: {name}{sign}1e-6, say")
        if value is None:
            texts = self.settings.texts(name)
            if said.lower() not in map(str.lower, texts):
                raise ValueError(f"no {name} {said!r}: {nearest(said.lower(), texts)}")
            return lambda thing: any(_as_text(found) == said.lower() for found in of(thing))
        holds, wanted = COMPARE.get(sign, math.isclose), value
        return lambda thing: any(
            holds(found, wanted)
            for found in of(thing)
            if isinstance(found, int | float) and not isinstance(found, bool)
        )

    def _example(self, name: str) -> str:
        return "2h" if name in self.times else "80"


def parts(said: str) -> tuple[bool, str, str, str]:
    """Return whether a condition is negated, its name, its sign and what it wants; a plain word has
    neither name nor sign."""
    bare = said.removeprefix("-") if len(said) > 1 else said
    negated = bare != said
    if bare.startswith('"'):
        return negated, "", "", bare.replace('"', "").lower()
    bare = bare.replace('"', "")
    if found := _CONDITION.match(bare):
        return negated, found[1], found[2], found[3]
    name, colon, value = bare.partition(":")
    return (negated, name, colon, value.lower()) if value else (negated, "", "", bare.lower())


def _joined(text: str) -> str:
    """The line with ``lr > 1e-6`` as one word, but for what is quoted."""
    parts = text.split('"')
    parts[::2] = [_APART.sub(lambda found: found[1] or found[2], part) for part in parts[::2]]
    return '"'.join(parts)


def _as_text(value: object) -> str:
    return "none" if value is None else str(value).lower()


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
