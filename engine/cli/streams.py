"""Make standard streams usable: closed ones, poor encodings, and ones that vanish meanwhile."""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from engine.schema.sanitize import visible

if TYPE_CHECKING:
    from types import TracebackType

SPELLED = "sirt-spelled"
LOOKS_LIKE = {
    "–": "-",
    "—": "-",
    "−": "-",
    "·": ".",
    "…": "...",
    "×": "x",
    "±": "+-",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "✓": "v",
    "✗": "x",
    "│": "|",
    "┃": "|",
    "─": "-",
    "━": "-",
    "├": "+",
    "└": "`",
}  # what the program itself prints, on a terminal that can't


def prepare() -> None:
    """Make printing possible, whatever the three streams are."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # closed: or the next file that is opened would get what is said
            os.open(os.devnull, os.O_RDWR)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open()
    sys.stdout = sys.stdout or nowhere.open("w")
    sys.stderr = sys.stderr or nowhere.open("w")
    codecs.register_error(SPELLED, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELLED)
    sys.excepthook = _tell_unforeseen


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the terminal can't show by ones that it can."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    spelled = (LOOKS_LIKE.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(spelled), error.end


def settle() -> None:
    """Drop what can't be written any more; at exit Python would try again and fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _tell_unforeseen(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an unexpected error as Python does, with control characters made visible."""
    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))
