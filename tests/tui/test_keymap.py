"""A person's own keys, and what is said of those that can't be."""

from __future__ import annotations

import asyncio

from sirt_tui import keymap
from sirt_tui.app import SirtApp
from sirt_tui.screens.help import keys_of
from sirt_tui.widgets.dialogs import Confirm
from tests.tui.helpers import NOW, said_by, settled, text_of


def written(tmp_path, text):
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    return keymap.read(file)


def test_a_file_of_keys_is_read_in_the_words_that_people_use(tmp_path):
    text = "delete: ctrl+d\nstop: [X, f8]\nx_axis: '%'\nmemory_or_use: esc\nback: f9\nnote: 9\n"
    keys, problems = written(tmp_path, text)
    assert problems == []
    assert keys == {
        "delete": "ctrl+d", "stop": "X,f8", "x_axis": "percent_sign",
        "memory_or_use": "escape", "back": "f9", "note": "9",
    }  # fmt: skip


def test_a_missing_file_asks_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert keymap.file() == tmp_path / "sirt" / "keys.yaml"
    assert keymap.read(keymap.file()) == ({}, [])


def test_what_cant_be_is_one_line_with_its_place_and_the_rest_holds(tmp_path):
    text = """\
delet: f9
retry: ctlr+r
stop: d
lineage: f7
tags: f7
hold: {a: b}
hold: [f6]
flag: enterr
sort: f8
sort: f9
"""
    keys, problems = written(tmp_path, text)
    assert keys == {"lineage": "f7", "hold": "f6", "sort": "f8"}
    said = [problem.removeprefix(f"{tmp_path}/keys.yaml:") for problem in problems]
    assert said == [
        "1: no action 'delet'; did you mean 'delete'?",
        said[1],
        "6: hold: expected a key or a list of keys",
        "8: flag: no key 'enterr'; did you mean 'enter'?",
        "10: sort is given twice; the first counts",
        "3: stop: d is the key of 'delete' (Delete); give that another one first",
        "5: tags: f7 is the key of 'lineage' (Lineage: models, data, hashes); "
        "give that another one first",
    ]
    assert said[1].startswith("2: retry: no key 'ctlr+r'")


def test_two_actions_may_swap_their_keys_but_only_both(tmp_path):
    assert written(tmp_path, "stop: d\ndelete: x\n") == ({"stop": "d", "delete": "x"}, [])
    keys, problems = written(tmp_path, "stop: d\ndelete: r\n")
    assert keys == {}, "delete can't have r, and so d stays its key"
    assert len(problems) == 2


def test_a_file_that_is_no_yaml_changes_nothing(tmp_path):
    for text in ("delete: [", "- delete", "\tdelete: x", "delete"):
        keys, problems = written(tmp_path, text)
        assert keys == {}
        assert len(problems) == 1
        assert "keys.yaml:" in problems[0]


def test_own_keys_work_and_stand_in_help_and_bottom_line(recorded):
    async def flow():
        problem = "keys.yaml:1: no action 'x'"
        app = SirtApp(
            recorded, lambda: NOW, keys={"stop": "d", "delete": "ctrl+d"}, problems=[problem]
        )
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            assert problem in said_by(app)
            assert "d Stop" in text_of(app)
            assert "^d Delete" in text_of(app)
            columns = [list(column.cells) for column in keys_of(app.screen).columns]
            assert ("d", "Stop") in list(zip(*columns[:2], strict=True))
            await pilot.press("x")  # nothing any more
            await pilot.press("d")
            await settled(pilot, lambda: isinstance(app.screen, Confirm))
            assert "Stop" in text_of(app)

    asyncio.run(flow())
