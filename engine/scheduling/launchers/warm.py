"""The pre-imported process: imports the training stack once, then forks a phase per request.

What must stay true: nothing here touches CUDA or leaves a thread running before a fork, since
neither survives one. It is checked before every fork; when it does not hold, the launcher is
told and spawns a plain process instead.

One JSON line a request and an answer, over a socket that the launcher made. When that closes,
the process stays only to reap its children.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.interfaces import Devices
from engine.machine import processes
from engine.machine.devices import environment
from engine.store.layout import AttemptDir, PhaseDir
from engine.store.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIBRARIES = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.models.mistral.modeling_mistral",
    "datasets",
    "bitsandbytes",
    "peft",
    "trl.trainer.sft_trainer",
    "trl.trainer.dpo_trainer",
    "openai",
    "math_verify",
    "scipy.stats",
    "engine.scheduling.runner",
    "engine.pocket.tasks",
)
PACKAGES = (
    "engine.phases",
    "engine.models",
    "engine.generation.endpoint",
    "engine.scoring",
    "engine.tasks",
)
IDLE_S = 3600.0
REAP_S = 0.5
# pyarrow's allocator keeps a thread otherwise
NO_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


def serve(connection: socket.socket, modules: Sequence[str] | None = None) -> None:
    """Import (the whole training stack by default), say so, and fork on request until the
    launcher is gone and all children are."""
    os.environ.update(environment(Devices()) | NO_THREADS)
    os.environ.pop("CUDA_VISIBLE_DEVICES")  # each child sets its own
    _import_all((*LIBRARIES, *_own_modules()) if modules is None else modules)
    provenance()  # of what was imported, whatever the checkout becomes
    gc.collect()
    gc.freeze()  # shared pages stay shared
    _answer(connection, {"imported": True})
    wake = _wake_on_child()
    children: dict[int, AttemptDir] = {}
    requests = connection.makefile("r")
    connected = True
    while connected or children:
        timeout = IDLE_S if connected and not children else REAP_S
        watched = [wake, *([connection] if connected else [])]
        readable = select.select(watched, [], [], timeout)[0]
        if not readable and not children:
            return
        _reap(children, wake)
        if connection in readable:
            line = requests.readline()
            connected = line.endswith("\n")
            if connected:
                _answer(connection, _fork(json.loads(line), children, (connection, wake)))


def _own_modules() -> list[str]:
    folders = {name: importlib.import_module(name).__path__ for name in PACKAGES}
    return [f"{p}.{m.name}" for p, path in folders.items() for m in pkgutil.iter_modules(path)]


def _import_all(modules: Sequence[str]) -> None:
    quiet = _capability_without_cuda if "bitsandbytes" in modules else contextlib.nullcontext
    with quiet():
        for name in modules:
            try:
                importlib.import_module(name)
            except ImportError as error:  # the phase that needs it will say so clearly
                print(f"pre-import of {name}: {error}", file=sys.stderr)  # noqa: T201
    conversions = sys.modules.get("transformers.conversion_mapping")
    if conversions is not None:  # a table built at the first model's loading, in 0.2 s
        with contextlib.suppress(AttributeError):  # private to the pinned version
            conversions.get_checkpoint_conversion_mapping("llama")


@contextlib.contextmanager
def _capability_without_cuda() -> Iterator[None]:
    """Give bitsandbytes each GPU's compute capability from the driver's management library:
    it asks on import, and would start CUDA."""
    cuda = importlib.import_module("torch.cuda")

    def from_nvml(device: Any = None) -> tuple[int, int]:
        import pynvml

        index = getattr(device, "idx", device) or 0
        pynvml.nvmlInit()
        try:
            card = pynvml.nvmlDeviceGetHandleByIndex(index)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(card)
            return int(major), int(minor)
        finally:
            pynvml.nvmlShutdown()

    original = cuda.get_device_capability
    cuda.get_device_capability = from_nvml  # type: ignore[attr-defined]
    try:
        yield
    finally:
        cuda.get_device_capability = original  # type: ignore[attr-defined]


def unsafe_to_fork() -> str:
    """Why a fork of this process would be broken; "" when it is fine."""
    threads = _names_of_threads()
    if len(threads) > 1:
        return f"it has {len(threads)} threads ({', '.join(threads)})"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA was started in it"
    if any("nvidia-uvm" in name for name in _open_files()):
        return "it holds a CUDA context"
    return ""


def _names_of_threads() -> list[str]:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        import threading

        return [t.name for t in threading.enumerate()]
    return [(task / "comm").read_text().strip() for task in tasks.iterdir()]


def _open_files() -> list[str]:
    files = []
    with contextlib.suppress(FileNotFoundError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                files.append(str(entry.readlink()))
    return files


def _wake_on_child() -> socket.socket:
    """A file descriptor that becomes readable as soon as a child has ended."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader


def _reap(children: dict[int, AttemptDir], wake: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        wake.recv(4096)
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            processes.write_exit_code(children.pop(pid), os.waitstatus_to_exitcode(status))


def _answer(connection: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile: the next read says so
        connection.sendall(json.dumps(answer).encode() + b"\n")


def _fork(
    request: dict[str, Any], children: dict[int, AttemptDir], ours: tuple[socket.socket, ...]
) -> dict[str, Any]:
    reason = unsafe_to_fork()
    if reason:
        return {"error": f"the pre-imported process can't fork: {reason}"}
    phase, attempt = PhaseDir(Path(request["phase"])), AttemptDir(Path(request["attempt"]))
    devices = Devices.from_json(request["devices"])
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": f"fork: {error.strerror}"}
    if pid == 0:
        _child(phase, attempt, devices, ours)
    children[pid] = attempt
    return {"handle": processes.identity(pid)}


def _child(
    phase: PhaseDir, attempt: AttemptDir, devices: Devices, inherited: tuple[socket.socket, ...]
) -> None:
    """Run the phase in the child; never returns, since the parent's stack must not unwind here."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in inherited:  # else the launcher would not see the parent's death
            os.close(connection.fileno())
        _redirect(attempt)
        os.environ.update(environment(devices))
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(devices.threads)
        from engine.scheduling.phase_process import become

        code = become(phase, attempt, devices, "local")
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)  # noqa: T201
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(attempt: AttemptDir) -> None:
    for path, fd in ((attempt.stdout, 1), (attempt.stderr, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, fd)
        os.close(file)
