"""The table of rows: what the mouse does to cursor, ticks and order."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import App

from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.frozen_table import Cells, FrozenTable
from sirt_tui.widgets.table import RowTable
from tests.tui.helpers import painted, settled, text_of

NAME = 10  # a column of cells that are no mark


class OneTable(App[None]):
    def compose(self):
        columns = [
            Column("name", "name", 20, str, sort=str),
            Column("size", "size", 8, lambda row: str(len(row)), sort=len),
        ]
        yield RowTable(columns, str)

    def on_mount(self):
        self.opened = []
        self.query_one(RowTable).show(["a", "bb", "ccc", "dd"])

    def on_row_table_selected(self, event):
        self.opened.append(event.key)


def with_table(check):
    async def flow():
        app = OneTable()
        async with app.run_test(size=(60, 10)) as pilot:
            await check(app, pilot, app.query_one(RowTable))

    asyncio.run(flow())


def test_a_click_moves_the_cursor_and_one_on_the_row_under_it_opens():
    async def check(app, pilot, table):
        await pilot.click(RowTable, offset=(NAME, 3))
        assert (table.row, app.opened) == ("ccc", [])
        await pilot.click(RowTable, offset=(NAME + 1, 3))
        assert app.opened == ["ccc"]
        await pilot.click(RowTable, offset=(NAME, 7))  # below the last row
        assert (table.row, app.opened) == ("ccc", ["ccc"])

    with_table(check)


def test_a_double_click_opens_once_wherever_the_cursor_was():
    async def check(app, pilot, table):
        await pilot.click(RowTable, offset=(NAME, 2), times=2)
        assert (table.row, app.opened) == ("bb", ["bb"])
        await pilot.click(RowTable, offset=(NAME, 4), times=1)
        await pilot.click(RowTable, offset=(NAME + 1, 4), times=2)
        assert (table.row, app.opened) == ("dd", ["bb", "dd"])

    with_table(check)


def test_a_click_on_the_ticks_ticks_that_row_and_opens_nothing():
    async def check(app, pilot, table):
        await pilot.click(RowTable, offset=(0, 3))
        assert (table.row, table.ticked) == ("ccc", {"ccc"})
        await pilot.click(RowTable, offset=(1, 4))
        assert table.ticked == {"ccc", "dd"}
        await pilot.click(RowTable, offset=(0, 3))
        assert table.ticked == {"dd"}
        assert not app.opened

    with_table(check)


def test_a_click_on_a_heading_orders_by_it_and_again_the_other_way():
    async def check(app, pilot, table):
        await pilot.click(RowTable, offset=(25, 0))
        assert list(table.rows) == ["a", "bb", "dd", "ccc"]
        await pilot.click(RowTable, offset=(25, 0))
        assert list(table.rows) == ["ccc", "bb", "dd", "a"]

    with_table(check)


def lines_of(app):
    strips = app.screen._compositor.render_strips()
    return [strip.text.split()[:2] for strip in strips[1:] if strip.text.strip()]


def test_each_mark_is_painted_as_soon_as_it_is_set():
    async def check(app, pilot, table):
        table.show(["a", "bb"])
        await pilot.press("down", "up")  # both lines have been painted with and without the cursor
        await pilot.pause()
        for keys, shown in (
            (("home", "space"), [["●", "a"], ["bb", "2"]]),
            (("space",), [["●", "a"], ["●", "bb"]]),
            (("space",), [["●", "a"], ["bb", "2"]]),
            (("home", "space"), [["a", "1"], ["bb", "2"]]),
        ):
            await pilot.press(*keys)
            await pilot.pause()
            assert lines_of(app) == shown

    with_table(check)


def test_headers_and_first_columns_stay_while_the_rest_scrolls():
    names = [f"row {n:02}" for n in range(40)]
    rows = [[Text(name), *(Text(f"{name[4:]}-{c}" * 2) for c in range(12))] for name in names]
    rows[1][1].append("\nbelow")

    class Wide(App[None]):
        def compose(self):
            yield FrozenTable()

        def on_frozen_table_selected(self):
            opened.append(self.query_one(FrozenTable).key)

    opened = []

    async def check():
        app = Wide()
        async with app.run_test(size=(50, 12)) as pilot:
            table = app.query_one(FrozenTable)
            headers = [Text("name"), *(Text(f"c{c}") for c in range(12))]
            table.put(Cells(headers, rows, keys=names), Text("a remark " * 9))
            table.focus()
            await settled(pilot, lambda: "00-000-0" in text_of(app))
            before = text_of(app).splitlines()
            assert before[0].split() == ["name", "c0", "c1", "c2", "9", "more", "→"]
            assert before[3].split()[0] == "below"  # a cell of two lines
            assert table.count == 43  # the remark is wrapped, so that it can be read
            await pilot.click(FrozenTable, offset=(9, 3))  # a click goes there, the next one opens
            assert (table.key, opened) == ("row 01", [])
            await pilot.click(FrozenTable, offset=(9, 3))
            await settled(pilot, lambda: opened == ["row 01"])
            await pilot.resize_terminal(44, 12)
            await settled(pilot, lambda: "9 more →" in text_of(app), "a column less")
            await pilot.press(*["right"] * 20)  # not beyond the last column, none of them cut
            await settled(pilot, lambda: "← 9" in text_of(app))
            last = [line.split() for line in text_of(app).splitlines()]
            assert last[0] == ["name", "c9", "c10", "c11", "←", "9"]
            assert last[1][:5] == ["row", "00", "00-900-9", "00-1000-10", "00-1100-11"]
            await pilot.press("left", *["down"] * 19)
            await settled(pilot, lambda: table.key == "row 20" and "row 20" in text_of(app))
            under = "".join(painted(app, "bold"))
            assert "row 20" in under
            assert "row 19" not in under
            await pilot.press("end", "down", "down")  # beyond the last row it scrolls on
            await settled(pilot, lambda: "a remark a" in text_of(app))
            assert table.key == "row 39"
            table.put(Text("nothing yet"))
            await settled(pilot, lambda: "nothing yet" in text_of(app))
            assert table.key is None

    asyncio.run(check())
