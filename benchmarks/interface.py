"""What the interface costs, in a real terminal (tmux), beside a bare Textual table.

    python -m benchmarks.interface [--only launch index idle live grid keys] [--repeats 3]
        [--folders F]

CPU seconds are those of the interface's process alone, user and system. *First paint*: until the
first run's line is on the screen (a look every 10 ms). *After*: the CPU of the 26 seconds that
follow. *Live*: eight processes write 100 events a second each; the run screen is open on one of
them. An event is on the screen once the progress shown has reached it. *Keys*: from the key to
the changed screen. *Grid*: the same writers log 24 curves each, and all curves of one of them are
on the page, or those of all eight over each other. The peer is measured by ``benchmarks.leet``.
Prints one table; the target is said in each row.
"""

from __future__ import annotations

import argparse
import bisect
import re
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.folders import STEPS, WRITTEN, make, start_writers
from benchmarks.pane import Pane
from engine.queries.runs import list_runs, registry
from engine.schema.counts import counted
from engine.schema.events import Progress
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.store.layout import AttemptDir

SIZE = (120, 40)
AFTER_S = 26.0
IDLE_S = 20.0
LIVE_S = 20.0
LIVE, RATE = 8, 100.0
GRID, PAGE = 24, (200, 50)  # charts, and a terminal in which all of them are on the page
KEYS = 40
UPDATES = 30
TARGETS = {1_000: ("<= 0.6", "", "<= 80"), 10_000: ("<= 1.2", "<= 2", "<= 150")}


@dataclass(frozen=True)
class Line:
    """One figure; ``target`` as in the requirements, empty where there is none."""

    what: str
    value: str
    target: str = ""


def interface(runs: RunsFolder) -> list[str]:
    return [sys.executable, "-m", "sirt_tui", "--runs", str(runs.root)]


def first_name(runs: RunsFolder) -> str:
    """What the first line of the table begins with, at any width."""
    return list_runs(runs)[-1].name[:20]


# --- launch ---


def launches(folders: Path, repeats: int) -> Iterator[Line]:
    command = [sys.executable, "-m", "benchmarks.bare_table"]
    yield from launch("bare Textual table, 200 rows", command, "cell 0.0", repeats)
    for count in (10, 1_000, 10_000):
        runs = folder_of(folders, count)
        targets = TARGETS.get(count, ("", "", ""))
        name = f"{count:,} runs"
        yield from launch(name, interface(runs), first_name(runs), repeats, targets)


def launch(
    what: str,
    command: list[str],
    text: str,
    repeats: int,
    targets: tuple[str, str, str] = ("", "", ""),
) -> Iterator[Line]:
    figures = [_launch(command, text) for _ in range(repeats)]
    paint, wall, after, rss = (sorted(column) for column in zip(*figures, strict=True))
    middle = statistics.median
    said = f"{middle(paint):.2f} ({paint[0]:.2f} to {paint[-1]:.2f})"
    yield Line(f"{what}: first paint, CPU s", said, targets[0])
    yield Line(f"{what}: first paint, best wall s", f"{wall[0]:.2f}")
    yield Line(f"{what}: after, CPU s", f"{middle(after):.2f}", targets[1])
    yield Line(f"{what}: RSS, MiB", f"{middle(rss):.0f}", targets[2])


def _launch(command: list[str], text: str) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder, Pane(command, Path(folder), *SIZE) as pane:
        pane.until(lambda screen: text in screen)
        painted = pane.used()
        time.sleep(AFTER_S)
        after = pane.used().cpu - painted.cpu
        return painted.cpu, painted.at - pane.began, after, pane.rss_mib()


# --- the index ---


def index(folders: Path) -> Iterator[Line]:
    """A run's row replaced, by a program that has not read the index before."""
    runs = folder_of(folders, 10_000)
    walls, cpus = [], []
    for row in list_runs(runs)[-UPDATES:]:
        wall, cpu = time.perf_counter(), time.process_time()
        registry(runs).put([row])
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    said = f"{statistics.median(walls):.0f} ({min(walls):.0f} to {max(walls):.0f})"
    yield Line("10,000 runs: an update of the index, ms", said, "<= 100")
    yield Line("10,000 runs: an update of the index, CPU ms", f"{statistics.median(cpus):.0f}")


# --- idle ---


def idle(folders: Path) -> Iterator[Line]:
    runs = folder_of(folders, 1_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        Pane(interface(runs), Path(folder), *SIZE) as pane,
    ):
        pane.until(lambda screen: "1,000 runs" in screen)
        time.sleep(5.0)
        before = pane.used()
        time.sleep(IDLE_S)
        after = pane.used()
    seconds = after.at - before.at
    yield Line("idle, 1,000 runs: bytes/s", f"{(after.sent - before.sent) / seconds:.0f}", "0")
    share = 100 * (after.cpu - before.cpu) / seconds
    yield Line("idle, 1,000 runs: % of a core", f"{share:.1f}", "<= 1")


# --- live ---


def live(folders: Path) -> Iterator[Line]:
    runs = folder_of(folders, 10_000, LIVE)
    writers = start_writers(runs, LIVE, RATE)
    try:
        yield from _live(runs)
    finally:
        for writer in writers:
            writer.terminate()
            writer.wait()


def _live(runs: RunsFolder) -> Iterator[Line]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Pane(interface(runs), Path(folder), *SIZE) as pane,
    ):
        pane.until(lambda screen: f"{LIVE} running" in screen)
        pane.press("Enter")
        pane.until(lambda screen: steps_on(screen) > 0)
        time.sleep(3.0)
        before = pane.used()
        seen = watch(pane, LIVE_S)
        after = pane.used()
        presses = key_times(pane, ("j", "k"), samples_title)
        rss = pane.rss_mib()
    seconds = after.at - before.at
    share = 100 * (after.cpu - before.cpu) / seconds
    yield Line("live, 8 phases: % of a core", f"{share:.1f}", "<= 15")
    sent = (after.sent - before.sent) / seconds / 1024
    yield Line("live, 8 phases: KiB/s to the terminal", f"{sent:.1f}", "<= 20")
    waits = latencies(written(last_attempt(runs)), seen)
    yield Line("live: event to screen, median s", f"{statistics.median(waits):.2f}")
    yield Line("live: event to screen, p95 s", f"{quantile(waits, 0.95):.2f}", "<= 0.6")
    yield Line("live: key to paint, p90 ms", f"{1000 * quantile(presses, 0.9):.0f}", "<= 60")
    yield Line("live: RSS with charts, MiB", f"{rss:.0f}", "<= 75")


def steps_on(screen: str) -> int:
    """The progress that is shown, 0 when none is."""
    match = re.search(rf"(\d[\d,]*)/(?:{STEPS}|{STEPS:,}) steps", screen)
    return int(match[1].replace(",", "")) if match else 0


def watch(
    pane: Pane, seconds: float, of: Callable[[str], int] = steps_on
) -> list[tuple[float, int]]:
    """When which progress was first on the screen; wall clock, since events are written so."""
    found: list[tuple[float, int]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        steps = of(pane.screen())
        if not found or steps > found[-1][1]:
            found.append((time.time(), steps))
        time.sleep(0.02)
    return found


def last_attempt(runs: RunsFolder) -> AttemptDir:
    """Of the run that the screen is open on: the first in the list."""
    row = list_runs(runs)[-1]
    phase = next(phase_id for kind, phase_id in row.phases if kind == "refine")
    attempt = runs.phase(phase).last_attempt()
    assert attempt is not None
    return attempt


def written(attempt: AttemptDir) -> list[tuple[int, float]]:
    events = EventReader(attempt.events).read(max_records=1_000_000, max_ms=60_000)
    return [(e.done, e.ts.timestamp()) for e in events if isinstance(e, Progress)]


def latencies(events: list[tuple[int, float]], seen: list[tuple[float, int]]) -> list[float]:
    """Seconds from each event of the watched time to the first screen that had reached it."""
    shown = [steps for _, steps in seen]
    waits = []
    for done, when in events:
        at = bisect.bisect_left(shown, done)
        if 0 < at < len(seen):
            waits.append(seen[at][0] - when)
    return waits


# --- grid ---


def grid(folders: Path) -> Iterator[Line]:
    runs = folder_of(folders, 1_000, LIVE)
    for over in (1, LIVE):
        writers = start_writers(runs, LIVE, RATE, GRID)
        try:
            yield from _grid(runs, over)
        finally:
            for writer in writers:
                writer.terminate()
                writer.wait()


def _grid(runs: RunsFolder, over: int) -> Iterator[Line]:
    """Watch the page of all curves of the first run in the list, or of the first ``over`` runs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Pane(interface(runs), Path(folder), *PAGE) as pane,
    ):
        pane.until(lambda screen: f"{LIVE} running" in screen)
        for _ in range(over if over > 1 else 0):
            pane.press("Space")
        pane.press("w")
        pane.until(lambda screen: f"{GRID} charts" in screen and written_on(screen) > 0)
        time.sleep(3.0)
        before = pane.used()
        seen = watch(pane, LIVE_S, written_on)
        after = pane.used()
        presses = key_times(pane, ("Right", "Down", "Left", "Up"), chosen_chart)
        rss = pane.rss_mib()
    name = f"grid of {GRID} charts, {counted(over, 'run')}"
    seconds = after.at - before.at
    yield Line(f"{name}: % of a core", f"{100 * (after.cpu - before.cpu) / seconds:.1f}")
    sent = (after.sent - before.sent) / seconds / 1024
    yield Line(f"{name}: KiB/s to the terminal", f"{sent:.1f}")
    waits = latencies(written(last_attempt(runs)), seen)
    yield Line(f"{name}: event to screen, median s", f"{statistics.median(waits):.2f}")
    yield Line(f"{name}: event to screen, p95 s", f"{quantile(waits, 0.95):.2f}", "<= 0.5")
    yield Line(f"{name}: key to paint, p90 ms", f"{1000 * quantile(presses, 0.9):.0f}", "<= 60")
    yield Line(f"{name}: RSS, MiB", f"{rss:.0f}")


def written_on(screen: str) -> int:
    """The last step in the legend of the curve that counts them, 0 when it is not shown."""
    match = re.search(rf"\b(?:{WRITTEN}|A) (\d+)\b", written_part(screen))
    return int(match[1]) if match else 0


def written_part(screen: str) -> str:
    """The chart of that curve: from its title's place on, the line below."""
    lines = screen.splitlines()
    for at, line in enumerate(lines[:-1]):
        if (column := line.find(f" refine {WRITTEN} ")) >= 0:
            return lines[at + 1][max(0, column - 2) :]
    return ""


def chosen_chart(screen: str) -> str:
    """The title with the heavy line: of the chart that the cursor is on."""
    match = re.search(r"━ (\S[^━─]*) ━━", screen)
    return match[1] if match else ""


# --- keys ---


def keys(folders: Path) -> Iterator[Line]:
    runs = folder_of(folders, 10_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        Pane(interface(runs), Path(folder), *SIZE) as pane,
    ):
        pane.until(lambda screen: "10.0k runs" in screen)
        time.sleep(2.0)
        moved = key_times(pane, ("j",), preview_title)
        pane.press("G")
        time.sleep(1.0)
        upwards = key_times(pane, ("PPage",), preview_title)
        pane.press("/")
        pane.until(lambda screen: "enter to accept" in screen)
        typed = key_times(pane, tuple("wren"), lambda screen: screen, times=4)
    yield Line("10,000 runs: cursor key to paint, p90 ms", f"{1000 * quantile(moved, 0.9):.0f}")
    yield Line("10,000 runs: page key to paint, p90 ms", f"{1000 * quantile(upwards, 0.9):.0f}")
    yield Line("10,000 runs: letter to filtered, max ms", f"{1000 * max(typed):.0f}")


def key_times(
    pane: Pane, pressed: tuple[str, ...], part: Callable[[str], str], times: int = KEYS
) -> list[float]:
    """Seconds from each key until that part of the screen has changed."""
    found = []
    for number in range(times):
        before = part(pane.screen())
        began = time.monotonic()
        pane.press(pressed[number % len(pressed)])
        while part(pane.screen()) == before and time.monotonic() - began < 5.0:
            time.sleep(0.001)
        found.append(time.monotonic() - began)
        time.sleep(0.3)
    return found


def preview_title(screen: str) -> str:
    """The run in the preview's border."""
    match = re.search(r"╭─* (\S+) ─", screen)
    return match[1] if match else ""


def samples_title(screen: str) -> str:
    """The phase in the lower border of the samples."""
    return next((line for line in reversed(screen.splitlines()) if line.startswith("╰")), "")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def folder_of(folders: Path, count: int, live: int = 0) -> RunsFolder:
    """Made once, kept for the next time."""
    root = folders / (f"{count}-{live}-live" if live else str(count))
    if not (root / "registry").exists():
        shutil.rmtree(root, ignore_errors=True)
        make(root, count, live)
    return RunsFolder(root)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interface")
    parts = ("launch", "index", "idle", "live", "grid", "keys")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--repeats", type=int, default=3)
    default = Path(tempfile.gettempdir()) / "sirt-bench"
    parser.add_argument("--folders", type=Path, default=default)
    arguments = parser.parse_args()
    folders = arguments.folders.absolute()
    folders.mkdir(parents=True, exist_ok=True)
    measured = {
        "launch": lambda: launches(folders, arguments.repeats),
        "index": lambda: index(folders),
        "idle": lambda: idle(folders),
        "live": lambda: live(folders),
        "grid": lambda: grid(folders),
        "keys": lambda: keys(folders),
    }
    print("| what | measured | to reach |\n| --- | --- | --- |")
    for part in arguments.only:
        print_lines(measured[part]())


def print_lines(lines: Iterable[Line]) -> None:
    for line in lines:
        print(f"| {line.what} | {line.value} | {line.target} |", flush=True)


if __name__ == "__main__":
    main()
