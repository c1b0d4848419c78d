"""Plan an experiment and put its runs on the queue."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.commands import elsewhere, inputs
from engine.commands.drafts import draft_of_text, text_of
from engine.machine import devices
from engine.planning import notify_files
from engine.planning.downloads import to_fetch
from engine.planning.estimate import Estimate, estimate
from engine.planning.graph import key_variables, make_plan, without_effect
from engine.planning.nearest import Explained, explain, first_to_do
from engine.planning.presets import Resolved, find_experiment, load_experiment
from engine.planning.unusual import Remark, unusual
from engine.planning.yaml_file import read_text, with_lines
from engine.queries.evaluations import why_absent
from engine.queries.runs import registry
from engine.scheduling import daemon, queue
from engine.schema.counts import counted, size
from engine.schema.errors import Problems, UserError
from engine.store import trash
from engine.store.registry import folder_lock
from engine.store.run import RunFile, read_run, write_run
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from engine.planning.plan import Plan
    from engine.scheduling.queue import DeviceRequest
    from engine.schema.notify import Notify
    from engine.schema.run_spec import RunSpec
    from engine.store.layout import RunsFolder


class ExperimentFile(NamedTuple):
    """An experiment's file in ``experiments/``; ``text`` is empty where it is there already."""

    name: str
    text: str = ""


NO_FILE = ExperimentFile("")
WHY_SHOWN = 8  # phases of a plan that are explained unasked


@dataclass(frozen=True, slots=True)
class Planned:
    """A resolved experiment, its runs and phases, and an estimate of what they take. ``text`` is
    the content of ``path``. ``notes``: remarks on the data and on phases that were lost, to read
    before launching. ``remarks``: on keys of the file whose values are unusual.
    ``why``: for the first phases to be done, the finished ones that are nearest. ``elsewhere``: the
    finished phases that a launch takes from colleagues' folders."""

    resolved: Resolved
    plan: Plan
    estimate: Estimate
    path: Path
    text: str
    notes: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    why: tuple[Explained, ...] = ()
    elsewhere: elsewhere.Elsewhere = elsewhere.NOTHING

    @property
    def swept(self) -> dict[str, list[Any]]:
        """The settings that the experiment sweeps over, with their values."""
        found: dict[str, list[Any]] = {}
        for varied, _ in self.resolved.sweep:
            for key, value in varied.items():
                values = found.setdefault(key, [])
                values += [] if value in values else [value]
        return found

    @property
    def reused(self) -> dict[str, int]:
        """How many finished phases of each kind it takes up."""
        counts = ((kind, shared - left) for kind, (_, shared, left) in self.plan.counts().items())
        return {kind: number for kind, number in counts if number}

    @property
    def from_elsewhere(self) -> list[str]:
        """What is taken from colleagues' folders, a line for each folder."""
        told = []
        for folder, found in self.elsewhere.by_folder.items():
            kinds = Counter(one.phase.id.partition("-")[0] for one in found)
            listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
            copied = size(sum(one.size for one in found))
            told.append(f"reused from {folder}: {listed}; {copied} are copied at the launch")
        return told

    @property
    def experiment(self) -> ExperimentFile:
        """The file as it is kept with the runs; it does not depend on where it lies."""
        text = text_of(draft_of_text(self.text, self.path))
        return ExperimentFile(f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml", text)


@dataclass(frozen=True, slots=True)
class Launched:
    """Ids of launched runs; those ``reused`` had finished before and are not queued.
    ``notes``: what could not be taken from elsewhere, a line each."""

    queued: tuple[str, ...]
    reused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return self.queued + self.reused


def plan_experiment(
    runs: RunsFolder, name: str, on_gpu: bool | None = None, launcher: str = "local"
) -> Planned:
    """Plan a preset: what it needs, what is done, what is left. Changes nothing. The estimate is
    for a GPU if there is one, unless ``on_gpu`` says otherwise. ``launcher``: what would start its
    phases. ``Problems`` when a phase that is still to do could not read its rows."""
    path = find_experiment(name)
    resolved = load_experiment(name)
    kept = _in_trash(runs)
    with _in_file(path):
        plan = make_plan(resolved, lambda i: runs.phase(i).done or i in kept)
        there = elsewhere.look(
            runs,
            elsewhere.named(resolved.experiment.reuse, path, launcher),
            {phase.id for phase in plan.to_do},
        )
        plan = replace(plan, done=plan.done | there.found.keys())
        problems, notes = inputs.look_at(plan.to_do)
        if problems:
            raise Problems(problems)
    notes = [*there.notes, *_sweep_notes(resolved, plan), *_to_fetch(resolved, plan), *notes]
    if on_gpu is None:
        on_gpu = bool(devices.gpus())
    begun = (f for spec in plan.to_do if (f := runs.phase(spec.id)).path.is_dir())
    notes += filter(None, map(why_absent, begun))
    if back := len(kept.intersection(spec.id for spec in plan.phases)):
        notes.append(f"{counted(back, 'finished phase')} will be taken back from the trash")
    took = estimate(plan, runs, on_gpu)
    remarks = unusual(resolved)
    first = first_to_do(plan.phases, plan.done)[:WHY_SHOWN]
    why = explain(runs, first, plan.done)
    return Planned(resolved, plan, took, path, read_text(path), tuple(notes), remarks, why, there)


def explained(runs: RunsFolder, planned: Planned) -> tuple[Explained, ...]:
    """Say of every phase still to do why nothing finished takes its place."""
    return explain(runs, planned.plan.phases, planned.plan.done)


@contextmanager
def _in_file(path: Path) -> Iterator[None]:
    """Problems told as ``KEY: TEXT`` with the file and the line of the key."""
    try:
        yield
    except Problems as error:
        lines = [f"{path}: {line}" for line in error.problems]
        raise Problems(with_lines(path, lines)) from None


def _sweep_notes(resolved: Resolved, plan: Plan) -> list[str]:
    return [
        f"{key}: no result of these runs depends on it, so its values make no further runs"
        for key in without_effect(resolved, plan.runs)
    ]


def _to_fetch(resolved: Resolved, plan: Plan) -> list[str]:
    """The models of phases still to do that are not on this machine."""
    names = dict.fromkeys(phase.card.name for phase in plan.to_do if phase.card)
    cards = (resolved.cards[name] for name in names if name in resolved.cards)
    return [f"{card.name}: {said}" for card in cards if (said := to_fetch(card))]


def launch(runs: RunsFolder, planned: Planned, request: DeviceRequest) -> Launched:
    """Write the runs, queue what isn't finished, and see that a conductor is there.

    Launching an experiment again reuses its runs; phases that failed before get a new attempt.
    """
    notify = planned.resolved.experiment.notify
    if notify is not None:
        notify = notify_files.beside(notify, planned.path.parent)
    notes = elsewhere.take(runs, planned.elsewhere.found.values())
    launched = launch_runs(
        runs, planned.plan.runs, request, experiment=planned.experiment, notify=notify
    )
    return replace(launched, notes=tuple(notes))


def launch_runs(
    runs: RunsFolder,
    specs: Iterable[RunSpec],
    request: DeviceRequest,
    name: str = "",
    tags: tuple[str, ...] = (),
    experiment: ExperimentFile = NO_FILE,
    notify: Notify | None = None,
) -> Launched:
    """Launch runs that are resolved already; see :func:`launch`. New ones get ``name`` (if empty,
    their title), the ``tags`` and the ``experiment``'s file. ``notify``: who is told of them, if
    not those of the configuration."""
    specs = list(specs)
    needed = {phase.id for spec in specs for phase in spec.phases}
    if any(needed.intersection(one.phases) for one in trash.deletions(runs)):
        with folder_lock(runs):
            trash.take_back(runs, needed)
    queued: list[str] = []
    reused: list[str] = []
    written: list[str] = []
    for spec in specs:
        run_id = run_id_of(spec)
        finished = all(runs.phase(phase.id).done for phase in spec.phases)
        (reused if finished else queued).append(run_id)
        if not (finished and _is_there(runs, run_id)):  # to read what is finished needs no writing
            if not written:
                runs.create()
            now = datetime.now(UTC)
            file = RunFile(
                run_id=run_id, name=name or spec.title, created=now, tags=tags, spec=spec,
                experiment_file=experiment.name,
            )  # fmt: skip
            _write_run(runs, file, experiment)
            notify_files.keep(runs, run_id, notify_files.of_launch(notify, request.launcher))
            written.append(run_id)
    registry(runs).refresh(written)
    if queued:
        keys = key_variables(p for spec in specs for p in spec.phases)
        daemon.make_way(runs, keys | notify_files.variables(runs, queued))
        queue.enqueue(runs, queued, request)
        daemon.ensure_running(runs)
    return Launched(tuple(queued), tuple(reused))


def _in_trash(runs: RunsFolder) -> frozenset[str]:
    """The finished phases that are in the trash and nowhere else."""
    found = ((i, one.phase(i)) for one in trash.deletions(runs) for i in one.phases)
    return frozenset(i for i, phase in found if phase.done and not runs.phase(i).path.exists())


def run_id_of(spec: RunSpec) -> str:
    """Make a readable id; the same cell gets the same id, so launching twice makes one run."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{spec.experiment}-{spec.arm}").strip("-").lower()
    return f"{slug}-s{spec.seed}-{spec.fingerprint[:8]}"


def _is_there(runs: RunsFolder, run_id: str) -> bool:
    try:
        read_run(runs, run_id)
        return True
    except UserError:
        return False


def _keep(runs: RunsFolder, experiment: ExperimentFile) -> None:
    file = runs.experiment(experiment.name)
    if experiment.text and not file.exists():
        file.parent.mkdir(exist_ok=True)
        atomic_write(file, experiment.text)


def _write_run(runs: RunsFolder, run: RunFile, experiment: ExperimentFile) -> None:
    file = runs.run_file(run.run_id)
    with folder_lock(runs):  # with its experiment and phases, which go when their last run does
        for phase in run.spec.phases:
            runs.phase(phase.id).create(phase)
        _keep(runs, experiment)
        if _is_there(runs, run.run_id):
            return
        if file.exists():  # damaged by hand: kept beside the restored one
            file.replace(file.with_suffix(".damaged"))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_run(runs, run)
