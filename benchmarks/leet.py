"""The peer, `wandb leet`, measured as the interface is: CPU seconds, memory, bytes, delays.

    python -m benchmarks.leet --wandb VENV/bin/wandb [--runs 1000]

wandb is no dependency of this project: install it into an environment of its own. Its runs are
made offline (``leet_runs.py``); nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.interface import (
    LIVE,
    LIVE_S,
    RATE,
    SIZE,
    Line,
    latencies,
    launch,
    print_lines,
    quantile,
    watch,
)
from benchmarks.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parent / "leet_runs.py"
SETTLE_S = 10.0


def at_rest(wandb: Path, folder: Path, count: int, repeats: int) -> Iterator[Line]:
    """On ``count`` finished runs."""
    subprocess.run([wandb.parent / "python", SCRIPT, "make", folder, str(count)], check=True)
    command = [str(wandb), "leet", str(folder / "wandb")]
    yield from launch(f"wandb leet, {count:,} runs", command, f"of {count}]", repeats)


def live(wandb: Path, folder: Path) -> Iterator[Line]:
    """Eight runs at work; the one on the screen says its step in the overview."""
    seconds = SETTLE_S + 2 * LIVE_S + 20
    command = [wandb.parent / "python", SCRIPT, "write", folder, str(RATE), str(seconds)]
    writers = [subprocess.Popen(command) for _ in range(LIVE)]
    try:
        while len(list(folder.glob("written-*"))) < LIVE:
            time.sleep(0.1)
        yield from _live([str(wandb), "leet", str(folder / "wandb")], folder)
    finally:
        for writer in writers:
            writer.terminate()
            writer.wait()


def _live(command: list[str], folder: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as temporary, Pane(command, Path(temporary), *SIZE) as pane:
        pane.until(lambda screen: step_on(screen) > 0)
        time.sleep(SETTLE_S)
        before = pane.used()
        seen = watch(pane, LIVE_S, step_on)
        after = pane.used()
        shown = re.search(r"ID: (\w+)", pane.screen())
        rss = pane.rss_mib()
    seconds = after.at - before.at
    yield Line("wandb leet live: % of a core", f"{100 * (after.cpu - before.cpu) / seconds:.1f}")
    sent = (after.sent - before.sent) / seconds / 1024
    yield Line("wandb leet live: KiB/s to the terminal", f"{sent:.1f}")
    assert shown is not None
    lines = (folder / f"written-{shown[1]}").read_text().splitlines()
    events = [(int(step), float(when)) for step, when in map(str.split, lines[:-1])]
    waits = latencies(events, seen)
    if waits:
        yield Line("wandb leet live: event to screen, median s", f"{statistics.median(waits):.2f}")
        yield Line("wandb leet live: event to screen, p95 s", f"{quantile(waits, 0.95):.2f}")
    else:
        yield Line("wandb leet live: event to screen", f"nothing new in {LIVE_S:.0f} s")
    yield Line("wandb leet live: RSS, MiB", f"{rss:.0f}")


def step_on(screen: str) -> int:
    """The step in the overview's summary, 0 when none is shown."""
    found = re.search(r"│ at +(\d+)", screen)
    return int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leet")
    parser.add_argument("--wandb", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("rest", "live"))
    arguments = parser.parse_args()
    wandb = arguments.wandb.absolute()
    with tempfile.TemporaryDirectory() as temporary:
        rest, work = Path(temporary) / "rest", Path(temporary) / "work"
        if arguments.only != "live":
            print_lines(at_rest(wandb, rest, arguments.runs, arguments.repeats))
        if arguments.only != "rest":
            print_lines(live(wandb, work))


if __name__ == "__main__":
    main()
