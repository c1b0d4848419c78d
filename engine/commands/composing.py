"""Compose an experiment: check and plan a draft of its file as it changes.

A draft is what the file will hold, as plain values. It is checked by writing it down and loading
it like any file, so the screen and the command line can't disagree.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from engine import catalog
from engine.commands.drafts import text_of
from engine.commands.experiments import Planned, launch, plan_experiment
from engine.commands.sites import site_request
from engine.planning import presets, yaml_file
from engine.planning.downloads import in_short, to_fetch
from engine.planning.sweep import read_combinations
from engine.queries.settings_form import Draft, settings, with_value
from engine.schema.errors import Problems, UserError
from engine.schema.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.planning.unusual import Remark
    from engine.queries.machine import Gpu
    from engine.queries.settings_form import Setting
    from engine.schema.cards import ModelCard
    from engine.schema.run_spec import Arm
    from engine.store.layout import RunsFolder

__all__ = ["Choice", "Draft", "Planned", "Problem", "Shipped", "gpu_sizes", "launch", "plan"]
T = TypeVar("T")
COMMON_GIB = (16.0, 24.0, 48.0, 80.0)
PAPER_FRACTIONS = (100, 75, 50, 25)
ARMS: Final[dict[Arm, str]] = {
    "baseline": "the student as it is, only measured",
    "teacher": "the teacher itself, measured for comparison",
    "instruct-only": "the student instruction-tuned on the teacher's demonstrations",
    "refine-only": "the student refined by DPO on its own answers, without instruction-tuning",
    "both": "the student instruction-tuned, then refined by DPO on its own answers",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A possible value of a key: ``note`` in a few words, ``about`` in a few sentences. ``fetch``:
    whether it is a model that must be downloaded first."""

    value: Any
    note: str = ""
    about: str = ""
    fetch: bool = False


@dataclass(frozen=True, slots=True)
class Shipped:
    """What the program ships: ``choices`` by the file's key."""

    choices: dict[str, tuple[Choice, ...]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a draft. ``key``: the file's key at fault, as ``settings.refine.beta``; empty
    when it is not a single one."""

    key: str
    text: str


def shipped() -> Shipped:
    """Read the shipped cards; damaged ones are left out, and the doctor names them."""
    cards = list(_readable(presets.card_names()))
    models = tuple(
        Choice(card.name, _note(card), _about(card), bool(in_short(card)))
        for card in sorted(cards, key=_at_hand)
    )
    local = {card.name for card in cards if card.source.weights}
    students = tuple(choice for choice in models if choice.value in local)
    tasks = tuple(map(_task, catalog.TASKS))
    taught = tuple(choice for choice in tasks if catalog.task(choice.value).trains)
    choices = {
        "teachers": models,
        "students": students,
        "tasks": taught,
        "refine_tasks": taught,
        "evaluate_on": tasks,
        "arms": tuple(Choice(arm, "", about) for arm, about in ARMS.items()),
        "fractions": tuple(Choice(fraction, "%") for fraction in PAPER_FRACTIONS),
    }
    return Shipped(choices)


def _task(name: str) -> Choice:
    task = catalog.task(name)
    return Choice(name, task.kind if task.trains else f"{task.kind}, tests only", task.instruction)


def _readable(names: Iterable[str]) -> Iterable[ModelCard]:
    for name in names:
        try:
            yield presets.load_card(name)
        except UserError:
            continue


def _at_hand(card: ModelCard) -> tuple[bool, float, str]:
    """Order the models: those that are here, then those to download, the smallest first."""
    fetch = bool(in_short(card))
    return fetch, (card.parameters or 0) if fetch else 0, card.name


def _note(card: ModelCard) -> str:
    size = "" if card.parameters is None else _size(card.parameters)
    family = "" if card.name.startswith(card.family) else card.family
    words = (family, size, card.source.note, in_short(card))
    return " ".join(word for word in words if word)


def _size(parameters: float) -> str:
    return f"{parameters / 1e9:.3g}B" if parameters >= 1e9 else f"{parameters / 1e6:.3g}M"


def _about(card: ModelCard) -> str:
    known = (card.description, to_fetch(card), card.provenance)
    return ". ".join(words.rstrip(".") for words in known if words)


def preset_names() -> list[str]:
    """The shipped experiments."""
    return presets.experiments()


def about_preset(name: str) -> str:
    """Read what a shipped preset says of itself, or what is wrong with it."""
    try:
        return yaml_file.load(presets.find_experiment(name), Experiment).description
    except UserError as error:
        return str(error)


def plan(
    runs: RunsFolder, draft: Draft, on_gpu: bool | None = None, site: str = ""
) -> Planned | tuple[Problem, ...]:
    """Plan a draft, or return everything that is wrong with it. ``on_gpu``: whether the estimate is
    for a GPU; None: if this machine has one. ``site``: where it would run; empty: here."""

    def planned(path: Path) -> Planned:
        launcher = site_request(runs, site).launcher if site else "local"
        return plan_experiment(runs, str(path), on_gpu, launcher)

    found, problems = _read(draft, planned)
    return problems if found is None else found


def wrong_with(draft: Draft, setting: Setting, value: object) -> str:
    """Say what is wrong with a setting's value by itself; "" if nothing is."""
    _, problems = _read(with_value(draft, setting, value), read_combinations)
    return by_setting(problems).get(setting.key, "")


def _read(draft: Draft, read: Callable[[Path], T]) -> tuple[T | None, tuple[Problem, ...]]:
    """Read a draft's file; None with everything that is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draft.yaml"
        path.write_text(text_of(draft), encoding="utf-8")
        try:
            return read(path), ()
        except Problems as error:
            return None, tuple(_problem(line, path) for line in error.problems)
        except UserError as error:
            return None, (_problem(str(error), path),)


def _problem(line: str, path: Path) -> Problem:
    """Parse ``FILE:LINE: KEY: TEXT`` or ``FILE: KEY: TEXT``, leaving out the temporary file."""
    if not line.startswith(str(path)):
        return Problem("", line)
    rest = line[len(str(path)) :].lstrip(":0123456789").strip()
    key, colon, text = rest.partition(": ")
    return Problem(key, text) if colon and " " not in key else Problem("", rest)


def gpu_sizes(gpus: Iterable[Gpu]) -> tuple[float, ...]:
    """Return the memory of this machine's GPUs in GiB, or of common GPUs if it has none."""
    return tuple(sorted({gpu.total / 1024 for gpu in gpus})) or COMMON_GIB


def by_setting(problems: Iterable[Problem | Remark]) -> dict[str, str]:
    """Return the first problem or remark of each key of the file, at the key or below it."""
    found: dict[str, str] = {}
    for problem in problems:
        for setting in settings():
            if problem.key == setting.key or problem.key.startswith(f"{setting.key}."):
                found.setdefault(setting.key, problem.text)
    return found
