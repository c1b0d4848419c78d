"""What is deleted can be restored wherever the deletion was cut off; gc takes what nobody needs."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import collecting, deleting, experiments
from engine.commands.experiments import launch_runs
from engine.commands.run_changes import describe
from engine.generation.vllm.folder import Server, ServerDir, servers_of
from engine.machine import processes
from engine.planning.plan import Plan
from engine.queries.checking import for_tables
from engine.queries.runs import list_runs
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.store import trash
from engine.store.locking import held
from engine.store.run import read_run
from engine.store.writing import bytes_of
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


@pytest.fixture
def run_id(runs: RunsFolder) -> str:
    return run_of(runs, "both", "wren-3m")


def contents(runs: RunsFolder) -> dict[str, bytes]:
    """All files of runs and phases, but for locks."""
    files = (p for p in runs.root.rglob("*") if p.is_file() and not p.name.startswith("."))
    outside = {"registry", "trash", "queue.json"}
    parts = ((p.relative_to(runs.root), p) for p in files)
    return {str(at): p.read_bytes() for at, p in parts if at.parts[0] not in outside}


def test_what_is_deleted_is_measured_first_and_comes_back_whole(
    runs: RunsFolder, run_id: str
) -> None:
    before, rows = contents(runs), list_runs(runs)
    lost = deleting.losses(runs, run_id)
    assert lost.going
    assert lost.staying
    assert lost.freed == sum(
        bytes_of(p) for p in (runs.run_folder(run_id), *(runs.phase(i).path for i in lost.going))
    )
    assert 0 < lost.freed < lost.whole
    found = deleting.delete(runs, run_id)
    assert run_id not in {row.run_id for row in list_runs(runs)}
    assert not any(runs.phase(i).path.exists() for i in lost.going)
    assert all(runs.phase(i).done for i in lost.staying)
    assert deleting.restore(runs, trash.find(runs, run_id)) == []
    assert contents(runs) == before
    assert list_runs(runs) == rows
    assert not found.path.exists()


def test_a_deletion_cut_off_anywhere_can_be_restored(
    runs: RunsFolder, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between any two of the moves, of a deletion and then of its restoring."""
    before, whole = contents(runs), trash._move
    steps = 1 + len(deleting.losses(runs, run_id).going)

    def killed_at(step: int) -> None:
        left = iter([True] * step)

        def move(source: Path, target: Path) -> None:
            if not next(left, False):
                raise KeyboardInterrupt
            whole(source, target)

        monkeypatch.setattr(trash, "_move", move)

    for step in range(steps):
        killed_at(step)
        with pytest.raises(KeyboardInterrupt):
            deleting.delete(runs, run_id)
        (deletion,) = trash.deletions(runs)
        assert trash.leftovers(runs) == []
        killed_at(steps - step - 1)
        with pytest.raises(KeyboardInterrupt):
            deleting.restore(runs, deletion)
        monkeypatch.setattr(trash, "_move", whole)
        assert deleting.restore(runs, trash.deletions(runs)[0]) == []
        assert contents(runs) == before
    assert run_id in {row.run_id for row in list_runs(runs)}


def test_a_deletion_whose_record_is_damaged_comes_back_whole(runs: RunsFolder, run_id: str) -> None:
    before = contents(runs)
    found = deleting.delete(runs, run_id)
    (found.path / trash.RECORD).write_text("{")
    assert not any(found.path == one.path for one in collecting.needless(runs))
    (again,) = deleting.deletions(runs)
    assert (again.runs, again.phases) == (found.runs, found.phases)
    assert deleting.restore(runs, again) == []
    assert contents(runs) == before
    with pytest.raises(UserError, match="it is empty"):
        trash.find(runs, run_id)


def test_a_phase_in_the_trash_is_taken_back_by_a_run_that_needs_it(
    runs: RunsFolder, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda _: None)
    file = read_run(runs, run_id)
    describe(runs, run_id, note="mine")
    going = deleting.delete(runs, run_id).phases
    assert going
    launched = launch_runs(runs, [file.spec], DeviceRequest())
    assert launched.reused == (run_id,)
    assert all(runs.phase(i).done for i in going)
    (deletion,) = trash.deletions(runs)
    (kept,) = deleting.restore(runs, deletion)  # the new run stays, the old one's note too
    assert kept == runs.run_folder(run_id)
    assert "mine" in (deletion.path / "runs" / run_id / "run.json").read_text()
    assert deleting.empty(runs, trash.deletions(runs)) > 0
    assert trash.deletions(runs) == []
    assert all(runs.phase(i).done for i in going)


def test_what_is_at_work_is_not_deleted(runs: RunsFolder, run_id: str) -> None:
    with pytest.raises(UserError, match="is running; stop its run first"):
        deleting.delete(runs, run_of(runs, "both", "otter-3m"))
    phase = runs.phase(deleting.losses(runs, run_id).going[0])
    with held(phase.lock), pytest.raises(UserError, match=f"{phase.id} is running"):
        deleting.delete(runs, run_id)
    assert trash.deletions(runs) == []


def orphaned(runs: RunsFolder, run_id: str) -> list[str]:
    """Make phases of no run, as an earlier version's deletion or a hand may have left them."""
    going = list(deleting.losses(runs, run_id).going)
    shutil.rmtree(runs.run_folder(run_id))
    for phase in going:
        age(runs.phase(phase).path)
    return going


def age(path: Path) -> None:
    long_ago = time.time() - 2 * collecting.YOUNG_S
    os.utime(path, (long_ago, long_ago))


def test_gc_finds_what_no_run_needs_and_nothing_else(runs: RunsFolder, run_id: str) -> None:
    assert collecting.needless(runs) == []
    other = run_of(runs, "refine-only", "otter-3m")
    in_trash = set(deleting.delete(runs, other).phases)
    going = orphaned(runs, run_id)
    held_one, marked_one, *rest = going
    half = runs.root / ".queue.json.0a1b2c3d"
    half.write_text("{")
    age(half)
    torn = runs.trash / f"old{trash.GOING}"
    torn.mkdir()
    with held(runs.phase(held_one).lock):
        age(runs.phase(held_one).path)
        found = {one.path: one for one in collecting.needless(runs)}
    phases = {p.name for p in found if p.parent == runs.phases}
    assert phases == {marked_one, *rest}  # the other is at work
    assert not phases & in_trash
    assert {half, torn} <= found.keys()
    assert all(one.size == bytes_of(one.path) for one in found.values())
    gone = collecting.collect(runs, found.values())
    assert {one.path for one in gone} == found.keys()
    assert not any(path.exists() for path in found)
    assert runs.phase(held_one).done


def test_gc_takes_the_folder_of_a_server_that_has_ended_alone(runs: RunsFolder) -> None:
    me = processes.identity()
    gone = me | {"started": me["started"] - 100.0}
    for name, keeper in (("living", me), ("dead", gone), ("never", None)):
        folder = ServerDir(servers_of(runs.root) / name)
        folder.path.mkdir(parents=True)
        folder.log.write_text("ready")
        if keeper is not None:
            folder.write(Server("ready", keeper, keeper, "mark", 1, "secret"))
    new = ServerDir(servers_of(runs.root) / "new")
    new.path.mkdir()
    for name in ("living", "dead", "never"):
        age(servers_of(runs.root) / name)
    found = {one.path.name for one in collecting.needless(runs)}
    assert found == {"dead", "never"}


def test_a_plan_takes_phases_of_the_trash_as_done_and_says_so(
    runs: RunsFolder, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the plan is of the run's own phases, whatever the shipped models are by now."""
    specs = [read_run(runs, run_id).spec]
    plan = Plan(tuple(specs), specs[0].phases, frozenset())
    monkeypatch.setattr(
        experiments,
        "make_plan",
        lambda _, done: replace(plan, done=frozenset(p.id for p in plan.phases if done(p.id))),
    )
    whole = experiments.plan_experiment(runs, "pocket", on_gpu=False)
    assert not whole.plan.to_do
    going = deleting.delete(runs, run_id).phases
    again = experiments.plan_experiment(runs, "pocket", on_gpu=False)
    assert not again.plan.to_do
    said = f"{len(going)} finished phases will be taken back from the trash"
    assert said in again.notes
    assert said not in whole.notes


def test_gc_touches_nothing_while_a_runs_needs_are_unknown(runs: RunsFolder, run_id: str) -> None:
    runs.run_file(run_id).write_text("{")
    with pytest.raises(UserError, match="can't be read, so its phases are unknown"):
        collecting.needless(runs)
    runs.run_file(run_id).unlink()
    with pytest.raises(UserError, match="not there, so the run's phases are unknown"):
        collecting.needless(runs)


def test_gc_leaves_what_a_run_needs_by_the_time_it_removes(runs: RunsFolder, run_id: str) -> None:
    kept = runs.run_file(run_id).read_bytes()
    going = orphaned(runs, run_id)
    found = collecting.needless(runs)
    assert {one.path.name for one in found} == set(going)
    runs.run_folder(run_id).mkdir()
    runs.run_file(run_id).write_bytes(kept)  # launched again meanwhile
    assert collecting.collect(runs, found) == []


def test_the_verbs_say_sizes_ask_and_undo(runs: RunsFolder, run_id: str) -> None:
    def said(*words: str, answer: str = "") -> str:
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words], input=answer)
        assert done.exit_code in (0, 1), done.output
        return done.output

    assert "KiB of it goes to the trash" in said("delete", run_id, answer="n\n")
    assert runs.has_run_file(run_id)
    assert "trash restore" in said("delete", run_id, "--yes")
    assert run_id in said("trash", "list")
    assert f"restored: {run_id}" in said("trash", "restore")
    assert "the trash is empty" in said("trash", "list")
    said("delete", run_id, "--yes")
    assert "freed" in said("trash", "empty", "--yes")
    assert "every file is needed by a run" in said("gc")
    going = orphaned(runs, run_of(runs, "refine-only", "otter-3m"))
    assert "nothing was removed" in said("gc")
    said("gc", "--remove", answer="n\n")
    assert all(runs.phase(phase).path.exists() for phase in going)
    assert f"{len(going)} things removed" in said("gc", "--remove", answer="y\n")
    assert not any(runs.phase(phase).path.exists() for phase in going)


def test_a_run_that_is_left_out_is_in_no_table_and_that_is_said(
    runs: RunsFolder, run_id: str
) -> None:
    def said(*words: str) -> str:
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words])
        return f"{done.output}{done.exception or ''}"

    describe(runs, run_id, note="a fluke")  # seals the recorded file, which is an old one
    seal = read_run(runs, run_id).seal
    assert "1 run left out of tables and reports" in said("leave-out", run_id)
    assert read_run(runs, run_id).seal == seal != ""
    rows = list_runs(runs)
    kept, out = for_tables(rows)
    assert ({row.run_id for row in rows} - {row.run_id for row in kept}, out) == (
        {run_id},
        "1 run left out",
    )
    for form, line in (("text", "1 run left out"), ("csv", "# 1 run left out")):
        assert line in said("report", "--format", form).splitlines()
    assert said("report", "--format", "markdown").endswith("|\n\n1 run left out\n")
    assert "left out of tables; take it in again with: sirt leave-out --undo" in said(
        "compare", run_of(runs, "instruct-only", "wren-3m"), run_id
    )
    assert "in tables and reports again" in said("leave-out", "--undo", run_id)
    assert "left out" not in said("report", "--format", "markdown")
