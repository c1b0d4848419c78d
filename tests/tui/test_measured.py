"""Runs that were scored in every way and that paid, on the command line and on the screens."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from engine.cli.follow import _Follower
from engine.cli.main import sirt
from engine.commands import queue_changes
from engine.interfaces import Devices
from engine.machine import processes
from engine.queries.quality import measure
from engine.queries.runs import list_runs, run_status
from engine.queries.sibling_runs import relatives
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest
from engine.store.run import read_run
from engine.store.spending import money
from engine.tables import answers, efforts
from sirt_tui.panels.alerts import AlertsPanel
from sirt_tui.panels.log import LogPanel
from sirt_tui.panels.preview import row_text
from sirt_tui.panels.scores import scores_table
from sirt_tui.screens import run_commands
from sirt_tui.screens.filtering import parse
from tests.tui.conftest import run_of
from tests.tui.helpers import NOW, app_on, settled, text_of
from tests.tui.test_run_screen import watching


def said(runs, *words):
    done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words])
    assert done.exit_code == 0, done.output
    return done.output


def painted(renderable, width=160):
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def accuracy(runs, run_id, **wanted):
    (one,) = [
        one
        for one in run_status(runs, run_id).accuracies
        if all(getattr(one.evaluation, name) == value for name, value in wanted.items())
    ]
    return one.value


def test_the_list_shows_filters_and_names_the_match_on_the_test_split(measured):
    for row in list_runs(measured):
        for prompt in ("plain", "cot"):
            shown = accuracy(measured, row.run_id, prompt=prompt, method="match", split="test")
            assert getattr(row, prompt) == pytest.approx(shown, abs=1e-6)
    served = run_of(measured, "teacher", "served")
    row = next(row for row in list_runs(measured) if row.run_id == served)
    train = accuracy(measured, served, prompt="plain", split="train")
    assert train != pytest.approx(row.plain)  # or nothing here could tell them apart
    plain = 100 * row.plain
    assert parse(f"acc>{plain - 0.01:.2f}", [row])(row)
    assert not parse(f"acc>{plain + 0.01:.2f}", [row])(row)
    (line,) = [line for line in said(measured, "status").splitlines() if served in line]
    assert f"pocket-boxes {100 * row.plain:.1f} [" in line


NAMES = ("plain", "cot", "log-prob", "train plain", "train cot")


def test_every_accuracy_of_a_run_has_a_line_and_a_name_of_its_own(measured):
    teacher = run_of(measured, "teacher", "wren-3m")
    labels = [f"pocket-boxes {name}" for name in NAMES]
    status = said(measured, "status", teacher)
    row = next(row for row in list_runs(measured) if row.run_id == teacher)
    preview = row_text(row, NOW).plain
    table = said(measured, "report", "measured", "--format", "markdown").splitlines()
    for label in labels:
        assert sum(line.startswith(f" {label}  ") for line in status.splitlines()) == 1
        assert table[0].count(f"| {label} |") + table[0].count(f"| {label} ") >= 1
        where, style = label.rsplit(" ", 1)
        assert sum(line.startswith(f"{where:<18} {style:<8}") for line in preview.split("\n")) == 1
    assert len(set(table[0].split("|"))) == len(table[0].split("|")) - 1  # its two ends are empty
    spec = read_run(measured, teacher).spec
    shown = painted(scores_table(relatives(list_runs(measured), teacher, spec), teacher))
    for label in labels:
        assert f"{label}: " in shown
    assert "pocket-boxes train" in shown


def test_comparing_keeps_methods_and_splits_apart(measured):
    pair = [run_of(measured, "teacher", who) for who in ("wren-3m", "served")]
    told = json.loads(said(measured, "compare", *pair, "--json"))
    text, _, _ = said(measured, "compare", *pair).partition(efforts.CAPTION)
    lines = [line.split()[:3] for line in text.splitlines() if line.split()[:1] == ["pocket-boxes"]]
    assert len(lines) == len({tuple(line) for line in lines}) == 4  # the endpoint has no log-prob
    assert sum("train" in line for line in lines) == 2
    assert told

    async def flow():
        app = app_on(measured)
        async with app.run_test(size=(160, 40)) as pilot:
            app.open_compare(pair)
            await settled(pilot, lambda: "◂ reference" in text_of(app), "the comparison")
            await settled(pilot, lambda: "log-prob" in text_of(app), "all accuracies")
            text = text_of(app)
            assert sum("pocket-boxes train" in line for line in text.splitlines()) >= 1

    asyncio.run(flow())


def test_a_run_says_what_it_paid_and_may_have_paid_wherever_it_is_shown(measured):
    served = run_of(measured, "teacher", "served")
    status = said(measured, "status", served)
    paid = "40 replies, 0.2400 USD (+0.5279 possibly, for replies cut off), cap 20.00 USD"
    assert f"evaluate pocket-boxes cot: {paid}" in status
    assert "of work, paid 0.9600 USD (+0.5279 possibly" in status
    costs = [p["cost"] for p in json.loads(said(measured, "status", served, "--json"))["phases"]]
    assert [(c["spent"], c["cap"]) for c in costs if c["possible"]] == [(0.24, 20.0)]
    row = next(row for row in list_runs(measured) if row.run_id == served)
    preview = row_text(row, NOW, run_commands.read(measured, served)).plain
    assert "0.2400 USD (+0.5279 possibly" in preview
    assert "paid in all  0.9600 USD (+0.5279 possibly" in preview

    async def check(app, pilot):
        await settled(pilot, lambda: "0.2400 USD (+0.5279 possibly" in text_of(app))
        await settled(pilot, lambda: "cap 20.00 USD" in text_of(app))

    watching(measured, served, check, size=(160, 50))


def test_a_run_says_what_it_made_and_where_training_can_go_on(measured):
    run_id = run_of(measured, "instruct-only", "served")
    (instruct,) = [p for p in run_status(measured, run_id).phases if p.spec.kind == "instruct"]
    saved = f"last checkpoint: step {instruct.view.checkpoint.step}, saved 20"
    status = said(measured, "status", run_id)
    assert f"instruct: {saved}" in status
    assert "instruct: made out/adapter: instructed adapter" in status

    async def check(app, pilot):
        panel = app.screen.query_one(LogPanel)
        await pilot.press("home", "j", "]", "]", "]")
        await settled(pilot, lambda: panel.display and saved in text_of(app), "the checkpoint")
        assert "made out/adapter: instructed adapter" in text_of(app)

    watching(measured, run_id, check, size=(160, 50))


def test_comparing_says_what_answering_took_and_cost(measured):
    teacher = run_of(measured, "teacher", "served")
    student = run_of(measured, "instruct-only", "wren-3m")
    for phase in run_status(measured, teacher).phases:  # damaged lines are passed over
        with measured.phase(phase.id).last_attempt().events.open("ab") as log:
            log.write(b'{"kind": "progress", "done": "?"}\n{"kind": "cost"}\n')
    lines = said(measured, "compare", teacher, student).splitlines()
    paid = "52 s, 6.00 USD, 5 tokens"
    assert any(paid in line and "1 min 54 s, –, 50 tokens" in line for line in lines)
    assert "B took 1.8 times A's time and has no endpoint to pay" in lines
    assert (
        f"{efforts.LOAD}; they were measured on different devices: endpoint served, vm CPU" in lines
    )
    (_, cot) = json.loads(said(measured, "compare", teacher, student, "--json"))
    assert (cot["effort_a"]["cost"], cot["effort_b"]["cost"]) == (6.0, None)
    mine, theirs = said(measured, "compare", student, run_of(measured, "baseline")).splitlines()[
        -2:
    ]
    assert mine.startswith("B took ")
    assert theirs == f"{efforts.LOAD}; all were measured on the same device: vm CPU"

    async def flow():
        app = app_on(measured)
        async with app.run_test(size=(80, 24)) as pilot:
            app.open_compare([teacher, student])
            await settled(pilot, lambda: paid in text_of(app))
            await pilot.press("end")  # what is to be said of it stands below it
            await settled(pilot, lambda: "no endpoint to pay" in text_of(app))

    asyncio.run(flow())


@pytest.fixture
def paying(measured):
    """The endpoint's annotate phase, taken back to the middle of its work."""
    run_id = run_of(measured, "teacher", "served")
    (spec,) = [p for p in read_run(measured, run_id).spec.phases if p.kind == "annotate"]
    folder = measured.phase(spec.id)
    folder.manifest_file.unlink()
    attempt = folder.last_attempt()
    lines = attempt.events.read_bytes().splitlines(keepends=True)
    told = [json.loads(line)["kind"] for line in lines]
    middle = len(told) - 1 - told[::-1].index("cost")
    attempt.events.write_bytes(b"".join(lines[:middle]))
    attempt.alive.touch()
    processes.write_owner(attempt, "local", processes.identity(), Devices())
    return run_id, folder


def test_money_is_live_while_a_phase_works(measured, paying, capsys):
    run_id, folder = paying
    (row,) = [row for row in list_runs(measured) if row.run_id == run_id]
    (paid,) = row.paid
    assert paid.cap == 20.0
    now = money(paid.spent, "USD")
    queue.enqueue(measured, [run_id], DeviceRequest(cpu=True))
    (work,) = queue_changes.look(measured).working
    assert work.paid is not None
    assert work.paid.cap == 20.0
    (phase,) = [p for p in run_status(measured, run_id).phases if p.id == folder.id]
    assert phase.state == "running"
    _Follower(measured, [run_id], read_run(measured, run_id).spec.phases, quiet=False).look()
    line = capsys.readouterr().err
    assert f"phases, 0 s, paid {money(work.paid.cost.spent, 'USD')}" in line
    assert "annotate served pocket-boxes" in line
    assert work.paid.cost.text in line
    assert "cap 20.00 USD" in line
    status = said(measured, "status", run_id)
    assert work.paid.cost.text in status
    assert "cap 20.00 USD" in status

    async def flow():
        app = app_on(measured)
        async with app.run_test(size=(300, 50)) as pilot:
            app.open_devices()
            await settled(pilot, lambda: f"pays {work.paid.cost.text}" in text_of(app))
            app.open_runs()  # wide enough for all of it
            await settled(pilot, lambda: f" {now}, " in text_of(app), "the list's column")
            await settled(pilot, lambda: "/h" in text_of(app), "its rate")
            await pilot.resize_terminal(160, 50)
            await settled(pilot, lambda: f" {now}  " in text_of(app), "what was spent stays")
            app.open_run(run_id)
            await settled(pilot, lambda: f" paid {now}" in text_of(app), "the phases' total")

    asyncio.run(flow())


def test_a_log_that_is_damaged_or_of_a_later_version_is_told(measured):
    run_id = run_of(measured, "baseline")
    spec = read_run(measured, run_id).spec.phases[0]
    attempt = measured.phase(spec.id).last_attempt()
    lines = attempt.events.read_bytes().splitlines(keepends=True)
    later = json.loads(lines[1]) | {"kind": "mood"}
    later.pop("sum", None)
    lines[1] = json.dumps(later).encode() + b"\n"
    lines[2] = b"\x00\x00\n"
    attempt.events.write_bytes(b"".join(lines))
    status = said(measured, "status", run_id)
    assert "events of kinds that this version doesn't know: 1 (mood)" in status
    assert "lines that can't be read: 1" in status

    async def check(app, pilot):
        await settled(pilot, lambda: "lines that can't be read: 1" in text_of(app), "the alert")
        assert f"the log of {spec.id} was damaged" in str(app.screen.query_one(AlertsPanel).content)
        await pilot.press("home", "]", "]", "]")
        await settled(pilot, lambda: "(mood)" in text_of(app), "the log")

    watching(measured, run_id, check, size=(160, 50))


def test_answers_to_the_train_split_have_a_line_of_their_own(measured):
    run_id = run_of(measured, "teacher", "served")
    lines = [row[:4] for row in answers.quality(measure(measured, [run_id])).texts]
    assert len(lines) == len(set(lines)) == 4
    assert {line[2] for line in lines} == {"pocket-boxes", "pocket-boxes train"}
