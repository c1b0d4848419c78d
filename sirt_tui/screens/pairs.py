"""What models said, item by item: pairs, demonstrations, answers, predictions; two of them side
by side, with marks that make a curated set of pairs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input, Static

from engine.queries import item_filter
from engine.queries.item_files import sources
from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from engine.store.item_notes import NONE
from sirt_tui.format import count
from sirt_tui.page import Page
from sirt_tui.panels.item import ItemPanel, Shown, draw
from sirt_tui.panels.item_files import SourceBar, items_text, marks_text
from sirt_tui.screens import item_verbs
from sirt_tui.screens.item_columns import (
    ItemRow,
    ItemRows,
    ItemStore,
    item_columns,
)
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from engine.queries.filter_language import Filter
    from engine.queries.items import Item, Reader, Source
    from engine.store.item_notes import Mark, Marks
    from sirt_tui.feed import Feed

AGAIN_S = 5.0  # phases finish while one reads: then there is more
TYPING_S = 0.15  # a pause in typing: only then the file is gone through
HINT = "winner:teacher chosen:wrong len>200 flagged gained -words"


class PairsPage(Page):
    """Opened with ``p``. ``against``: another run, whose predictions are set beside this one's."""

    TITLE = "Pairs"
    DEFAULT_CSS = """
    PairsPage #filter { display: none; height: 1; border: none; padding: 0 1; }
    PairsPage #filter.open { display: block; }
    PairsPage #status { height: 1; padding: 0 1; }
    PairsPage #body { layout: vertical; height: 1fr; }
    PairsPage #body RowTable { height: 11; }
    PairsPage.-narrow #body RowTable { height: 6; }
    PairsPage ItemPanel { height: 1fr; }
    PairsPage.-narrow ItemPanel #sides { grid-size: 1; }
    PairsPage.-narrow ItemPanel { border: none; border-top: round $border; }
    PairsPage.-narrow ItemPanel:focus { border: none; border-top: round $primary; }
    PairsPage.-wide #body { layout: horizontal; }
    PairsPage.-wide #body RowTable { width: 74; height: 1fr; }
    PairsPage.zoomed #body RowTable { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip=f"Filter: {HINT}", priority=True),
        Binding("n", "step(1)", "Next"),
        Binding("b", "step(-1)", "Before", show=False),
        Binding("right_square_bracket", "source(1)", "Next source", show=False),
        Binding("left_square_bracket", "source(-1)", "Source before", show=False),
        Binding("o", "prompt", "Prompts", tooltip="The question, then each prompt"),
        Binding("d", "differ", "Differences", show=False, tooltip="Highlight differences or not"),
        Binding("f", "flag", "Flag", tooltip="Flag or unflag (the marked ones, else this one)"),
        Binding("x", "exclude", "Exclude", tooltip="Leave out of refining again, or not"),
        Binding("X", "exclude_all", "Exclude all that the filter finds", show=False),
        Binding("N", "note", "Note", show=False),
        Binding("R", "refine_again", "Refine again", tooltip="Refine without the excluded pairs"),
        Binding("z", "zoom", "Item alone, or with the list", show=False),
        Binding("escape", "clear", "Clear filter and marks, then back", show=False),
    ]

    def __init__(self, run_id: str, against: str | None = None) -> None:
        super().__init__()
        self._run_id = run_id
        self._against = against
        self._sources: Sequence[Source] = ()
        self._chosen = 0
        self._going = 0  # the source that is being opened
        self._reader: Reader | None = None
        self._marks: Marks = {}
        self._store = ItemStore(self._want)
        self._wanted: set[int] = set()
        self._numbers: Sequence[int] = ()
        self._seen = 0
        self._filter: Filter[Item] | None = None
        self._sifting = object()
        self._prompt = 0
        self._differ = True

    def compose_body(self) -> ComposeResult:
        yield SourceBar()
        yield Static(id="status")
        yield Input(placeholder=HINT, id="filter", compact=True)
        with Container(id="body"):
            columns = item_columns(self._mark_of, self._left_out, scored=False)
            yield RowTable(columns, lambda row: str(row.number))
            yield ItemPanel()

    def on_mount(self) -> None:
        super().on_mount()
        both = f"A {self._run_id}   B {self._against}"
        self.subject = both if self._against else self._run_id
        self.table.focus()
        self._open(0)
        self.set_interval(AGAIN_S, self._look_again)

    @property
    def table(self) -> RowTable[ItemRow]:
        return self.query_one(RowTable)

    @property
    def panel(self) -> ItemPanel:
        return self.query_one(ItemPanel)

    @property
    def _source(self) -> Source:
        return self._sources[self._chosen]

    @property
    def _total(self) -> int:
        return self._reader.count if self._reader else 0

    def _mark_of(self, item_id: str) -> Mark:
        return self._marks.get(item_id, NONE)

    def _left_out(self, item_id: str) -> bool:
        return item_id in self._source.excluded

    # --- sources ---

    @work(exclusive=True, group="open")
    async def _open(self, number: int) -> None:
        """A source, with the first screenful; at the question that was under the cursor."""
        row = self.table.row
        here = row.item.id if row is not None and row.item is not None else None
        ask = partial(item_verbs.opened, self.runs, self._run_id, self._against, number, here)
        try:
            found = await self.ask(ask)
        except (UserError, OSError) as error:
            self.panel.say(str(error))
            self._going = self._chosen
            return
        self._sources, self._chosen, self._reader = found.sources, found.number, found.reader
        self._marks = found.marks
        self._store = ItemStore(self._want)
        self._store.add(found.items)
        self._prompt = 0
        scored = self._source.scores is not None
        self.table.set_columns(item_columns(self._mark_of, self._left_out, scored))
        self.table.unmark()
        self.feed.unwatch(self)
        self.feed.watch_marks(self, self._source.phase_id)
        self.query_one(SourceBar).show(self._sources, self._chosen)
        self._sift(at=found.at)
        await self.tell_if_refused(item_verbs.check_source, self._source)

    @work(exclusive=True, group="again")
    async def _look_again(self) -> None:
        try:
            found = await self.ask(sources, self.runs, self._run_id, self._against)
        except (UserError, OSError):
            return  # what is shown stays
        if found != self._sources and self._going == self._chosen:
            shown = self._source.file if self._sources else None
            numbers = (n for n, source in enumerate(found) if source.file == shown)
            self._going = next(numbers, 0)
            self._open(self._going)

    def on_feed_marks_changed(self, event: Feed.MarksChanged) -> None:
        if event.error:
            self.sirt.say(event.error, "error")
        if event.phase_id == self._source.phase_id and event.marks != self._marks:
            self._take_marks(event.marks)

    def _take_marks(self, marks: Marks) -> None:
        self._marks = marks
        self.table.redraw()
        self._draw_status()
        self._draw_item()

    # --- rows ---

    def _want(self, number: int) -> None:
        if not self._wanted:
            self.call_later(self._read_wanted)
        self._wanted.add(number)

    @work(group="read")
    async def _read_wanted(self) -> None:
        """What has come into sight since the last time, in one go."""
        numbers, self._wanted = sorted(self._wanted), set()
        reader, store = self._reader, self._store
        if reader is None or not numbers:
            return
        try:
            store.add(await self.ask(reader.read, numbers))
        except OSError as error:
            self.sirt.say_error(error)
            return
        if store is self._store:
            self.table.redraw()
            row = self.table.row
            if row is not None and row.number in numbers:
                self._draw_item()

    def _show(self) -> None:
        self.table.show(ItemRows(self._store, self._numbers, len(self._numbers)))
        self._draw_status()
        self._draw_item()

    def on_row_table_highlighted(self) -> None:
        self._draw_item()

    def on_row_table_changed(self) -> None:
        self._draw_status()

    def on_row_table_selected(self) -> None:
        self.panel.focus()

    # --- filter ---

    def on_input_changed(self, event: Input.Changed) -> None:
        self._sift(TYPING_S)

    def on_input_submitted(self) -> None:
        self.table.focus()

    @work(exclusive=True, group="sift")
    async def _sift(self, pause: float = 0.0, at: int | None = None) -> None:
        """All items, or those that the filter finds, as they are found."""
        self._sifting = mine = object()
        await self.pause(pause)
        reader = self._reader
        if reader is None:
            return
        words = self.query_one("#filter", Input).value
        self._filter = item_filter.parse(words, self._marks) if words.strip() else None
        if self._filter is None:
            self._numbers, self._seen = range(reader.count), reader.count
            self._show()
            if at is not None:
                self.table.move_to(str(at))
            return
        found: list[int] = []

        def take(seen: int, more: Sequence[int]) -> None:
            if self._sifting is mine:
                first = self._numbers is not found
                found.extend(more)
                self._numbers, self._seen = found, seen
                if more or first or seen == reader.count:
                    self._show()
                else:
                    self._draw_status()

        def go_through(keep: Filter[Item]) -> None:
            for seen, more in reader.sift(keep, lambda: self.is_left or self._sifting is not mine):
                self.deliver(take, seen, more)

        try:
            await self.ask(go_through, self._filter)
        except OSError as error:
            self.sirt.say_error(error)
        if self._sifting is mine:
            self._seen = self._total
            self._draw_status()

    # --- drawing ---

    def _draw_status(self) -> None:
        if not self._sources:
            return
        shown = len(self._numbers)
        text = items_text(self._source, shown, self._total, self._filter is not None)
        if self._seen < self._total:
            text.append(f"  looked at {count(self._seen)}", "cyan")
        text.append_text(marks_text(self._marks, len(self.table.marked)))
        if self._filter is not None and self._filter.problem:
            text.append(f"  {one_line(self._filter.problem, 200)}", "red")
        self.query_one("#status", Static).update(text)

    @work(exclusive=True, group="item")
    async def _draw_item(self) -> None:
        row = self.table.row
        if row is None:
            none = "no item is so; esc clears the filter" if self._filter else "it is empty"
            self.panel.say(none if self._seen == self._total else "looking")
        elif row.item is not None:
            item = row.item
            mark, left_out = self._mark_of(item.id), self._left_out(item.id)
            shown = Shown(mark, left_out, self._prompt, self._differ)
            self.panel.show(await self.ask(draw, item, shown))

    # --- keys ---

    async def action_clear(self) -> None:
        """First what narrows the list, then back."""
        box = self.query_one("#filter", Input)
        narrowed = box.has_class("open") or self.table.marked or self.has_class("zoomed")
        if not narrowed:
            self.sirt.open_runs()
            return
        box.remove_class("open")
        box.value = ""
        self.remove_class("zoomed")
        self.table.unmark()
        self.table.focus()
        self._draw_status()

    def action_step(self, step: int) -> None:
        self.table.action_move(step)

    def action_source(self, step: int) -> None:
        if self._sources:
            self._going = (self._going + step) % len(self._sources)
            self._open(self._going)

    def action_prompt(self) -> None:
        row = self.table.row
        if row is not None and row.item is not None:
            self._prompt = (self._prompt + 1) % (1 + len(row.item.prompts))
            self._draw_item()

    def action_differ(self) -> None:
        self._differ = not self._differ
        self._draw_item()

    def action_zoom(self) -> None:
        self.toggle_class("zoomed")
        (self.panel if self.has_class("zoomed") else self.table).focus()

    # --- marks ---

    def _meant(self) -> list[int]:
        """Numbers of the marked rows, else of the one under the cursor."""
        marked = sorted(int(key) for key in self.table.marked)
        return marked or ([self.table.row.number] if self.table.row is not None else [])

    def action_flag(self) -> None:
        self._toggle("flagged")

    def action_exclude(self) -> None:
        if self._can_exclude():
            self._toggle("excluded")

    @work
    async def action_exclude_all(self) -> None:
        numbers = list(self._numbers) if self._can_exclude() else []
        question = f"Exclude {len(numbers)} pairs from refining again?"
        how = ["all that the filter finds; x on each of them takes it back"]
        if numbers and await self.sirt.confirm(question, how, "Exclude", "No"):
            await self._mark(partial(item_verbs.mark, excluded=True), numbers)

    def _can_exclude(self) -> bool:
        pairs = bool(self._sources) and self._source.what == "pairs"
        if not pairs:
            self.sirt.say("only pairs can be excluded; f flags anything", "warning")
        return pairs

    @work
    async def _toggle(self, name: str) -> None:
        await self._mark(partial(item_verbs.toggle, name=name), self._meant())

    @work
    async def action_note(self) -> None:
        numbers, row = self._meant(), self.table.row
        if not numbers or row is None or row.item is None:
            return
        title = row.item.id if len(numbers) == 1 else f"{len(numbers)} items"
        note = await self.sirt.ask_text(f"Note on {title}", self._mark_of(row.item.id).note)
        if note is not None:
            await self._mark(partial(item_verbs.mark, note=note), numbers)

    async def _mark(self, verb: Callable[..., Marks], numbers: Sequence[int]) -> None:
        if self._reader is None or not numbers:
            return
        try:
            marks = await self.ask(partial(verb, self.runs, self._reader, numbers))
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        else:
            self._take_marks(marks)

    @work
    async def action_refine_again(self) -> None:
        try:
            found = await self.ask(item_verbs.curated, self.runs, self._run_id)
            question = f"Refine again without {found.left_out} of {found.pairs} pairs?"
            if await self.sirt.confirm(question, item_verbs.told(found), "Refine", "No"):
                run_id = await self.ask(item_verbs.refine_again, self.runs, found)
                self.sirt.say(run_id)
                self.feed.hurry()
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
