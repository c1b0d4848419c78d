"""Which runs a word on the command line means, and what is said of those that can't be read."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import queue_changes, run_changes
from engine.commands.doctor import examine
from engine.commands.experiments import launch_runs, run_id_of
from engine.machine.state import phase_state
from engine.queries.finding import find_runs
from engine.queries.runs import (
    list_runs,
    run_status,
    unreadable,
)
from engine.scheduling import daemon, queue
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.schema.errors import UserError
from engine.store.conductor_dir import ConductorDir
from engine.store.run import read_run
from tests.tui.conftest import copy_recorded

if TYPE_CHECKING:
    from pathlib import Path


def test_an_experiment_is_not_those_that_begin_like_it(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    of_pocket = runs.run_ids()
    file = read_run(runs, of_pocket[0])
    spec = file.spec.model_copy(update={"experiment": "pocket-later"})
    later = file.model_copy(update={"run_id": "pocket-later-s0-12345678", "spec": spec})
    runs.run_folder(later.run_id).mkdir()
    runs.run_file(later.run_id).write_text(later.model_dump_json())
    assert sorted(find_runs(runs, ["pocket"])) == sorted(of_pocket)
    assert find_runs(runs, ["pocket-later"]) == [later.run_id]
    assert find_runs(runs, ["pocket-later-s0-1"]) == [later.run_id]
    with pytest.raises(UserError, match="an empty run id"):  # an unset variable, before --yes
        find_runs(runs, [""])


def test_a_damaged_run_is_named_and_restored_by_launching_it_again(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    spec = next(
        file.spec
        for file in (read_run(runs, run_id) for run_id in runs.run_ids())
        if all(runs.phase(phase.id).done for phase in file.spec.phases)
    )
    run_id = run_id_of(spec)
    launch_runs(runs, [spec], DeviceRequest())
    assert unreadable(runs, list_runs(runs)) == []
    file = runs.run_file(run_id)
    file.write_text("{")
    shutil.rmtree(runs.registry)
    (told,) = unreadable(runs, list_runs(runs))
    assert told.startswith(f"{file}: the whole file: Invalid JSON")
    launch_runs(runs, [spec], DeviceRequest())
    assert read_run(runs, run_id).spec == spec
    assert file.with_suffix(".damaged").read_text() == "{"


def test_a_damaged_score_hides_no_other_and_a_removed_phase_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = copy_recorded(tmp_path / "runs")
    row = next(row for row in list_runs(runs) if row.state == "done" and len(row.accuracies) > 1)
    phases = read_run(runs, row.run_id).spec.phases
    first, second = [runs.phase(p.id) for p in phases if p.kind == "evaluate"][:2]
    first.score.write_text("[]")
    shutil.rmtree(runs.registry)
    (again,) = [found for found in list_runs(runs) if found.run_id == row.run_id]
    assert len(again.accuracies) == len(row.accuracies) - 1
    told = {finding.what: finding for finding in examine(runs)}["outputs"]
    assert told.verdict == "bad"
    assert f"{first.score}: is not what its phase published" in told.said

    shutil.rmtree(second.path)
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda _: None)
    assert run_changes.retry(runs, [row.run_id]) == [row.run_id]
    assert second.spec().id == second.id
    second.manifest_file.write_text("[]")
    with pytest.raises(UserError, match="expected a JSON object"):
        second.manifest()


def test_done_is_what_has_a_manifest_and_a_damaged_process_file_is_nobodys(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    phase = next(p for p in runs.phase_dirs() if p.done and p.attempts())
    phase.manifest_file.unlink()
    found = phase_state(phase)
    assert found.state == "lost"
    assert found.error.endswith("a retry makes it again")
    attempt = phase.last_attempt()
    assert attempt is not None
    attempt.events.write_text("")
    for damaged in ("[1]", "5", '{"launcher": 1}', '{"launcher": "local", "handle": []}'):
        attempt.process.write_text(damaged)
        assert phase_state(phase).state in {"lost", "running"}
    ConductorDir(runs.conductor).path.mkdir()
    ConductorDir(runs.conductor).process.write_text("[1]")
    assert daemon.holder(runs) is None


def test_logs_and_tables_as_json(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")

    def said(*words: str) -> list[dict[str, object]]:
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words, "--json"])
        assert done.exit_code == 0, done.output
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found

    run_id = runs.run_ids()[0]
    assert {row["run_id"] for row in said("report", run_id)} == {run_id}
    logs = said("logs", run_id)
    assert {entry["phase"] for entry in logs} <= {p.id for p in read_run(runs, run_id).spec.phases}
    assert all(entry["said"] for entry in logs)
    assert [entry["phase"] for entry in said("logs", run_id, "--errors")] == [
        entry["phase"] for entry in logs
    ]


def test_the_list_the_queue_and_the_run_say_the_same_of_what_is_blocked(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    failed = next(row for row in list_runs(runs) if row.state == "failed")
    assert failed.ladder[-2:] == ("failed", "blocked")
    queue.enqueue(runs, [failed.run_id], DeviceRequest(cpu=True))
    again = {row.run_id: row for row in list_runs(runs)}[failed.run_id]
    assert (again.state, again.ladder[-2:]) == ("queued", ("queued", "queued"))
    assert queue_changes.look(runs).states == ("queued",)

    forgiving = read_queue(runs).entry(failed.run_id)
    queue.change(runs, lambda q: q.with_entry(forgiving.model_copy(update={"forgiven": {}})))
    row = {row.run_id: row for row in list_runs(runs)}[failed.run_id]
    status = run_status(runs, failed.run_id)
    assert (row.state, status.state, *queue_changes.look(runs).states) == ("failed",) * 3
    by_kind = {phase.spec.kind: phase for phase in status.phases}
    assert row.ladder[-1] == by_kind["evaluate"].state == "blocked"
    assert by_kind["evaluate"].blocked_by == (by_kind["refine"].id,)
