"""Preset files: experiments and cards, found by name or by path, and resolved to revisions.

Resolving fills in what a fingerprint needs: a hash of local weights and of local data files.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.planning.sweep import Combination, read_combinations
from engine.planning.yaml_file import (
    in_order,
    load,
    parse,
    read_text,
    with_lines,
)
from engine.schema.cards import ModelCard, TaskSource
from engine.schema.errors import Problems, UserError, nearest
from engine.schema.specs import TaskRef
from engine.tasks.prompts import prompt_version
from engine.tasks.revision import resolve_revision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.schema.experiment import Experiment

PRESETS = Path(__file__).resolve().parents[2] / "presets"
MODEL_LISTS = ("teachers", "students")
TASK_LISTS = ("tasks", "refine_tasks", "evaluate_on")
LISTS = (*MODEL_LISTS, *TASK_LISTS, "arms", "fractions", "rounds", "seeds", "report_to")
WHOLE_HASH_BELOW = 64 << 20
SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class Resolved:
    """An experiment with all its cards and sources, each at a revision.

    ``sweep``: for an experiment that sweeps over settings, each combination of their values, and
    the experiment as it is with these; empty for one that doesn't.
    """

    experiment: Experiment
    cards: dict[str, ModelCard]
    sources: dict[str, TaskSource]
    sweep: tuple[tuple[Mapping[str, Any], Resolved], ...] = ()

    @cached_property
    def tasks(self) -> dict[str, TaskRef]:
        """Tasks by name, each shared by all phases that use it."""
        return {
            name: TaskRef(
                name=name, source=source, prompt_version=prompt_version(catalog.task(name))
            )
            for name, source in self.sources.items()
        }

    @property
    def taught_pairs(self) -> list[tuple[str, str]]:
        """Pairs of teacher and student that the experiment's ``family`` allows."""
        return _taught_pairs(self.experiment, self.cards)


def experiments() -> list[str]:
    return sorted(p.stem for p in (PRESETS / "experiments").glob("*.yaml"))


def card_names() -> list[str]:
    return sorted(p.stem for p in (PRESETS / "models").glob("*.yaml"))


def find_experiment(name: str) -> Path:
    """The given path, or the shipped preset of that name."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        return path
    shipped = PRESETS / "experiments" / f"{name}.yaml"
    if not shipped.exists():
        raise UserError(f"no experiment {name!r}: {nearest(name, experiments())}, or give a file")
    return shipped


def load_experiment(name: str) -> Resolved:
    """Load and resolve an experiment; ``Problems`` lists all that is wrong."""
    path = find_experiment(name)
    try:
        combinations = read_combinations(path)
    except Problems as error:
        raise Problems(in_order([*error.problems, *_unknown_names(path)])) from None
    try:
        return resolve(combinations, path)
    except Problems as error:
        raise Problems(with_lines(path, error.problems)) from None


def _unknown_names(path: Path) -> list[str]:
    """The unknown names in a file that is not yet a valid experiment."""
    problems: list[str] = []
    try:
        data = parse(read_text(path), path)
    except UserError:
        return []
    cards = data.get("cards")
    cards = cards if isinstance(cards, list) else []
    own = [card["name"] for card in cards if isinstance(card, dict) and "name" in card]
    for key in (*MODEL_LISTS, *TASK_LISTS):
        names = data.get(key)
        for name in names if isinstance(names, list) else ():
            with _collecting(problems, f"{path}: {key}"):
                if isinstance(name, str):
                    _check_card(name, own) if key in MODEL_LISTS else catalog.task(name)
    return with_lines(path, problems)


def resolve(combinations: Sequence[Combination], path: Path) -> Resolved:
    """Look up all names in an experiment; local paths are relative to ``path``'s folder."""
    experiment = combinations[0].experiment
    problems: list[str] = []
    cards: dict[str, ModelCard] = {}
    sources: dict[str, TaskSource] = {}
    own = {card.name: card for card in experiment.cards}
    for key in MODEL_LISTS:
        for name in getattr(experiment, key):
            with _collecting(problems, f"{path}: {key}"):
                cards[name] = _card(name, own, path.parent)
    for key, name in _task_names(experiment):
        with _collecting(problems, f"{path}: {key}"):
            default = catalog.task(name).default_source
            with _collecting(problems, f"{path}: sources.{name}"):
                given = experiment.sources.get(name, TaskSource())
                sources[name] = resolve_revision(given, default, path.parent)
    for name in set(experiment.sources) - {task for _, task in _task_names(experiment)}:
        problems.append(f"{path}: sources.{name}: no task of that name in this experiment")
    for name in experiment.report_to:
        with _collecting(problems, f"{path}: report_to"):
            catalog.check_tracker(name)
    for one in combinations:
        problems += [f"{path}: {line}" for line in _contradictions(one.experiment, cards)]
    if problems:
        raise Problems(list(dict.fromkeys(problems)))
    found = [
        (one.varied, Resolved(one.experiment, _overridden(one.experiment, cards), sources))
        for one in combinations
    ]
    return replace(found[0][1], sweep=tuple(found) if len(found) > 1 else ())


@contextmanager
def _collecting(problems: list[str], where: str) -> Iterator[None]:
    """Collect errors and go on; an error in a preset file already names its place."""
    try:
        yield
    except UserError as error:
        lines = str(error).splitlines()
        problems += [ln if ln.startswith(str(PRESETS)) else f"{where}: {ln}" for ln in lines]


def _task_names(experiment: Experiment) -> list[tuple[str, str]]:
    return [(field, name) for field in TASK_LISTS for name in getattr(experiment, field)]


def _taught_pairs(experiment: Experiment, cards: dict[str, ModelCard]) -> list[tuple[str, str]]:
    pairs = product(experiment.teachers, experiment.students)
    if experiment.family == "all":
        return list(pairs)
    same = experiment.family == "in"
    known = ((t, s) for t, s in pairs if {t, s} <= cards.keys())
    return [(t, s) for t, s in known if (cards[t].family == cards[s].family) is same]


def _contradictions(experiment: Experiment, cards: dict[str, ModelCard]) -> Iterable[str]:
    taught = [a for a in experiment.arms if a != "baseline"]
    if taught and not experiment.teachers:
        yield f"teachers: is empty, but arm {taught[0]!r} needs one; add a teacher"
    elif experiment.family != "all" and not _taught_pairs(experiment, cards):
        yield f"family: {experiment.family!r} leaves no pair of a teacher and a student"
    trained_on = {*experiment.tasks, *experiment.refine_tasks}
    if experiment.settings.evaluate.domain == "in" and not trained_on & {
        *(experiment.evaluate_on or experiment.tasks)
    }:
        yield "settings.evaluate.domain: 'in', but nothing in evaluate_on is trained on"
    for name in experiment.students:
        card = cards.get(name)
        if card and not card.source.weights:
            yield f"students: {name!r} is {card.source.kind}; a student needs local weights"
    for key, name in _task_names(experiment):
        if key != "evaluate_on" and name in catalog.TASKS and not catalog.task(name).trains:
            yield f"{key}: {name!r} is for evaluation only; name it under 'evaluate_on'"
    for name in experiment.teachers:
        card = cards.get(name)
        if card and card.source.ready_made and "teacher" in experiment.arms:
            yield f"arms: 'teacher' can't evaluate {name!r}, which is a file of ready answers"
        limit = experiment.max_new_tokens or (card.sampling.max_new_tokens if card else 0)
        for line in card.source.contradictions(limit) if card else ():
            yield f"teachers: {name!r} {line}"
    names = [card.name for card in experiment.cards]
    for field in (*LISTS, "cards"):
        values = names if field == "cards" else getattr(experiment, field)
        for value in sorted({str(v) for v in values if values.count(v) > 1}):
            yield f"{field}: {value!r} is listed twice"


def _overridden(experiment: Experiment, cards: dict[str, ModelCard]) -> dict[str, ModelCard]:
    """The cards with the experiment's own precision of students and length of answers."""
    changed = dict(cards)
    if experiment.precision is not None:
        for name in experiment.students:
            source = cards[name].weights.model_copy(update={"precision": experiment.precision})
            changed[name] = cards[name].model_copy(update={"source": source})
    if experiment.max_new_tokens is not None:
        for name, card in changed.items():
            limit = {"max_new_tokens": experiment.max_new_tokens}
            sampling = card.sampling.model_copy(update=limit)
            changed[name] = card.model_copy(update={"sampling": sampling})
    return changed


def _card(name: str, own: dict[str, ModelCard], base: Path) -> ModelCard:
    if name in own:
        return resolve_card(own[name], base)
    _check_card(name, own)
    return resolve_card(load_card(name), card_file(name).parent)


def card_file(name: str) -> Path:
    return PRESETS / "models" / f"{name}.yaml"


def _check_card(name: str, own: Iterable[str]) -> None:
    if name not in {*card_names(), *own}:
        raise UserError(f"no model card {name!r}; {nearest(name, [*card_names(), *own])}")


def load_card(name: str) -> ModelCard:
    """A shipped card as in its file, its revision not yet resolved."""
    path = card_file(name)
    card = load(path, ModelCard)
    if card.name != name:
        raise UserError(f"{path}: name: is {card.name!r}, but the file is called {name!r}")
    return card


def judge_card(name: str) -> ModelCard:
    """A judge's resolved card, by its file or by a shipped model's name."""
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        path = card_file(name)
        if not path.exists():
            hint = nearest(name, card_names())
            raise UserError(f"no judge {name!r} (a card's file would do too): {hint}")
    card = resolve_card(load(path, ModelCard), path.parent)
    if card.source.ready_made:
        raise UserError(f"{path}: source: a file of ready answers can't judge; give a model")
    return card


def resolve_card(card: ModelCard, base: Path) -> ModelCard:
    """The card with absolute paths and, for local files (weights, chat template, answers), a hash
    of their content."""
    source = card.source
    update: dict[str, str] = {}
    for field, revision in source.files.items():
        if not (given := getattr(source, field)):
            continue
        path = _existing((base / Path(given).expanduser()).resolve(), card.name)
        update[field] = str(path)
        if field in source.folders:
            _check_weights(path, card.name)
            update[revision] = getattr(source, revision) or hash_weights(path)
        else:
            update[revision] = hash_sampled(path)
    return card.model_copy(update={"source": source.model_copy(update=update)}) if update else card


def _existing(path: Path, card: str) -> Path:
    if not path.exists():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"card {card!r}: {path}: not there; {nearest(path.name, names)}")
    return path


def _check_weights(folder: Path, card: str) -> None:
    """Refuse a folder that is no model's, without loading it."""
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    if "config.json" not in names:
        raise UserError(f"card {card!r}: {folder}: no config.json, so no model's folder")
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth"))]
        found = f"; {pickles[0]} is a pickle that could run code: convert it" if pickles else ""
        raise UserError(f"card {card!r}: {folder}: no *.safetensors in it{found}")


def hash_weights(folder: Path) -> str:
    """16 hex digits: a hash of all files that affect a model's answers."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".safetensors", ".json", ".jinja", ".model", ".txt"}:
            digest.update(f"{file.name}:{hash_sampled(file)};".encode())
    return digest.hexdigest()[:16]


def hash_sampled(file: Path) -> str:
    """Hash a file; of large ones only size and 16 slices, as training changes all weights."""
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as handle:
        if size <= WHOLE_HASH_BELOW:
            digest.update(handle.read())
        else:
            for index in range(16):
                handle.seek(index * (size - SAMPLE_BYTES) // 15)
                digest.update(handle.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]
