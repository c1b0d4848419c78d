"""Expands an experiment to runs and to a graph of shared phases, done or to do. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from engine import catalog
from engine.planning.plan import Plan
from engine.schema.counts import counted
from engine.schema.errors import Problems
from engine.schema.run_spec import Arm, RunSpec
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    EvaluateSpec,
    InstructSpec,
    PhaseSpec,
    RefineSpec,
    Tracking,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from engine.planning.presets import Resolved
    from engine.schema.cards import ModelCard
    from engine.schema.settings import EvaluateSettings, Split


MOST_RUNS: Final = 1_000  # of an experiment with a sweep


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of an experiment's lists, before it has phases."""

    arm: Arm
    teacher: str | None
    student: str | None
    task: str | None
    refine_task: str | None
    seed: int
    fraction: int = 100
    rounds: int = 1


def make_plan(resolved: Resolved, is_done: Callable[[str], bool]) -> Plan:
    """Expand the experiment and look up which phases are done."""
    runs = expand(resolved)
    phases = unique_phases(runs)
    return Plan(runs, phases, frozenset(p.id for p in phases if is_done(p.id)))


def unique_phases(runs: Iterable[RunSpec]) -> tuple[PhaseSpec, ...]:
    """Each phase once, in an order in which inputs come first."""
    return tuple({p.id: p for run in runs for p in run.phases}.values())


def expand(resolved: Resolved) -> tuple[RunSpec, ...]:
    """All runs of an experiment, in the order of its lists; ``Problems`` when a sweep makes more
    than :data:`MOST_RUNS`."""
    found = tuple(cells(resolved))
    if (most := len(found) * len(resolved.sweep)) > MOST_RUNS:
        raise Problems(
            [
                f"settings: {len(resolved.sweep)} combinations of the swept settings, each of "
                f"{counted(len(found), 'run')}, would be {most:,} runs; one experiment may have "
                f"{MOST_RUNS:,}: give fewer values or seeds, or sweep one setting after the other"
            ]
        )
    return tuple(run for cell in found for run in _runs(resolved, cell))


def _runs(resolved: Resolved, cell: Cell) -> Iterator[RunSpec]:
    """A cell's runs: one, or of a sweep one for each combination that makes a difference to it. A
    bare student, say, is the same whatever settings it would be trained with."""
    if not resolved.sweep:
        yield _run(resolved, cell)
        return
    made = [(varied, _run(one, cell)) for varied, one in resolved.sweep]
    matter = _that_matter([(varied, run.fingerprint) for varied, run in made])
    distinct = {run.fingerprint: (varied, run) for varied, run in reversed(made)}
    for varied, run in reversed(distinct.values()):
        mine = {key: varied[key] for key in matter}
        yield run.model_copy(update={"varied": mine})


def _that_matter(made: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    """The swept settings on which a run's fingerprint depends."""
    found = []
    for key in made[0][0]:
        alike: dict[str, set[str]] = {}
        for varied, fingerprint in made:
            others = repr([value for name, value in varied.items() if name != key])
            alike.setdefault(others, set()).add(fingerprint)
        if any(len(fingerprints) > 1 for fingerprints in alike.values()):
            found.append(key)
    return found


def without_effect(resolved: Resolved, runs: Iterable[RunSpec]) -> list[str]:
    """The swept settings that no run's result depends on."""
    depended = {key for run in runs for key in run.varied}
    swept = resolved.sweep[0][0] if resolved.sweep else {}
    return [key for key in swept if key not in depended]


def cells(resolved: Resolved) -> Iterator[Cell]:
    """The meaningful combinations: a baseline has no teacher, a teacher no student, and neither
    depends on what students are taught."""
    experiment = resolved.experiment
    for seed, arm in product(experiment.seeds, experiment.arms):
        if arm == "baseline":
            for student in experiment.students:
                yield Cell(arm, None, student, None, None, seed)
            continue
        if arm == "teacher":
            for teacher in experiment.teachers:
                yield Cell(arm, teacher, None, None, None, seed)
            continue
        all_rounds = (1,) if arm == "instruct-only" else experiment.rounds
        for (teacher, student), fraction, rounds in product(
            resolved.taught_pairs, experiment.fractions, all_rounds
        ):
            for task, refine_task in _task_pairs(resolved, arm):
                yield Cell(arm, teacher, student, task, refine_task, seed, fraction, rounds)


def _task_pairs(resolved: Resolved, arm: Arm) -> Iterator[tuple[str | None, str | None]]:
    """(instruct task, refine task), each None where the arm lacks that half."""
    experiment = resolved.experiment
    if arm == "instruct-only":
        yield from ((task, None) for task in experiment.tasks)
    elif arm == "refine-only":
        yield from ((None, task) for task in experiment.refine_tasks or experiment.tasks)
    elif experiment.refine_tasks:
        yield from product(experiment.tasks, experiment.refine_tasks)
    else:
        yield from ((task, task) for task in experiment.tasks)


def _run(resolved: Resolved, cell: Cell) -> RunSpec:
    cards = resolved.cards
    teacher = cards[cell.teacher] if cell.teacher else None
    student = cards[cell.student] if cell.student else None
    return RunSpec(
        experiment=resolved.experiment.name,
        arm=cell.arm,
        teacher=cell.teacher,
        student=cell.student,
        teacher_family=teacher.family if teacher else None,
        student_family=student.family if student else None,
        task=cell.task or cell.refine_task,
        refine_task=cell.refine_task if cell.task else None,
        fraction=cell.fraction,
        rounds=cell.rounds,
        seed=cell.seed,
        phases=tuple(_phases(resolved, cell, teacher, student)),
    )


def _phases(
    resolved: Resolved, cell: Cell, teacher: ModelCard | None, student: ModelCard | None
) -> Iterator[PhaseSpec]:
    """The path through phases of one cell, inputs first."""
    if teacher is None or student is None:
        model = teacher or student
        assert model is not None
        yield from _evaluations(resolved, cell, model, None)
        return
    adapter: str | None = None
    if cell.task:
        demonstrations = annotate(resolved, teacher, cell.task)
        instruct = _instruct(resolved, student, demonstrations.id, cell)
        yield from (demonstrations, instruct)
        adapter = instruct.id
    if cell.refine_task:
        questions = annotate(resolved, teacher, cell.refine_task)
        if cell.refine_task != cell.task:
            yield questions
        for round_ in range(1, cell.rounds + 1):
            elicit = _elicit(resolved, student, adapter, questions.id, cell, round_)
            refine = RefineSpec(
                student=student,
                adapter=adapter,
                pairs=elicit.id,
                round=round_,
                settings=resolved.experiment.settings.refine,
                tracking=_tracking(resolved),
                seed=cell.seed,
            )
            yield from (elicit, refine)
            adapter = refine.id
    yield from _evaluations(resolved, cell, student, adapter)


def annotate(resolved: Resolved, teacher: ModelCard, task: str) -> AnnotateSpec:
    """The annotate phase; seeded by ``data_seed`` alone, so that all seeds share it."""
    settings = resolved.experiment.settings
    limit = settings.annotate.most(has_classes=catalog.task(task).kind == "choice")
    return AnnotateSpec(
        teacher=teacher,
        task=resolved.tasks[task],
        settings=settings.annotate.model_copy(update={"limit": limit}),
        seed=resolved.experiment.data_seed,
        generation=settings.generation,
    )


def _instruct(
    resolved: Resolved, student: ModelCard, demonstrations: str, cell: Cell
) -> InstructSpec:
    return InstructSpec(
        student=student,
        demonstrations=demonstrations,
        fraction=cell.fraction,
        data_seed=resolved.experiment.data_seed,
        settings=resolved.experiment.settings.instruct,
        tracking=_tracking(resolved),
        seed=cell.seed,
    )


def _tracking(resolved: Resolved) -> Tracking:
    return Tracking(report_to=resolved.experiment.report_to, project=resolved.experiment.name)


def _elicit(
    resolved: Resolved,
    student: ModelCard,
    adapter: str | None,
    questions: str,
    cell: Cell,
    round_: int,
) -> ElicitSpec:
    settings = resolved.experiment.settings
    return ElicitSpec(
        student=student,
        adapter=adapter,
        demonstrations=questions,
        fraction=cell.fraction,
        data_seed=resolved.experiment.data_seed,
        round=round_,
        settings=settings.elicit,
        seed=cell.seed,
        generation=settings.generation,
    )


def _evaluations(
    resolved: Resolved, cell: Cell, model: ModelCard, adapter: str | None
) -> Iterator[PhaseSpec]:
    """The splits that an arm is measured on."""
    settings = resolved.experiment.settings.evaluate
    splits = settings.teacher_splits if cell.arm == "teacher" else ()
    for split in splits or (settings.split,):
        if splits and split == "train":
            yield from _on_what_it_annotates(resolved, model)
        else:
            yield from _on_the_tables_tasks(resolved, cell, model, adapter, split)


def _on_the_tables_tasks(
    resolved: Resolved, cell: Cell, model: ModelCard, adapter: str | None, split: Split
) -> Iterator[EvaluateSpec]:
    """Every task of the tables (or of the training), each prompt style and method.

    Greedy answers don't depend on a seed, so they are made once for all seeds. The likeliest
    letter is read after the plain prompt: the CoT trigger asks for steps first.
    """
    experiment = resolved.experiment
    settings = experiment.settings.evaluate
    names = experiment.evaluate_on or experiment.tasks
    if settings.domain == "in" and adapter is not None:
        names = tuple(name for name in names if name in (cell.task, cell.refine_task))
    for name, method in product(names, settings.methods):
        if method == "logprob" and (
            catalog.task(name).kind != "choice" or not model.source.weights
        ):
            continue
        greedy = method == "logprob" or model.sampling.temperature == 0
        for prompt in ("plain",) if method == "logprob" else settings.prompts:
            yield EvaluateSpec(
                model=model,
                adapter=adapter,
                task=resolved.tasks[name],
                prompt=prompt,
                split=split,
                limit=settings.limit,
                method=method,
                commit=_commits(settings, model) and method == "match",
                seed=0 if greedy else cell.seed,
                generation=experiment.settings.generation,
            )


def _commits(settings: EvaluateSettings, model: ModelCard) -> bool:
    """Whether unclear answers are completed; imported answers can't be."""
    return settings.commit == "on" and not model.source.ready_made


def _on_what_it_annotates(resolved: Resolved, teacher: ModelCard) -> Iterator[PhaseSpec]:
    """Evaluations of a teacher on the training questions that it annotates, for any run's seed;
    with the annotation's own prompt its demonstrations are scored instead of new answers."""
    experiment = resolved.experiment
    settings = experiment.settings
    for task in dict.fromkeys((*experiment.tasks, *experiment.refine_tasks)):
        annotated = annotate(resolved, teacher, task)
        limits = (annotated.settings.limit, settings.evaluate.limit)
        for prompt in settings.evaluate.prompts:
            answered = prompt == settings.annotate.prompt
            if answered:
                yield annotated
            yield EvaluateSpec(
                model=teacher,
                task=annotated.task,
                prompt=prompt,
                split="train",
                limit=min((n for n in limits if isinstance(n, int)), default=None),
                data_seed=experiment.data_seed,
                answers=annotated.id if answered else None,
                commit=_commits(settings.evaluate, teacher),
                seed=experiment.data_seed,
                generation=settings.generation,
            )


def key_variables(phases: Iterable[PhaseSpec]) -> set[str]:
    """Environment variables that hold the API keys of these phases' models."""
    cards = (phase.card for phase in phases if phase.card)
    return {name for card in cards for name in card.source.key_variables}
