"""The ``sirt`` command: the engine's command line, and without a subcommand the interface."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli import main as command_line

if TYPE_CHECKING:
    from pathlib import Path


def main() -> None:
    """Run the command line; only without a verb does it import Textual and open the interface."""
    command_line(open_interface)


def open_interface(folder: Path, mouse: bool) -> None:
    """Run the interface until the person quits. Launched runs go on without it."""
    from engine.store.layout import RunsFolder
    from sirt_tui import keymap
    from sirt_tui.app import SirtApp
    from sirt_tui.remembered import Remembered

    runs = RunsFolder(folder)
    keys, problems = keymap.read(keymap.file())
    app = SirtApp(runs, remembered=Remembered.of(runs.root), keys=keys, problems=problems)
    app.run(mouse=mouse)
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
