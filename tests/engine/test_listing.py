"""Which runs a word on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.contract.errors import UserError
from engine.control.listing import find_runs
from engine.queue import read_run
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
