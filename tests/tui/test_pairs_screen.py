"""The pairs screen on recorded runs: reading, filtering, sorting, two runs side by side."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.queries.item_files import sources
from engine.queries.items import Reader
from engine.store.layout import PhaseDir
from engine.store.run import read_run
from sirt_tui.panels.item import ItemPanel
from sirt_tui.widgets.table import RowTable
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, painted, said_by, settled, text_of
from tests.tui.pairs_helpers import looking, row_of, title, typed


@pytest.fixture
def run_id(recorded):
    return run_of(recorded, "both", "wren-3m")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_both_texts_their_verdicts_and_the_prompts(recorded, run_id, size):
    async def check(app, pilot):
        text = await settled(pilot, lambda: "chosen  ✓ right" in text_of(app) and text_of(app))
        assert "rejected" in text
        assert "no margin: refine has not scored this pair" in text
        assert max(map(len, text.splitlines())) <= size[0]
        assert all(f" {row.item.id} " in text for row in app.screen.table.rows[:5])
        keys = text.splitlines()[-1]
        assert ("R Refine again" in keys) == (size[0] > 80)
        assert keys.endswith("? Help  q Quit" if size[0] > 120 else "? More keys  q Quit")
        await pilot.press("P")
        await settled(pilot, lambda: "plain prompt (in use)" in text_of(app))
        await pilot.press("P")
        await settled(pilot, lambda: "think step by step" in text_of(app))
        await pilot.press("P")
        await settled(pilot, lambda: "Answer:" not in text_of(app))

    looking(recorded, run_id, check, size)


def test_the_place_where_the_answer_was_read_is_underlined(recorded, run_id):
    async def check(app, pilot):
        underlined = await settled(
            pilot, lambda: painted(app, "reverse", "underline"), "the places"
        )
        (first, second) = row_of(app).item.sides
        assert underlined == [side.text[slice(*side.span)] for side in (first, second)]
        assert underlined == ["B) east", "B) east"]

    looking(recorded, run_id, check)


@pytest.mark.slow
def test_chosen_stands_beside_rejected_and_above_it_where_it_is_narrow(recorded, run_id):
    async def line_of_both(app, pilot):
        text = await settled(pilot, lambda: "rejected  ✓" in text_of(app) and text_of(app))
        return any("chosen  ✓" in line and "rejected  ✓" in line for line in text.splitlines())

    assert looking(recorded, run_id, line_of_both, (120, 40))
    assert not looking(recorded, run_id, line_of_both, (80, 40))


@pytest.mark.slow
def test_next_and_before_by_one_key_also_from_the_text(recorded, run_id):
    async def check(app, pilot):
        assert all(said in text_of(app) for said in ("i Leave out", "s Sort", "n Next item"))
        await pilot.press("n", "n", "b")
        await settled(pilot, lambda: title(app).startswith("2 "))
        await pilot.press("enter", "n")
        assert app.focused is app.screen.query_one(ItemPanel)
        await settled(pilot, lambda: title(app).startswith("3 "))
        await pilot.press("z")
        await settled(pilot, lambda: not app.screen.query_one(RowTable).display)
        await pilot.press("escape")
        await settled(pilot, lambda: app.screen.query_one(RowTable).display)
        await typed(app, pilot, "chosen:student")
        await settled(pilot, lambda: " of 24 pairs" in text_of(app))
        await pilot.press("enter", "enter", "escape")  # from the text to the list
        table = app.screen.query_one(RowTable)
        await settled(pilot, lambda: table.has_focus)
        assert " of 24 pairs" in text_of(app)  # which is filtered still
        await pilot.press("escape")
        await settled(pilot, lambda: " of 24 pairs" not in text_of(app))
        assert table.has_focus  # and only then back

    looking(recorded, run_id, check)


@pytest.mark.slow
def test_a_filter_narrows_as_it_is_typed_and_escape_takes_it_back(recorded, run_id):
    async def check(app, pilot):
        await typed(app, pilot, "chosen:teacher")
        await settled(pilot, lambda: "1 of 24 pairs" in text_of(app))
        await settled(pilot, lambda: title(app).startswith("5 "))
        await typed(app, pilot, "chosen:right rejected:wrong")
        await settled(pilot, lambda: "13 of 24 pairs" in text_of(app))
        line = next(one for one in text_of(app).splitlines() if one.startswith(" chosen:right"))
        assert line.endswith(" 13 of 24")  # told where it is typed
        table = app.screen.query_one(RowTable)
        await pilot.press("enter", "end")
        last = row_of(app).number
        await typed(app, pilot, "rejected:wrong")
        await settled(pilot, lambda: len(table.rows) == 13)
        assert row_of(app).number == last  # still there
        await typed(app, pilot, "chosen:right -rejected:wrong")
        await settled(pilot, lambda: len(table.rows) == 11 and row_of(app) == table.rows[0])
        await typed(app, pilot, "nobody-says-this")
        await settled(pilot, lambda: "no pair: no text has 'nobody-says-this'" in text_of(app))
        await typed(app, pilot, "rejected:teacher")
        await settled(pilot, lambda: "no rejected 'teacher'" in text_of(app))
        await typed(app, pilot, "chosen:wrong")
        await settled(pilot, lambda: "no pair: all 24 chosen are right" in text_of(app))
        await typed(app, pilot, "wniner:x")
        await settled(pilot, lambda: "did you mean 'winner'?" in text_of(app))
        await pilot.press("escape")
        await settled(pilot, lambda: "24 pairs" in text_of(app) and " of 24" not in text_of(app))
        await pilot.press("escape")
        await settled(pilot, lambda: "SIRT Runs" in text_of(app))

    looking(recorded, run_id, check)


def test_the_head_counts_the_pairs_whose_rejected_answer_is_right_too(
    recorded, run_id, monkeypatch
):
    written = PhaseDir.manifest

    def manifest(folder):  # the recorded ones are of before this figure
        found = written(folder)
        return found | {"figures": found["figures"] | {"pairs": 24, "rejected_correct": 11 / 24}}

    monkeypatch.setattr(PhaseDir, "manifest", manifest)

    async def check(app, pilot):
        assert "11 rejected right too: such pairs teach little" in text_of(app)

    looking(recorded, run_id, check)


@pytest.mark.slow
def test_another_source_shows_the_same_question(recorded, run_id):
    async def check(app, pilot):
        await pilot.press("j", "j", "j")
        await settled(pilot, lambda: title(app).startswith("4 "))
        question = row_of(app).item.id
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: "24 demonstrations" in text_of(app))
        await pilot.press("left_square_bracket")
        await settled(pilot, lambda: f"4  {question}" in title(app))
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: "24 demonstrations" in text_of(app))
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: "24 answers" in text_of(app))
        await settled(pilot, lambda: "36 tokens" in text_of(app))
        await pilot.press("left_square_bracket", "left_square_bracket")
        await settled(pilot, lambda: "24 pairs" in text_of(app))
        await pilot.press("left_square_bracket")
        await settled(pilot, lambda: "24 predictions" in text_of(app))
        await settled(pilot, lambda: row_of(app).item is not None)

    looking(recorded, run_id, check)


@pytest.mark.slow
def test_a_dropped_demonstration_says_why(recorded, run_id):
    source = next(s for s in sources(recorded, run_id) if s.what == "demonstrations")
    first, *rest = source.file.read_text().splitlines(keepends=True)
    dropped = json.loads(first) | {"kept": False, "dropped_because": "the answer is wrong"}
    source.file.write_text(json.dumps(dropped) + "\n" + "".join(rest))

    async def check(app, pilot):
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: "24 demonstrations" in text_of(app))
        await typed(app, pilot, "dropped")
        await settled(pilot, lambda: "1 of 24 demonstrations" in text_of(app))
        await settled(pilot, lambda: "dropped: the answer is wrong" in text_of(app))
        await pilot.press("enter", "i")
        await settled(pilot, lambda: "only pairs can be left out" in said_by(app))

    looking(recorded, run_id, check)


def test_two_runs_answers_and_the_questions_that_flipped(recorded, run_id):
    other = run_of(recorded, "instruct-only", "wren-3m")

    async def check(app, pilot):
        await settled(pilot, lambda: "A  ✓ right" in text_of(app))
        assert f"A {other}   B {run_id}" in text_of(app)
        await typed(app, pilot, "gained")
        await settled(pilot, lambda: "3 of 24 predictions" in text_of(app))
        await settled(pilot, lambda: "A  ✗ wrong" in text_of(app))
        assert "B  ✓ right" in text_of(app)

    looking(recorded, other, check, against=run_id)


@pytest.mark.slow
def test_two_ticked_runs_are_opened_from_the_list(recorded, run_id):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            table = app.screen.query_one(RowTable)
            await pilot.press("v")
            await settled(pilot, lambda: "tick two runs" in said_by(app))
            for wanted in (run_id, run_of(recorded, "instruct-only", "wren-3m")):
                table.move_to(wanted)
                await pilot.press("space")
            await pilot.press("v")
            await settled(pilot, lambda: "24 predictions" in text_of(app))

    asyncio.run(flow())


@pytest.mark.slow
def test_the_compared_runs_answers_are_a_key_away(recorded, run_id):
    other = run_of(recorded, "instruct-only", "wren-3m")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_compare([other, run_id])
            await settled(pilot, lambda: "SIRT Compare" in text_of(app))
            await settled(pilot, lambda: "enter Questions  v All answers" in text_of(app))
            await pilot.press("v")
            await settled(pilot, lambda: f"A {other}   B {run_id}" in text_of(app))
            await settled(pilot, lambda: "24 predictions" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: app.screen._compared is not None)
            await pilot.press("B")  # the other is the reference, and keeps its letter
            await settled(pilot, lambda: app.screen._compared.reference == 1)
            await pilot.press("j", "j", "j", "enter")  # on the row of pocket-compass plain
            await settled(pilot, lambda: f"B {run_id}   A {other}" in text_of(app))
            await settled(pilot, lambda: "of 24 predictions" in text_of(app))
            assert "lost by A" in text_of(app)
            await typed(app, pilot, "flipped A:wrong")
            await settled(pilot, lambda: "3 of 24 predictions" in text_of(app))
            app.open_compare([other, run_id])  # after a visit elsewhere the reference is as chosen
            await settled(pilot, lambda: app.screen._chosen.rows)
            assert app.screen._chosen.reference_id == run_id
            await pilot.press("4")  # opens the reference's, whatever run is chosen in the list
            await settled(pilot, lambda: f"Pairs  {run_id}" in text_of(app))

    asyncio.run(flow())


def test_scores_of_reference_and_policy_where_refine_has_left_them(recorded, run_id):
    from engine.schema.records import PairScore
    from engine.store.jsonlines import write_records
    from engine.store.layout import PAIR_SCORES

    ids = Reader(sources(recorded, run_id)[0]).ids(range(2))
    refine = next(p for p in read_run(recorded, run_id).spec.phases if p.kind == "refine")
    scores = [
        PairScore(
            id=item,
            held_out=False,
            reference_chosen=-9.5,
            reference_rejected=-1.25,
            policy_chosen=-3.0,
            policy_rejected=-2.0,
        )
        for item in ids
    ]
    recorded.phase(refine.id).out.mkdir(exist_ok=True)
    write_records(recorded.phase(refine.id).out / PAIR_SCORES, scores)

    async def check(app, pilot):
        await settled(pilot, lambda: "sum of log p -9.50 → -3.00" in text_of(app))
        assert "margin over the reference +7.25 nats" in text_of(app)
        await typed(app, pilot, "margin>7")
        await settled(pilot, lambda: "2 of 24 pairs" in text_of(app))
        await pilot.press("escape", "j", "s")
        await settled(pilot, lambda: "by margin ▴" in text_of(app))
        await settled(pilot, lambda: row_of(app) == app.screen.query_one(RowTable).rows[0])
        first = [row.number for row in app.screen.query_one(RowTable).rows[:2]]
        assert sorted(first) == [0, 1]  # those without a margin come last, in either order
        await pilot.press("S")
        await settled(pilot, lambda: "by margin ▾" in text_of(app))
        assert {row.number for row in app.screen.query_one(RowTable).rows[:2]} == {0, 1}
        await pilot.resize_terminal(80, 24)  # with a column more there: what tells ids apart stays
        short = [f" …{item.removeprefix('train-')} " for item in ids]
        await settled(pilot, lambda: all(item in text_of(app) for item in short))

    looking(recorded, run_id, check)


def test_pairs_are_sorted_by_length_and_a_wrong_one_names_the_right_answer(recorded, run_id):
    reader = Reader(sources(recorded, run_id)[0])
    longest = max(reader.read(range(24)), key=lambda item: item.length)

    async def check(app, pilot):
        table = app.screen.query_one(RowTable)
        await pilot.press("s", "S")
        await settled(pilot, lambda: "by length of the longer text ▾" in text_of(app))
        await settled(pilot, lambda: table.rows[0].number == longest.number)
        await typed(app, pilot, "rejected:wrong")
        await settled(pilot, lambda: "13 of 24 pairs" in text_of(app))

        def ordered():
            lengths = [item.length for item in reader.read([row.number for row in table.rows])]
            return lengths == sorted(lengths, reverse=True)

        await settled(pilot, ordered)
        await pilot.press("enter", "g")
        await settled(pilot, lambda: "right is" in text_of(app))

    looking(recorded, run_id, check)


def test_a_run_that_has_nothing_yet_says_so(recorded, run_id):
    for phase in read_run(recorded, run_id).spec.phases:
        recorded.phase(phase.id).manifest_file.unlink(missing_ok=True)

    async def check(app, pilot):
        assert "there is nothing to read yet" in text_of(app)

    looking(recorded, run_id, check, shows="nothing to read")


def test_a_file_without_items_says_why_and_where_to_go(recorded, run_id):
    source = sources(recorded, run_id)[0]
    source.file.write_text("")

    async def check(app, pilot):
        why = "this file has no pairs: the phase made none; ] opens the next file"
        await settled(pilot, lambda: why in text_of(app))

    looking(recorded, run_id, check, (80, 24), shows="no pairs")


def test_what_a_phase_makes_while_one_looks_appears(recorded, run_id, monkeypatch):
    monkeypatch.setattr("sirt_tui.screens.pairs.AGAIN_S", 0.1)
    done = {
        p.id: recorded.phase(p.id).manifest_file for p in read_run(recorded, run_id).spec.phases
    }
    kept = {phase_id: file.read_bytes() for phase_id, file in done.items()}
    for file in done.values():
        file.unlink()

    async def check(app, pilot):
        annotate, elicit = (
            next(p for p in done if p.startswith(k)) for k in ("annotate", "elicit")
        )
        done[annotate].write_bytes(kept[annotate])
        await settled(pilot, lambda: "24 demonstrations" in text_of(app))
        await pilot.press("j", "j")
        done[elicit].write_bytes(kept[elicit])
        await settled(pilot, lambda: "answers" in text_of(app))
        await settled(pilot, lambda: title(app).startswith("3 "))
        assert "24 demonstrations" in text_of(app)

    looking(recorded, run_id, check, shows="nothing to read")
