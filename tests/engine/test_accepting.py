"""A changed output stops what would use it, until it is accepted or made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import experiments, run_changes
from engine.commands.bundling import bundle
from engine.commands.importing import take_in
from engine.commands.reporting import write
from engine.commands.rescoring import rescore
from engine.interfaces import Devices
from engine.phases.context import Context
from engine.queries.lineage import lineage
from engine.queries.runs import list_runs
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.schema.errors import UserError
from engine.schema.events import Message
from engine.store.eventlog import EventReader, EventWriter
from engine.store.layout import (
    PAIRS,
    PREDICTIONS,
    PhaseDir,
    RunsFolder,
)
from engine.store.run import read_run
from engine.store.sealing import accept
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


def phase_of(runs: RunsFolder, run_id: str, kind: str) -> PhaseDir:
    """The run's last of that kind."""
    return runs.phase([p.id for p in read_run(runs, run_id).spec.phases if p.kind == kind][-1])


def change(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"the", b"eht", 1))
    assert file.read_bytes() != raw


def using(runs: RunsFolder, phase: PhaseDir) -> Context:
    """An attempt of some later phase."""
    attempt = phase.new_attempt()
    writer = EventWriter(attempt.events, attempt.alive)
    return Context(runs, phase, attempt, writer, Devices())


def test_a_phase_refuses_a_changed_input_and_tells_of_an_accepted_one(runs: RunsFolder) -> None:
    run_id = run_of(runs, "both", "wren-3m")
    elicit, refine = (phase_of(runs, run_id, kind) for kind in ("elicit", "refine"))
    ctx = using(runs, refine)
    assert ctx.output(elicit.id, PAIRS) == elicit.out / PAIRS
    change(elicit.out / PAIRS)
    with pytest.raises(UserError, match=f"{PAIRS}: is not what its phase published"):
        ctx.output(elicit.id, PAIRS)

    accept(elicit)
    ctx = using(runs, refine)
    assert ctx.output(elicit.id, PAIRS)
    ctx.writer.close()
    (told,) = [e for e in EventReader(ctx.attempt.events).read() if isinstance(e, Message)]
    assert told.code == "accepted"
    assert "out/pairs.jsonl: changed after it was made, accepted" in told.text

    refine.manifest_file.unlink()
    ctx.clear_staging()
    refine.publish(ctx.staging, {}, ctx.accepted)
    evaluated = using(runs, phase_of(runs, run_id, "evaluate"))
    evaluated.input(refine.id)  # what it was made from is handed on
    (line,) = evaluated.accepted[refine.id]
    assert line.startswith(f"made from {elicit.id}: out/pairs.jsonl")


def test_what_was_accepted_is_shown_with_all_that_follows(runs: RunsFolder, tmp_path: Path) -> None:
    run_id = run_of(runs, "both", "wren-3m")
    evaluated = phase_of(runs, run_id, "evaluate")
    change(evaluated.out / PREDICTIONS)

    def said(*words: str) -> str:
        result = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words])
        return result.output + str(result.exception or "")

    other = run_of(runs, "instruct-only", "wren-3m")
    refusal = f"{PREDICTIONS}: is not what its phase published"
    for verb in (["compare", other, run_id], ["quality", run_id], ["score", run_id]):
        assert refusal in said(*verb)
    for verb in ("export", "bundle"):
        assert refusal in said(verb, run_id, str(tmp_path / "made.tar"))
    assert refusal.replace(" ", "") in "".join(said("doctor").split())
    assert "changed after it was made, accepted" in said("accept", evaluated.id)
    assert "nothing has changed" in said("accept", evaluated.id)
    assert refusal not in said("compare", other, run_id)

    line = "out/predictions.jsonl: changed after it was made, accepted"
    shown = {p.id: p.accepted for p in lineage(runs, run_id).phases}
    assert line in shown[evaluated.id][0]
    assert line in said("show", run_id)
    assert line in said("report", "--format", "markdown")
    assert "accepted" in said("doctor")
    bundle(runs, [run_id], tmp_path / "run.tar")
    elsewhere = RunsFolder(tmp_path / "elsewhere")
    take_in(elsewhere, tmp_path / "run.tar")
    assert lineage(elsewhere, run_id).phases == lineage(runs, run_id).phases


def test_one_damaged_file_takes_no_report_down(
    runs: RunsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.report.figures.draw", lambda *_: [])
    run_id = run_of(runs, "both", "wren-3m")
    change(phase_of(runs, run_id, "elicit").out / PAIRS)
    evaluated = phase_of(runs, run_id, "evaluate")
    evaluated.score.write_bytes(b"\xff\xfe")
    ids = [row.run_id for row in list_runs(runs)]
    written = write(runs, "all", ids, tmp_path / "report")
    assert len(written.passed_over) == 2
    page = (tmp_path / "report" / "index.html").read_text()
    assert f"{evaluated.id}/out/score.json" in page
    assert PAIRS in page


def test_a_phase_is_made_again_by_its_id(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda _: None)
    run_id = run_of(runs, "both", "wren-3m")
    evaluated = phase_of(runs, run_id, "evaluate")
    rescore(runs, run_id, write=True)
    change(evaluated.out / PREDICTIONS)
    accept(evaluated)
    result = CliRunner().invoke(sirt, ["--runs", str(runs.root), "retry", evaluated.id])
    assert "1 run queued" in result.output
    assert not evaluated.done
    assert not evaluated.seals_file.exists()
    assert not evaluated.rescored.exists()
    (entry,) = read_queue(runs).entries
    assert evaluated.id in {p.id for p in read_run(runs, entry.run_id).spec.phases}
    with pytest.raises(UserError, match="no run has this phase"):
        run_changes.make_again(runs, "evaluate-" + "0" * 16)


def test_a_finished_experiment_is_launched_where_nothing_can_be_written(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [read_run(runs, row.run_id).spec for row in list_runs(runs) if row.state == "done"]
    monkeypatch.setattr(experiments, "run_id_of", lambda spec: ids[spec.fingerprint])
    ids = {read_run(runs, i).spec.fingerprint: i for i in runs.run_ids()}

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    launched = experiments.launch_runs(runs, specs, DeviceRequest())
    assert launched.queued == ()
    assert len(launched.reused) == len(specs) > 0
