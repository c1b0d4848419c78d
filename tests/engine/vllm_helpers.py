"""A fake vLLM as an executable, and what tests look at around it."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from engine.generation.backends import Request, compact, end_ids
from engine.generation.vllm.command import Launch
from engine.generation.vllm.folder import server_dirs
from engine.generation.vllm.parity import NEW_TOKENS
from engine.generation.vllm.shared import Lease, leasing, run_out
from engine.models.loading import Loaded
from engine.schema.cards import Sampling

FAKE = Path(__file__).with_name("fake_vllm.py")
PATIENCE_S = 120.0


class FakeVllm:
    """``folder`` holds what the fake does and has been asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.executable = folder / "vllm"
        self.executable.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
        self.executable.chmod(0o755)
        self.says([1, 2])
        self.knows([])

    def says(self, tokens: list[int]) -> None:
        (self.folder / "reply.json").write_text(json.dumps(tokens))

    def fails(self, words: str) -> None:
        (self.folder / "fail").write_text(words)

    def cannot(self, option: str, words: str) -> None:
        (self.folder / "cannot.json").write_text(json.dumps({option: words}))

    def refuses(self, path: str, words: str) -> None:
        (self.folder / "refuse").write_text(f"{path} {words}")

    def hold(self, replies: int = 0) -> None:
        """No more replies than this in all, until it goes on."""
        (self.folder / "hold.new").write_text(str(replies))
        (self.folder / "hold.new").rename(self.folder / "hold")

    def go_on(self) -> None:
        self.start_at_once()
        (self.folder / "hold").unlink(missing_ok=True)

    def start_slowly(self) -> None:
        (self.folder / "slow").touch()

    def start_at_once(self) -> None:
        (self.folder / "slow").unlink(missing_ok=True)

    def knows(self, probes: list[dict[str, Any]]) -> None:
        (self.folder / "probes.json").write_text(json.dumps(probes))

    def notes(self, path: str) -> list[dict[str, Any]]:
        file = self.folder / "asked.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for line in lines if (note := json.loads(line))["path"] == path]

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self.notes("start")

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Questions; not what a parity check or a probe of options asks."""
        return [note for note in self.notes("/v1/completions") if "logprobs" not in note]

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


@contextmanager
def fake_vllm(
    folder: Path, monkeypatch: pytest.MonkeyPatch, idle_s: float = 1000.0
) -> Iterator[FakeVllm]:
    """A fake; servers of this folder, or of one in it, end with the test. ``idle_s``: seconds that
    a server waits for its next user."""
    made = FakeVllm(folder / "fake")
    monkeypatch.setenv("FAKE_VLLM", str(made.folder))
    monkeypatch.setenv("SIRT_SERVER_IDLE_S", str(idle_s))
    yield made
    made.go_on()
    for runs in (folder, *filter(Path.is_dir, folder.iterdir())):
        for server in server_dirs(runs):
            server.stop.touch()
    wait_until(lambda: not made.alive())


def lease(runs: Path, launch: Launch) -> Lease:
    """A server of the bare base, once it is ready."""
    return run_out(leasing(runs, launch, "", lambda _text: None, None))


def truth(loaded: Loaded, prompts: Sequence[list[int]]) -> list[dict[str, Any]]:
    """What the model itself says to these prompts greedily, as the fake can repeat it."""
    greedy = Sampling(temperature=0.0, max_new_tokens=NEW_TOKENS)
    limits, seeds = [NEW_TOKENS] * len(prompts), [0] * len(prompts)
    said = compact(loaded, Request(prompts, limits, seeds, end_ids(loaded), greedy))
    return [
        {"prompt": prompt, "said": tokens, "logs": _logs(loaded, prompt, tokens)}
        for prompt, tokens in zip(prompts, said, strict=True)
    ]


def _logs(loaded: Loaded, prompt: list[int], tokens: list[int]) -> list[float]:
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([prompt + tokens])).logits[0]
    own = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return [float(row[token]) for row, token in zip(own, tokens, strict=True)]


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
