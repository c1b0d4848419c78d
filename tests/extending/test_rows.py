"""Every row of docs/extending.md is tried, and names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.extending.program import CHECKOUT, rows

TRIED = "\n".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("what", rows())
def test_a_row_is_tried_and_names_what_is_there(what: str) -> None:
    assert f'"{what}"' in TRIED, "a test adds one"
    written, named = rows()[what]
    if written:
        assert (CHECKOUT / written[0]).parent.is_dir()
    if named:
        place, table = named[:2]
        assert re.search(rf"\b{table}\b", (CHECKOUT / place).read_text(encoding="utf-8"))
