"""Which program made an output: its version, its commit and its libraries' versions."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate",
)  # fmt: skip
CHECKOUT = Path(__file__).resolve().parents[2]
GIT_TIMEOUT_S = 5.0


@cache
def provenance() -> dict[str, Any]:
    """``program``, ``commit`` (None outside a checkout) and ``libraries``. Cached: a process runs
    what it imported."""
    found = {name: _version(name) for name in LIBRARIES}
    return {"program": _version("sirt"), "commit": commit(), "libraries": found}


def commit(checkout: Path = CHECKOUT) -> str | None:
    """The code's commit; ends in ``-dirty`` when its files were changed since."""
    if not (checkout / ".git").exists():  # an installed package may lie inside another checkout
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty"]
    command += ["--exclude", "*"]  # a tag's name would stand in for the commit
    try:
        found = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
