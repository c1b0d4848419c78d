"""The table of rows: what the mouse does to cursor, ticks and order."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import App

from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.frozen_table import Cells, FrozenTable
from sirt_tui.widgets.table import RowTable
from tests.tui.helpers import settled, text_of

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

    async def check():
        app = Wide()
        async with app.run_test(size=(50, 12)) as pilot:
            table = app.query_one(FrozenTable)
            table.put(Cells([Text("name"), *(Text(f"c{c}") for c in range(12))], rows))
            await settled(pilot, lambda: "00-000-0" in text_of(app))
            before = text_of(app).splitlines()
            assert before[0].split()[:3] == ["name", "c0", "c1"]
            assert before[3].split() == ["below"]  # a cell of two lines
            assert table.count == 41
            await pilot.resize_terminal(44, 12)  # the columns are as many as before
            await pilot.pause()
            table.scroll_to(x=200, y=20, animate=False, immediate=True)
            await settled(pilot, lambda: "19-1119-11" in text_of(app), "the last column")
            after = text_of(app).splitlines()
            assert after[0].split()[0] == "name"
            assert after[0].split()[-1] == "c11"
            assert after[1].startswith("row 19 ")
            table.put(Text("nothing yet"))
            await settled(pilot, lambda: "nothing yet" in text_of(app))

    asyncio.run(check())
