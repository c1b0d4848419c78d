"""Screens that show model text, on a corpus of hostile and odd ones: nothing breaks or leaks."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.queries.item_files import sources
from engine.store import item_notes
from engine.store.run import read_run
from sirt_tui.panels.item import ItemPanel
from sirt_tui.panels.log import LogPanel
from sirt_tui.panels.samples import SamplesPanel
from sirt_tui.widgets.table import RowTable
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of
from tests.tui.hostile import CORPUS, faults

SIZES = [(80, 24), (120, 40)]
TEXTS = list(CORPUS.values())


def hostile_pairs(runs, run_id):
    """One text of the corpus in every field of a pair, a line each."""
    source = sources(runs, run_id)[0]
    record = json.loads(source.file.read_text().splitlines()[0])
    lines = []
    for number, text in enumerate(TEXTS):
        other = TEXTS[(number + 1) % len(TEXTS)]
        fields = dict.fromkeys(("question", "target", "prompt", "prompt_plain", "winner"), text)
        texts = {"chosen": f"{text} so {other}", "rejected": text, "prompt_cot": other}
        verdicts = {
            "chosen_verdict": {"answer": text, "tier": text, "correct": False},
            "rejected_verdict": {"answer": None, "tier": None, "correct": False},
        }
        extra = {"id": f"{number}{text[:50]}", "choices": [text, other]}
        lines.append(json.dumps(record | fields | texts | verdicts | extra))
    source.file.write_text("\n".join(lines) + "\n")
    ids = [json.loads(line)["id"] for line in lines]
    sayable = [i for i in ids if i.isprintable() or "\ud800" not in i]
    item_notes.mark(runs, source.phase_id, sayable, note="\x1b[31m[red]note")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_pairs_screen_shows_anything(recorded, size):
    run_id = run_of(recorded, "both", "wren-3m")
    hostile_pairs(recorded, run_id)

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=size) as pilot:
            app.open_pairs(run_id)
            await settled(pilot, lambda: f"{len(TEXTS)} pairs" in text_of(app))
            for number in range(len(TEXTS)):
                panel = app.screen.query_one(ItemPanel)
                begins = f"{number + 1} "
                await settled(pilot, lambda: (panel.border_title or "").startswith(begins))  # noqa: B023
                assert faults(app) == []
                app.screen.action_prompt()
                await settled(pilot, lambda: " prompt" in text_of(app))
                assert faults(app) == []
                app.screen.action_prompt()
                app.screen.action_prompt()
                app.screen.action_step(1)
            shown = app.screen.query_one(RowTable).row
            assert shown.number == len(TEXTS) - 1

    asyncio.run(flow())


def test_markup_of_a_pair_is_text(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    hostile_pairs(recorded, run_id)
    at = list(CORPUS).index("markup")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_pairs(run_id)
            await settled(pilot, lambda: f"{len(TEXTS)} pairs" in text_of(app))
            app.screen.query_one(RowTable).move_to(str(at))
            text = await settled(
                pilot, lambda: f"─ {at + 1}  {at}[red]" in text_of(app) and text_of(app)
            )
            assert "[red]not red[/red] [link=http://x]y[/link] so" in text
            assert "note: ␛[31m[red]note" in text

    asyncio.run(flow())


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_samples_log_and_warnings_of_a_run_show_anything(recorded, size):
    run_id = run_of(recorded, "both", "otter-3m")
    phases = [recorded.phase(p.id) for p in read_run(recorded, run_id).spec.phases]
    attempt = next(p for p in phases if p.last_attempt() and not p.done).last_attempt()
    append(attempt.events, [event for text in TEXTS for event in events_of(text)])
    attempt.stderr.write_text("\n".join(TEXTS), errors="replace")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=size) as pilot:
            app.open_run(run_id)
            await settled(
                pilot, lambda: "U shows all of them whole" in text_of(app), "the warnings"
            )
            assert faults(app) == []
            samples, log = (app.screen.query_one(kind) for kind in (SamplesPanel, LogPanel))
            for panel in (samples, log):
                await through(app, pilot, panel)
            log.action_source()
            await settled(pilot, lambda: "stderr" in (log.border_subtitle or log.border_title))
            await through(app, pilot, log)

    asyncio.run(flow())


def events_of(text):
    verdict = {"answer": text, "tier": text, "correct": True}
    fields = dict.fromkeys(("item", "prompt", "text", "label"), text)
    return [
        {"kind": "message", "level": "warning", "text": text, "code": text},
        {"kind": "activity", "text": text},
        {"kind": "sample", "verdict": verdict} | fields,
    ]


def append(log, events):
    lines = log.read_bytes().splitlines(keepends=True)
    stamp = {"v": 1, "ts": json.loads(lines[-1])["ts"]}
    with log.open("ab") as file:
        for number, event in enumerate(events, start=len(lines)):
            file.write(json.dumps(stamp | {"seq": number} | event).encode() + b"\n")


async def through(app, pilot, panel):
    """Look at a panel alone, at its first pages and its last."""
    while not panel.display:
        app.screen.action_panel(1)
    panel.focus()
    await settled(pilot, lambda: panel.virtual_size.height > 20, "all of it is there")
    app.screen.maximize(panel, container=False)
    await settled(pilot, lambda: panel.size.height > app.size.height // 2, "the panel alone")
    end = panel.max_scroll_y
    for at in (*range(0, min(end, 12 * app.size.height), app.size.height), end):
        panel.scroll_to(y=at, animate=False, immediate=True)
        await pilot.pause()
        assert faults(app) == []
    app.screen.minimize()
