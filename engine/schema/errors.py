"""Errors that a user can cause and fix: one line each, no traceback."""

from __future__ import annotations

import difflib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 30
LISTED = 8  # of several that are meant
SAME_AGAIN = "a retry gives the same"  # ends the message where other settings alone help


class UserError(Exception):
    """One line: what is wrong, where, the nearest valid thing and what to do."""


class Problems(UserError):
    """All problems of one input, reported at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def explain(error: OSError) -> str:
    """One line: what the system refused, where, and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}{advice(error)}"


def told(error: Exception) -> str:
    """Any error's message in one line."""
    return explain(error) if isinstance(error, OSError) else str(error)


def advice(error: OSError) -> str:
    """What to do about it, as the end of a line; "" when unknown."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    match error.errno:
        case errno.ENOSPC if path is not None and _no_inodes(path.parent):
            return "; the disk can hold no more files: delete some and try again, nothing is lost"
        case errno.ENOSPC:
            return "; free some space and try again, nothing is lost"
        case errno.EDQUOT:
            return "; free some of your quota and try again, nothing is lost"
        case errno.EROFS:
            return "; give a folder you may write to (--runs, for the runs)"
        case errno.EACCES if path is None or _readable(path):
            return "; give a folder you may write to (--runs, for the runs)"
        case errno.EACCES:
            return "; ask its owner for the right to read it"
        case _:
            return ""


def _no_inodes(folder: Path) -> bool:
    """Whether a disk has run out of inodes; some disks don't count them."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail == 0 < found.f_bavail


def _readable(path: Path) -> bool:
    """Whether a path, or the folder of a missing one, can be read."""
    there = path if os.path.lexists(path) else path.parent
    return os.access(there, os.R_OK | (os.X_OK if there.is_dir() else 0))


def closest(name: str, valid: Iterable[str]) -> str:
    """The hint to the one that was probably meant; "" if none is close."""
    close = difflib.get_close_matches(name, sorted(set(valid)), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def nearest(name: str, valid: Iterable[str], most: int = MOST) -> str:
    """A hint for a misspelled name: the closest valid one, else all, or the ``most`` that are
    closest.

    >>> nearest("csqaa", ["csqa", "piqa"])
    "did you mean 'csqa'?"
    """
    options = sorted(set(valid))
    if close := closest(name, options):
        return close
    if not options:
        return "none is defined"
    if len(options) <= most:
        return f"valid: {', '.join(options)}"
    options.sort(key=lambda one: -difflib.SequenceMatcher(None, name, one).ratio())
    return f"valid: {', '.join(options[:most])} and {len(options) - most} more"


def ambiguous(word: str, found: Sequence[str], what: str) -> str:
    """The error for a part of a name that several have, with the first of them.

    >>> ambiguous("both", ["both-s0", "both-s1"], "run")
    "'both' fits 2 runs: both-s0, both-s1; give more of the id"
    """
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    listed = ", ".join(found[:LISTED])
    return f"{word!r} fits {len(found)} {what}s: {listed}{more}; give more of the id"
