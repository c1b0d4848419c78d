"""Write a first experiment: from the models at hand, a task, a device and maybe an endpoint.

The file is commented for somebody who has never seen one, and is planned before it is written.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.commands.experiments import Planned, plan_experiment
from engine.machine import devices
from engine.planning import presets
from engine.planning.downloads import cache_folder, is_cached
from engine.planning.own_folder import expanded
from engine.planning.yaml_file import dump
from engine.schema.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.store.layout import RunsFolder

POCKET_STUDENT, POCKET_TEACHER, POCKET_TASK = "wren-1m", "wren-3m", "pocket-compass"
FIRST_TASK = "gsm8k"
LOOKED_IN = (".", "models", "~/models")  # for folders with weights, two levels deep
MOST_FOUND = 30
ENDPOINT = re.compile(r"(https?://\S+)\s+(\S.*)")
NEW_CARD_PRECISION = "bf16"
THERE = "is there already; give another name with --file"


@dataclass(frozen=True, slots=True)
class AtHand:
    """A model on this machine. ``card``: what the file must say of it; empty for a shipped card.
    ``parameters``: 0 when unknown."""

    name: str
    where: str
    card: dict[str, Any] = field(default_factory=dict)
    parameters: float = 0

    @property
    def is_pocket(self) -> bool:
        return not self.card and self.name in {POCKET_STUDENT, POCKET_TEACHER, "otter-3m"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answers: a model's name or place, a task, ``cpu`` or GPU numbers, ``ADDRESS MODEL`` of a
    teacher's server or nothing, and the file to write."""

    model: str
    task: str
    device: str
    endpoint: str
    file: Path

    @property
    def runs_on(self) -> str:
        """The option of ``sirt run`` for the device."""
        return "--cpu" if self.device == "cpu" else f"--gpus {self.device}"


def models_at_hand(base: Path | None = None) -> tuple[AtHand, ...]:
    """Find the models that need no download: shipped cards whose weights are here, folders with a
    ``config.json`` and weights, and what the hub's library has fetched."""
    base = base or Path.cwd()
    found: dict[str, AtHand] = {}
    for one in (*_cards(), *_folders(base), *_fetched()):
        found.setdefault(one.name, one)
    return tuple(found.values())


def _cards() -> Iterator[AtHand]:
    for name in presets.card_names():
        try:
            card = presets.load_card(name)
        except UserError:
            continue
        weights = card.source.weights
        if weights and (weights.path or (weights.hub and is_cached(weights.hub, weights.revision))):
            place = "shipped with this program" if weights.path else f"fetched from {weights.hub}"
            yield AtHand(name, place, parameters=card.parameters or 0)


def _folders(base: Path) -> Iterator[AtHand]:
    number = 0
    for place in LOOKED_IN:
        root = (base / expanded(place)).resolve()
        for pattern in ("config.json", "*/config.json", "*/*/config.json"):
            for config in _sorted_glob(root, pattern):
                if number < MOST_FOUND and (one := _of_folder(config.parent)):
                    number += 1
                    yield one


def _sorted_glob(root: Path, pattern: str) -> Iterable[Path]:
    try:
        return sorted(root.glob(pattern)) if root.is_dir() else ()
    except OSError:
        return ()


def _of_folder(folder: Path) -> AtHand | None:
    """The model in a folder; None where there is none that could be loaded."""
    family = _family(folder)
    if presets.PRESETS.parent in folder.parents and "pocket" in folder.parts:
        return None  # those have cards
    if family is None or not any(folder.glob("*.safetensors")):
        return None
    source = {"kind": "local", "path": str(folder), "precision": NEW_CARD_PRECISION}
    card = {"name": folder.name, "family": family, "source": source}
    return AtHand(folder.name, str(folder), card)


def _family(folder: Path) -> str | None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["model_type"]) if config.get("architectures") else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _fetched() -> Iterator[AtHand]:
    known = {_hub_of(name) for name in presets.card_names()}
    for folder in _sorted_glob(cache_folder(), "models--*--*"):
        hub = folder.name.removeprefix("models--").replace("--", "/", 1)
        snapshot = next(iter(_sorted_glob(folder, "snapshots/*")), None)
        if hub in known or snapshot is None or not is_cached(hub):
            continue
        if (family := _family(snapshot)) is not None:
            source = {"kind": "local", "hub": hub, "precision": NEW_CARD_PRECISION}
            name = hub.rpartition("/")[2].lower()
            yield AtHand(
                name, f"fetched from {hub}", {"name": name, "family": family, "source": source}
            )


def _hub_of(name: str) -> str | None:
    try:
        weights = presets.load_card(name).source.weights
    except UserError:
        return None
    return weights.hub if weights else None


# --- the defaults of the questions ---


def first_model(found: Iterable[AtHand]) -> str:
    """The model that a newcomer most likely means: an own one, else a fetched or the embedded."""
    found = list(found)
    own = [one.name for one in found if one.card]
    others = [one.name for one in found if not one.is_pocket and not one.name.startswith("otter")]
    return next(iter([*own, *others]), POCKET_STUDENT)


def first_task(model: str) -> str:
    return POCKET_TASK if model in {POCKET_STUDENT, POCKET_TEACHER} else FIRST_TASK


def first_device() -> str:
    return "0" if devices.gpus() else "cpu"


def free_file(folder: Path) -> Path:
    """``experiment.yaml``, or with a number where that is there already."""
    names = ("experiment.yaml", *(f"experiment-{n}.yaml" for n in range(2, 1_000)))
    return next(folder / name for name in names if not (folder / name).exists())


# --- the file ---


def first_experiment(runs: RunsFolder, wanted: Wanted) -> Planned:
    """Write the file; return its plan. ``UserError`` when an answer can't be used or the file is
    there already."""
    if wanted.file.exists():
        raise UserError(f"{wanted.file}: {THERE}")
    student = _student(wanted.model)
    if wanted.task not in catalog.TASKS or not catalog.task(wanted.task).trains:
        able = [name for name in catalog.TASKS if catalog.task(name).trains]
        raise UserError(f"--task {wanted.task}: no task to train on; {nearest(wanted.task, able)}")
    on_gpu = _on_gpu(wanted.device)
    teacher = _served(wanted.endpoint) if wanted.endpoint else _teacher(student)
    text = _text(wanted, student, teacher, on_gpu)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / wanted.file.name
        trial.write_text(text, encoding="utf-8")
        planned = plan_experiment(runs, str(trial), on_gpu)
    try:
        wanted.file.parent.mkdir(parents=True, exist_ok=True)
        with wanted.file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise UserError(f"{wanted.file}: {THERE}") from None
    except OSError as error:
        raise UserError(f"{wanted.file}: {error.strerror}; give another place") from error
    return planned


def _student(name: str) -> AtHand:
    found = {one.name: one for one in models_at_hand()}
    if name in found:
        return found[name]
    folder = expanded(name)
    if folder.is_dir():
        one = _of_folder(folder.resolve())
        if one is None:
            raise UserError(f"--model {name}: no model's folder: it lacks config.json or weights")
        return one
    if name in presets.card_names():
        if not presets.load_card(name).source.weights:
            raise UserError(f"--model {name}: has no weights here, so it can't learn; name another")
        return AtHand(name, "to be downloaded")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        source = {"kind": "local", "hub": name, "precision": NEW_CARD_PRECISION}
        short = name.rpartition("/")[2].lower()
        return AtHand(
            short,
            "to be downloaded",
            {"name": short, "family": short.partition("-")[0], "source": source},
        )
    raise UserError(
        f"--model {name}: {nearest(name, [*found, *presets.card_names()])}, or a folder"
    )


def _teacher(student: AtHand) -> AtHand:
    """A larger model at hand, else the student itself."""
    if student.is_pocket:
        return AtHand(POCKET_TEACHER, "shipped with this program")
    others = [one for one in models_at_hand() if not _is_embedded(one) and one.name != student.name]
    larger = [one for one in others if one.parameters > student.parameters]
    return max(larger, key=lambda one: one.parameters) if larger else student


def _is_embedded(one: AtHand) -> bool:
    return one.where.startswith("shipped")


def _served(endpoint: str) -> AtHand:
    parts = ENDPOINT.fullmatch(endpoint.strip())
    if parts is None:
        raise UserError(
            f"--endpoint {endpoint!r}: expected an address and a model's name, as in "
            "'http://127.0.0.1:8000/v1 my-model'"
        )
    source = {"kind": "openai_compatible", "base_url": parts[1], "model": parts[2]}
    return AtHand("served", parts[1], {"name": "served", "family": "other", "source": source})


def _on_gpu(device: str) -> bool:
    if device == "cpu":
        return False
    present = {str(gpu.index) for gpu in devices.gpus()}
    asked = [part.strip() for part in device.split(",")]
    if missing := [part for part in asked if part not in present]:
        there = f"GPUs {', '.join(sorted(present))}" if present else "no GPU"
        raise UserError(f"--device {missing[0]}: this machine has {there}; or give cpu")
    return True


def _text(wanted: Wanted, student: AtHand, teacher: AtHand, on_gpu: bool) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted.file.stem).strip("-._") or "experiment"
    own = dict.fromkeys([one.name for one in (teacher, student) if one.card])
    cards = [one.card for one in (teacher, student) if one.card and own.pop(one.name, 0) is None]
    alone = teacher.name == student.name
    parts = [
        f"# Plan it: sirt plan {wanted.file}\n"
        f"# Run it: sirt run {wanted.file} {wanted.runs_on}\n"
        "# Every key and setting, with its usual range: ? in the Compose screen (sirt, then 3).\n",
        f"name: {name}\n",
        "# The teacher's answers are what the student learns from"
        + (": here it teaches itself, since no larger\n# model is at hand.\n" if alone else ".\n")
        + f"teachers: {_list(teacher.name)}\n"
        f"students: {_list(student.name)}\n",
        "# What students are trained and measured on. evaluate_on: [TASK, …] adds other tasks.\n"
        f"tasks: {_list(wanted.task)}\n",
        "# baseline: the student as it is; teacher: the teacher itself; instruct-only: trained on\n"
        "# the teacher's answers; both: then refined on its own good reasoning.\n"
        "arms: [baseline, teacher, instruct-only, both]\n",
        "# Each seed repeats the training; three or more give a spread.\nseeds: [0]\n",
        _settings(student, on_gpu),
    ]
    if cards:
        parts.append(_cards_text(cards))
    return "\n".join(parts)


def _list(name: str) -> str:
    return dump([name], in_one_line=True)


def _settings(student: AtHand, on_gpu: bool) -> str:
    if student.is_pocket:
        pocket = presets.load_experiment("pocket").experiment.settings
        given = pocket.model_dump(mode="json", exclude_defaults=True)
        about = (
            "# As in the shipped preset pocket: rates and sizes for models of a million weights."
        )
        return f"{about}\n{dump({'settings': given})}"
    return (
        "# What is not given keeps the paper's value. A list sweeps: learning_rate: [1e-6, 5e-6].\n"
        "settings:\n"
        "  annotate:\n"
        "    limit: 400          # questions to learn from; paper: 4000\n"
        "  instruct:\n"
        "    epochs: 2           # the paper has 4\n"
        "  refine:\n"
        "    learning_rate: 1e-6   # the paper's\n"
        "    max_steps: 60       # the paper has 1000\n"
        "    warmup_steps: 6     # the paper has 100, of 1000\n"
        f"    batch_size: {32 if on_gpu else 16}      # the paper has 128\n"
        "  evaluate:\n"
        "    limit: 200          # test questions; leave it out for all\n"
    )


def _cards_text(cards: list[dict[str, Any]]) -> str:
    lines = ["# Models that are not shipped with the program; family says who is kin to whom.\n"]
    if "served" in {card["name"] for card in cards}:
        lines.append(
            "# For a paid one add to its source: api_key_env (the variable that holds the key),\n"
            "# price_in, price_out (per million tokens) and max_spend (a hard cap for a phase).\n"
        )
    return "".join(lines) + dump({"cards": cards})
