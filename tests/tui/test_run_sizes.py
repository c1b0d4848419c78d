"""The panels of the Run screen: a person makes them larger, and the folder remembers it."""

from __future__ import annotations

import pytest

from sirt_tui.screens.run_sizes import Sizes
from tests.tui.conftest import run_of
from tests.tui.helpers import settled, text_of, watching


@pytest.mark.parametrize(
    ("columns", "place", "grown"),
    [
        (1, 0, Sizes(lines=8)),
        (1, 1, Sizes(lines=6)),
        (2, 0, Sizes(phases=58, top=55)),
        (2, 1, Sizes(phases=50, top=55)),
        (2, 2, Sizes(top=45)),
        (3, 1, Sizes(top=55, middle=57)),
        (3, 2, Sizes(top=55, middle=47)),
        (3, 3, Sizes(phases=58, top=45)),
        (3, 5, Sizes(top=45, middle=47)),
    ],
)
def test_what_one_panel_gains_the_others_give(columns, place, grown):
    assert Sizes().grown(place, columns, 1) == grown
    assert grown.grown(place, columns, -1) == Sizes()


def test_no_panel_vanishes_and_a_damaged_memory_is_no_harm():
    sizes = Sizes()
    for _ in range(50):
        sizes = sizes.grown(0, 3, -1)
    assert sizes == Sizes(phases=30, top=20)
    assert Sizes.of({"phases": "wide", "top": 60, "lines": 900}) == Sizes(top=60, lines=20)


def test_the_phases_have_a_part_of_what_a_wide_screen_has_more():
    assert [Sizes().grid(3, False, width)[0] for width in (160, 200, 230)] == [
        "54 52fr 48fr",
        "54 52fr 48fr",
        "64 52fr 48fr",
    ]
    assert Sizes().grid(2, False, 120)[0] == "54 1fr"


def test_a_key_moves_the_frame_and_the_next_run_has_it_there(recorded):
    async def check(app, pilot):
        line = next(n for n, text in enumerate(text_of(app).splitlines()) if "━ phases" in text)

        def edge():
            return text_of(app).splitlines()[line].index("┓")

        before = edge()
        await pilot.press(")")
        await settled(pilot, lambda: edge() == before + 4)
        assert app.remembered.get("run.sizes", {})["phases"] == 58
        app.open_run(run_of(recorded, "both", "otter-3m"))
        await settled(pilot, lambda: "━ phases" in text_of(app) and "elicit" in text_of(app))
        await settled(pilot, lambda: edge() == before + 4)
        await pilot.press("z", ")")
        await settled(
            pilot, lambda: "one panel has all the room; z shows the others" in text_of(app)
        )

    watching(recorded, run_of(recorded, "both", "wren-3m"), check)
