"""The index is right whoever writes at the same time, and never in the way of reading."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tinydb import TinyDB

from engine.commands.run_changes import describe
from engine.queries.run_list import Roster
from engine.queries.runs import list_runs, registry
from engine.store import writing
from engine.store.registry import newest_runs
from engine.store.run import read_run, write_run
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

TAGGERS = 12
TAG = """
import sys
from pathlib import Path
from engine.store.layout import RunsFolder
from engine.commands.run_changes import describe
for turn in range(5):
    describe(RunsFolder(Path(sys.argv[1])), sys.argv[2], tags=(f"{turn}-{sys.argv[3]}",))
"""


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


def tags_in_index(runs: RunsFolder, run_id: str) -> tuple[str, ...]:
    return registry(runs).indexed()[run_id].tags


@pytest.mark.slow
def test_many_who_tag_at_once_leave_the_index_as_the_files_are(runs: RunsFolder) -> None:
    list_runs(runs)
    both, other = run_of(runs, "both", "wren-3m"), run_of(runs, "baseline")
    taggers = [
        subprocess.Popen(
            [sys.executable, "-c", TAG, str(runs.root), run_id, str(n)],
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        )
        for n in range(TAGGERS // 2)
        for run_id in (both, other)
    ]
    assert [tagger.wait(timeout=240) for tagger in taggers] == [0] * TAGGERS
    for run_id in (both, other):
        assert tags_in_index(runs, run_id) == read_run(runs, run_id).tags != ()


def test_a_row_made_before_a_file_was_changed_never_replaces_what_is_in_the_file(
    runs: RunsFolder,
) -> None:
    list_runs(runs)
    run_id = run_of(runs, "both", "wren-3m")
    index = registry(runs)
    stale = index.indexed()[run_id]
    describe(runs, run_id, tags=("new",))
    index.put([stale])
    assert tags_in_index(runs, run_id) == ("new",)


def test_a_reader_sees_a_file_that_was_written_after_its_row(runs: RunsFolder) -> None:
    list_runs(runs)
    run_id = run_of(runs, "both", "wren-3m")
    write_run(runs, read_run(runs, run_id).model_copy(update={"tags": ("by another",)}))
    assert tags_in_index(runs, run_id) == ()
    assert next(r for r in registry(runs).rows() if r.run_id == run_id).tags == ("by another",)
    assert run_id not in {row.run_id for row in newest_runs(runs, 100)}
    assert next(r for r in list_runs(runs) if r.run_id == run_id).tags == ("by another",)
    assert tags_in_index(runs, run_id) == ("by another",)


def test_a_result_whose_phase_is_gone_is_not_shown_from_the_index(runs: RunsFolder) -> None:
    roster = Roster(runs)
    before = {row.run_id: row for row in roster.look()}
    run_id = run_of(runs, "both", "wren-3m")
    gone = next(i for i in before[run_id].phase_ids if i.startswith("evaluate-"))
    shutil.rmtree(runs.phase(gone).path)
    for rows in (roster.look(), Roster(runs).look()):
        row = next(row for row in rows if row.run_id == run_id)
        assert row.state == "waiting"
        assert len(row.accuracies) == len(before[run_id].accuracies) - 1
    untouched = run_of(runs, "teacher", "wren-3m")
    assert next(row for row in roster.look() if row.run_id == untouched) == before[untouched]


def index_files(runs: RunsFolder) -> list[Path]:
    return sorted(runs.registry.glob("*.json"))


DIGIT = rb"\"match\",\"test\",0."  # before the first digit of an accuracy


def test_a_changed_digit_in_the_index_is_noticed_and_the_rows_made_again(runs: RunsFolder) -> None:
    rows = list_runs(runs)
    file = next(file for file in index_files(runs) if DIGIT in file.read_bytes())
    raw = file.read_bytes()
    figure = raw.index(DIGIT) + len(DIGIT)
    assert raw[figure : figure + 1] != b"1"
    file.write_bytes(raw[:figure] + b"1" + raw[figure + 1 :])
    assert len(registry(runs).indexed()) < len(rows)
    assert list_runs(runs) == rows
    assert len(registry(runs).indexed()) == len(rows)


def test_an_index_is_tinydb_and_a_row_of_it_is_the_row_of_the_folder(runs: RunsFolder) -> None:
    rows = {row.run_id: row for row in list_runs(runs)}
    kept: list[str] = []
    for file in index_files(runs):
        with TinyDB(file, access_mode="r") as db:
            kept += [document["run_id"] for document in db]
    assert sorted(kept) == sorted(rows)
    assert {row.run_id: row for row in Roster(runs).look()} == rows


def test_an_earlier_versions_index_is_made_again_and_that_is_told_once(
    runs: RunsFolder, caplog: pytest.LogCaptureFixture
) -> None:
    runs.old_registry.write_text('{"runs":{\n"1":{"run_id":"a","created":"b","phases":[]}\n}}\n')
    rows = list_runs(runs)
    assert len(rows) == len(runs.run_ids())
    assert [record.message.partition(": ")[0] for record in caplog.records] == [
        str(runs.old_registry)
    ]
    assert list_runs(runs) == rows
    assert len(caplog.records) == 1
    assert not runs.old_registry.exists()


def test_unchanged_documents_give_the_same_rows(runs: RunsFolder) -> None:
    list_runs(runs)
    roster = Roster(runs)
    before = {row.run_id: row for row in roster.look()}
    changed = run_of(runs, "both", "wren-3m")
    describe(runs, changed, tags=("new",))
    after = {row.run_id: row for row in roster.look()}
    assert {i for i in after if after[i] is not before[i]} == {changed}


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("index", ["none", "damaged", "stale"])
def test_reading_needs_no_writing(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch, code: int, index: str
) -> None:
    rows = list_runs(runs)
    match index:
        case "none":
            shutil.rmtree(runs.registry)
        case "damaged":
            for file in index_files(runs):
                file.write_bytes(b"\xff" * 300)
        case "stale":
            run_id = rows[0].run_id
            write_run(runs, read_run(runs, run_id).model_copy(update={"note": "later"}))
            rows = Roster(runs).look()[::-1]

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing, "atomic_write", refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert [row.run_id for row in list_runs(runs)] == [row.run_id for row in rows]
    assert {r.run_id for r in registry(runs).rows()} == {r.run_id for r in rows}
