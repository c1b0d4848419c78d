"""Random keys on every screen, over finished, live and damaged runs, resized between.

    python -m tests.tui.fuzz --sessions 300 --first 0     prints the seeds that fail, and why

Keys are posted as the terminal posts them, without waiting for what they start: people leave a
screen while its work is still under way. Nothing is launched for real: what would start a process
is put off.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.keys import _character_to_key

from engine.scheduling.launchers.replay import replay
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.tui.conftest import RECORDED, copy_recorded, run_of
from tests.tui.helpers import app_on

if TYPE_CHECKING:
    from sirt_tui.app import SirtApp

SCREENS = "123456"
MOVES = ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "shift+tab")
COMMON = ("enter", "escape", "space", "enter", "escape")
LETTERS = "abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ[]<>+-0/?.:'\"789"
CONTROL = ("ctrl+s", "ctrl+l", "ctrl+p", "backspace", "delete", "f1")
SIZES = ((80, 24), (120, 40), (200, 50), (60, 15), (40, 10), (100, 24))
PAUSES = (0.0, 0.0, 0.0, 0.005, 0.02, 0.1, 0.3)
DAMAGE = (b"", b"{", b"{}", b"\xff\xfe\x00", b"[1]", b"null", b'{"v": 1e999}')
KEYS = 120


def a_key(chance: random.Random) -> str:
    """Screens and moves more often than all else."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice(SCREENS)
    if kind < 0.5:
        return chance.choice(MOVES)
    if kind < 0.7:
        return chance.choice(COMMON)
    return chance.choice(CONTROL) if kind < 0.74 else chance.choice(LETTERS)


def press(app: SirtApp, key: str) -> None:
    """As the driver would: nothing is waited for."""
    named = _character_to_key(key) if len(key) == 1 else key
    character = key if len(key) == 1 else None
    app.post_message(events.Key(named, " " if key == "space" else character))


def resize(app: SirtApp, size: tuple[int, int]) -> None:
    assert isinstance(app._driver, HeadlessDriver)
    app._driver._size = Size(*size)
    app.post_message(events.Resize(Size(*size), Size(*size)))


async def session(runs: RunsFolder, seed: int, keys: int = KEYS) -> list[str]:
    """The keys that were pressed; raises what the interface raised."""
    chance = random.Random(seed)
    app = app_on(runs)
    pressed: list[str] = []
    async with app.run_test(size=chance.choice(SIZES)):
        for _ in range(keys):
            if not app.is_running:
                break
            if chance.random() < 0.04:
                resize(app, chance.choice(SIZES))
            pressed.append(a_key(chance))
            press(app, pressed[-1])
            await asyncio.sleep(chance.choice(PAUSES))
        await asyncio.sleep(PAUSES[-1])
    assert app.return_code in (None, 0), f"it ended with status {app.return_code}"
    return pressed


def make_folder(place: Path, seed: int) -> RunsFolder:
    """Recorded runs; in two of three folders some of their files are damaged."""
    chance = random.Random(seed)
    runs = copy_recorded(place / "runs")
    if seed % 3:
        files = [p for p in runs.root.rglob("*") if p.is_file() and p.suffix != ".safetensors"]
        for file in chance.sample(sorted(files), 6):
            file.write_bytes(chance.choice(DAMAGE))
    return runs


def go_live(runs: RunsFolder) -> None:
    """A refine phase is played again beside the keys; it does not matter how far it comes."""
    try:
        run_id = run_of(runs, "both", "wren-3m")
        spec = next(s for s in read_run(runs, run_id).spec.phases if s.kind == "refine")
        phase = runs.phase(spec.id)
        shutil.rmtree(phase.path)
        phase.create(spec)
        source = RunsFolder(RECORDED).phase(spec.id).last_attempt()
        if source is not None:
            replay(source, phase, 30.0)
    except Exception:
        return


def one(seed: int, keys: int = KEYS) -> str | None:
    """None, or how the interface failed in the session of that seed."""
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    before = Path.cwd()
    try:
        runs = make_folder(place, seed)
        os.chdir(place)  # what is exported or saved goes there
        threading.Thread(target=go_live, args=(runs,), daemon=True).start()
        unforeseen: list[str] = []

        def keep(error: BaseException) -> str:
            unforeseen.append("".join(traceback.format_exception(error)))
            return "nowhere"

        with (
            patch("engine.scheduling.daemon.ensure_running", lambda *_: None),
            patch("sirt_tui.failures.kept", keep),
        ):
            asyncio.run(session(runs, seed, keys))
        if unforeseen:
            return unforeseen[0]
    except BaseException:
        return traceback.format_exc()
    finally:
        os.chdir(before)
        shutil.rmtree(place, ignore_errors=True)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keys", type=int, default=KEYS)
    options = parser.parse_args()
    failed = 0
    for seed in range(options.first, options.first + options.sessions):
        why = one(seed, options.keys)
        if why is not None:
            failed += 1
            print(f"seed {seed}:\n{why}", flush=True)  # noqa: T201
    print(f"{failed} of {options.sessions} sessions failed", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
