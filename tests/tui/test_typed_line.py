"""The line that text is typed into."""

from __future__ import annotations

import asyncio

from textual import events
from textual.app import App

from sirt_tui.widgets.typed_line import TypedLine
from tests.tui.helpers import settled


def test_keys_that_come_in_a_bunch_edit_in_their_order():
    class Typing(App):
        def compose(self):
            yield TypedLine("gained")

    async def flow():
        app = Typing()
        async with app.run_test() as pilot:
            for key in ("ctrl+u", "l", "o", "s", "t", "left", "backspace"):
                app.post_message(events.Key(key, key if len(key) == 1 else None))
            box = app.query_one(TypedLine)
            await settled(pilot, lambda: "l" in box.value and not box.value.startswith("g"))
            await settled(pilot, lambda: box.value == "lot", box.value, within_s=5)

    asyncio.run(flow())
