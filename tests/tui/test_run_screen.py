"""The run screen on recorded runs: what it says of each way in which a run can be."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.queries.runs import row_of, run_status
from engine.schema.errors import SAME_AGAIN
from engine.schema.events import (
    Activity,
    Cost,
    Message,
    Metric,
    PhaseFinished,
    Progress,
    Resource,
    Sample,
)
from engine.schema.records import Verdict
from engine.store.eventlog import EventWriter
from engine.store.phase_log import EMPTY, fold
from engine.store.run import read_run
from engine.store.spending import Paid
from sirt_tui.app import SirtApp
from sirt_tui.panels.alerts import alerts
from sirt_tui.panels.curves import CurvesPanel
from sirt_tui.panels.memory import MemoryPanel
from sirt_tui.panels.phases import PhasesPanel, progress_line
from sirt_tui.panels.samples import SamplesPanel
from sirt_tui.screens.run_title import run_title
from sirt_tui.widgets.chart import Chart
from tests.tui.conftest import run_of
from tests.tui.helpers import NOW, app_on, settled, text_of, watching


def screen(runs, run_id, size=(120, 40)):
    async def check(app, pilot):
        return text_of(app)

    return watching(runs, run_id, check, size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_a_finished_run_shows_its_phases_and_says_where_it_stands(recorded, size):
    text = screen(recorded, run_of(recorded, "both", "wren-3m"), size)
    assert "both wren-1m <wren-3m pocket-compass s0  ✓ done, took 1 min 9 s" in text
    assert "✓ evaluate pocket-compass plain" in text
    assert "losing plain answers reason" in text  # the warning on top
    assert max(map(len, text.splitlines())) <= size[0]


def test_a_run_that_is_over_is_read_from_its_first_score(recorded):
    async def check(app, pilot):
        samples = app.screen.query_one(SamplesPanel)
        await pilot.press("]")
        await settled(pilot, lambda: "evaluate pocket-compass plain" in samples.border_subtitle)
        assert "✓ annotate pocket-compass" in text_of(app)  # nothing is scrolled away

    watching(recorded, run_of(recorded, "both", "wren-3m"), check, (80, 24))


@pytest.mark.slow
def test_the_table_sets_the_run_beside_teacher_baseline_and_other_arms(recorded):
    text = screen(recorded, run_of(recorded, "both", "wren-3m"), (200, 50))
    rows = {name: line for line in text.splitlines() for name in ARMS if f" {name} " in line}
    assert set(rows) == set(ARMS)
    assert "93.7 [91.4, 95.4]" in text


ARMS = ("teacher", "baseline", "instruct-only", "both")


def test_a_failed_run_says_why_and_what_waits_for_it(recorded):
    text = screen(recorded, run_of(recorded, "refine-only", "wren-3m"))
    assert "✗ refine failed: CUDA out of memory" in text
    assert "blocked" in text


@pytest.mark.slow
def test_lost_unreachable_and_silent_are_different_words(recorded):
    lost = screen(recorded, run_of(recorded, "refine-only", "otter-3m"))
    assert "refine lost: killed (signal 9)" in lost
    live = run_of(recorded, "both", "otter-3m")
    silent = screen(recorded, live)
    assert "running" in silent
    assert "silent for" in silent
    attempt = live_phase(recorded, live).last_attempt()
    owner = attempt.process.read_text().replace('"host": "', '"host": "far-')
    attempt.process.write_text(owner)
    assert "running" in screen(recorded, live)  # its heartbeat is new
    long_ago = (NOW - timedelta(days=9)).timestamp()

    os.utime(attempt.alive, (long_ago, long_ago))
    assert "unreachable" in screen(recorded, live)


@contextmanager
def going_on(attempt):
    """Writes on where the recorded log ends."""
    with EventWriter(attempt.events, attempt.alive) as writer:
        writer._seq = attempt.events.read_bytes().count(b"\n")
        yield writer


def live_phase(runs, run_id):
    phases = [runs.phase(p.id) for p in read_run(runs, run_id).spec.phases]
    return next(p for p in phases if p.last_attempt() and not p.done)


@pytest.mark.slow
def test_what_a_live_phase_says_appears(recorded):
    run_id = run_of(recorded, "both", "otter-3m")
    attempt = live_phase(recorded, run_id).last_attempt()

    async def check(app, pilot):
        with going_on(attempt) as writer:
            writer.emit(Progress(done=7, total=70, unit="answers"))
            right = Verdict(answer="B", tier="statement", correct=True)
            writer.emit(Sample(item="new-1", prompt="Q", text="\x1b[31m[red]so B", verdict=right))
            writer.emit(Metric(step=1, values={"plain_correct": 0.25, "cot_correct": 0.5}))
            writer.emit(Message(level="warning", text="many unparsed", code="unparsed"))
            await settled(pilot, lambda: "many unparsed" in text_of(app))
            assert "7/70 answers" in text_of(app)
            await settled(
                pilot, lambda: "✓ right  answer B (found by rule: statement)  new-1" in text_of(app)
            )
            text = text_of(app)
            assert "␛[31m[red]so B" in text
            assert "plain 0.25" in text
            samples = app.screen.query_one(SamplesPanel)
            writer.emit(Sample(item="new-2", prompt="Q", text="line\n" * 99, verdict=right))
            await settled(pilot, lambda: "new-2" in text_of(app) and samples.focus())
            await pilot.press("down", "down", "down")
            await settled(pilot, lambda: samples.scroll_y == 3)
            writer.emit(Sample(item="new-3", prompt="Q", text="so C", verdict=right))
            await settled(pilot, lambda: "samples, 1 newer above" in text_of(app))
            assert samples.scroll_y == 3, "what somebody reads stays where it is"
            await pilot.press("home")
            await settled(pilot, lambda: "new-3" in text_of(app))
            writer.emit(PhaseFinished(outcome="stopped"))
            await settled(pilot, lambda: "stopped" in text_of(app))

    watching(recorded, run_id, check, app_of=SirtApp)  # what is said now is not long ago


@pytest.mark.slow
def test_a_phase_that_waits_for_a_server_says_so_and_what_it_has_cost(recorded):
    run_id = run_of(recorded, "both", "otter-3m")
    attempt = live_phase(recorded, run_id).last_attempt()
    wait = "waiting for the server: no connection for 40 s"

    async def check(app, pilot):
        with going_on(attempt) as writer:
            writer.emit(Progress(done=7, total=70, unit="questions"))
            writer.emit(Progress(done=14, total=70, unit="questions"))
            writer.emit(
                Cost(
                    requests=14, prompt_tokens=1, completion_tokens=1, spent=1.5, possible=0.25,
                    currency="USD",
                )
            )  # fmt: skip
            writer.emit(Activity(text=wait, waiting=True))
            await settled(pilot, lambda: "14/70  waiting for the server" in text_of(app))
            assert "1.5000 USD (+0.2500" in text_of(app)
        said = CliRunner().invoke(sirt, ["--runs", str(recorded.root), "status", run_id]).output
        assert "14 replies, 1.5000 USD (+0.2500 possibly, for replies cut off)" in said

    watching(recorded, run_id, check, size=(160, 40), app_of=SirtApp)


@pytest.mark.slow
def test_memory_and_use_of_each_card_over_time(recorded):
    run_id = run_of(recorded, "both", "otter-3m")
    attempt = live_phase(recorded, run_id).last_attempt()

    async def check(app, pilot):
        with going_on(attempt) as writer:
            for step in range(1, 4):
                cards = tuple(
                    {"index": n, "used": 2048.0 * step * (n + 1), "utilisation": 30.0 * step}
                    for n in range(2)
                )
                writer.emit(Resource(rss=1024.0 * step, cpu=90.0, gpus=cards))
        memory = app.screen.query_one(MemoryPanel)
        await settled(pilot, lambda: "GPU 1 12" in text_of(app), "memory of the second card")
        assert "GPU 0 6" in text_of(app)
        memory.query_one(Chart).focus()
        await pilot.press("percent_sign")
        await settled(pilot, lambda: "GPU 0 90" in text_of(app), "its use")

    watching(recorded, run_id, check, (200, 50), SirtApp)


@pytest.mark.slow
def test_a_click_chooses_a_phase(recorded):
    async def check(app, pilot):
        await pilot.click(PhasesPanel, offset=(5, 2))
        samples = app.screen.query_one(SamplesPanel)
        await settled(pilot, lambda: samples.border_subtitle == "instruct")

    watching(recorded, run_of(recorded, "both", "wren-3m"), check)


@pytest.mark.slow
def test_a_torn_log_and_one_of_another_version_open(recorded):
    assert "done" in screen(recorded, run_of(recorded, "instruct-only", "otter-3m"))
    baseline = run_of(recorded, "baseline")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_run(baseline)
            await settled(pilot, lambda: "evaluate pocket-boxes cot" in text_of(app))

    asyncio.run(flow())


@pytest.mark.slow
def test_panels_change_zoom_and_the_phase_under_the_cursor_is_what_they_show(recorded):
    run_id = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: not app.screen.query_one(PhasesPanel).has_focus)
        await pilot.press("alt+2")  # the curves, which have no lines to move in
        assert app.screen.query_one(CurvesPanel).has_focus_within
        chosen = app.screen._chosen().id
        await pilot.press("up")
        await settled(pilot, lambda: app.screen._chosen().id != chosen, "the phase before")
        assert "has no effect" not in text_of(app)
        assert " curves  n next" in text_of(app)
        await pilot.press("z")
        await settled(pilot, lambda: "z All panels" in text_of(app).splitlines()[-1])
        await settled(pilot, lambda: "> closer  0 as it was" in text_of(app))
        await pilot.press("z")
        await settled(pilot, lambda: "z Zoom" in text_of(app).splitlines()[-1])
        await pilot.press("left_square_bracket")
        app.screen.query_one(PhasesPanel).focus()
        await pilot.press("home")
        samples = app.screen.query_one(SamplesPanel)
        await settled(pilot, lambda: samples.border_subtitle == "annotate pocket-compass")

    watching(recorded, run_id, check)


WARNINGS = {  # code -> how the text begins that a phase says
    "moved-weights-low": "only 3.1 % of the adapter's weights moved",
    "unparsed-high": "no answer was found in 41 % of the texts",
    "truncated": "12 % of the answers were cut off",
}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_warnings_that_matter_stand_on_top_once(recorded, size):
    run_id = run_of(recorded, "both", "otter-3m")
    attempt = live_phase(recorded, run_id).last_attempt()

    async def check(app, pilot):
        with going_on(attempt) as writer:
            for _ in range(2):  # said again, it is one warning
                for code, text in WARNINGS.items():
                    writer.emit(Message(level="warning", text=text, code=code))
        await settled(pilot, lambda: all(text in text_of(app) for text in WARNINGS.values()))
        top = text_of(app).split("phases")[0]
        for text in WARNINGS.values():
            assert top.count(text) == 1

    watching(recorded, run_id, check, size)


def test_stop_asks_once_and_retry_queues(recorded, monkeypatch):
    from engine.scheduling import daemon
    from engine.scheduling.queue import read_queue

    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    run_id = run_of(recorded, "refine-only", "wren-3m")

    async def check(app, pilot):
        await pilot.press("r")
        await settled(pilot, lambda: run_id in read_queue(recorded).run_ids)
        await pilot.press("x")
        await settled(pilot, lambda: "Stop the run refine-only" in text_of(app))
        await pilot.press("n")
        await settled(pilot, lambda: "Finished work is kept" not in text_of(app))
        assert run_id in read_queue(recorded).run_ids
        await pilot.press("x")
        await settled(pilot, lambda: "Finished work is kept" in text_of(app))
        await pilot.press("y")
        await settled(pilot, lambda: run_id not in read_queue(recorded).run_ids)

    watching(recorded, run_id, check)


def test_while_a_long_log_is_read_no_silence_is_claimed(recorded, monkeypatch):
    """The end is read first: what the phase does now is known at once."""
    monkeypatch.setattr("engine.queries.following.READ_MS", 1.0)
    run_id = run_of(recorded, "both", "otter-3m")
    with going_on(live_phase(recorded, run_id).last_attempt()) as writer:
        old = NOW - timedelta(hours=2)
        for step in range(4_000):
            writer.emit(Metric(ts=old, step=step, values={"loss": 1.0, "plain_correct": 0.5}))
        writer.emit(Progress(ts=NOW, done=7, total=17, unit="answers"))

        async def check(app, pilot):
            texts = [text_of(app)]
            await settled(pilot, lambda: texts.append(text_of(app)) or "7/17 answers" in texts[-1])
            chart = app.screen.query_one(CurvesPanel).query_one(Chart)
            await settled(
                pilot,
                lambda: texts.append(text_of(app)) or any(len(s.x) > 3_000 for s in chart._series),
            )
            assert not [text for text in texts if "silent for" in text]

        watching(recorded, run_id, check)


def test_a_count_that_is_over_says_what_is_done_now(recorded):
    run_id = run_of(recorded, "both", "otter-3m")
    with going_on(live_phase(recorded, run_id).last_attempt()) as writer:
        writer.emit(Progress(ts=NOW - timedelta(minutes=10), done=0, total=17, unit="steps"))
        writer.emit(Progress(ts=NOW, done=17, total=17, unit="steps"))
        writer.emit(Activity(ts=NOW, text="reading what came of them"))

        async def check(app, pilot):
            await settled(pilot, lambda: "reading what came of them" in text_of(app))
            assert "0 s left" not in text_of(app)
            writer.emit(Activity(ts=NOW, text="scoring the pairs"))
            await settled(pilot, lambda: "scoring the pairs" in text_of(app))
            assert "0 s left" not in text_of(app)

        watching(recorded, run_id, check)


def test_the_time_left_is_whole_before_the_rate_and_a_bar_stays():
    began = fold(EMPTY, Progress(ts=NOW, done=0, total=1319, unit="questions"))
    at = NOW + timedelta(seconds=20)
    view = fold(began, Progress(ts=at, done=120, total=1319, unit="questions"))
    view = fold(view, Activity(ts=at, text="5,320 tokens/s, 255 of 256 answers open"))
    wide = progress_line(view, 100)
    assert wide.index("3 min 20 s left") < wide.index("6.0/s") < wide.index("5,320 tokens/s")
    assert progress_line(view, 56).endswith("3 min 20 s left  6.0/s")
    narrow = progress_line(view, 44)
    assert "120/1319 questions  3 min 20 s left" in narrow[:44]
    assert "6.0/s" not in narrow
    assert narrow.startswith("━")
    reading = progress_line(fold(began, Activity(ts=NOW, text="88 of 88 answers open")), 44)
    assert reading == "────────────  88 of 88 answers open"


def test_a_title_keeps_the_state_and_says_how_long_all_of_it_takes(recorded):
    status = run_status(recorded, run_of(recorded, "both", "otter-3m"), with_views=False)
    row = row_of(recorded, status.file.run_id)
    rows = [replace(row, ends=NOW + timedelta(minutes=12))]
    assert run_title(status, rows, NOW, 120).endswith("▶ running, 2 of 10 done, ~12 min left")
    short = run_title(status, rows, NOW, 66)
    assert short.endswith("▶ running, 2 of 10 done, ~12 min left")
    assert short.startswith("both")
    assert "…" in short
    assert len(f" SIRT Run  {short} ") <= 66
    done = run_status(recorded, run_of(recorded, "both", "wren-3m"), with_views=False)
    paid = replace(row_of(recorded, done.file.run_id), paid=(Paid("USD", 0.24),))
    assert run_title(done, [paid], NOW, 120).endswith("✓ done, took 1 min 9 s, paid 0.24 USD")


def test_what_two_phases_warn_of_is_told_once(recorded):
    phases = run_status(recorded, run_of(recorded, "both", "wren-3m"), with_views=False).phases
    said = {"elicit": "147 of 192 are alike", "refine": "146 of 191 are alike"}
    said |= {"evaluate": "3 of 9 are cut"}
    shown = []
    for number, phase in enumerate(p for p in phases if p.spec.kind in said):
        text = said[phase.spec.kind].replace("3", str(number))
        warned = fold(EMPTY, Message(ts=NOW, level="warning", text=text, code=phase.spec.kind))
        shown.append(replace(phase, view=warned))
    first, *scores = [line.plain for line in alerts(shown, NOW)]
    assert first == "! elicit and refine: 147 of 192 are alike"
    assert len(scores) == sum(p.spec.kind == "evaluate" for p in phases)


def test_a_retry_is_offered_unless_the_fault_says_what_it_does(recorded):
    phases = run_status(recorded, run_of(recorded, "both", "wren-3m"), with_views=False).phases
    broken = replace(phases[0], state="failed", error="KeyError: 'x'")
    same = replace(broken, error=f"no pair; {SAME_AGAIN}")
    told = [line.plain for line in alerts([broken, same], NOW)]
    assert [line.endswith("(retry it)") for line in told] == [True, False]


def test_low_a_long_warning_takes_one_line_and_says_where_it_is_whole(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    lines = screen(recorded, run_id, (80, 24)).splitlines()
    assert lines[1].startswith(" ! elicit")
    assert lines[1].endswith("U shows it whole")
    assert "curves  samples" in lines[2]
