"""The paper's models on one CUDA card: speed, memory and checks, ours against plain TRL.

    python benchmarks/gpu.py --minutes 8 --out results
    python benchmarks/gpu.py --prepare FOLDER --python 3.12 --cuda 130

The first needs no network: models of random weights are made on the card. The second, on any
machine, puts all that a bare one lacks into a folder (it must have torch, pandas, pyarrow and what
transformers stands on), where the first then runs. ``results`` holds ``gpu.json``, ``gpu.md`` and
the log, written anew as parts end, so that whatever ends the run early leaves what it has found.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "site.zip"  # of a prepared folder
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]
Turn = tuple[str, str, dict[str, float]]

MODELS = ("llama-2-7b", "mistral-7b")
MODULES = {"ours": "benchmarks.on_gpu.ours", "trl": "benchmarks.on_gpu.peer"}
# Seconds that a part may take of eight minutes; together they are more than there are, since few
# parts use up theirs. What comes first in a run matters most.
MAIN: dict[str, dict[str, float]] = {
    "ours": {
        "load": 90, "instruct": 60, "answers": 75, "generate": 60, "refine": 60, "refine-128": 120,
    },
    "trl": {"sft": 60, "dpo-128": 120},
}  # fmt: skip
LAST = {"ours": {"unpacked": 60.0, "export": 120.0}}
USUAL_MINUTES = 8.0
START_S = 45.0  # a child's imports, and the end of its last step, beyond a part's own time


def turns(models: Sequence[str], minutes: float) -> Iterator[Turn]:
    """Model, side and seconds of each part, in the order in which children run them."""
    for parts in (MAIN, LAST):
        for model in models:
            for side, seconds in parts.items():
                scaled = {part: s * minutes / USUAL_MINUTES for part, s in seconds.items()}
                yield model, side, scaled


class Conductor:
    """Starts the children one after the other, and ends what takes too long."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder
        self.until = time.time() + 60 * given.minutes
        self.results = given.out / "parts.jsonl"
        self.results.write_text("")

    def records(self) -> list[Record]:
        """The last line of each part, in the order of their first."""
        lines = [json.loads(line) for line in self.results.read_text().splitlines()]
        last = {(one["model"], one["side"], one["part"]): one for one in lines}
        return list(last.values())

    def take(self, turn: Turn) -> None:
        """All parts of a turn. A child that dies or hangs loses the part that it was at; another
        goes on with the next."""
        model, side, parts = turn
        left = dict(parts)
        while left:
            code = self._child(model, side, left)
            told = {r["part"]: r for r in self.records() if (r["model"], r["side"]) == turn[:2]}
            at = next((part for part in left if told.get(part, {}).get("state") == "started"), None)
            at = at or next((part for part in left if part not in told), None)
            if at is not None:
                self._tell(turn, at, code)
            left = {part: s for part, s in left.items() if part not in told and part != at}

    def _child(self, model: str, side: str, parts: dict[str, float]) -> int | None:
        """The exit code; None when it had to be ended."""
        command = [
            *(sys.executable, "-m", MODULES[side]),
            *(f"{part}:{seconds:.0f}" for part, seconds in parts.items()),
            *("--model", model, "--folder", str(self.folder), "--results", str(self.results)),
            *("--until", str(self.until), "--memory-gib", str(self.given.memory_gib)),
            *(["--tiny"] if self.given.tiny else []),
        ]
        path = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": path}
        with (self.given.out / "log.txt").open("a") as log:
            child = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | quiet, stdout=log, stderr=log
            )
            try:
                while True:
                    try:
                        return child.wait(timeout=1.0)
                    except subprocess.TimeoutExpired:
                        if time.time() > self._patience(model, side):
                            return None
            finally:
                child.kill()
                child.wait()

    def _patience(self, model: str, side: str) -> float:
        """Until when the child may be at what it is at now."""
        last = [r for r in self.records() if (r["model"], r["side"]) == (model, side)]
        if last and last[-1]["state"] == "started":
            return float(last[-1]["at"]) + float(last[-1]["limit_s"]) + START_S
        return self.until + START_S

    def _tell(self, turn: Turn, part: str, code: int | None) -> None:
        why = "took too long, and was ended" if code is None else f"the process died ({code})"
        line = {"model": turn[0], "side": turn[1], "part": part, "state": "failed", "why": why}
        with self.results.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    given = _options()
    if given.prepare:
        from benchmarks.on_gpu.folder import prepare

        print(prepare(given.prepare, given.python, given.cuda))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="gpu-", dir=_roomiest()))
    try:
        if PACKAGES.exists():
            site = folder / "site-packages"  # so named, since dill asks which are libraries
            shutil.unpack_archive(PACKAGES, site)
            sys.path.insert(1, str(site))
        measure(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print((given.out / "gpu.md").read_text())


def measure(given: argparse.Namespace, folder: Path) -> None:
    from benchmarks.on_gpu.table import describe, machine

    conductor, about = Conductor(given, folder), machine(given.memory_gib, given.tiny)
    for turn in turns(given.models, given.minutes):
        conductor.take(turn)
        found = {"machine": about, "parts": conductor.records()}
        (given.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
        (given.out / "gpu.md").write_text(describe(about, found["parts"]))


def _roomiest() -> str:
    """Where the weights go, 14 GB a model: memory, where it is large, else a disk."""
    places = [place for place in ("/dev/shm", tempfile.gettempdir(), ".") if os.access(place, 2)]
    return max(places, key=lambda place: shutil.disk_usage(place).free)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=USUAL_MINUTES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    parser.add_argument(
        "--memory-gib",
        type=float,
        default=48.0,
        help="of the card that is stood in for (the paper's by default); 0: all that there is",
    )
    parser.add_argument("--tiny", action="store_true", help="toy sizes, also without a card")
    parser.add_argument("--prepare", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--python", help="of the other machine, such as 3.12; this one's by default"
    )
    parser.add_argument("--cuda", default="130", help="of the other machine's torch, without a dot")
    return parser.parse_args()


if __name__ == "__main__":
    main()
