"""A stand-in for ``python -m engine``: real conductors and phase processes, scripted recipes.

A phase does what ``script.json`` in its folder says: ``finish`` (default), ``fail``, ``die``
(SIGKILL), ``wait`` for a file ``go`` and mind the stop file, ``hang`` likewise but don't, or
``count`` to 20 with a line on disk each.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.scheduling.launchers.warm import serve
from engine.schema.cards import ImportedAnswers, LocalWeights, ModelCard
from engine.schema.errors import UserError
from engine.schema.kinds import PHASES, resolve
from engine.schema.run_spec import RunSpec
from engine.schema.specs import AnnotateSpec, EvaluateSpec, InstructSpec, TaskRef
from engine.store.layout import RunsFolder
from engine.store.run import RunFile
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.phases.context import Context
    from engine.store.layout import PhaseDir

PROGRAM = (sys.executable, str(Path(__file__).resolve()))
DEADLINE_S = 60.0  # generous: it only matters when a test fails
COUNTED = 20


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """The condition's first true value; fails after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what or condition}")


# --- runs made of real phase specs ---

TEACHER = ModelCard(name="t", family="f", source=ImportedAnswers(kind="imported", path="/x"))
STUDENT = ModelCard(name="s", family="f", source=LocalWeights(path="/x"))
TASK = TaskRef(name="pocket-sums")


def chain(seed: int = 0, teacher_seed: int = 0) -> RunSpec:
    """annotate (no device) -> instruct (a device) -> evaluate (a device)."""
    annotate = AnnotateSpec(seed=teacher_seed, teacher=TEACHER, task=TASK)
    instruct = InstructSpec(seed=seed, student=STUDENT, demonstrations=annotate.id)
    evaluate = EvaluateSpec(seed=seed, model=STUDENT, adapter=instruct.id, task=TASK, prompt="cot")
    return RunSpec(
        experiment="e",
        arm="instruct-only",
        teacher="t",
        student="s",
        task="pocket-sums",
        seed=seed,
        phases=(annotate, instruct, evaluate),
    )


def write_run(runs: RunsFolder, run_id: str, spec: RunSpec, *scripts: dict[str, Any]) -> RunSpec:
    """The run's folders, as the control writes them, with a script for each of its phases."""
    runs.create()
    for number, phase in enumerate(spec.phases):
        folder = runs.phase(phase.id)
        folder.create(phase)
        if number < len(scripts):
            (folder.path / "script.json").write_text(json.dumps(scripts[number]))
    content = RunFile(run_id=run_id, name=run_id, created=datetime.now(UTC), spec=spec)
    runs.run_folder(run_id).mkdir(parents=True, exist_ok=True)
    atomic_write(runs.run_file(run_id), content.model_dump_json())
    return spec


def go(phase: PhaseDir) -> None:
    (phase.path / "go").touch()


# --- the scripted recipe ---


def scripted(ctx: Context, spec: Any) -> dict[str, Any]:
    script_file = ctx.folder.path / "script.json"
    script = json.loads(script_file.read_text()) if script_file.exists() else {}
    for phase_id in spec.inputs:
        ctx.input(phase_id)
    ctx.activity(f"cuda {os.environ.get('CUDA_VISIBLE_DEVICES')!r}")
    match script.get("do", "finish"):
        case "fail":
            raise UserError("scripted to fail")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait" | "hang" as how:
            if script.get("child"):
                subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            while not (ctx.folder.path / "go").exists():
                if how == "wait":
                    ctx.stop_point()
                time.sleep(0.01)
        case "count":
            _count(ctx, script.get("every", 0.01))
    (ctx.staging / "value.txt").write_text(f"{spec.id}\n{_counted(ctx)}")
    return {"counted": len(_counted(ctx).splitlines())}


def _count(ctx: Context, every_s: float) -> None:
    for number in range(len(_counted(ctx).splitlines()), COUNTED):
        with (ctx.work / "counted").open("a") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        ctx.progress(number + 1, COUNTED, "lines")
        ctx.stop_point()
        time.sleep(every_s)


def _counted(ctx: Context) -> str:
    file = ctx.work / "counted"
    return file.read_text() if file.exists() else ""


def main() -> int:
    for where in PHASES.values():
        resolve(where).recipe = "__main__:scripted"
    match sys.argv[1:]:
        case ["conductor", folder]:
            from engine.scheduling.daemon import conduct
            from engine.scheduling.loop import Timing

            idle = float(os.environ.get("SIRT_CONDUCTOR_IDLE_S", "0.5"))
            timing = Timing(poll=0.03, look=0.5, idle=idle, grace=0.5, back_off=0.5)
            return conduct(RunsFolder(Path(folder)), PROGRAM, timing)
        case ["--threads", "warm", fd]:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            serve(socket.socket(fileno=int(fd)), modules=())
            return 0
        case ["warm", fd]:
            if os.environ.get("SIRT_FAKE_WARM") == "broken":
                return 1
            serve(socket.socket(fileno=int(fd)), modules=("engine.scheduling.runner",))
            return 0
        case _:
            from engine.__main__ import main as engine_main

            return engine_main()


if __name__ == "__main__":
    sys.exit(main())
