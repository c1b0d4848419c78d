"""Report unexpected errors: the traceback goes to a file, whose name is shown."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from pathlib import Path

from engine.schema.errors import UserError, told


def said(error: BaseException) -> str:
    """Describe an error in one line; an internal one names the file with its traceback."""
    match error:
        case UserError() | OSError():
            return told(error)
        case _:
            kind = type(error).__name__
            return f"internal error ({kind}: {error}); its traceback is in {kept(error)}"


def kept(error: BaseException) -> str:
    """Write the traceback to the user's state folder, or else to the system's temporary folder;
    return the file, or why there is none."""
    text = "".join(traceback.format_exception(error))
    name = f"sirt-failed-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sirt"
    for folder in (state, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text + "\n")
        except OSError:
            continue
        return str(folder / name)
    return "no file, since none can be written"
