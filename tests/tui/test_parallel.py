"""Settings against accuracy: a line a group where there is room, and always a list."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from textual.app import App
from textual.widgets import Static

from engine.queries.sweeps import swept
from sirt_tui.panels.parallel import (
    NONE,
    Parallel,
    ParallelPanel,
    drawn,
    evaluations,
    groups_text,
    numbers,
)
from tests.report.made_up import row

ON = "pocket-sums"


def rows():
    """Three rates by two betas, with one seed; the first beta is without the last rate."""
    right = {(1e-6, 0.1): 10, (5e-6, 0.1): 40, (1e-6, 0.5): 30, (5e-6, 0.5): 60, (1e-5, 0.5): 90}
    return [
        row("both", {(ON, "plain"): (n, 100)}, 0, ON, varied=(("refine.lr", a), ("refine.b", b)))
        for (a, b), n in right.items()
    ]


def test_each_group_is_a_line_from_its_values_to_its_accuracy():
    found = swept(rows())
    (what,) = found.measured
    text = drawn(found.keys, list(enumerate(found.varied)), what, 100, 20).plain
    lines = text.splitlines()
    assert lines[0].split() == ["refine.lr", "refine.b", "%", "plain"]
    assert all(len(line) == 100 for line in lines)
    axis = [line.split("┼")[0].strip() for line in lines if line[5] == "┼"]
    assert axis == ["1e-5", "5e-6", "1e-6"]  # the largest above
    ends = [line.rsplit("┼", 1)[1].split() for line in lines if "┼" in line[80:]]
    assert ends == [["90.0", "E"], ["60.0", "D"], ["40.0", "C"], ["30.0", "B"], ["10.0", "A"]]
    assert any("⠉" <= mark <= "⣿" for mark in text)


def test_the_list_says_what_the_lines_say_and_what_may_be_chosen_by():
    found = swept(rows())
    text = groups_text(found, found.measured[0]).plain
    assert "E refine.lr=1e-5 refine.b=0.5  90.0 [" in text
    assert "mean ±" not in text  # of one seed there is none
    again = [replace(one, run_id=f"{one.run_id} again", seed=1) for one in rows()]
    twice = swept([*rows(), *again])
    assert "mean ± standard deviation over n seeds" in groups_text(twice, twice.measured[0]).plain
    assert "selection on the test split" in text
    assert groups_text(swept([]), None).plain == NONE
    assert "not scored yet" in groups_text(swept([replace(rows()[0], figures=""), rows()[1]]),
                                           found.measured[0]).plain  # fmt: skip


def test_groups_have_the_letters_of_the_runs_that_are_compared():
    found = swept(rows())
    compared = [found.varied[3].run_ids[0], "another", found.varied[0].run_ids[0]]
    assert numbers(found, compared) == [2, 3, 4, 0, 5]
    text = groups_text(found, found.measured[0], compared).plain
    assert f"A {found.varied[3].point}" in text
    assert f"C {found.varied[0].point}" in text


def test_what_the_chosen_runs_were_scored_on_comes_first():
    other = row("both", {("pocket-boxes", "plain"): (5, 100), ("pocket-boxes", "cot"): (6, 100)},
                1, "pocket-boxes", varied=(("refine.lr", 1e-6),))  # fmt: skip
    found = swept([*rows(), other])
    alone = [one.label for one in evaluations(found, rows()[:1])]
    assert alone[0] == "pocket-sums plain"
    assert [one.label for one in evaluations(found, [other])] == [
        "pocket-boxes plain", "pocket-boxes cot", "pocket-sums plain",
    ]  # fmt: skip


def test_a_narrow_screen_has_the_list_alone():
    class Shown(App[None]):
        def compose(self):
            yield ParallelPanel()

    async def flow():
        for size, lines in (((120, 40), True), ((80, 24), False)):
            app = Shown()
            async with app.run_test(size=size) as pilot:
                panel = app.query_one(ParallelPanel)
                found = swept(rows())
                panel.show(found, found.measured[0], ())
                await pilot.pause()
                assert app.query_one(Parallel).display is lines
                assert "90.0" in str(panel.query_one("#groups Static", Static).render())

    asyncio.run(flow())
