"""What was chosen comes back for that folder, whatever happened to the file."""

from __future__ import annotations

import json

from sirt_tui.remembered import Remembered, file_of


def test_choices_come_back_for_their_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    here, other = tmp_path / "here" / "runs", tmp_path / "other" / "runs"
    first = Remembered.of(here)
    first.put("runs.sort", ["took", True])
    first.put("theme", "light")
    first.close()
    again = Remembered.of(here)
    assert again.get("runs.sort", ["age", False]) == ["took", True]
    assert again.get("theme", 3) == 3, "of another type: an older or newer version's"
    assert Remembered.of(other).get("theme", "dark") == "dark"
    assert not again.problem


def test_two_windows_keep_each_others_choices(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, two = Remembered.of(tmp_path / "runs"), Remembered.of(tmp_path / "runs")
    one.put("theme", "light")
    one.close()
    two.put("zoom", "log")
    two.put("theme", "dark")
    two.close()
    one.put("sort", "age")
    one.close()
    told = json.loads(file_of(tmp_path / "runs").read_text())
    assert told == {"theme": "dark", "zoom": "log", "sort": "age"}, "the last choice of each counts"


def test_a_broken_file_is_told_and_written_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = file_of(tmp_path / "runs")
    file.parent.mkdir(parents=True)
    for damage in (b"{", b"[1]", b"\xff\xfe", b""):
        file.write_bytes(damage)
        found = Remembered.of(tmp_path / "runs")
        assert str(file) in found.problem
        assert "forgotten" in found.problem
        found.put("theme", "light")
        found.close()
        assert json.loads(file.read_text()) == {"theme": "light"}


def test_a_disk_that_takes_nothing_is_told_and_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "sirt").write_text("a file in the folder's place")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found, said = Remembered.of(tmp_path / "runs"), []
    found.on_failure = said.append
    found.put("theme", "light")
    found.close()
    assert len(said) == 1
    assert "not remembered" in said[0]
    assert found.get("theme", "dark") == "light"


def test_without_a_file_choices_last_as_long_as_the_program():
    found = Remembered()
    found.put("theme", "light")
    found.close()
    assert found.get("theme", "dark") == "light"
