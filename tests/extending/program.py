"""A copy of the program, in a folder of its own, to which a file and a line are added.

Where they go is read in the table "Where do I add a …" of docs/extending.md: a row that is wrong
fails a test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DEADLINE_S = 180.0
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<write>[^|]+) \| (?P<named>[^|]+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """What is added -> what stands in code in the columns "write" and "and name it in"."""
    text = (CHECKOUT / "docs" / "extending.md").read_text(encoding="utf-8")
    table = text.partition("## Where do I add a …")[2].partition("\n\n`make check`")[0]
    found = {
        m["what"]: (_CODE.findall(m["write"]), _CODE.findall(m["named"]))
        for m in _ROW.finditer(table)
    }
    return {
        what.strip(): columns for what, columns in found.items() if what.strip() not in ("…", "---")
    }


@dataclass
class Program:
    """``sirt`` from a copy of the sources, with a runs folder beside it."""

    root: Path
    path: str = ""  # of commands, beside the usual ones
    interpreter: str = sys.executable

    @classmethod
    def copied(cls, folder: Path) -> Program:
        for package in ("engine", "sirt_tui", "presets"):
            shutil.copytree(CHECKOUT / package, folder / package, copy_function=_copy)
        return cls(folder)

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def add(self, what: str, name: str, text: str, line: str = "") -> Path:
        """The row's file, called ``name``, and ``line`` at the top of the table that it names."""
        (pattern, *_), named = rows()[what]
        file = self.root / pattern.replace("NAME", name)
        assert not file.exists(), f"{file} is there already"
        file.write_text(text, encoding="utf-8")
        if line:
            place, table = named[:2]
            self.insert(place, _begins(table), line)
        else:
            assert not named, f"{what}: the table names a second place"
        return file

    def name(self, what: str, line: str) -> None:
        """A line in the table of a row that needs no file of its own."""
        place, table = rows()[what][1][:2]
        self.insert(place, _begins(table), line)

    def insert(self, place: str, after: str, line: str) -> None:
        """One line below the only place that looks like ``after``."""
        file = self.root / place
        text = file.read_text(encoding="utf-8")
        (found,) = re.finditer(after, text)
        file.write_text(f"{text[: found.end()]}{line}\n{text[found.end() :]}", encoding="utf-8")

    def write(self, name: str, text: str) -> Path:
        """A file of somebody who uses the program."""
        file = self.root / name
        file.write_text(text, encoding="utf-8")
        return file

    def python(self, *arguments: str, code: int = 0, **env: str) -> str:
        given = {k: v for k, v in os.environ.items() if k not in {"LINES", "COLUMNS"}} | {
            "PYTHONPATH": str(self.root),
            "HOME": str(self.root),
            "HF_HUB_OFFLINE": "1",
            "SIRT_CONDUCTOR_IDLE_S": "1",
            "PATH": os.pathsep.join(filter(None, (self.path, os.environ["PATH"]))),
        }
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=given | env,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout if code == 0 else result.stderr

    def sirt(self, *arguments: str, code: int = 0, **env: str) -> str:
        return self.python("-m", "engine", "--runs", str(self.runs), *arguments, code=code, **env)

    def finished(self, run_id: str) -> Any:
        """What it comes from, once it is done."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found = self.json("show", run_id)
            if found["state"] == "done":
                return found
            assert found["state"] in ("waiting", "queued", "pending", "running"), found
            assert time.monotonic() < deadline, found

    def json(self, *arguments: str) -> Any:
        return json.loads(self.sirt(*arguments, "--json"))


def _begins(table: str) -> str:
    return rf"(?m)^ *{table}\b[^\n]*[({{\[]( *#[^\n]*)?\n"


def _copy(source: str, target: str) -> None:
    """Sources are copied, since they are changed; weights and the like are linked."""
    if source.endswith((".py", ".pyc", ".yaml")):
        shutil.copy2(source, target)
    else:
        Path(target).symlink_to(source)
