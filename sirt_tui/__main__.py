"""The ``sirt`` command: the engine's command line, and without a subcommand the interface."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli import main as command_line

if TYPE_CHECKING:
    from pathlib import Path


def main() -> None:
    """Textual is imported only when there is no subcommand."""
    command_line(open_interface)


def open_interface(folder: Path, mouse: bool) -> None:
    """Until the person quits. Everything that was launched goes on."""
    from engine.store.layout import RunsFolder
    from sirt_tui.app import SirtApp

    app = SirtApp(RunsFolder(folder))
    app.run(mouse=mouse)
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
