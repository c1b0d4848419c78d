"""Runs for `wandb leet` to show. It is run by the interpreter that has wandb, not by ours.

    PYTHON leet_runs.py make FOLDER 1000        one run, copied under other names
    PYTHON leet_runs.py write FOLDER 100 60     a run at work: 100 events a second for a minute

``write`` puts beside its run when each step was logged: FOLDER/written-ID, ``step time`` a line.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path

import wandb

STEPS = 1_000


def start(folder: Path):  # type: ignore[no-untyped-def]
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(console="off", silent=True)
    return wandb.init(mode="offline", project="bench", dir=str(folder), settings=settings)


def values(step: int) -> dict[str, float]:
    loss = 0.7 / (1 + step / 500) + 0.02 * random.random()
    return {"at": step, "loss": loss, "margin": 3 - 3 * loss, "learning_rate": 1e-4}


def make(folder: Path, count: int) -> None:
    run = start(folder)
    for step in range(STEPS):
        run.log(values(step))
    run.finish()
    (first,) = (folder / "wandb").glob("offline-run-*")
    for number in range(1, count):
        name = f"{number:08}"
        copy = folder / "wandb" / f"offline-run-20260101_000000-{name}"
        shutil.copytree(first, copy)
        next(copy.glob("*.wandb")).rename(copy / f"run-{name}.wandb")


def write(folder: Path, rate: float, seconds: float) -> None:
    run = start(folder)
    began = time.monotonic()
    with (folder / f"written-{run.id}").open("w", buffering=1) as log:
        step = 0
        while time.monotonic() - began < seconds:
            run.log(values(step))
            log.write(f"{step} {time.time()}\n")
            step += 1
            time.sleep(max(0.0, began + step / rate - time.monotonic()))
    run.finish()


if __name__ == "__main__":
    what, folder, *rest = sys.argv[1:]
    if what == "make":
        make(Path(folder), int(rest[0]))
    else:
        write(Path(folder), float(rest[0]), float(rest[1]))
