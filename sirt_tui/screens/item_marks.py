"""Mark items: flags, notes, and pairs to leave out of refining again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.store.item_notes import NONE
from sirt_tui.panels.item import Shown
from sirt_tui.screens import item_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.queries.items import Item, Reader, Source
    from engine.store.item_notes import Mark, Marks
    from engine.store.layout import RunsFolder
    from sirt_tui.page import Page


class ItemMarks:
    """The marks of one source; ``changed`` is called when they change."""

    def __init__(self, page: Page, changed: Callable[[], None]) -> None:
        self._page = page
        self._changed = changed
        self._source: Source | None = None
        self._reader: Reader | None = None
        self.all: Marks = {}
        self._before: dict[str, bool] = {}  # what the last mark changed: whether it was left out

    def open(self, source: Source, reader: Reader, marks: Marks) -> None:
        self._source, self._reader, self.all, self._before = source, reader, marks, {}

    def take(self, marks: Marks) -> None:
        if marks != self.all:
            self.all = marks
            self._changed()

    def of(self, item_id: str) -> Mark:
        return self.all.get(item_id, NONE)

    def left_out(self, item_id: str) -> bool:
        """Whether the run's refine phase left this pair out."""
        return self._source is not None and item_id in self._source.excluded

    def shown(self, item: Item, prompt: int, differ: bool) -> Shown:
        return Shown(self.of(item.id), self.left_out(item.id), prompt, differ)

    async def toggle(self, name: str, numbers: Sequence[int]) -> None:
        """Switch ``flagged`` or ``excluded`` for these items."""
        if name == "flagged" or self._can_exclude():
            await self._change(partial(item_commands.toggle, name=name), numbers)

    async def exclude(self, numbers: Sequence[int]) -> None:
        """Leave all these items out, or take them in again if all are left out, after
        confirmation."""
        if self._reader is None or not self._can_exclude():
            return
        if not numbers:
            self._page.hint("no pair is shown, so none can be left out")
            return
        ids = await self._page.ask(self._reader.ids, numbers)
        again = all(self.of(item_id).excluded for item_id in ids)
        pairs = counted(len(numbers), "pair")
        key, undo = (self._page.sirt.key(name) for name in ("exclude_all", "undo"))
        if again:
            question, how, agree = f"Take {pairs} in again?", "they are all left out", "Take in"
        else:
            question, agree = f"Leave {pairs} out of refining again?", "Leave out"
            how = f"all that the filter finds; {key} or {undo} takes them in again"
        if await self._page.sirt.confirm(question, [how], agree, "No"):
            await self._change(partial(item_commands.mark, excluded=not again), numbers)

    async def undo(self) -> None:
        """Undo the last change of what is left out."""
        if self._source is None or not self._before:
            self._page.hint("nothing was left out or taken in here since this file was opened")
            return
        before = self._before
        await self._take(
            partial(item_commands.put_back, phase_id=self._source.phase_id, before=before)
        )
        self._page.sirt.say(f"as before: {counted(len(before), 'pair')}")

    async def note(self, numbers: Sequence[int], item: Item) -> None:
        title = item.id if len(numbers) == 1 else f"{len(numbers)} items"
        note = await self._page.sirt.ask_text(f"Note on {title}", self.of(item.id).note)
        if note is not None:
            await self._change(partial(item_commands.mark, note=note), numbers)

    async def refine_again(self, run_id: str) -> None:
        """Refine the run without the pairs left out, after confirmation."""
        page = self._page
        try:
            found = await page.ask(item_commands.curated, page.runs, run_id)
            question = f"Refine again without {found.left_out} of {found.pairs} pairs?"
            if await page.sirt.confirm(question, item_commands.told(found), "Refine", "No"):
                page.sirt.say(await page.ask(item_commands.refine_again, page.runs, found))
                page.feed.hurry()
        except (UserError, OSError) as error:
            page.sirt.say_error(error)

    def _can_exclude(self) -> bool:
        pairs = self._source is not None and self._source.what == "pairs"
        if not pairs:
            flag = self._page.sirt.key("flag")
            self._page.sirt.say(f"only pairs can be left out; {flag} flags anything", "warning")
        return pairs

    async def _change(self, command: Callable[..., Marks], numbers: Sequence[int]) -> None:
        if self._reader is not None and numbers:
            await self._take(partial(command, reader=self._reader, numbers=numbers))

    async def _take(self, command: Callable[[RunsFolder], Marks]) -> None:
        before = self.all
        try:
            after = await self._page.ask(command, self._page.runs)
        except (UserError, OSError) as error:
            self._page.sirt.say_error(error)
            return
        was = {item: before.get(item, NONE).excluded for item in before.keys() | after.keys()}
        other = {item: out for item, out in was.items() if out != after.get(item, NONE).excluded}
        self._before = other or self._before
        self.take(after)
