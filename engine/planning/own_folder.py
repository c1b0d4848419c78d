"""Where a person's own files for all experiments are: ``~/.config/sirt``."""

from __future__ import annotations

import os
from pathlib import Path


def own_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else expanded("~/.config")) / "sirt"


def expanded(path: str) -> Path:
    """The path with ``~`` or ``~name`` replaced, or as it is where nobody knows that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
