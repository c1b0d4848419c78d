"""Lend the terminal to another program, such as an editor."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Literal

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import App


def lend(
    app: App[object], command: Sequence[str]
) -> tuple[str, Literal["warning", "error"]] | None:
    """Run the program until it ends; return what went wrong, if anything did, and how bad it is."""
    try:
        with app.suspend():
            code = subprocess.run(command, check=False).returncode
    except SuspendNotSupported:
        return "this terminal can't be given to another program", "warning"
    except OSError as error:
        return f"{command[0]}: {error.strerror}; see $VISUAL and $EDITOR", "error"
    if code:
        return f"{command[0]} ended with status {code}; nothing is changed here", "warning"
    return None
