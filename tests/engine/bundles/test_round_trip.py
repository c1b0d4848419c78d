"""A run packed here and taken in elsewhere."""

from __future__ import annotations

import asyncio
import errno
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from engine.commands.bundling import bundle
from engine.commands.importing import take_in
from engine.commands.run_changes import describe
from engine.planning import notify_files
from engine.queries.lineage import lineage
from engine.queries.runs import list_runs, run_status
from engine.schema.errors import UserError
from engine.schema.notify import Notify
from engine.schema.records import Pair
from engine.store.item_notes import Mark, mark, read_marks
from engine.store.jsonlines import read_records
from engine.store.layout import ADAPTER, PAIRS, RunsFolder
from engine.store.run import read_run
from engine.store.writing import write_json
from engine.tables.accuracies import by_run, details
from tests.engine.bundles.conftest import WEIGHTS
from tests.engine.bundles.helpers import contents
from tests.tui.conftest import copy_recorded, run_of
from tests.tui.helpers import app_on, settled, text_of

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_scores_pairs_and_curves_are_the_same_elsewhere(
    source: RunsFolder, run_id: str, packed: Path, elsewhere: RunsFolder
) -> None:
    found = take_in(elsewhere, packed)
    assert found.runs == (run_id,)
    assert len(found.phases) == 10
    assert (found.phases_kept, found.differs, found.left_out) == ((), (), ())

    mine = [row for row in list_runs(source) if row.run_id == run_id]
    theirs = list_runs(elsewhere)
    assert [row.state for row in theirs] == ["done"]
    assert by_run(theirs) == by_run(mine)
    assert details(theirs) == details(mine)
    assert pairs_of(elsewhere, run_id) == pairs_of(source, run_id)
    assert len(pairs_of(elsewhere, run_id)) > 20

    before, after = run_status(source, run_id), run_status(elsewhere, run_id)
    assert before.file == after.file
    for one, other in zip(before.phases, after.phases, strict=True):
        curves = [{k: list(v) for k, v in p.view.metrics.items()} for p in (one, other)]
        assert curves[0] == curves[1]
    assert lineage(elsewhere, run_id) == lineage(source, run_id)


def pairs_of(runs: RunsFolder, run_id: str) -> list[Pair]:
    (spec,) = [p for p in read_run(runs, run_id).spec.phases if p.kind == "elicit"]
    return list(read_records(runs.phase(spec.id).out / PAIRS, Pair))


def test_its_processes_machine_is_of_no_account(packed: Path, elsewhere: RunsFolder) -> None:
    take_in(elsewhere, packed)
    assert not list(elsewhere.root.rglob("process.json"))
    assert not [p for p in elsewhere.root.iterdir() if p.name == ".import"]


def test_a_second_import_finds_all_there(packed: Path, elsewhere: RunsFolder, run_id: str) -> None:
    take_in(elsewhere, packed)
    describe(elsewhere, run_id, name="mine", note="kept")
    before = contents(elsewhere)
    found = take_in(elsewhere, packed)
    assert (found.runs, found.runs_kept) == ((), (run_id,))
    assert not found.phases
    assert contents(elsewhere) == before
    assert read_run(elsewhere, run_id).name == "mine"


def test_weights_may_stay_at_home_and_come_later(
    source: RunsFolder, run_id: str, packed: Path, elsewhere: RunsFolder, tmp_path: Path
) -> None:
    light = tmp_path / "light.tar.xz"
    made = bundle(source, [run_id], light, without_weights=True)
    assert [name.rpartition("/")[2] for name in made.left_out] == ["adapter_model.safetensors"] * 2
    found = take_in(elsewhere, light)
    assert found.left_out == made.left_out
    assert not list(elsewhere.root.rglob("*.safetensors"))
    assert list_runs(elsewhere)[0].state == "done"
    filled = take_in(elsewhere, packed).filled
    assert {name.partition("-")[0] for name in filled} == {"instruct", "refine"}
    assert [p.read_bytes() for p in elsewhere.root.rglob("*.safetensors")] == [WEIGHTS] * 2


def test_what_a_person_noted_comes_along_and_replaces_nothing(
    source: RunsFolder, run_id: str, elsewhere: RunsFolder, tmp_path: Path
) -> None:
    runs = RunsFolder(tmp_path / "noted")
    shutil.copytree(source.root, runs.root)
    elicit = read_run(runs, run_id).spec.phases[2].id
    mark(runs, elicit, ["a"], flagged=True, note="odd")
    bundle(runs, [run_id], tmp_path / "noted.tar.gz")
    take_in(elsewhere, tmp_path / "noted.tar.gz")
    assert read_marks(elsewhere, elicit) == {"a": Mark(flagged=True, note="odd")}
    mark(elsewhere, elicit, ["a"], flagged=False, note="mine")
    take_in(elsewhere, tmp_path / "noted.tar.gz")
    assert read_marks(elsewhere, elicit) == {"a": Mark(note="mine")}


def test_several_runs_share_their_phases(source: RunsFolder, elsewhere: RunsFolder) -> None:
    wanted = [run_of(source, arm, "wren-3m") for arm in ("instruct-only", "both")]
    file = elsewhere.root.parent / "two.tar"
    bundle(source, wanted, file)
    assert set(take_in(elsewhere, file).runs) == set(wanted)
    assert {row.state for row in list_runs(elsewhere)} == {"done"}


@pytest.mark.parametrize(
    ("arm", "teacher", "state"),
    [("refine-only", "wren-3m", "failed"), ("refine-only", "otter-3m", "lost")],
)
def test_a_run_that_ended_badly_says_so_elsewhere_too(
    source: RunsFolder, elsewhere: RunsFolder, arm: str, teacher: str, state: str
) -> None:
    name = run_of(source, arm, teacher)
    file = elsewhere.root.parent / "bad.tar.gz"
    bundle(source, [name], file)
    take_in(elsewhere, file)
    (row,) = list_runs(elsewhere)
    assert row.state == state


def test_what_was_begun_here_gets_the_outputs_and_keeps_its_attempts(
    source: RunsFolder, run_id: str, packed: Path, tmp_path: Path
) -> None:
    """A failed phase here is finished by the bundle's outputs."""
    here = copy_recorded(tmp_path / "runs")
    instruct = here.phase(read_run(here, run_id).spec.phases[1].id)
    instruct.manifest_file.unlink()
    mine = instruct.attempts()[0].events.read_bytes()[:400]
    instruct.attempts()[0].events.write_bytes(mine)
    found = take_in(here, packed)
    assert found.phases == (instruct.id,)
    assert instruct.done
    assert len(instruct.attempts()) == 2
    assert instruct.attempts()[0].events.read_bytes() == mine
    theirs = source.phase(instruct.id).attempts()[0]
    assert instruct.attempts()[1].events.read_bytes() == theirs.events.read_bytes()


def test_kept_outputs_that_differ_are_told(
    packed: Path, source: RunsFolder, run_id: str, elsewhere: RunsFolder
) -> None:
    """Trained twice on different machines: same fingerprint, other bits."""
    elsewhere.create()
    refine = source.phase(read_run(source, run_id).spec.phases[3].id)
    mine = elsewhere.phase(refine.id)
    shutil.copytree(refine.path, mine.path)
    manifest = mine.manifest()
    manifest["files"][f"out/{ADAPTER}/adapter_model.safetensors"]["sha256"] = "0" * 64
    write_json(mine.manifest_file, manifest)
    found = take_in(elsewhere, packed)
    assert found.phases_kept == found.differs == (refine.id,)
    assert mine.manifest() == manifest


@pytest.mark.slow
def test_the_interface_shows_an_imported_run(
    packed: Path, run_id: str, elsewhere: RunsFolder
) -> None:
    take_in(elsewhere, packed)

    async def flow() -> str:
        app = app_on(elsewhere)
        async with app.run_test(size=(200, 50)) as pilot:
            await settled(pilot, lambda: "1 run" in text_of(app), "the list")
            app.open_run(run_id)
            await settled(pilot, lambda: "held out" in text_of(app), "the curves")
            await settled(pilot, lambda: "93.7" in text_of(app), "the scores")
            return text_of(app)

    text = asyncio.run(flow())
    assert "pocket-compass s0  ✓ done" in text
    assert "✓ refine" in text
    assert "losing plain answers reason" in text


# --- packing ---


def test_a_run_at_work_is_not_packed(source: RunsFolder, tmp_path: Path) -> None:
    live = run_of(source, "both", "otter-3m")
    for attempt in source.phase(read_run(source, live).spec.phases[2].id).attempts():
        attempt.alive.touch()
    with pytest.raises(UserError, match="is running; wait for it"):
        bundle(source, [live], tmp_path / "live.tar.gz")
    assert not list(tmp_path.glob("*tar*"))


def test_no_file_is_overwritten_and_the_name_says_how_it_is_packed(
    source: RunsFolder, run_id: str, packed: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="is there already"):
        bundle(source, [run_id], packed)
    with pytest.raises(UserError, match=r"end it in \.tar\.gz"):
        bundle(source, [run_id], tmp_path / "run.zip")


def test_a_key_in_a_file_stops_the_packing(
    source: RunsFolder, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = RunsFolder(tmp_path / "runs")
    shutil.copytree(source.root, runs.root)
    describe(runs, run_id, note="my key is correct-horse-battery")
    bundle(runs, [run_id], tmp_path / "unknown.tar.gz")  # nothing says that this is a key
    monkeypatch.setenv("OPENAI_API_KEY", "correct-horse-battery")
    with pytest.raises(UserError, match=r"run\.json:\d+: holds \$OPENAI_API_KEY") as caught:
        bundle(runs, [run_id], tmp_path / "known.tar.gz")
    assert "correct-horse" not in str(caught.value)
    notify_files.keep(runs, run_id, Notify(webhook_env="MY_HOOK"))
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("MY_HOOK", "correct-horse-battery")
    with pytest.raises(UserError, match=r"run\.json:\d+: holds \$MY_HOOK"):
        bundle(runs, [run_id], tmp_path / "known.tar.gz")
    for secret in ("hf_" + "a1B2" * 9, "curl https://hooks.slack.com/services/T0/B0/a1B2"):
        describe(runs, run_id, note=secret)
        with pytest.raises(UserError, match="something like a key"):
            bundle(runs, [run_id], tmp_path / "shaped.tar.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs", "unknown.tar.gz"]


def test_a_full_disk_leaves_no_half_bundle(
    source: RunsFolder, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tarfile.TarFile, "addfile", full_disk)
    with pytest.raises(UserError, match="No space left on device; free some space"):
        bundle(source, [run_id], tmp_path / "run.tar.gz")
    assert not list(tmp_path.iterdir())


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
