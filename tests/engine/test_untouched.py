"""A phase that nobody has begun is told by its folder's inode, and no other phase is."""

from __future__ import annotations

import pytest

from engine.queries.rows import Looks
from engine.scheduling.folders import Folders
from engine.store.layout import RunsFolder
from engine.store.untouched import Inodes
from tests.engine.fakes import chain, write_run


@pytest.fixture
def phase(tmp_path):
    runs = RunsFolder(tmp_path)
    spec = write_run(runs, "one", chain())
    return runs, runs.phase(spec.phases[0].id)


def untouched(runs, phase):
    inodes = Inodes(runs)
    return inodes.untouched(phase.id, inodes.look(phase.id))


def test_only_a_phase_with_its_specification_alone_is_untouched(phase):
    runs, one = phase
    if runs.phases.stat().st_nlink <= 2:
        pytest.skip("this disk doesn't count subfolders as links")
    assert untouched(runs, one)
    one.manifest_file.write_text("{}")  # its outputs were removed by hand
    assert not untouched(runs, one)
    one.manifest_file.unlink()
    one.new_attempt()
    assert not untouched(runs, one)
    assert Inodes(runs).look("instruct-0000000000000000") is None


def test_a_disk_that_does_not_count_tells_nothing(phase, monkeypatch):
    runs, one = phase
    monkeypatch.setattr(Inodes, "_counts_subfolders", False)
    assert not untouched(runs, one)
    assert Looks(runs).look(one.id).found.state == "waiting"


def test_the_list_and_the_conductor_see_an_attempt_at_once(phase):
    runs, one = phase
    looks, folders = Looks(runs), Folders(runs)
    assert looks.look(one.id).found.state == folders._fact(one.id).state == "waiting"
    one.new_attempt()
    looks.begin()
    assert looks.look(one.id).found.attempt == folders._fact(one.id).attempt == 1
