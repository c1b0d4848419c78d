"""The Pairs screen: what models said, item by item, two texts side by side; marks on pairs make a
curated set."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.containers import Container
from textual.widgets import Input, Static

from engine.schema.errors import UserError
from sirt_tui.page import WIDE
from sirt_tui.panels.item import ItemPanel, draw
from sirt_tui.panels.item_files import SourceBar, SourcesView, also_right_text, marks_text
from sirt_tui.places import bindings
from sirt_tui.screens import item_commands
from sirt_tui.screens.item_columns import item_columns
from sirt_tui.screens.item_list import ItemList, ItemRow, item_texts
from sirt_tui.screens.item_marks import ItemMarks
from sirt_tui.screens.item_sources import ItemSources
from sirt_tui.screens.marking import MarkingPage
from sirt_tui.widgets.filter_line import FilterLine
from sirt_tui.widgets.searching import SearchLine
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.items import Source
    from engine.schema.evaluation import Evaluation
    from sirt_tui.feed import Feed
    from sirt_tui.widgets.columns import Column

AGAIN_S = 5.0  # phases finish while one reads: then there is more
TYPING_S = 0.15  # a pause in typing: only then the file is gone through
WORDS = """\
chosen    the answer that refine teaches the student to prefer
rejected  the answer that it is to prefer less

chosen:teacher           who wrote the chosen answer; :student
chosen:wrong             right, wrong or unparsed; also of
                         rejected, teacher, plain, cot,
                         answer, A, B
chosen<rejected          by the lengths of the texts
chosen:shorter           the same in words; longer
len>200, chosen>200      characters of the longest, of one
margin<0                 how much more than before refine the
                         student prefers the chosen, in nats
gained, lost             questions that turned right or wrong, of
                         two runs or of plain and CoT answers;
                         flipped: either
kept, dropped            a teacher's answers, learnt or not
outcome:wrong            the word in that column
flagged, left-out, noted what was marked
id: target: group: label: text: note: tier:
and plain words; - negates

marks   ! flagged   x left out   - left out of this run   n note
✓✗      ✓ right   ✗ wrong   ? no answer found, of each text"""
PREFERRED = "chosen: what refine teaches to prefer"
HINT = "chosen:wrong chosen:teacher chosen<rejected len>200 flagged left-out gained -words"
LAYOUT = """
PairsPage #status { height: 1; padding: 0 1; }
PairsPage #body { layout: vertical; height: 1fr; }
PairsPage #body RowTable { height: 11; }
PairsPage.-narrow #body RowTable { height: 6; }
PairsPage ItemPanel { height: 1fr; }
PairsPage.-narrow ItemPanel #sides { grid-size: 1; }
PairsPage.-narrow ItemPanel { border: none; border-top: round $border; }
PairsPage.-narrow ItemPanel:focus { border: none; border-top: heavy $primary; }
PairsPage.-wide #body { layout: horizontal; }
PairsPage.-wide #body RowTable { width: 46%; min-width: 74; height: 1fr; }
PairsPage.zoomed #body RowTable { display: none; }
"""  # by the width of the terminal


class PairsPage(MarkingPage):
    """Shows a run's items; ``against``: another run, whose predictions stand beside this one's.
    ``names``: what the two are called; ``words``: a filter to begin with; ``asked``: the evaluation
    whose answers are shown first."""

    TITLE = "Pairs"
    SEARCHES = True
    DEFAULT_CSS = LAYOUT
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pairs")]

    def __init__(
        self,
        run_id: str,
        against: str | None = None,
        names: tuple[str, str] = ("A", "B"),
        words: str = "",
        asked: Evaluation | None = None,
    ) -> None:
        super().__init__(run_id)
        self._words, self._asked = words, asked
        self._sources = ItemSources(run_id, against, names)
        self._items = ItemList(self, lambda: self.call_later(self._read_wanted))
        self._marks = ItemMarks(self, self._show)
        self._here: ItemRow | None = None  # under the cursor as the search began, until it ends
        self._prompt = 0
        self._differ = True

    def compose_body(self) -> ComposeResult:
        yield SourceBar()
        yield Static(id="status")
        yield FilterLine(HINT)
        with Container(id="body"):
            yield RowTable(self._columns(), lambda row: str(row.number))
            yield ItemPanel()

    def on_mount(self) -> None:
        self.subject = self._sources.subject
        self.table.focus()
        if self._words:
            self.filter_by(self._words)
        if self.sirt.remembered.get("pairs.zoomed", False):
            self.action_zoom()
        self._open(0, self._asked)
        self.set_interval(AGAIN_S, self._look_again)

    def on_resize(self) -> None:
        self.table.set_columns(self._columns())

    def _columns(self) -> list[Column[ItemRow]]:
        wide = self.size.width >= WIDE
        return item_columns(self._marks, self._sources, self._items, wide)

    @property
    def panel(self) -> ItemPanel:
        return self.query_one(ItemPanel)

    @property
    def way_out(self) -> str:
        return "With the list" if self.has_class("zoomed") else ""

    def about_here(self) -> tuple[str, RenderableType]:
        """Explain the words of the filter and the marks, for the help."""
        return "Filter and marks", WORDS

    # --- sources ---

    @work(exclusive=True, group="open")
    async def _open(self, number: int, asked: Evaluation | None = None) -> None:
        """Open a source, or that of this evaluation, with its first items, at the question that was
        under the cursor."""
        row = self.table.row
        here = row.item.id if row is not None and row.item is not None else None
        read = partial(self._sources.read, self.runs)
        try:
            found = await self.ask(item_commands.opened, read, self.runs, number, here, asked)
        except (UserError, OSError) as error:
            self.panel.say(str(error))
            self._sources.going = self._sources.chosen
            return
        self._sources.take(found.sources, found.number)
        self._items.open(found.reader, found.items)
        self._marks.open(self._sources.one, found.reader, found.marks)
        self._prompt = 0
        self.table.set_columns(self._columns())
        self.refresh_bindings()
        self.table.untick()
        self.feed.unwatch(self)
        self.feed.watch_marks(self, self._sources.one.phase_id)
        self.query_one(SourceBar).show(SourcesView(found.sources, found.number))
        self._sift(at=found.at)
        await self.tell_if_refused(item_commands.check_source, self._sources.one)

    @work(exclusive=True, group="again")
    async def _look_again(self) -> None:
        with suppress(UserError, OSError):  # then what is shown stays
            if self._sources.changed(await self.ask(self._sources.read, self.runs)):
                self._open(self._sources.going)

    def on_feed_marks_changed(self, event: Feed.MarksChanged) -> None:
        if event.error:
            self.sirt.say(event.error, "error")
        if event.phase_id == self._sources.one.phase_id:
            self._marks.take(event.marks)

    # --- rows ---

    @work(group="read")
    async def _read_wanted(self) -> None:
        numbers = await self._items.read_wanted()
        row = self.table.row
        if numbers:
            self.table.set_columns(self._columns())
            self.table.redraw()
        if row is not None and row.number in numbers:
            self._draw_item()

    def _show(self, other: bool = True) -> None:
        """Show the rows; without ``other``, only the count of searched items has changed."""
        if other:
            self.table.show(self._items.rows)
            self._draw_item()
        self._draw_status()

    def on_row_table_highlighted(self) -> None:
        self._draw_item()

    def on_row_table_changed(self) -> None:
        self._draw_status()

    def on_row_table_selected(self) -> None:
        self.panel.focus()

    # --- filter ---

    def action_filter(self) -> None:
        """Filter the list, or search in the item if that has the focus."""
        if self.panel.has_focus:
            self.query_one(SearchLine).open(self.panel)
        else:
            super().action_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._sift(TYPING_S)

    def on_input_submitted(self) -> None:
        self.table.focus()

    @work(exclusive=True, group="sift")
    async def _sift(
        self, pause: float = 0.0, at: int | None = None, to_first: bool = False
    ) -> None:
        """List what the filter finds, with the cursor on item ``at``, on the first, or where it
        was; where that item is not found, on the first."""
        self._items.end_search()
        await self.pause(pause)
        words = self.query_one("#filter", Input).value
        self._here = here = self._here or self.table.row
        await self._items.search(words, self._marks.all, self._show)
        self._here = None
        if at is not None:
            self.table.move_to(str(at))
        elif to_first or (here is not None and here.number not in self._items.numbers):
            self.table.action_end(0)

    # --- drawing ---

    def _draw_status(self) -> None:
        if self._sources.all:
            said = status_text(self._items, self._marks, self._sources.one, len(self.table.ticked))
            self.query_one("#status", Static).update(said)
            self.query_one(FilterLine).tell(self._items.understood())

    @work(exclusive=True, group="item")
    async def _draw_item(self) -> None:
        row = self.table.row
        if row is None:
            self.panel.say(self._items.why_none)
        elif row.item is not None:
            shown = self._marks.shown(row.item, self._prompt, self._differ)
            self.panel.show(await self.ask(draw, row.item, shown))

    # --- keys ---

    async def action_clear(self) -> None:
        """Undo one thing: the search in the text, the way into it, filter, zoom, ticks; when there
        is none, go back."""
        zoomed = self.has_class("zoomed")
        if self.query_one(SearchLine).close():
            return
        if (self.panel.has_focus and not zoomed) or self.close_filter():
            pass
        elif zoomed:
            self.action_zoom()
        elif self.table.ticked:
            self.table.untick()
        else:
            self.sirt.go_back()
            return
        (self.panel if self.has_class("zoomed") else self.table).focus()
        self._draw_status()

    def action_sort(self) -> None:
        self._items.next_order(self._sources.scored)
        self._sift(to_first=True)

    def action_reverse(self) -> None:
        self._items.descending = not self._items.descending
        self._sift(to_first=True)

    def action_source(self, step: int) -> None:
        self.action_source_at(self._sources.beside(step))

    def action_source_at(self, number: int) -> None:
        self._sources.going = number
        self._open(number)

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
        self.sirt.remembered.put("pairs.zoomed", self.has_class("zoomed"))
        (self.panel if self.has_class("zoomed") else self.table).focus()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only pairs can be refined on again."""
        pairs = not self._sources.all or self._sources.one.what == "pairs"
        return (pairs or action != "refine_again") and super().check_action(action, parameters)

    def why_not(self, name: str) -> str:
        if name != "refine_again":
            return super().why_not(name)
        return f"only pairs are refined on again; {self.sirt.key('previous_tab')} goes to them"

    def copied(self) -> dict[str, str]:
        row = self.table.row
        if row is None or row.item is None:
            return self._of_run(self._run_id)
        command = self._command("pairs", self._run_id, "--id", row.item.id)
        return item_texts(row.item, self._sources.one.file, command) | {"run's id": self._run_id}


def status_text(items: ItemList, marks: ItemMarks, one: Source, ticked: int) -> Text:
    """Write what is shown of a source, what is marked in it, and what is particular to it."""
    text = items.status(one)
    text.append_text(marks_text(marks.all, ticked))
    text.append_text(also_right_text(one))
    return text.append(f"  {PREFERRED}" if one.what == "pairs" else "", "dim")
