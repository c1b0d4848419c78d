"""What a row of the list knows beside its state: settings, progress, the time that is left."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.machine.state import final_event
from engine.queries import run_settings
from engine.queries.filter_language import Language
from engine.queries.pace import Count, Pace, pace_of, steady
from engine.queries.run_list import Roster
from engine.queries.runs import list_runs, run_status
from engine.scheduling import queue
from engine.schema.jsonfile import with_sum, without_sum
from engine.store.registry import newest_runs
from engine.store.run import read_record
from engine.store.run_row import shared, text_of
from sirt_tui.panels.phases import phase_text
from sirt_tui.panels.preview import row_text
from sirt_tui.screens import filtering
from sirt_tui.screens.run_title import run_title
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = ("instruct.learning_rate", "refine.learning_rate", "refine.beta", "instruct.lora.r")


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("lr", NAMES[:2]),
        ("learning_rate", NAMES[:2]),
        ("refine.lr", NAMES[1:2]),
        ("settings.refine.learning_rate", NAMES[1:2]),
        ("beta", NAMES[2:3]),
        ("r", NAMES[3:]),
        ("lora.r", NAMES[3:]),
        ("rate", ()),
    ],
)
def test_a_setting_is_found_by_the_end_of_its_name(word: str, names: tuple[str, ...]) -> None:
    assert run_settings.meant(word, NAMES) == names


def test_a_stop_is_shown_until_it_is_over_and_stays_shown_until_the_run_is_queued_again(
    runs: RunsFolder,
) -> None:
    """Also where the phase that was asked ends as done, so that the others were never tried."""
    run_id = run_of(runs, "both", "otter-3m")

    def said() -> str:
        (row,) = (row for row in list_runs(runs) if row.run_id == run_id)
        status = run_status(runs, run_id, with_views=False)
        assert status.state == row.state
        title = run_title(status, [row], NOON, 200).partition("  ")[2]
        return " | ".join((title, *(phase_text(p, NOON).plain for p in status.phases)))

    queue.retry(runs, run_id)
    attempts = [runs.phase(p).last_attempt() for p in read_record(runs, run_id).spec.phase_ids]
    open_ = [one for one in attempts if one and final_event(one) is None]
    assert open_
    for attempt in open_:
        attempt.alive.touch()
    assert "▶ running" in said()
    queue.request_stop(runs, run_id)
    assert said().startswith("▪ stopping")
    assert said().count("stopping") == 1 + len(open_)
    for attempt in open_:
        shutil.rmtree(attempt.path)
    assert said().startswith("■ stopped")
    queue.retry(runs, run_id)
    assert said().startswith("○ queued, 2 of 10 done, waits for the conductor to start")
    roster = Roster(runs)
    assert waits(roster)[run_id] == "waits for the conductor to start"
    queue.hold(runs, run_id, True)
    assert "its run is on hold" in said()
    assert waits(roster)[run_id] == "its run is on hold"  # the same roster sees what has changed
    queue.remove(runs, run_id)
    assert run_id not in waits(roster)


def test_a_phase_that_is_done_says_what_it_took_before_its_final_event(runs: RunsFolder) -> None:
    """It is done as soon as its outputs are there."""
    status = run_status(runs, run_of(runs, "both", "wren-3m"))
    phase = next(p for p in status.phases if p.view.finished)
    ending = replace(phase, view=replace(phase.view, finished=None, outcome=None))
    assert phase_text(ending, NOON).plain == phase_text(phase, NOON).plain


def test_a_title_keeps_what_tells_the_run_from_others_however_narrow_it_is(
    runs: RunsFolder,
) -> None:
    rows = list_runs(runs)
    status = run_status(runs, run_of(runs, "both", "wren-3m"), with_views=False)
    title = run_title(status, rows, NOON, 60)
    assert len(title) <= 60
    assert title.startswith("both")
    assert "<wren-3m" in title


def waits(roster: Roster) -> dict[str, str]:
    return {row.run_id: row.waits for row in roster.look() if row.waits}


def test_the_panel_says_left_out_and_that_reused_phases_are_counted_in(runs: RunsFolder) -> None:
    row = replace(list_runs(runs)[0], seconds=140.0, left_out=True)
    beside = row_text(replace(row, state="queued"), NOON).plain
    assert "⊘ left out of tables and reports" in beside
    assert "2 min 20 s with reused phases" in beside
    assert "2 min 20 s in all its phases" in row_text(replace(row, state="done"), NOON).plain


def kept_by(text: str, rows: list[RunRow]) -> set[str]:
    found = filtering.parse(text, rows)
    assert not found.problem, found.problem
    return {row.run_id for row in filtering.apply(rows, found)}


def test_runs_are_filtered_by_settings_and_what_cant_be_read_is_told(runs: RunsFolder) -> None:
    rows = list_runs(runs)
    trained = {r.run_id for r in rows if r.setting("instruct.learning_rate")}
    refined = {r.run_id for r in rows if r.setting("refine.beta")}
    assert 0 < len(trained) < len(rows)
    assert kept_by("instruct.lr>=9e-4", rows) == trained
    assert kept_by("instruct.lr > 9e-4", rows) == set()
    assert kept_by("lr≠0.1", rows) == {r.run_id for r in rows}
    assert kept_by("beta=0.1", rows) | kept_by("beta!=0.1 beta>0", rows) == refined
    assert kept_by("beta=0.12", rows) == set()  # not as it would be rounded
    assert kept_by("refine.select:best", rows) == kept_by("refine.select=best", rows) != set()
    assert kept_by("left-out", [replace(rows[0], left_out=True), *rows[1:]]) == {rows[0].run_id}
    assert kept_by("lr>", rows) == {r.run_id for r in rows}  # being typed
    for text, said in {
        "learning_rat>1": "no figure 'learning_rat': did you mean 'learning_rate'?",
        "refine.lrr>1": "did you mean 'refine.lr'?",
        "lr>fast": "'fast' is no number: lr>1e-6, say",
        "select=bst": "no select 'bst': did you mean 'best'?",
        "select:bst": "no select 'bst': did you mean 'best'?",
    }.items():
        assert said in filtering.parse(text, rows).problem


def test_runs_of_one_name_are_told_apart_by_the_settings_that_differ(runs: RunsFolder) -> None:
    row = next(r for r in list_runs(runs) if r.run_id == run_of(runs, "both", "wren-3m"))
    assert run_settings.told_apart([row, replace(row, name="another")]) == {}
    other = shared(text_of({"refine.learning_rate": 5e-6, "refine.beta": 0.1}))
    mine = shared(text_of({"refine.learning_rate": 1e-6, "refine.beta": 0.1}))
    rows = [replace(row, settings=(mine,)), replace(row, run_id="again", settings=(other,))]
    assert run_settings.told_apart(rows) == {
        row.run_id: "refine.lr=1e-6",
        "again": "refine.lr=5e-6",
    }


def test_a_language_without_settings_knows_none() -> None:
    language: Language[str] = Language({}, {}, searched=lambda text: (text,))
    assert "no figure 'lr'" in language.parse("lr>1").problem


def test_settings_are_kept_in_the_index_once_and_shared(runs: RunsFolder) -> None:
    rows = {row.run_id: row for row in list_runs(runs)}
    first = {row.run_id: row for row in newest_runs(runs, 100)}
    done = [i for i in rows if rows[i].state == "done"]
    assert [first[i].settings for i in done] == [rows[i].settings for i in done]
    one, other = (rows[run_of(runs, "instruct-only", t)] for t in ("wren-3m", "otter-3m"))
    assert any(group is same for group in one.settings or () for same in other.settings or ())


def test_an_index_of_an_earlier_version_opens_and_is_completed(runs: RunsFolder) -> None:
    known = {row.run_id: row for row in list_runs(runs)}
    for file in runs.registry.glob("[0-9]*.json"):
        value = json.loads(without_sum(file.read_bytes()) or b"{}")
        for table in value.values():
            for document in table.values():
                for name in ("settings", "left_out"):
                    del document[name]
        file.write_bytes(with_sum(json.dumps(value).encode()))
    assert {row.run_id for row in newest_runs(runs, 100)} == known.keys()
    assert {row.run_id: row for row in Roster(runs).look()} == known
    assert all(row.settings is not None for row in newest_runs(runs, 100))


def test_a_group_of_settings_is_one_object_whatever_its_order() -> None:
    assert shared(text_of({"a": 1, "b": None})) is shared(text_of({"b": None, "a": 1}))


def line(done: int, seconds: float, unit: str = "steps", total: int = 100) -> bytes:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    said = {"ts": at, "kind": "progress", "done": done, "total": total, "unit": unit}
    return json.dumps(said).encode() + b"\n"


def test_the_pace_goes_by_what_was_counted_since_it_is_watched() -> None:
    assert pace_of([b'{"kind": "activity"}\n', b'{"kind": "progress"}\n'], None) is None
    first = pace_of([line(10, 0), line(20, 10)], None)
    assert first is not None
    assert (first.share, first.ends) == (0.2, NOON + timedelta(seconds=90))
    later = pace_of([line(40, 60)], first)  # slower since
    assert later is not None
    assert later.ends == NOON + timedelta(seconds=60 + 120)
    other = pace_of([line(1, 70, "questions")], later)
    assert other is not None
    assert other.ends is None
    full = pace_of([line(100, 80)], later)
    assert full is not None
    assert (full.share, full.ends) == (1.0, NOON + timedelta(seconds=80))
    assert Pace(Count(0, 0, "", NOON), Count(0, 0, "", NOON)).share == 0.0


def test_a_count_beyond_all_dates_has_no_forecast() -> None:
    for total in (10**12, 10**400):
        pace = pace_of([line(1, 0, total=total), line(2, 3600, total=total)], None)
        assert pace is not None
        assert pace.ends is None
    assert pace_of([line(1, 0).replace(b": 1,", b": Infinity,")], None) is None


def test_a_run_at_work_says_how_far_it_is_and_when_it_ends(runs: RunsFolder) -> None:
    run_id = run_of(runs, "both", "otter-3m")
    row = next(row for row in list_runs(runs) if row.run_id == run_id)
    assert row.state == "running"
    done = row.ladder.count("done")
    assert row.share is not None
    assert row.share > 100 * done // len(row.phase_ids)
    assert row.ends is not None  # the rest goes by what similar phases took
    assert all(r.share is None for r in list_runs(runs) if r.state == "done")


def test_a_forecast_stays_while_it_moves_little() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    assert steady(soon, soon + timedelta(seconds=20)) == soon
    assert steady(soon, soon + timedelta(minutes=5)) == soon + timedelta(minutes=5)
    assert steady(None, soon) == soon
    assert steady(soon, None) is None
