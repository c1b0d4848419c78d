"""llama.cpp's server, from the package xllamacpp in an environment of its own:

python -m venv ENV && ENV/bin/pip install --no-deps xllamacpp
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVE: Final = """
import sys
import xllamacpp

model, slots, length, threads = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_parallel, params.n_ctx = slots, slots * length
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def served(python: Path, gguf: Path, slots: int, length: int, threads: int) -> Iterator[str]:
    """The address of a server on loopback that answers ``slots`` requests at once, each of at most
    ``length`` tokens; ``python``: of the environment that has xllamacpp."""
    command = [str(python), "-c", SERVE, str(gguf), str(slots), str(length), str(threads)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        address = next((line.strip() for line in server.stdout if line.startswith("http")), "")
        if not address:
            raise SystemExit(f"{python}: llama.cpp's server did not start")
        yield address
    finally:
        server.stdin.close()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
