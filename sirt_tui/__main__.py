"""``python -m sirt_tui [RUNS]``: the interface on a runs folder."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.contract.rundir import RunsFolder
from sirt_tui.app import SirtApp


def run(folder: Path, mouse: bool = True) -> None:
    """Until the person quits. Everything it launched goes on."""
    SirtApp(RunsFolder(folder.absolute())).run(mouse=mouse)


if __name__ == "__main__":
    run(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
