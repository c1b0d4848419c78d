"""``python -m engine``: the processes behind the command line, and the command line itself.

phase PHASE_DIR ATTEMPT_DIR [--gpus 0,1] [--threads 1]    one attempt, in this process; on several
                                                           GPUs or nodes in one for each GPU
conductor RUNS_DIR                                         conducts until nothing is left
warm FD                                                    forks phases; started by a launcher
serve SERVER_DIR                                           keeps one vLLM server; started by a phase
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    match given[:1]:
        case ["phase"]:
            return phase(given[1:])
        case ["conductor"]:
            return conductor(given[1:])
        case ["warm"]:
            return warm(given[1:])
        case ["serve"]:
            return serve(given[1:])
        case _:
            from engine.cli import main as command_line

            command_line()
            return 0


def phase(arguments: list[str]) -> int:
    """One attempt; the exit codes are those of :mod:`engine.scheduling.runner`."""
    from engine.interfaces import Devices
    from engine.scheduling.phase_process import become
    from engine.store.layout import AttemptDir, PhaseDir

    parser = argparse.ArgumentParser(prog="python -m engine phase")
    parser.add_argument("phase", type=Path)
    parser.add_argument("attempt", type=Path)
    parser.add_argument("--gpus", default="", help="comma-separated, as NVML numbers them")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="on each node, if without GPUs")
    parser.add_argument("--each", type=int, default=1, help="GPUs of one process")
    parser.add_argument("--shard", action=argparse.BooleanOptionalAction)
    given = parser.parse_args(arguments)
    gpus = tuple(int(i) for i in given.gpus.split(",") if i)
    devices = Devices(gpus, given.threads, given.nodes, given.processes, given.shard, given.each)
    return become(PhaseDir(given.phase), AttemptDir(given.attempt), devices, "local")


def conductor(arguments: list[str]) -> int:
    from engine.scheduling.daemon import conduct
    from engine.store.layout import RunsFolder

    parser = argparse.ArgumentParser(prog="python -m engine conductor")
    parser.add_argument("runs", type=Path)
    return conduct(RunsFolder(parser.parse_args(arguments).runs.resolve()))


def warm(arguments: list[str]) -> int:
    import socket

    from engine.scheduling.launchers.warm import serve

    (fd,) = arguments
    serve(socket.socket(fileno=int(fd)))
    return 0


def serve(arguments: list[str]) -> int:
    from engine.generation.vllm.keeper import keep

    (folder,) = arguments
    return keep(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
