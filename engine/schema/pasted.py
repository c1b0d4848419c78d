"""Completes commands in messages so that they can be pasted into a shell."""

from __future__ import annotations

import re
import shlex
from typing import Final

_COMMAND: Final = re.compile(r"(?:(?<=[`:(] )|(?<=[`(])|(?<=with )|(?<=or ))sirt (?=[a-z]+\b)")


def naming(text: str, folder: str) -> str:
    """The text with ``--runs FOLDER`` in our commands.

    >>> naming("stopped; go on with: sirt retry a", "my runs")
    "stopped; go on with: sirt --runs 'my runs' retry a"
    """
    return _COMMAND.sub(lambda found: f"{found[0]}--runs {shlex.quote(folder)} ", text)
