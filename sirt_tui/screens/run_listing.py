"""How the list of runs is laid out: its columns, their order, and its groups.

What a person chooses of it is remembered with the folder.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from engine.queries import run_settings
from engine.schema.sanitize import one_line
from sirt_tui.format import legend
from sirt_tui.screens import run_groups
from sirt_tui.screens.run_columns import COUNTED, PHASES, chosen_columns, run_columns
from sirt_tui.widgets.names import Names
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from textual.timer import Timer, TimerCallback

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.page import Page
    from sirt_tui.widgets.columns import Column

AGEING_S = 30.0
WORKING_S = 1.0  # while something visible is at work, its duration goes on
FOLDS_KEPT = 200
NOT_AT_ALL = "not at all"


class RunListing:
    """Lays out the page's table of runs. ``looked``: whether the folders were looked at, or else
    the rows come from the index, which may be outdated."""

    def __init__(self, page: Page, looked: Callable[[], bool]) -> None:
        self._page = page
        self._known: Sequence[RunRow] = ()
        self._working: Timer | None = None
        self._names = Names()
        self._apart: dict[str, str] = {}
        self._chosen: list[str] = []
        self._added: list[str] = []  # of these, by hand to those that were shown
        self._by = ""  # what the runs are grouped by
        self._folded: set[str] = set()
        told = self._names, self._apart
        self._columns = partial(run_columns, page.sirt.clock, looked, *told)

    @property
    def columns(self) -> list[Column[RunRow]]:
        """All columns, before anything is known of the runs."""
        return list(self._columns().values())

    @property
    def _table(self) -> RowTable[RunRow]:
        return self._page.query_one(RowTable)

    def recall(self) -> None:
        """Sort and group as when this folder was looked at last, with the same columns."""
        remembered = self._page.sirt.remembered
        match remembered.get("runs.sort", ["age", False]):
            case [str(key), bool(descending)]:
                self._table.sort(key, descending)
        self._chosen = list(map(str, remembered.get("runs.columns", [])))
        self._added = list(map(str, remembered.get("runs.added", [])))
        self._by = remembered.get("runs.group", "")
        self._folded = set(map(str, remembered.get("runs.folded", [])))

    def show(self, rows: Sequence[RunRow], known: Sequence[RunRow], asked: Container[str]) -> None:
        """Show these of the known runs. ``asked``: the figures that the filter compares."""
        self._known = known
        self._tell_apart(rows)
        columns = self._columns(known, asked)
        shown = chosen_columns(columns, self._chosen, rows, self._added)
        self._table.set_columns(shown)
        self._tell_experiments(rows, columns["experiment"] in shown)
        self._table.grouping = run_groups.grouping(self._by, columns, self._folded)
        self._table.show(rows)
        if self._working is not None:
            at_work = any(row.at_work for row in known)
            (self._working.resume if at_work else self._working.pause)()

    def _tell_apart(self, rows: Sequence[RunRow]) -> None:
        """Note what the names must say."""
        self._apart.clear()
        self._apart |= run_settings.told_apart(rows)
        self._note_names(rows)

    def _tell_experiments(self, rows: Sequence[RunRow], with_column: bool) -> None:
        """Let the names say the experiments too, where these differ and their column has no
        room."""
        told = with_column and "experiment" not in self._table.without_room
        if not told and len({row.experiment for row in rows}) > 1:
            for row in rows:
                mine = f"{self._apart.get(row.run_id, '')} {one_line(row.experiment, 60)}"
                self._apart[row.run_id] = mine.strip()
            self._note_names(rows)

    def _note_names(self, rows: Sequence[RunRow]) -> None:
        self._names.note(f"{row.name} {self._apart.get(row.run_id, '')}".rstrip() for row in rows)

    def keep_time(self, beside: TimerCallback) -> None:
        """Let ages go on, those ``beside`` the list too, and each second durations while a run is
        working."""
        self._page.set_interval(AGEING_S, self._table.redraw)
        self._page.set_interval(AGEING_S, beside)
        self._working = self._page.set_interval(WORKING_S, self._table.redraw, pause=True)

    def ticks_text(self) -> Text:
        """Write how many runs are ticked, and how many of them the filter hides."""
        if not (ticked := {row.run_id for row in self._ticked()}):
            return Text()
        hidden = len(ticked - {row.run_id for row in self._table.rows})
        more = f", {hidden} of them hidden by the filter" if hidden else ""
        return Text(f"● {len(ticked)} ticked{more}  ", "bold")

    def look_text(self) -> Text:
        """Write what the table's heads don't say: order, columns without room, groups."""
        text, table = Text(), self._table
        if table.hidden_order:
            text.append(f"  by {table.hidden_order}")
        if self._chosen and (left := table.without_room):
            text.append(f"  no room for {', '.join(left)}", "yellow")
        if table.grouping:
            text.append(f"  grouped by {self._by.removeprefix('settings.')}")
        return text.append_text(self._marks_text())

    def _marks_text(self) -> Text:
        """Say what the marks of the phases mean, as far as the counts of the runs' states don't."""
        table = self._table
        if PHASES not in table.orders.values() or PHASES in table.without_room:
            return Text()
        told = {row.state for row in table.rows} & set(COUNTED)
        found = dict.fromkeys(state for row in table.rows for state in row.ladder if state)
        marks = legend(state for state in found if state not in told)
        return Text("  phases ").append_text(marks) if marks else marks

    def fold(self, key: str) -> None:
        """Fold the head with this key, or unfold it."""
        self._folded ^= {key}
        self._page.sirt.remembered.put("runs.folded", sorted(self._folded)[:FOLDS_KEPT])

    async def choose_group(self) -> None:
        """Ask what to group by. Call it from a worker."""
        columns = {c.key: c.title for c in self._columns(self._known).values()}
        names = {NOT_AT_ALL: NOT_AT_ALL} | {key: key for key in run_groups.OF} | columns
        offers = [(key, name, "") for key, name in names.items()]
        said = await self._page.sirt.choose("Group the runs by", offers, self._by or NOT_AT_ALL)
        if said is not None:
            self._group("" if said == NOT_AT_ALL else said)

    def reset(self) -> None:
        """Order and columns as they are at first, without groups."""
        self._chosen, self._added, self._folded = [], [], set()
        self._group("")
        for what in ("columns", "added", "folded"):
            self._page.sirt.remembered.put(f"runs.{what}", [])
        self._table.sort("age", False)

    def _group(self, by: str) -> None:
        self._by = by
        self._page.sirt.remembered.put("runs.group", by)

    async def choose_order(self) -> None:
        """Ask what to sort by. Call it from a worker."""
        sirt, table = self._page.sirt, self._table
        hint = f"{sirt.key('reverse')} reverses the order"
        offers = [(key, title, hint) for key, title in table.orders.items()]
        key, descending = table.sorted_by
        said = await sirt.choose("Sort by", offers, key)
        if said is not None:
            best_high = self._columns(self._known)[said].best_high
            table.sort(said, descending if said == key else best_high)

    async def choose_columns(self) -> bool:
        """Ask for the columns; return whether they were chosen. Call it from a worker."""
        from sirt_tui.screens.column_choice import ColumnChoice, Offered

        sirt, columns = self._page.sirt, self._columns(self._known)
        offered = [Offered(key, column.title) for key, column in columns.items()]
        shown = [column.key for column in chosen_columns(columns, self._chosen, self._known)]
        usual = [column.key for column in chosen_columns(columns, [], self._known)]
        said = await self._page.app.push_screen_wait(ColumnChoice(sirt, offered, shown, usual))
        if said is None:
            return False
        self._chosen = [] if said.columns == usual else said.columns
        added = (*self._added, *(key for key in said.columns if key not in shown))
        self._added = [key for key in added if key in self._chosen]
        sirt.remembered.put("runs.columns", self._chosen)
        sirt.remembered.put("runs.added", self._added)
        if said.group is not None:
            self._group(said.group)
        return True

    def meant(self) -> list[RunRow]:
        """Return the ticked runs in the table's order, or else the run under the cursor."""
        ticked, table = self._ticked(), self._table
        if not ticked and table.row is not None:
            return [table.row]
        if not ticked and table.head is not None:
            sirt = self._page.sirt
            sirt.say(f"this is a group; tick runs of it first ({sirt.key('tick')})")
        return ticked

    def states(self) -> dict[str, State]:
        """Return the states of the runs that are meant."""
        return {row.run_id: row.state for row in self.meant()}

    def ticked_pair(self) -> tuple[str, str] | None:
        """Return the two ticked runs, the older first; say so if two are not ticked."""
        ticked = self._ticked()
        if len(ticked) != 2:
            sirt = self._page.sirt
            tick = sirt.key("tick")
            sirt.say(f"tick two runs first ({tick}), to see their answers side by side")
            return None
        first, second = sorted(ticked, key=lambda row: row.created)
        return first.run_id, second.run_id

    def _ticked(self) -> list[RunRow]:
        ticked = self._table.ticked  # once: to find the table costs more than to look at a row
        return [row for row in self._known if row.run_id in ticked]
