"""Errors that a user can cause and mend: one line each, no traceback."""

from __future__ import annotations

import difflib
import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 30


class UserError(Exception):
    """What is wrong, where, the nearest valid thing and what to do, in one line."""


class Problems(UserError):
    """Everything that is wrong with one input, told at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def explain(error: OSError) -> str:
    """What the system refused, where, and what to do, in one line."""
    where = f"{error.filename}: " if error.filename else ""
    todo = {
        errno.ENOSPC: "; free some space and try again, nothing is lost",
        errno.EDQUOT: "; free some of your quota and try again, nothing is lost",
        errno.EACCES: "; give a folder you may write to with --runs",
        errno.EROFS: "; give a folder you may write to with --runs",
    }.get(error.errno or 0, "")
    return f"{where}{error.strerror or error}{todo}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelled name: the closest valid one, else all (the first, when many).

    >>> nearest("csqaa", ["csqa", "piqa"])
    "did you mean 'csqa'?"
    """
    options = sorted(set(valid))
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not options:
        return "none is defined"
    more = f" and {len(options) - MOST} more" if len(options) > MOST else ""
    return f"valid: {', '.join(options[:MOST])}{more}"
