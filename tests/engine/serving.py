"""``transformers serve`` on loopback: a real model behind a real OpenAI-compatible endpoint."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY_S = 120.0
NEEDED = ("fastapi", "uvicorn")


@contextlib.contextmanager
def serving(model: Path) -> Iterator[str]:
    """Serve a model's folder; yields the base URL. The model's name there is the folder's path.

    Skips the test where the server's packages or the model aren't there.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"transformers serve needs {' and '.join(missing)}: pip install -e .[dev]")
    if not model.is_dir():
        pytest.skip(f"the pocket model {model.name} is not built")
    port = _free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, port, log.fileno())
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: int) -> None:
    end = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        time.sleep(0.1)
    said = os.pread(log, 4000, max(0, os.fstat(log).st_size - 4000)).decode(errors="replace")
    pytest.fail(f"transformers serve did not come up:\n{said}")
