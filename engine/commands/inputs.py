"""Check what a plan's phases will read, before anything starts.

A phase that finds a row it can't use fails hours after the launch; the same check here refuses
the plan. Rows on the hub are not fetched for it: the phase that reads them first checks them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from engine import catalog
from engine.schema.errors import UserError
from engine.schema.settings import GenerationSettings
from engine.schema.specs import AnnotateSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.schema.cards import ModelCard, TaskSource
    from engine.schema.settings import Split
    from engine.schema.specs import PhaseSpec, TaskRef


def look_at(phases: Iterable[PhaseSpec]) -> tuple[list[str], list[str]]:
    """Return problems as ``KEY: TEXT`` of the experiment's file, and notes on the plan."""
    problems: list[str] = []
    notes: list[str] = []
    on_the_hub: dict[str, None] = {}
    phases = tuple(phases)
    for task, split in dict.fromkeys(_read_by(phases)):
        if task.source.is_local:
            problem, told = _rows(task.name, task.source, split)
            problems += [f"sources.{task.name}: {problem}"] if problem else []
            notes += told
        elif task.source.hub is not None:
            on_the_hub[task.name] = None
    for card in dict.fromkeys(p.teacher for p in phases if isinstance(p, AnnotateSpec)):
        problem = _teacher(card)
        problems += [f"teachers: {card.name}: {problem}"] if problem else []
    if on_the_hub:
        listed = ", ".join(on_the_hub)
        notes.append(f"rows on the hub ({listed}) are checked when a phase reads them")
    return problems, notes


def _read_by(phases: Iterable[PhaseSpec]) -> Iterator[tuple[TaskRef, Split]]:
    for phase in phases:
        if phase.reads:
            yield phase.reads


@lru_cache(maxsize=64)
def _rows(task: str, source: TaskSource, split: Split) -> tuple[str | None, tuple[str, ...]]:
    """Return what is wrong with a task's rows, and which are left out. The result is cached by
    ``source``, which includes the content, since composing plans many times."""
    notes: list[str] = []
    problem = _problem(lambda: catalog.task(task).load(source, split, notes.append))
    return problem and problem.removeprefix(f"{task}: "), tuple(notes)


@lru_cache(maxsize=64)
def _teacher(card: ModelCard) -> str | None:
    make = catalog.provider(card.source)
    return _problem(lambda: make(card, GenerationSettings(), lambda *_: None).check())


def _problem(read: Callable[[], object]) -> str | None:
    try:
        read()
    except UserError as error:
        return str(error)
    return None
