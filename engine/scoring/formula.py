"""Decides if two mathematical expressions are equal; ``expression`` finds them in a text.

The structure (lists, sets, intervals, relations) is compared as such, scalars by their values;
an expression that is not fully understood equals only one with the same characters.
"""

from __future__ import annotations

import re
import threading
from math import prod
from typing import TYPE_CHECKING, Final

from engine.scoring.latex import Part, plain_latex, read
from engine.scoring.scalar import proportional, same_value, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.scoring.scalar import Value

LONGEST: Final = 300  # characters; nothing longer is evaluated
SECONDS: Final = 5
LARGEST: Final = 10_000  # power

_GROUP: Final = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_POWER: Final = re.compile(rf"\^\s?({_GROUP}|\([^()]*\)|-?[0-9]+)")
_OPENED: Final = re.compile(r"\^\s?[{(]")
_RAISED_AGAIN: Final = re.compile(r"[)}!]\s?\^")
_FACTORIAL: Final = re.compile(r"([0-9]{1,3})\s?!")
_TOWER: Final = re.compile(  # of powers, factorials, exponentials; binomials of large numbers
    r"\^\s?[{(][^{}()]{0,50}[\^!]|\^\s?\w\s?\^|[0-9]{4,}\s?!|[!)}]\s?!|\*\*"
    r"|binom(?=.*(?:\^|!|[0-9]{5}))|(?:exp|[sc][io][ns]h|\^)\s?[({].*(?:exp|[sc][io][ns]h)"
)
_NAME: Final = re.compile(r"\\?[a-zA-Z]+(?:_\{?\w+\}?)?'?\s?(?:\([a-z, ]*\))?|\\(?:text|angle).*")
_FLIPPED: Final = str.maketrans("<≤>≥", ">≥<≤")
_BELOW: Final = frozenset("<≤")


def same_formula(target: str, answer: str) -> bool:
    """Whether two expressions are equal; ``target`` is the gold answer.

    Follows the gold's form, as MATH's readers do: ``x = 5`` is ``5``, a unit or a per cent sign
    may be missing, a list's order doesn't matter.

    The time limit needs the main thread (it sets an alarm), so elsewhere there is none. No limit
    at all stops big-integer arithmetic, hence :func:`_is_cheap`.
    """
    if _squeezed(target) == _squeezed(answer):
        return bool(_squeezed(target))
    if not (_is_cheap(target) and _is_cheap(answer)):
        return False
    from math_verify.errors import TimeoutException
    from math_verify.utils import timeout

    main = threading.current_thread() is threading.main_thread()
    try:
        return bool(timeout(SECONDS if main else None)(_same)(read(target), read(answer)))
    except (TimeoutException, RecursionError):
        return False


def _is_cheap(expression: str) -> bool:
    """Whether it is short, without powers of powers or huge factorials (``9^{9^9}`` never ends)."""
    if len(expression) > LONGEST or _TOWER.search(expression):
        return False
    raised = _POWER.findall(expression)
    if sum(power[0] in "{(" for power in raised) < len(_OPENED.findall(expression)):
        return False  # too deep to tell
    powers = [prod(max(int(n[:9]), 1) for n in re.findall("[0-9]+", power)) for power in raised]
    powers += [int(n) for n in _FACTORIAL.findall(expression)]
    together = prod(powers) if _RAISED_AGAIN.search(expression) else max(powers, default=1)
    return together <= LARGEST


def _squeezed(expression: str) -> str:
    """The text for comparison by characters: no size commands, no blanks except between digits."""
    return re.sub(r"(?<![0-9])\s|\s(?![0-9])", "", plain_latex(expression))


def _same(gold: Part, given: Part) -> bool:
    if gold == given:
        return True
    gold, given = _members(gold, given), _members(given, gold)
    gold, given = _stated(gold, given, named=True), _stated(given, gold, named=False)
    if _is_relation(gold) and _is_relation(given):
        return _same_relation(gold, given)
    gold, given = _as_interval(gold), _as_interval(given)
    kinds = {gold.kind, given.kind}
    if kinds == {"scalar"}:
        return _same_scalar(gold, given)
    if kinds <= {"list", "{}"} or kinds == {"union"}:
        return _same_in_any_order(gold.parts, given.parts)
    if kinds == {"words", "scalar"}:
        return _letters(gold) == _letters(given) != ""
    alike = len(kinds) == 1 or kinds == {"list", "()"}
    return alike and bool(gold.parts) and _same_in_order(gold.parts, given.parts)


def _is_relation(part: Part) -> bool:
    return bool(part.parts) and part.kind[0] in "=<>≤≥≠≈∈\\"


def _members(part: Part, other: Part) -> Part:
    r"""The set that ``x \in [1, 2]`` names, unless the other has that form too."""
    return part.parts[-1] if part.kind == "∈" != other.kind else part


def _stated(part: Part, other: Part, *, named: bool) -> Part:
    """The value an equation states, if the other is no equation: ``x = 5``, ``9 + 9 = 18``.

    ``named``: only where its first side is a name, as in the gold.
    """
    if _is_relation(other) or not part.parts or set(part.kind) != {"="}:
        return part
    sides = [value(side.text) if side.kind == "scalar" else None for side in part.parts]
    first = part.parts[0]
    name = first.kind == "words" or _NAME.fullmatch(first.text)
    if named and not name and (sides[0] is None or sides[0].names):
        return part
    numbers = [side for side in sides if side is not None and not side.names]
    if any(not same_value(number, numbers[0]) for number in numbers):
        return part  # it isn't true
    return part.parts[-1]


def _same_relation(gold: Part, given: Part) -> bool:
    if gold.kind == given.kind and _same_in_order(gold.parts, given.parts):
        return True
    turned = Part(given.kind[::-1].translate(_FLIPPED), given.parts[::-1])
    if gold.kind == turned.kind and _same_in_order(gold.parts, turned.parts):
        return True
    if len(gold.kind) > 1 or gold.kind not in {given.kind, turned.kind}:
        return False
    if gold.kind != given.kind:
        given = turned
    left, right = _difference(gold), _difference(given)
    if left is None or right is None:
        return False
    return proportional(left, right, positive=gold.kind not in "=≠")


def _difference(relation: Part) -> Value | None:
    if any(side.kind != "scalar" for side in relation.parts):
        return None
    left, right = (side.text for side in relation.parts)
    return value(f"({left})-({right})")


def _as_interval(part: Part) -> Part:
    """An inequality such as ``x > 3`` or ``1 < x \\le 3`` as an interval."""
    ends, signs = part.parts, part.kind
    if not signs or not set(signs) <= set("<≤>≥"):
        return part
    if set(signs) <= set(">≥"):
        ends, signs = ends[::-1], signs.translate(_FLIPPED)[::-1]
    infinity = Part("scalar", text=r"\infty")
    if len(signs) == 2 and set(signs) <= _BELOW:
        low, _, high = ends
    elif len(signs) == 1 and _is_variable(ends[0]):
        low, high, signs = Part("scalar", text=r"-\infty"), ends[1], "<" + signs
    elif len(signs) == 1 and _is_variable(ends[1]):
        low, high, signs = ends[0], infinity, signs + "<"
    else:
        return part
    return Part("(["[signs[0] == "≤"] + ")]"[signs[1] == "≤"], (low, high))


def _is_variable(part: Part) -> bool:
    return part.kind == "scalar" and re.fullmatch(r"\\?[a-zA-Z]+", part.text) is not None


def _same_scalar(gold: Part, given: Part) -> bool:
    if gold.unit and given.unit and gold.unit != given.unit:
        return False
    left, right = value(gold.text), value(given.text)
    if left is None or right is None:
        return gold.text == given.text
    by_share = gold.unit != given.unit and "percent" in {gold.unit, given.unit}
    if same_value(left, right):
        return not by_share or left.exact is not None
    if by_share:
        whole, share = (left, right) if gold.unit == "percent" else (right, left)
        return same_value(whole, share, 100)
    return False


def _same_in_order(gold: Sequence[Part], given: Sequence[Part]) -> bool:
    return len(gold) == len(given) and all(map(_same, gold, given))


def _same_in_any_order(gold: Sequence[Part], given: Sequence[Part]) -> bool:
    left = list(given)
    for part in gold:
        found = next((number for number, other in enumerate(left) if _same(part, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _letters(part: Part) -> str:
    return re.sub(r"[^a-z0-9]", "", part.text.casefold())
