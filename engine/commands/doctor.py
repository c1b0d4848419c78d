"""Check whether this machine has what phases need, and whether a runs folder is sound."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from engine.machine import devices
from engine.machine.state import final_event
from engine.machine.vllm import find
from engine.planning import presets
from engine.queries.checking import accepted_of
from engine.queries.evaluations import why_absent, why_unscored
from engine.queries.runs import read_view, registry, unreadable
from engine.scheduling.queue import read_queue
from engine.schema.errors import UserError, explain
from engine.store.item_notes import read_marks
from engine.store.provenance import LIBRARIES
from engine.store.sealing import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.store.layout import PhaseDir, RunsFolder

PACKAGES = (*LIBRARIES, "textual")
LOW_DISK_GIB = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; if it isn't ``ok``, it says what to do."""

    what: str
    verdict: Literal["ok", "warn", "bad"]
    said: str


def examine(runs: RunsFolder, deep: bool = False) -> Iterator[Finding]:
    """Check versions, devices, presets, folder and disk; with ``deep`` also that batched
    generation gives the same greedy texts as one at a time."""
    yield Finding("python", "ok", platform.python_version())
    yield from map(_package, PACKAGES)
    yield _gpus()
    yield _tried("vLLM", lambda: _vllm(runs))
    yield _tried("presets", _presets)
    yield _tried("runs folder", lambda: _writable(runs))
    yield _disk(runs)
    yield _tried("registry", lambda: _registry(runs))
    yield _tried("outputs", lambda: _outputs(runs))
    yield _tried("queue", lambda: f"{len(read_queue(runs).entries)} runs queued")
    accepted = accepted_of(runs, (phase.id for phase in runs.phase_dirs()))
    if accepted:
        yield Finding("accepted", "warn", "; ".join(accepted))
    if deep:
        yield _parity()


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "bad", "not installed; run: pip install -e .")


def _gpus() -> Finding:
    found = devices.gpus()
    if not found:
        return Finding("GPU", "ok", f"none; phases run on {devices.cores()} CPU cores")
    said = ", ".join(f"{g.index}: {g.name} {g.total / 1024:.0f} GiB" for g in found)
    return Finding("GPU", "ok", said)


def _vllm(runs: RunsFolder) -> str:
    found = find(runs.root)
    return found.told if found else "not installed; to have it: sirt doctor --install vllm"


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except UserError as error:
        return Finding(what, "bad", str(error))


def _presets() -> str:
    names = presets.experiments()
    for name in names:
        presets.load_experiment(name)
    return f"{len(names)} experiments and {len(presets.card_names())} cards load"


def _registry(runs: RunsFolder) -> str:
    rows = registry(runs).rows()
    if lines := unreadable(runs, rows):
        raise UserError("; ".join(lines))
    return f"{len(rows)} runs"


def _outputs(runs: RunsFolder) -> str:
    """Read all published outputs and all marks in full. What was changed is used by nothing, and
    missing from every table."""
    phases = list(runs.phase_dirs())
    damaged = [line for phase in phases for line in _damage(runs, phase)]
    if damaged:
        raise UserError("; ".join(dict.fromkeys(damaged)))
    done = sum(phase.done for phase in phases)
    return f"{done} finished phases, their files as they were published"


def _damage(runs: RunsFolder, phase: PhaseDir) -> Iterator[str]:
    looks: list[Callable[[], Iterable[str]]] = [lambda: _marks(runs, phase), lambda: _spec(phase)]
    if phase.done:
        looks.append(lambda: problems(phase))
        if phase.id.startswith("evaluate-"):
            looks.append(lambda: [why_unscored(phase)])
        looks.append(lambda: [read_view(phase)[1]])
    else:
        looks.append(lambda: _unmade(phase))
    for look in looks:
        try:
            yield from filter(None, look())
        except UserError as error:
            yield str(error)
        except OSError as error:
            yield explain(error)


def _unmade(phase: PhaseDir) -> Iterator[str]:
    """Say what is missing from a phase that reported success but has no finished outputs."""
    attempt = phase.last_attempt()
    final = final_event(attempt) if attempt else None
    if final is not None and final.outcome == "done":
        yield why_absent(phase)


def _marks(runs: RunsFolder, phase: PhaseDir) -> Iterator[str]:
    read_marks(runs, phase.id)
    yield ""


def _spec(phase: PhaseDir) -> Iterator[str]:
    phase.spec()
    yield ""


def _writable(runs: RunsFolder) -> str:
    runs.create()
    return str(runs.root)


def _disk(runs: RunsFolder) -> Finding:
    place = next(p for p in (runs.root, *runs.root.parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    if free < LOW_DISK_GIB:
        return Finding("disk", "warn", f"{free:.1f} GiB free; checkpoints may not fit")
    return Finding("disk", "ok", f"{free:.0f} GiB free")


def _parity() -> Finding:
    from engine.generation.parity import self_test

    return _tried("generation", self_test)
