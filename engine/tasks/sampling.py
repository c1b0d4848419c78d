"""Draws examples: seeded, balanced over classes, and independent of the order they come in.

Every draw ranks the ids with its own generator, so that a smaller draw is part of a
larger one with the same seed. Drawn examples keep their order.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


class Example(Protocol):
    """Anything with an id; an item or a demonstration."""

    @property
    def id(self) -> str: ...


class Grouped(Example, Protocol):
    """An example that belongs to a class."""

    @property
    def group(self) -> str: ...


E = TypeVar("E", bound=Example)
G = TypeVar("G", bound=Grouped)


def balanced(
    items: Sequence[G],
    limit: int | None,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> list[G]:
    """``limit`` items with equally distributed classes (the paper's 4000; section 3).

    4000 over five classes are 800 each, over three 1334, 1333 and 1333. A class that is too
    small is taken whole and the others make up for it, and ``tell`` gets a line that says so.
    Items without classes (one ``group``) are a plain random sample.
    """
    if limit is None or limit >= len(items):
        return list(items)
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item.id)
    quotas = _equal_quotas({name: len(ids) for name, ids in groups.items()}, limit)
    fair = limit // len(groups)
    short = {name: len(ids) for name, ids in sorted(groups.items()) if len(ids) < fair}
    if short:
        listed = ", ".join(f"{name or '-'} has {count}" for name, count in short.items())
        tell(f"classes are not equally distributed: of {fair} each, {listed}; others make up")
    drawn = {
        key for name, ids in groups.items() for key in _ranked(ids, seed, name)[: quotas[name]]
    }
    return [item for item in items if item.id in drawn]


def _equal_quotas(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """How many of each class: as equal as sizes allow, with the remainder to the first."""
    quotas = dict.fromkeys(sizes, 0)
    left = min(limit, sum(sizes.values()))
    while left:
        unfilled = [name for name in sorted(sizes) if quotas[name] < sizes[name]]
        each = max(left // len(unfilled), 1)
        for name in unfilled:
            take = min(each, sizes[name] - quotas[name], left)
            quotas[name] += take
            left -= take
    return quotas


def fraction(items: Sequence[E], percent: int, seed: int) -> list[E]:
    """A random ``percent`` of the items; 25 % is part of 50 %, which is part of all."""
    if percent >= 100:
        return list(items)
    count = round(len(items) * percent / 100)
    drawn = set(_ranked([item.id for item in items], seed, "fraction")[:count])
    return [item for item in items if item.id in drawn]


def stratified_holdout(
    groups: Mapping[str, str] | Iterable[tuple[str, str]], share: float, seed: int
) -> frozenset[str]:
    """Keys to hold out: a ``share`` of all, stratified by class.

    ``groups``: key -> class. At least one key is held out and one is left, when there are two.
    """
    by_class: dict[str, list[str]] = {}
    for key, group in dict(groups).items():
        by_class.setdefault(group, []).append(key)
    total = sum(map(len, by_class.values()))
    if total < 2:
        return frozenset()
    room = min(max(round(share * total), 1), total - 1)
    exact = {name: room * len(keys) / total for name, keys in by_class.items()}
    quotas = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in by_remainder[: room - sum(quotas.values())]:
        quotas[name] += 1
    return frozenset(
        key for name, keys in by_class.items() for key in _ranked(keys, seed, name)[: quotas[name]]
    )


def _ranked(keys: Collection[str], seed: int, purpose: str) -> list[str]:
    """The keys in an order that depends only on themselves, seed and purpose."""
    ranked = sorted(keys)
    Random(f"{seed}/{purpose}").shuffle(ranked)
    return ranked
