"""Where a draft of an experiment's file comes from, and where it is kept and saved."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from engine import catalog
from engine.planning import presets, yaml_file
from engine.queries.settings_form import Draft, settings
from engine.scheduling.queue import read_run
from engine.schema.cards import ModelCard, TaskSource
from engine.schema.errors import UserError
from engine.schema.experiment import Experiment
from engine.schema.settings import AnnotateSettings, EvaluateSettings
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    EvaluateSpec,
    FollowUp,
    InstructSpec,
    RefineSpec,
)
from engine.store.layout import atomic_write
from engine.tasks.revision import PATHS, resolve_revision

if TYPE_CHECKING:
    from engine.schema.specs import RunSpec, TaskRef
    from engine.store.layout import RunsFolder

ORDER = tuple(Experiment.model_fields)
SUFFIXES = {".yaml", ".yml"}


def draft_of_preset(name: str) -> Draft:
    """A shipped preset's or a file's own words; its relative paths become absolute, since the
    draft has no folder. What is wrong in it stays in it, for the plan to say."""
    path = presets.find_experiment(name)
    draft = yaml_file.parse(yaml_file.read_text(path), path)
    if not isinstance(draft, dict):
        raise UserError(f"{path}: expected keys and values, got {type(draft).__name__}")
    base = path.resolve().parent
    for source in _parts(draft.get("sources")):
        _make_absolute(source, PATHS, base)
    for card in _parts(draft.get("cards")):
        for source in _parts([card.get("source")]):
            _make_absolute(source, ("path", "chat_template"), base)
    return draft


def _parts(value: Any) -> list[dict[str, Any]]:
    """The mappings among the values of a mapping or the items of a list."""
    items = value.values() if isinstance(value, dict) else value
    return [item for item in items or () if isinstance(item, dict)]


def _make_absolute(source: dict[str, Any], keys: tuple[str, ...], base: Path) -> None:
    for key in keys:
        if isinstance(source.get(key), str):
            source[key] = str((base / Path(source[key]).expanduser()).resolve())


def draft_of_run(runs: RunsFolder, run_id: str) -> Draft:
    """One cell with the settings, cards and sources that the run had."""
    spec = read_run(runs, run_id).spec
    if spec.arm in get_args(FollowUp):
        raise UserError(f"{run_id}: is made of other runs; compose from one of those")
    return draft_of_spec(spec)


def draft_of_spec(spec: RunSpec) -> Draft:
    """Plans the same phases as the run, unless weights or data files have been replaced since:
    those are taken as they are now."""
    cards, precision = _cards_of(spec)
    draft: Draft = {
        "name": spec.experiment,
        "teachers": _listed(spec.teacher),
        "students": _listed(spec.student) or _any_student(),
        "tasks": _listed(spec.task) or _annotated(spec) or _any_task(spec),
        "refine_tasks": _listed(spec.refine_task if spec.refine_task != spec.task else None),
        "evaluate_on": _evaluated(spec),
        "arms": [spec.arm],
        "fractions": [spec.fraction],
        "rounds": [spec.rounds],
        "seeds": [spec.seed],
        "data_seed": _data_seed(spec),
        "precision": precision,
        "settings": _settings_of(spec),
        "report_to": _trackers(spec),
        "cards": cards,
        "sources": _sources_of(spec),
    }
    usual = {setting.key: setting.default for setting in settings()}
    return {k: v for k, v in draft.items() if v not in (None, [], {}) and v != usual.get(k)}


def _listed(name: str | None) -> list[str]:
    return [name] if name else []


def _any_student() -> list[str]:
    """A teacher's run has none, but the file wants one."""
    cards = (presets.load_card(name) for name in presets.card_names())
    return [next(card.name for card in cards if card.source.weights)]


def _evaluations(spec: RunSpec) -> list[EvaluateSpec]:
    return [phase for phase in spec.phases if isinstance(phase, EvaluateSpec)]


def _evaluated(spec: RunSpec) -> list[str]:
    """But for a teacher's on what it annotates, which follow from the tasks."""
    asked = _evaluations(spec)
    shown = [phase for phase in asked if not _follows(spec, phase)]
    return list(dict.fromkeys(phase.task.name for phase in shown))


def _follows(spec: RunSpec, phase: EvaluateSpec) -> bool:
    return spec.arm == "teacher" and phase.split == "train" and bool(_annotated(spec))


def _annotated(spec: RunSpec) -> list[str]:
    return [phase.task.name for phase in spec.phases if isinstance(phase, AnnotateSpec)]


def _any_task(spec: RunSpec) -> list[str]:
    """Nobody was trained, but the file wants a task to train on."""
    names = [*_evaluated(spec), *catalog.TASKS]
    return [next(name for name in names if catalog.task(name).trains)]


def _data_seed(spec: RunSpec) -> int:
    for phase in spec.phases:
        if isinstance(phase, AnnotateSpec):
            return phase.seed
        if isinstance(phase, InstructSpec | ElicitSpec):
            return phase.data_seed
    return 0


def _trackers(spec: RunSpec) -> list[str]:
    trainings = (p for p in spec.phases if isinstance(p, InstructSpec | RefineSpec))
    return list(dict.fromkeys(name for phase in trainings for name in phase.tracking.report_to))


def _settings_of(spec: RunSpec) -> dict[str, Any]:
    """What differs from the defaults, by phase."""
    found: dict[str, Any] = {}
    for phase in spec.phases:
        if settings := getattr(phase, "settings", None):
            found[phase.kind] = settings.model_dump(mode="json", exclude_defaults=True)
        found["generation"] = phase.generation.model_dump(mode="json", exclude_defaults=True)
    if _annotates_as_the_paper_does(spec):
        found["annotate"].pop("limit", None)
    asked = _evaluations(spec)
    if asked:
        matched = [phase for phase in asked if phase.method == "match"]
        shown = [phase for phase in asked if not _follows(spec, phase)] or asked
        splits = tuple(dict.fromkeys(phase.split for phase in asked))
        both = any(_follows(spec, phase) for phase in asked)
        settings = EvaluateSettings(
            prompts=tuple(dict.fromkeys(phase.prompt for phase in matched or asked)),
            methods=tuple(dict.fromkeys(phase.method for phase in shown)),
            split="test" if both else shown[0].split,
            teacher_splits=splits if both else (),
            limit=shown[0].limit,
            commit="on" if any(phase.commit for phase in asked) else "off",
        )
        found["evaluate"] = settings.model_dump(mode="json", exclude_defaults=True)
    return {section: values for section, values in found.items() if values}


def _annotates_as_the_paper_does(spec: RunSpec) -> bool:
    """Whether each task has as many questions as the usual limit gives it."""
    usual, phases = AnnotateSettings(), [p for p in spec.phases if isinstance(p, AnnotateSpec)]
    return bool(phases) and all(
        phase.task.name in catalog.TASKS
        and phase.settings.limit == usual.most(catalog.task(phase.task.name).kind == "choice")
        for phase in phases
    )


def _cards_of(spec: RunSpec) -> tuple[list[dict[str, Any]], str | None]:
    """Cards that are not shipped as they were, and a precision when only that differs."""
    found: dict[str, Any] = {}
    precision: str | None = None
    for card in {card.name: card for phase in spec.phases if (card := phase.card)}.values():
        shipped = _shipped(card.name)
        if shipped is not None and _same(card, shipped):
            continue
        source = card.source.weights
        if shipped and card.name == spec.student and source and shipped.source.weights:
            other = shipped.weights.model_copy(update={"precision": source.precision})
            if _same(card, shipped.model_copy(update={"source": other})):
                precision = source.precision
                continue
        found[card.name] = _words_of(card)
    return list(found.values()), precision


def _shipped(name: str) -> ModelCard | None:
    file = presets.card_file(name)
    return presets.resolve_card(presets.load_card(name), file.parent) if file.exists() else None


def _same(card: ModelCard, other: ModelCard) -> bool:
    """All but the words about it; of a local folder, its place stands for its content."""
    about = {"description", "provenance", "parameters"}
    hidden: dict[str, Any] = {name: True for name in about}
    if filled_in := _filled_in(card):
        hidden["source"] = filled_in
    return card.model_dump(exclude=hidden) == other.model_dump(exclude=hidden)


def _words_of(card: ModelCard) -> dict[str, Any]:
    words: dict[str, Any] = card.model_dump(mode="json", exclude_defaults=True)
    words["source"] = {"kind": card.source.kind} | words["source"]
    for name in _filled_in(card):
        words["source"].pop(name, None)
    return words


def _filled_in(card: ModelCard) -> set[str]:
    """Hashes of local files: when the card is read again they are made again."""
    return {content for name, content in card.source.files.items() if getattr(card.source, name)}


def _sources_of(spec: RunSpec) -> dict[str, Any]:
    """Of tasks that did not come from their usual place. Local files stay where they are; the
    hub's revisions stay fixed."""
    found: dict[str, Any] = {}
    refs: list[TaskRef] = [
        p.task for p in spec.phases if isinstance(p, AnnotateSpec | EvaluateSpec)
    ]
    for ref in refs:
        if ref.source != _usual(ref.name):
            hidden = {"revision"} if ref.source.is_local else set()
            found[ref.name] = ref.source.model_dump(
                mode="json", exclude_defaults=True, exclude=hidden
            )
    return found


def _usual(task: str) -> TaskSource | None:
    try:
        return resolve_revision(TaskSource(), catalog.task(task).default_source, Path())
    except UserError:  # no longer a task of this program; the plan says so
        return None


# --- files ---


def text_of(draft: Draft) -> str:
    """The file, in the order of the reference."""
    ordered = {key: draft[key] for key in ORDER if key in draft}
    ordered |= {key: value for key, value in draft.items() if key not in ordered}
    return yaml_file.dump(ordered)


def file_of(text: str) -> Path:
    """The file that a person means by a path; a preset file has a suffix."""
    path = Path(text.strip()).expanduser()
    return path if path.suffix in SUFFIXES else path.with_name(f"{path.name}.yaml")


def save(draft: Draft, path: Path, overwrite: bool = False) -> None:
    """A preset file that the command line takes as it is; ``UserError`` when it can't be
    written or is there already."""
    if path.exists() and not overwrite:
        raise UserError(f"{path}: is there already; give another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text_of(draft))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give another path") from error


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft that was left: its file, what it calls itself, and since when."""

    path: Path
    name: str
    changed: datetime


def kept(runs: RunsFolder) -> tuple[Kept, ...]:
    """Newest first."""
    found = [
        Kept(path, path.stem.rpartition("-")[0], datetime.fromtimestamp(path.stat().st_mtime, UTC))
        for path in runs.drafts.glob("*.yaml")
    ]
    return tuple(sorted(found, key=lambda draft: draft.changed, reverse=True))


def lost_with(draft: Kept) -> list[str]:
    """What is gone when a kept draft is forgotten: all that it says."""
    return draft.path.read_text(encoding="utf-8").splitlines()


def forget(draft: Kept) -> None:
    draft.path.unlink(missing_ok=True)


def new_place(runs: RunsFolder, draft: Draft) -> Path:
    """A file for a draft that nobody else writes to."""
    name = "".join(c if c.isalnum() or c in "._" else "-" for c in str(draft.get("name", "draft")))
    return runs.drafts / f"{name.strip('-.') or 'draft'}-{secrets.token_hex(4)}.yaml"


def keep(draft: Draft, place: Path) -> None:
    """So that no hang-up loses it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(place, text_of(draft))
