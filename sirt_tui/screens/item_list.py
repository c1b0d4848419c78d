"""The list of a source's items, all or filtered, read as they become visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from rich.text import Text

from engine.queries import item_filter
from engine.queries.nothing_found import why_none
from sirt_tui.format import count
from sirt_tui.panels.item_files import items_text
from sirt_tui.widgets import filter_line
from sirt_tui.widgets.names import Ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from engine.queries.filter_language import Filter
    from engine.queries.items import Item, Reader, Source
    from engine.store.item_notes import Marks
    from sirt_tui.page import Page
    from sirt_tui.widgets.table import RowTable

KEPT = 400  # items in memory
FILE = "file"  # the order of the file
LENGTHS = ("chosen", "rejected", "difference")
ORDERS = {  # in words
    FILE: "place in the file",
    "margin": "margin",
    "length": "length of the longer text",
    "chosen": "length of the chosen",
    "rejected": "length of the rejected",
    "difference": "how much longer the chosen is",
}


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of the list; ``item`` is None until it has been read."""

    number: int
    item: Item | None = None


class ItemStore:
    """Items that have been read; others are requested through ``want``."""

    def __init__(self, want: Callable[[int], None]) -> None:
        self._items: dict[int, Item] = {}
        self._want = want
        self.ids = Ids()

    def add(self, items: Iterable[Item]) -> None:
        if len(self._items) > KEPT:
            self._items.clear()
        found = {item.number: item for item in items}
        self._items.update(found)
        self.ids.note(item.id for item in found.values())

    def row(self, number: int) -> ItemRow:
        item = self._items.get(number)
        if item is None:
            self._want(number)
        return ItemRow(number, item)


class ItemRows(Sequence[ItemRow]):
    """The first ``length`` of these numbers as rows; iterating over them reads nothing."""

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


class ItemList:
    """The list; ``wanted`` is called when visible rows need :meth:`read_wanted`."""

    def __init__(self, page: Page, wanted: Callable[[], object]) -> None:
        self._page = page
        self._tell_wanted = wanted
        self._store = ItemStore(self._want)
        self._wanted: set[int] = set()
        self._numbers: Sequence[int] = ()
        self._search = object()  # the one whose finds are shown
        self.reader: Reader | None = None
        self.filter: Filter[Item] | None = None
        self.seen = 0  # how many the filter has looked at
        self._why = ""  # it finds none, once that is known
        self.order = FILE
        self.descending = False

    @property
    def ids(self) -> Ids:
        """The ids of the items that have been read."""
        return self._store.ids

    @property
    def total(self) -> int:
        return self.reader.count if self.reader else 0

    @property
    def _what(self) -> str:
        return self.reader.source.what if self.reader else "items"

    @property
    def numbers(self) -> Sequence[int]:
        return self._numbers

    @property
    def rows(self) -> ItemRows:
        return ItemRows(self._store, self._numbers, len(self._numbers))

    @property
    def why_none(self) -> str:
        """The text to show when there is no item."""
        if self.seen < self.total:
            return "looking"
        if self.filter is None:
            key = self._page.sirt.key("next_tab")
            return f"this file has no {self._what}: the phase made none; {key} opens the next file"
        return f"{self._why or 'the filter finds nothing'}; esc clears the filter"

    def status(self, source: Source) -> Text:
        """Write how many items there are, and how far a search is."""
        text = items_text(source, len(self._numbers), self.total, self.filter is not None)
        if self.seen < self.total:
            text.append(f"  looked at {count(self.seen)}", "cyan")
        if self.order != FILE or self.descending:
            text.append(f"  by {ORDERS[self.order]} {'▾' if self.descending else '▴'}", "bold")
        return text

    def understood(self) -> Text:
        """Write what is understood of the filter."""
        if self.filter is None:
            return Text()
        shown = len(self._numbers)
        left = Text(f"{count(shown)} of {count(self.total)}", "dim")
        if not shown and self.seen >= self.total:
            left = Text(self.why_none, "yellow")
        return filter_line.understood(self.filter, left)

    def next_order(self, scored: bool) -> None:
        """Take the next order: the file's, by margin where refine has scored, by length; pairs
        also by the length of either text, and by how much longer the chosen one is."""
        pairs = self.reader is not None and self.reader.source.what == "pairs"
        orders = [FILE, *(["margin"] if scored else []), "length", *(LENGTHS if pairs else ())]
        at = orders.index(self.order) if self.order in orders else 0
        self.order = orders[(at + 1) % len(orders)]

    def open(self, reader: Reader, items: Iterable[Item]) -> None:
        """Open another source, of which ``items`` have been read."""
        self.reader = reader
        self._store = ItemStore(self._want)
        self._store.add(items)

    def _want(self, number: int) -> None:
        if not self._wanted:
            self._tell_wanted()
        self._wanted.add(number)

    async def read_wanted(self) -> Sequence[int]:
        """Read at once all rows that became visible; return their numbers."""
        numbers, self._wanted = sorted(self._wanted), set()
        reader, store = self.reader, self._store
        if reader is None or not numbers:
            return ()
        try:
            store.add(await self._page.ask(reader.read, numbers))
        except OSError as error:
            self._page.sirt.say_error(error)
            return ()
        return numbers if store is self._store else ()

    def end_search(self) -> None:
        """End the search, whose further results are not wanted."""
        self._search = object()

    async def search(self, words: str, marks: Marks, show: Callable[[bool], None]) -> None:
        """List all items, or those that the words find, as they are found. ``show`` is told whether
        the rows have changed."""
        try:
            await self._find(words, marks, show)
        except OSError as error:
            self._page.sirt.say_error(error)

    async def _find(self, words: str, marks: Marks, show: Callable[[bool], None]) -> None:
        self._search = mine = object()
        reader = self.reader
        if reader is None:
            return
        names = reader.source.names
        self.filter = item_filter.parse(words, marks, names) if words.strip() else None
        if self.filter is None:
            self._numbers, self.seen = range(reader.count), reader.count
            await self._sort(mine, show)
            return
        found: list[int] = []

        def take(seen: int, more: Sequence[int]) -> None:
            if self._search is mine:
                other = bool(more) or self._numbers is not found or seen == reader.count
                found.extend(more)
                self._numbers, self.seen = found, seen
                show(other)

        def ended() -> bool:
            return self._page.is_left or self._search is not mine

        def go_through(keep: Filter[Item]) -> None:
            for seen, more in reader.sift(keep, ended):
                self._page.deliver(take, seen, more)

        self._why = ""
        await self._page.ask(go_through, self.filter)
        if self._search is mine:
            self.seen = self.total
            await self._sort(mine, show)
        if self._search is mine and not found:
            self._why = await self._page.ask(why_none, reader, self.filter, marks, ended)
            show(True)

    async def _sort(self, mine: object, show: Callable[[bool], None]) -> None:
        """Put what was found in the chosen order; until then it stands in the file's."""
        show(True)
        if self.reader is None or (self.order == FILE and not self.descending):
            return
        numbers = self._numbers
        if self.order == FILE:
            ordered = list(reversed(numbers))
        else:
            ask = self.reader.ordered
            ordered = await self._page.ask(ask, numbers, self.order, self.descending)
        if self._search is mine:
            self._numbers = ordered
            show(True)


def meant(table: RowTable[ItemRow]) -> list[int]:
    """Return the numbers of the ticked rows, or else of the row under the cursor."""
    ticked = sorted(int(key) for key in table.ticked)
    return ticked or ([table.row.number] if table.row is not None else [])


def item_texts(item: Item, file: Path, command: str) -> dict[str, str]:
    """Return what can be copied of an item, by name. ``command``: the one that prints it."""
    about = {"id": item.id, "path": str(file.absolute()), "command": command}
    texts = {f"{side.name} text": side.text for side in item.sides}
    return about | {"question": item.question} | texts
