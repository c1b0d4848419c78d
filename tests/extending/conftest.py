"""A fresh copy of the program for each extension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.extending.program import Program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.copied(tmp_path)
