"""The list of items: rows that are read as they come into sight, and their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.widgets.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.queries.items import Item
    from engine.store.item_notes import Mark
    from sirt_tui.widgets.columns import Cell

KEPT = 400  # items in memory
VERDICTS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "unparsed": ("?", "yellow")}


@dataclass(frozen=True, slots=True)
class ItemRow:
    """``item`` is None until it has been read."""

    number: int
    item: Item | None = None


class ItemStore:
    """Items that have been read; the others are asked for once with ``want``."""

    def __init__(self, want: Callable[[int], None]) -> None:
        self._items: dict[int, Item] = {}
        self._want = want

    def add(self, items: Iterable[Item]) -> None:
        if len(self._items) > KEPT:
            self._items.clear()
        self._items.update((item.number, item) for item in items)

    def row(self, number: int) -> ItemRow:
        item = self._items.get(number)
        if item is None:
            self._want(number)
        return ItemRow(number, item)


class ItemRows(Sequence[ItemRow]):
    """The first ``length`` of these numbers as rows. Going through all of them reads nothing."""

    def __init__(self, store: ItemStore, numbers: Sequence[int], length: int) -> None:
        self._store = store
        self._numbers = numbers
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> ItemRow: ...
    @overload
    def __getitem__(self, at: slice) -> list[ItemRow]: ...
    def __getitem__(self, at: int | slice) -> ItemRow | list[ItemRow]:
        if isinstance(at, slice):
            return [self._store.row(n) for n in self._numbers[: self._length][at]]
        return self._store.row(self._numbers[at])

    def __iter__(self) -> Iterator[ItemRow]:
        return (ItemRow(self._numbers[at]) for at in range(self._length))


def item_columns(
    mark_of: Callable[[str], Mark], left_out: Callable[[str], bool], scored: bool
) -> list[Column[ItemRow]]:
    """``left_out``: whether the run's refine phase did without the item of that id. ``scored``:
    whether refine's margins are known."""

    def marks(row: ItemRow) -> Cell:
        if row.item is None:
            return ""
        mark = mark_of(row.item.id)
        text = Text()
        text.append("!" if mark.flagged else " ", "bold yellow")
        text.append("x" if mark.excluded else "-" if left_out(row.item.id) else " ", "bold red")
        text.append("n" if mark.note else " ", "cyan")
        return text

    return [
        Column("number", "#", 7, lambda r: str(r.number + 1), 4, "right"),
        Column("marks", "mrk", 3, marks),
        Column("verdicts", "✓✗", 3, _verdicts),
        Column("label", "what", 12, _label, 1, narrow=8),
        Column("length", "chars", 6, _length, 3, "right"),
        *([Column("margin", "margin", 7, _margin, 2, "right")] if scored else []),
        Column("id", "id", 14, _id, 7, narrow=10),
        Column("text", "question", 40, _text, 6, narrow=24, grows=True),
    ]


def _verdicts(row: ItemRow) -> Cell:
    text = Text()
    for side in row.item.sides if row.item else ():
        text.append(*VERDICTS[side.verdict])
    return text


def _label(row: ItemRow) -> Cell:
    if row.item is None:
        return "…", "dim"
    if row.item.problem:
        return "unreadable", "bold red"
    return one_line(row.item.label, 40)


def _length(row: ItemRow) -> Cell:
    return str(max((len(s.text) for s in row.item.sides), default=0)) if row.item else ""


def _margin(row: ItemRow) -> Cell:
    margin = row.item.margin if row.item else None
    return "" if margin is None else f"{margin:+.2f}"


def _id(row: ItemRow) -> Cell:
    return (one_line(row.item.id, 60), "dim") if row.item else ""


def _text(row: ItemRow) -> Cell:
    return one_line(row.item.question, 300) if row.item else ""
