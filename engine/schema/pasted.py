"""Commands in messages, so that they can be pasted where they are read."""

from __future__ import annotations

import re
import shlex
from typing import Final

_COMMAND: Final = re.compile(r"(?:(?<=[`:(] )|(?<=[`(])|(?<=with )|(?<=or ))sirt (?=[a-z]+\b)")


def naming(text: str, folder: str) -> str:
    """With ``--runs FOLDER`` in every command of ours.

    >>> naming("stopped; go on with: sirt retry a", "my runs")
    "stopped; go on with: sirt --runs 'my runs' retry a"
    """
    return _COMMAND.sub(lambda found: f"{found[0]}--runs {shlex.quote(folder)} ", text)
