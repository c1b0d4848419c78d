"""Trace a run's figures to their origin: phases with inputs, attempts, outputs and hashes.

The graph is walked by each phase's ``inputs``, whatever the phases are and however many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from engine.machine.state import final_event, first_event, phase_state
from engine.planning.nearest import explain
from engine.queries.evaluations import Evaluated, why_unscored
from engine.queries.runs import run_status
from engine.schema.errors import UserError, told
from engine.schema.setting import source_of
from engine.schema.specs import EvaluateSpec
from engine.store.sealing import accepted
from engine.store.taken import Taken, taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from engine.schema.accuracy import Accuracy
    from engine.schema.cards import ModelCard
    from engine.schema.run_spec import RunSpec
    from engine.schema.specs import PhaseSpec, TaskRef
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
    from engine.store.phase_log import State


@dataclass(frozen=True, slots=True)
class Origin:
    """A model: its card's name, the source of its weights or answers, and the revision."""

    name: str
    family: str
    source: str
    revision: str | None
    precision: str | None
    sampling: dict[str, Any]


NO_MODEL = Origin("", "", "", None, None, {})


@dataclass(frozen=True, slots=True)
class Data:
    """A benchmark, the source of its rows, and the revision."""

    name: str
    source: str
    hub: str | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a phase; ``source``: where the default comes from."""

    name: str
    value: Any
    default: Any
    source: str


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. In older logs ``program``, ``commit`` are None and ``libraries`` is empty."""

    number: int
    outcome: str
    host: str = ""
    devices: tuple[str, ...] = ()
    started: datetime | None = None
    finished: datetime | None = None
    python: str | None = None
    program: str | None = None
    commit: str | None = None
    libraries: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One phase. ``files``: outputs with size and sha256, from the manifest; ``accepted``: which
    outputs or inputs were accepted although they had changed. ``nearest``: of a phase that isn't
    done, the finished one that is nearest to it, and what differs. ``taken``: whose it is, if it
    was taken from another runs folder.

    ``model``: :data:`NO_MODEL` where it works with none. ``parent``: of its inputs the one nearest
    to it, under which a tree shows it.
    """

    id: str
    kind: str
    fingerprint: str
    state: State
    error: str
    inputs: tuple[str, ...]
    parent: str | None
    model: Origin
    data: Data | None
    what: str
    seed: int
    settings: tuple[Setting, ...]
    attempts: tuple[Try, ...]
    finished: str | None
    files: dict[str, dict[str, Any]]
    figures: dict[str, Any]
    score: Accuracy | None
    accepted: tuple[str, ...] = ()
    nearest: str = ""
    taken: Taken | None = None

    @property
    def changed(self) -> tuple[Setting, ...]:
        """The settings that are not the defaults."""
        return tuple(one for one in self.settings if one.value != one.default)


@dataclass(frozen=True, slots=True)
class Lineage:
    """A run and all the phases that it depends on, inputs first. ``damage``: files that can't be
    read, a line each."""

    run_id: str
    name: str
    experiment: str
    arm: str
    state: State
    created: datetime
    tags: tuple[str, ...]
    note: str
    teacher: str | None
    student: str | None
    task: str | None
    refine_task: str | None
    fraction: int
    seed: int
    phases: tuple[Ancestor, ...]
    damage: tuple[str, ...] = ()

    @property
    def environments(self) -> dict[tuple[Any, ...], tuple[str, ...]]:
        """The phases by the (program, commit, python, libraries) of their last attempt."""
        found: dict[tuple[Any, ...], tuple[str, ...]] = {}
        for phase in self.phases:
            if phase.attempts and (last := phase.attempts[-1]).program:
                key = (last.program, last.commit, last.python, tuple(last.libraries.items()))
                found[key] = (*found.get(key, ()), phase.id)
        return found


def lineage(runs: RunsFolder, run_id: str) -> Lineage:
    """Return everything a run comes from; ``UserError`` when there is no such run."""
    status = run_status(runs, run_id, with_views=False)
    spec = status.file.spec
    states = {phase.id: (phase.state, phase.error) for phase in status.phases}
    depths: dict[str, int] = {}
    phases = []
    everything = tuple(with_ancestors(runs, spec))
    done = {one.id for one in everything if runs.phase(one.id).done}
    near = {one.phase.id: one.text for one in explain(runs, everything, done) if one.nearest}
    for one in everything:
        depths[one.id] = 1 + max((depths.get(i, 0) for i in one.inputs), default=0)
        parent = max((i for i in one.inputs if i in depths), key=depths.__getitem__, default=None)
        folder = runs.phase(one.id)
        found = phase_state(folder)
        state, error = states.get(one.id, (found.state, found.error))
        phases.append(_ancestor(folder, one, state, error, parent, near.get(one.id, "")))
    return Lineage(
        run_id=run_id,
        name=status.file.name,
        experiment=spec.experiment,
        arm=spec.arm,
        state=status.state,
        created=status.file.created,
        tags=status.file.tags,
        note=status.file.note,
        teacher=spec.teacher,
        student=spec.student,
        task=spec.task,
        refine_task=spec.refine_task,
        fraction=spec.fraction,
        seed=spec.seed,
        phases=tuple(phases),
        damage=status.damage,
    )


def with_ancestors(runs: RunsFolder, spec: RunSpec) -> Iterator[PhaseSpec]:
    """Yield the run's phases and all their inputs, inputs first; inputs whose folders are gone are
    left out."""
    known = {phase.id: phase for phase in spec.phases}
    given: set[str] = set()

    def visit(phase: PhaseSpec) -> Iterator[PhaseSpec]:
        if phase.id in given:
            return
        given.add(phase.id)
        for name in phase.inputs:
            found = known.get(name) or _kept_spec(runs.phase(name))
            if found is not None:
                yield from visit(found)
        yield phase

    for phase in spec.phases:
        yield from visit(phase)


def _kept_spec(folder: PhaseDir) -> PhaseSpec | None:
    try:
        return folder.spec()
    except (OSError, UserError):
        return None


def _ancestor(
    folder: PhaseDir, spec: PhaseSpec, state: State, error: str, parent: str | None, nearest: str
) -> Ancestor:
    manifest, damage = _manifest(folder)
    if manifest and isinstance(spec, EvaluateSpec):
        damage = why_unscored(folder)
    return Ancestor(
        id=spec.id,
        kind=spec.kind,
        fingerprint=spec.fingerprint,
        state=state,
        error=error or damage,
        inputs=spec.inputs,
        parent=parent,
        model=origin_of(spec.card) if spec.card else NO_MODEL,
        data=data_of(spec.reads[0]) if spec.reads else None,
        what=spec.what,
        seed=spec.seed,
        settings=tuple(settings_of(spec)),
        attempts=_tries(folder, state),
        finished=manifest.get("finished"),
        files=manifest.get("files", {}),
        figures=manifest.get("figures", {}),
        score=_score(folder, spec),
        accepted=() if damage else tuple(accepted(folder)),
        nearest=nearest,
        taken=_taken(folder),
    )


def _taken(folder: PhaseDir) -> Taken | None:
    try:
        return taken(folder)
    except UserError:  # whose it was is lost; what it is, isn't
        return None


def _score(folder: PhaseDir, spec: PhaseSpec) -> Accuracy | None:
    if not isinstance(spec, EvaluateSpec) or not folder.done:
        return None
    return next(iter(Evaluated(spec, folder).accuracies), None)


def _manifest(folder: PhaseDir) -> tuple[dict[str, Any], str]:
    """Return a finished phase's manifest, or say why it can't be read."""
    try:
        return (folder.manifest() if folder.done else {}), ""
    except (OSError, UserError) as error:
        return {}, told(error)


def origin_of(card: ModelCard) -> Origin:
    """Say where a card's answers come from."""
    return Origin(card.name, card.family, *card.source.origin, card.sampling.model_dump())


def data_of(task: TaskRef) -> Data:
    """Say where a benchmark's rows come from."""
    source = task.source
    files = ", ".join(file for file in (source.train, source.test) if file)
    hub = f"{source.hub} {source.config or ''}".strip() if source.hub else ""
    return Data(task.name, files or hub or "embedded", source.hub, source.revision)


def settings_of(spec: PhaseSpec) -> Iterator[Setting]:
    """Yield every setting of a phase; nested ones are named by their path."""
    settings = getattr(spec, "settings", None)
    if settings is not None:
        yield from _settings(settings, "")
    yield from _settings(spec.generation, "generation.")


def _settings(settings: BaseModel, prefix: str) -> Iterator[Setting]:
    model = type(settings)
    for name, known in model.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield Setting(f"{prefix}{name}", value, known.default, source_of(model, name))


def _tries(folder: PhaseDir, state: State) -> tuple[Try, ...]:
    """List the attempts; the last one may be running, so it has the phase's state."""
    attempts = folder.attempts()
    return tuple(_try(a, state if a == attempts[-1] else "lost") for a in attempts)


def _try(attempt: AttemptDir, state: State) -> Try:
    """Read an attempt's first and final event; ``state`` holds where there is no final one."""
    final = final_event(attempt)
    first = first_event(attempt)
    unended = "no final event" if state == "done" else state  # its log was damaged since
    outcome = final.outcome if final else unended
    finished = final.ts if final else None
    if first is None:
        return Try(attempt.number, outcome, finished=finished)
    details = first.details
    libraries = details.get("libraries")
    return Try(
        number=attempt.number,
        outcome=outcome,
        host=first.host,
        devices=first.devices,
        started=first.ts,
        finished=finished,
        python=_text(details.get("python")),
        program=_text(details.get("program")),
        commit=_text(details.get("commit")),
        libraries=libraries if isinstance(libraries, dict) else {},
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
