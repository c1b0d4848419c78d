"""Hands phases over to a cluster: one as a job of its own, several that are alike as an array."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import time
from typing import TYPE_CHECKING

from engine.machine import processes
from engine.machine.state import DAMAGED, final_event
from engine.planning.needs import Needs
from engine.scheduling.launchers.slurm.arrays import clean, make_array
from engine.scheduling.launchers.slurm.handles import array_name, handle_of, job_id, job_name
from engine.scheduling.launchers.slurm.program import NoAnswer
from engine.scheduling.launchers.slurm.script import asked_with, script
from engine.scheduling.launchers.slurm.submit import submit
from engine.schema.errors import UserError
from engine.schema.site import bytes_of, seconds_of
from engine.store.layout import RunsFolder
from engine.store.program import kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from engine.interfaces import Devices, Handle
    from engine.scheduling.launchers.slurm.queries import Queue
    from engine.scheduling.launchers.slurm.script import Program
    from engine.schema.site import Asked, Site
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import AttemptDir, PhaseDir

    Places = Sequence[tuple[PhaseDir, AttemptDir]]


class Starting:
    """Hands phases over. ``launcher``: what is written down as theirs."""

    def __init__(self, launcher: str, queue: Queue) -> None:
        self._launcher = launcher
        self._queue = queue
        self._needs: dict[Path, Needs] = {}
        self._asking: dict[Path, dict[str, list[PhaseDir]]] = {}

    def one(self, site: Site, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        """A job of its own."""
        runs = RunsFolder(phase.path.parent.parent)
        program, (spec,) = _read(runs, site, [phase])
        name = job_name(phase, attempt)
        asked = self._asked(runs, site, [(phase, attempt)], [spec], devices)
        handle = _handle(name)
        after = self._jobs_of(runs, spec.inputs)
        alike = self._same_generations(runs, phase, spec.generation_key)
        text = script(phase, attempt, name, site, asked, after, alike, program)
        processes.write_owner(attempt, self._launcher, handle, devices)
        job = self._submit(attempt.script, attempt.submitting, text)
        return handle | {"job": job, "at": time.time()}  # the queue has it from now on

    def together(self, site: Site, places: Places, devices: Devices) -> list[Handle]:
        """An array with a task for each, in their order; they need the same."""
        phases, attempts = zip(*places, strict=True)
        runs = RunsFolder(phases[0].path.parent.parent)
        program, specs = _read(runs, site, phases)
        asked = self._asked(runs, site, places, specs, devices)
        after = self._jobs_of(runs, dict.fromkeys(i for spec in specs for i in spec.inputs))
        seen = self._queue.look()
        if not seen.problem:
            clean(runs, seen.jobs)
        array = make_array(runs, attempts)
        name = array_name(runs, array.path.name)
        about = {"array": array.path.name, "of": len(places)}
        handles = [_handle(name) | about | {"task": task} for task in range(len(places))]
        text = script(phases[0], attempts[0], name, site, asked, after, (), program, array)
        for attempt, handle in zip(attempts, handles, strict=True):
            processes.write_owner(attempt, self._launcher, handle, devices)
        try:
            job = self._submit(array.script, array.submitting, text)
        except OSError:
            shutil.rmtree(array.path, ignore_errors=True)
            raise
        at = time.time()
        return [h | {"job": f"{job}_{h['task']}" if job else "", "at": at} for h in handles]

    def _submit(self, file: Path, submitting: Path, text: str) -> str:
        try:
            job = submit(file, submitting, text)
        except UserError as error:  # its disk has no locks
            raise OSError(str(error)) from error
        self._queue.forget()
        return job

    def _asked(
        self, runs: RunsFolder, site: Site, places: Places, specs: list[PhaseSpec], devices: Devices
    ) -> Asked:
        """As little as is expected of them the first time; then all that the site gives."""
        most = asked_with(site.asked(specs[0].kind), devices)
        if any(attempt.number > 1 for _, attempt in places):
            return most
        needs = self._needs.setdefault(runs.root, Needs(runs))
        asked = needs.asked(specs, lambda _: most)
        longest = max((one.time for one in asked), key=seconds_of)
        largest = max(
            (one.memory for one in asked), key=lambda m: bytes_of(m) if m else float("inf")
        )
        return most._replace(time=longest, memory=largest)

    def _jobs_of(self, runs: RunsFolder, inputs: Iterable[str]) -> list[str]:
        """The jobs that make the inputs that are not there. ``OSError`` if one has none."""
        found = []
        for needed in inputs:
            folder = runs.phase(needed)
            if folder.done:
                continue
            attempt = folder.last_attempt()
            job = job_id(attempt, handle_of(attempt), self._queue) if attempt else ""
            if not job:
                raise NoAnswer(f"the job of {needed} is not known yet; tried again soon")
            found.append(job)
        return found

    def _same_generations(self, runs: RunsFolder, phase: PhaseDir, key: str | None) -> list[str]:
        """Jobs of phases that ask the same questions, whose replies this one takes."""
        if runs.root not in self._asking:  # read once; what is handed over from then on is added
            self._asking[runs.root] = _open_generations(runs)
        alike = self._asking[runs.root].setdefault(key, []) if key is not None else []
        last = [one for one in alike if one != phase]
        alike[:] = [*last, phase]
        open_ = [a for one in last if (a := one.last_attempt()) and not one.done]
        left = [attempt for attempt in open_ if final_event(attempt) is None]
        jobs = [job_id(attempt, handle_of(attempt), self._queue) for attempt in left]
        return [job for job in jobs if job]


def _handle(name: str) -> Handle:
    return {"name": name, "job": "", "at": time.time(), "user": getpass.getuser()}


def _read(
    runs: RunsFolder, site: Site, phases: Sequence[PhaseDir]
) -> tuple[Program, list[PhaseSpec]]:
    """The copy of the program that the phases' jobs run, and the phases; ``OSError`` in words."""
    try:
        program = kept(RunsFolder(runs.root.resolve()), not site.environment)
        return program, [phase.spec() for phase in phases]
    except UserError as error:
        raise OSError(str(error)) from error


def _open_generations(runs: RunsFolder) -> dict[str, list[PhaseDir]]:
    """By what they generate, the phases that were tried and are not done."""
    found: dict[str, list[PhaseDir]] = {}
    for folder in runs.phase_dirs():
        with contextlib.suppress(*DAMAGED):
            if not folder.done and folder.last_attempt() and (key := folder.spec().generation_key):
                found.setdefault(key, []).append(folder)
    return found
