"""Finds repeated questions, within a set or on both sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.interfaces import Item


class Asked(Protocol):
    """Anything with an id and a question; a pair or an item."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...


def normal(question: str) -> str:
    """The question, ignoring case and blanks."""
    return " ".join(question.lower().split())


def with_repeats(ids: frozenset[str], everything: Iterable[Asked]) -> frozenset[str]:
    """These ids, and those of items with the same questions."""
    rows = list(everything)
    asked = {normal(row.question) for row in rows if row.id in ids}
    return ids | {row.id for row in rows if normal(row.question) in asked}


def shared(items: Iterable[Item], others: Iterable[Item]) -> int:
    """How many of ``items`` are in ``others`` too, by question and options in any order."""
    known = {_content(other) for other in others}
    return sum(_content(item) in known for item in items)


def _content(item: Item) -> tuple[str, ...]:
    return normal(item.question), *sorted(map(normal, item.choices))
