"""A fake vLLM as an executable, and what tests look at around it."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from engine.generation.vllm.command import Launch

FAKE = Path(__file__).with_name("fake_vllm.py")
PATIENCE_S = 30.0


class FakeVllm:
    """``folder`` holds what the fake does and has been asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.executable = folder / "vllm"
        self.executable.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
        self.executable.chmod(0o755)
        self.says([1, 2])

    def says(self, tokens: list[int]) -> None:
        (self.folder / "reply.json").write_text(json.dumps(tokens))

    def fails(self, words: str) -> None:
        (self.folder / "fail").write_text(words)

    @property
    def hold(self) -> Path:
        return self.folder / "hold"

    def notes(self, path: str) -> list[dict[str, Any]]:
        file = self.folder / "asked.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for line in lines if (note := json.loads(line))["path"] == path]

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self.notes("start")

    @property
    def asked(self) -> list[dict[str, Any]]:
        return self.notes("/v1/completions")

    def processes(self) -> set[int]:
        """All that it ever was."""
        return {pid for start in self.starts for pid in (start["pid"], start["worker"])}

    def alive(self) -> set[int]:
        return {pid for pid in self.processes() if is_alive(pid)}

    def launch(self, **changed: Any) -> Launch:
        values: dict[str, Any] = {
            "executable": str(self.executable),
            "version": "0",
            "origin": "a-model",
            "model": "/a-model",
            "revision": "",
            "nf4": False,
            "dtype": "bfloat16",
            "length": 2048,
            "rank": 0,
        }
        return Launch(**values | changed)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
