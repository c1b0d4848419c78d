"""All that a bare machine lacks beside torch, as one folder: code, and packages in an archive.

What is installed here is copied, and what was compiled for another Python is fetched with pip.
Of bitsandbytes' libraries, one for each CUDA, the one that fits goes along. So does transformers,
since the release that the program is pinned to is not the one that machines happen to have.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging import tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
WANTED = (
    "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes",  # what is measured
    "pydantic", "pyyaml", "psutil", "filelock", "nvidia-ml-py",  # what the engine stands on
)  # fmt: skip
THERE = {  # where there is any transformers, and pandas and pyarrow
    "torch", "tokenizers", "safetensors", "huggingface-hub", "regex", "typer", "numpy", "pandas",
    "pyarrow",
}  # fmt: skip
ARCHIVE = "site.zip"
CUDA_LIBRARY = re.compile(r"libbitsandbytes_(?:cuda(\d+)|rocm\d+|xpu\d+)\.so$")


def prepare(folder: Path, python: str | None, cuda: str) -> str:
    """Fill the folder; a line that says how large it is and what to do there. ``python``: the
    other machine's, such as 3.12; ``cuda``: that of its torch, such as 130."""
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder}: is not empty; name a new folder")
    version = python or ".".join(platform.python_version_tuple()[:2])
    fitting = _tags(version)
    compiled = []
    with tempfile.TemporaryDirectory() as place:
        site = Path(place)
        for package in _needed():
            if _fits(package, fitting):
                _copy(package, site, cuda)
            else:
                compiled.append(f"{package.name}=={package.version}")
        if compiled:
            _fetch(compiled, version, site)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.make_archive(str(folder / Path(ARCHIVE).stem), "zip", site)
    for part in ("engine", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=_all_but_code)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return (
        f"{folder}: {size / 2**20:.0f} MiB, for Python {version}; take it there and run "
        f"`python benchmarks/gpu.py` in it"
    )


def _needed() -> Iterator[Distribution]:
    """The wanted packages and what they need, but for what is there."""
    seen, left = set(THERE), list(WANTED)
    while left:
        name = canonicalize_name(left.pop())
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        yield found
        needs = map(Requirement, found.requires or ())
        left += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]


def _tags(version: str) -> set[tags.Tag]:
    """Of the wheels that the other Python takes, on a machine like this one."""
    numbers = tuple(map(int, version.split(".")))
    here = list(tags.platform_tags())
    interpreter = f"cp{''.join(map(str, numbers))}"
    return {
        *tags.cpython_tags(numbers, platforms=here),
        *tags.compatible_tags(numbers, interpreter, here),
    }


def _fits(package: Distribution, fitting: set[tags.Tag]) -> bool:
    lines = (package.read_text("WHEEL") or "").splitlines()
    own = (line.partition(":")[2].strip() for line in lines if line.startswith("Tag:"))
    return any(not fitting.isdisjoint(tags.parse_tag(one)) for one in own)


def _copy(package: Distribution, site: Path, cuda: str) -> None:
    names = [str(file) for file in package.files or ()]
    libraries = [match for match in map(CUDA_LIBRARY.search, names) if match]
    if libraries and cuda not in {match[1] for match in libraries}:
        known = ", ".join(sorted(match[1] for match in libraries if match[1]))
        sys.exit(f"--cuda {cuda}: {package.name} {package.version} has libraries for {known}")
    for name in names:
        library = CUDA_LIBRARY.search(name)
        if name.startswith("..") or name.endswith(".pyc") or (library and library[1] != cuda):
            continue
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package.locate_file(name), target)


def _fetch(packages: list[str], version: str, site: Path) -> None:
    """Wheels for the other Python, from wherever pip is told to look."""
    places = [word for tag in tags.platform_tags() for word in ("--platform", tag)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", version),
        *places,
        *("--target", str(site), *packages),
    ]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"pip has no wheels for Python {version} of {', '.join(packages)}")


def _all_but_code(folder: str, names: list[str]) -> set[str]:
    """Everything but modules: the shipped models stay here."""
    code = {name for name in names if name.endswith(".py") or Path(folder, name).is_dir()}
    return {*names} - code | {"__pycache__"}
