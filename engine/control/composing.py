"""Composing an experiment: a draft of its file, checked and planned as it changes.

A draft is what the file will hold, as plain values. It is checked by writing it down and loading
it like any file, so the screen and the command line can't disagree.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from engine import catalog, devices, presets
from engine.contract.cards import LocalWeights, Precision
from engine.contract.errors import Problems, UserError
from engine.contract.rundir import atomic_write
from engine.contract.settings import LoraSettings, Source, source_of
from engine.contract.spec import Arm, EvaluateSpec, Experiment, Settings
from engine.control.experiments import Planned, launch, plan_experiment
from engine.queue import DeviceRequest, read_run
from engine.yamlfile import parse

if TYPE_CHECKING:
    from pydantic import BaseModel

    from engine.contract.rundir import RunsFolder
    from engine.contract.spec import RunSpec, TaskRef

Draft = dict[str, Any]
__all__ = ["Draft", "Planned", "launch"]
ORDER = tuple(Experiment.model_fields)
PATHS = ("train", "test", "train_labels", "test_labels")


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from. Models: name -> one line about it."""

    teachers: dict[str, str]
    students: dict[str, str]
    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    precisions: tuple[str, ...]
    presets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting: ``key`` in the file, its default as text, where that comes from (the README's
    marks) and what it means."""

    key: str
    default: str
    source: Source
    meaning: str


@dataclass(frozen=True, slots=True)
class Problem:
    """``key``: the file's key at fault; empty when it is no single one's."""

    key: str
    text: str


def choices() -> Choices:
    cards = {name: presets.load_card(name) for name in presets.card_names()}
    lines = {name: f"{card.family} {_size(card.parameters)}" for name, card in cards.items()}
    local = {name for name, card in cards.items() if isinstance(card.source, LocalWeights)}
    return Choices(
        teachers=lines,
        students={name: line for name, line in lines.items() if name in local},
        tasks=tuple(catalog.TASKS),
        arms=get_args(Arm),
        precisions=get_args(Precision),
        presets=tuple(presets.experiments()),
    )


def _size(parameters: float | None) -> str:
    if parameters is None:
        return ""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"


def knobs() -> tuple[Knob, ...]:
    """Every setting of every phase, in the file's order."""
    return tuple(
        knob
        for section, field in Settings.model_fields.items()
        for knob in _knobs_of(field.default, section)
    )


def _knobs_of(model: BaseModel, prefix: str) -> list[Knob]:
    found = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, LoraSettings):
            found += _knobs_of(value, f"{prefix}.{name}")
        else:
            source = source_of(type(model), name)
            found.append(Knob(f"{prefix}.{name}", said(value), source, field.description or ""))
    return found


def said(value: Any) -> str:
    """A value as the file would have it, in one line."""
    if isinstance(value, tuple):
        value = list(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def read_value(text: str) -> Any:
    """What a person typed, as YAML; ``UserError`` when it is none."""
    return parse(text)


# --- where drafts come from, and where they go ---


def draft_of_preset(name: str) -> Draft:
    """A preset's own file; its relative paths become absolute, since the draft has no folder."""
    path = presets.find_experiment(name)
    draft: Draft = parse(path.read_text(encoding="utf-8"), path)
    base = path.resolve().parent
    for source in draft.get("sources", {}).values():
        source |= {k: str(base / source[k]) for k in PATHS if source.get(k)}
    for card in draft.get("cards", ()):
        if card.get("source", {}).get("path"):
            card["source"]["path"] = str(base / card["source"]["path"])
    return draft


def draft_of_run(runs: RunsFolder, run_id: str) -> Draft:
    """One cell with the settings, cards and sources that the run had."""
    spec = read_run(runs, run_id).spec
    draft: Draft = {
        "name": spec.experiment,
        "teachers": _listed(spec.teacher),
        "students": _listed(spec.student) or ["wren-1m"],
        "tasks": _listed(spec.task) or [_evaluated(spec)[0]],
        "refine_tasks": _listed(spec.refine_task if spec.refine_task != spec.task else None),
        "evaluate_on": _evaluated(spec),
        "arms": [spec.arm],
        "fractions": [spec.fraction],
        "seeds": [spec.seed],
        "settings": _settings_of(spec),
        "sources": _sources_of(spec),
    }
    return {key: value for key, value in draft.items() if value not in ([], {})}


def _listed(name: str | None) -> list[str]:
    return [name] if name else []


def _evaluated(spec: RunSpec) -> list[str]:
    names = (p.task.name for p in spec.phases if isinstance(p, EvaluateSpec))
    return list(dict.fromkeys(names))


def _settings_of(spec: RunSpec) -> dict[str, Any]:
    """What differs from the defaults, by phase."""
    found: dict[str, Any] = {}
    evaluations = [p for p in spec.phases if isinstance(p, EvaluateSpec)]
    for phase in spec.phases:
        if not isinstance(phase, EvaluateSpec):
            changed = phase.settings.model_dump(mode="json", exclude_defaults=True)
            if changed:
                found[phase.kind] = changed
    if evaluations and evaluations[0].limit is not None:
        found["evaluate"] = {"limit": evaluations[0].limit}
    methods = list(dict.fromkeys(p.method for p in evaluations))
    if methods not in ([], ["match"]):
        found.setdefault("evaluate", {})["methods"] = methods
    return found


def _sources_of(spec: RunSpec) -> dict[str, Any]:
    """Local files stay where they are; the hub's revisions stay fixed."""
    found: dict[str, Any] = {}
    refs: list[TaskRef] = [p.task for p in spec.phases if hasattr(p, "task")]
    for ref in refs:
        hidden = {"revision"} if ref.source.is_local else set()
        source = ref.source.model_dump(mode="json", exclude_defaults=True, exclude=hidden)
        if source and not ref.name.startswith("pocket-"):
            found[ref.name] = source
    return found


def text_of(draft: Draft) -> str:
    """The file, in the order of the reference."""
    ordered = {key: draft[key] for key in ORDER if key in draft}
    ordered |= {key: value for key, value in draft.items() if key not in ordered}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=98)


def save(draft: Draft, path: Path, overwrite: bool = False) -> Path:
    """A preset file that the command line takes as it is."""
    if path.suffix not in {".yaml", ".yml"}:
        path = path.with_name(path.name + ".yaml")
    if path.exists() and not overwrite:
        raise UserError(f"{path}: is there already; give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text_of(draft))
    return path


# --- checking and planning ---


def plan(runs: RunsFolder, draft: Draft) -> Planned | tuple[Problem, ...]:
    """What it needs, or everything that is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draft.yaml"
        path.write_text(text_of(draft), encoding="utf-8")
        try:
            return plan_experiment(runs, str(path))
        except Problems as error:
            return tuple(_problem(line, path) for line in error.problems)
        except UserError as error:
            return (_problem(str(error), path),)


def _problem(line: str, path: Path) -> Problem:
    """``FILE:LINE: KEY: TEXT`` or ``FILE: KEY: TEXT`` without the file, which nobody has seen."""
    if not line.startswith(str(path)):
        return Problem("", line)
    rest = line[len(str(path)) :].lstrip(":0123456789").strip()
    key, colon, text = rest.partition(": ")
    return Problem(key, text) if colon else Problem("", rest)


def device_request(text: str) -> DeviceRequest:
    """``cpu``; ``0,1``: these cards; ``x2``: so many; nothing: one card, or else the CPU."""
    word = text.strip().lower()
    present = [gpu.index for gpu in devices.gpus()]
    if word == "cpu" or (not word and not present):
        return DeviceRequest(cpu=True)
    if not word:
        return DeviceRequest(gpu_count=1)
    try:
        if word.startswith("x"):
            return _some(int(word[1:]), len(present))
        wanted = tuple(int(part) for part in word.split(","))
    except ValueError:
        raise UserError(f"devices {text!r}: give cpu, cards as 0,1 or a count as x2") from None
    missing = [index for index in wanted if index not in present]
    if missing:
        raise UserError(f"devices: no GPU {missing[0]} here; there are {present or 'none'}")
    return DeviceRequest(gpus=wanted)


def _some(count: int, present: int) -> DeviceRequest:
    if not 1 <= count <= present:
        raise UserError(f"devices: {count} GPUs are asked for, this machine has {present}")
    return DeviceRequest(gpu_count=count)
