"""Make, keep and save drafts of experiment files."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from engine import catalog
from engine.planning import presets, yaml_file
from engine.planning.own_folder import expanded
from engine.planning.sweep import narrowed
from engine.queries import settings_form
from engine.schema.cards import ModelCard, TaskSource
from engine.schema.errors import UserError
from engine.schema.experiment import Experiment
from engine.schema.run_spec import FollowUp
from engine.schema.settings import AnnotateSettings, EvaluateSettings
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    EvaluateSpec,
    InstructSpec,
    RefineSpec,
    Tracking,
)
from engine.store.run import read_record, read_run
from engine.store.writing import atomic_write
from engine.tasks.revision import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from engine.queries.settings_form import Draft
    from engine.schema.run_spec import RunCell, RunSpec
    from engine.store.layout import RunsFolder

T = TypeVar("T")
ORDER = tuple(Experiment.model_fields)
SUFFIXES = {".yaml", ".yml"}


def draft_of_preset(name: str) -> Draft:
    """Make a draft of a shipped preset or a file; see :func:`draft_of_text`."""
    path = presets.find_experiment(name)
    return draft_of_text(yaml_file.read_text(path), path)


def draft_of_text(text: str, path: Path) -> Draft:
    """Make a draft of a file's text. Paths relative to ``path`` become absolute, since a draft has
    no folder. Mistakes stay in it, for the plan to report."""
    draft = yaml_file.parse(text, path)
    if not isinstance(draft, dict):
        raise UserError(f"{path}: expected keys and values, got {type(draft).__name__}")
    base = path.resolve().parent
    for source in _parts(draft.get("sources")):
        _make_absolute(source, PATHS, base)
    if isinstance(reuse := draft.get("reuse"), list):
        draft["reuse"] = [_absolute(name, base) for name in reuse]
    for notify in _parts([draft.get("notify")]):
        _make_absolute(notify, ("webhook_file",), base)
    for card in _parts(draft.get("cards")):
        for source in _parts([card.get("source")]):
            _make_absolute(source, ("path", "chat_template"), base)
    return draft


def _parts(value: Any) -> list[dict[str, Any]]:
    """Return the mappings among a mapping's values or a list's items."""
    items = value.values() if isinstance(value, dict) else value
    return [item for item in items or () if isinstance(item, dict)]


def _make_absolute(source: dict[str, Any], keys: tuple[str, ...], base: Path) -> None:
    for key in keys:
        if isinstance(source.get(key), str):
            source[key] = _absolute(source[key], base)


def _absolute(path: Any, base: Path) -> Any:
    return str((base / expanded(path)).resolve()) if isinstance(path, str) else path


def draft_of_run(runs: RunsFolder, run_id: str) -> Draft:
    """Make a draft of the run's cell of its experiment. Weights, data files and shipped cards are
    read as they are now, so it plans the same phases while those are the same."""
    record = read_record(runs, run_id)
    if record.spec.arm in get_args(FollowUp):
        raise UserError(f"{run_id}: is made of other runs; compose from one of those")
    experiment = runs.experiment(record.experiment_file)
    if experiment.is_file():
        return cell_of(draft_of_preset(str(experiment)), record.spec)
    return draft_of_phases(read_run(runs, run_id).spec)


def cell_of(draft: Draft, cell: RunCell) -> Draft:
    """Reduce an experiment to one run."""
    one: Draft = {"arms": [cell.arm], "seeds": [cell.seed], "family": "all"}
    one |= {"teachers": [cell.teacher]} if cell.teacher else {}
    one |= {"students": [cell.student]} if cell.student else {}
    if cell.task:
        crossed = [cell.refine_task] if cell.refine_task and draft.get("refine_tasks") else []
        one |= {"tasks": [cell.task], "refine_tasks": crossed}
        one |= {"fractions": [cell.fraction], "rounds": [cell.rounds]}
        one["evaluate_on"] = draft.get("evaluate_on") or draft["tasks"]
    draft = narrowed(draft, cell.varied)
    if cell.curated:
        settings = draft.get("settings") or {}
        refine = settings.get("refine") or {}
        left_out = sorted({*refine.get("exclude", ()), *cell.curated})
        one["settings"] = settings | {"refine": refine | {"exclude": left_out}}
    return _told(draft | one)


def draft_of_phases(spec: RunSpec) -> Draft:
    """Rebuild a draft from a run's phases, when its experiment's file was not kept (as in version
    0.1). Its models become cards of the file; nothing that decides a phase is lost."""
    trained = [p for p in spec.phases if isinstance(p, InstructSpec | ElicitSpec | RefineSpec)]
    annotated = [p for p in spec.phases if isinstance(p, AnnotateSpec)]
    asked = [p for p in spec.phases if isinstance(p, EvaluateSpec)]
    taught = [p.task.name for p in annotated]
    measured = [p for p in asked if not (taught and spec.arm == "teacher" and p.split == "train")]
    settings: Draft = {p.kind: _changed(p.settings) for p in annotated}
    if all(p.settings.limit == _papers_limit(p.task.name) for p in annotated):
        settings.get("annotate", {}).pop("limit", None)
    settings |= {p.kind: _changed(p.settings) for p in trained}
    settings["generation"] = _changed(spec.phases[-1].generation)
    settings["evaluate"] = _changed(_evaluate_settings(spec, asked, measured))
    refs = [p.task for p in annotated] + [p.task for p in asked]
    cards = {p.card.name: p.card for p in spec.phases if p.card}
    crossed = spec.refine_task if spec.refine_task != spec.task else None
    data_seeds = (*(p.seed for p in annotated), *(getattr(p, "data_seed", 0) for p in trained), 0)
    return _told(
        {
            "name": spec.experiment,
            "teachers": [spec.teacher] if spec.teacher else [],
            "students": [spec.student or _any_student()],
            "tasks": [spec.task] if spec.task else taught or [_any_task()],
            "refine_tasks": [crossed] if crossed else [],
            "evaluate_on": _once(p.task.name for p in measured),
            "arms": [spec.arm],
            "fractions": [spec.fraction],
            "rounds": [spec.rounds],
            "seeds": [spec.seed],
            "data_seed": data_seeds[0],
            "settings": {section: changed for section, changed in settings.items() if changed},
            "report_to": _once(
                name for p in trained for name in getattr(p, "tracking", Tracking()).report_to
            ),
            "cards": list(map(_words_of, cards.values())),
            "sources": {
                r.name: _changed(r.source) for r in refs if r.source.hub or r.source.is_local
            },
        }
    )


def _evaluate_settings(
    spec: RunSpec, asked: Sequence[EvaluateSpec], measured: Sequence[EvaluateSpec]
) -> EvaluateSettings:
    """Rebuild evaluate's settings; ``measured`` excludes evaluations that annotating implies."""
    shown = measured or asked
    splits = _once(p.split for p in asked) if spec.arm == "teacher" else ()
    return EvaluateSettings(
        prompts=tuple(_once(p.prompt for p in asked)),
        methods=tuple(_once(p.method for p in shown)),
        split="test" if splits else shown[0].split,
        teacher_splits=() if splits == ["test"] else tuple(splits),
        limit=shown[0].limit,
        commit="on" if any(p.commit for p in asked) else "off",
    )


def _told(draft: Draft) -> Draft:
    """Leave out keys that have their default or are empty."""
    usual = {setting.key: setting.default for setting in settings_form.settings()}
    return {k: v for k, v in draft.items() if v not in (None, [], {}) and v != usual.get(k)}


def _once(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _changed(model: BaseModel) -> dict[str, Any]:
    """Return what differs from the defaults, without the hash of local files' content."""
    local = isinstance(model, TaskSource) and model.is_local
    hidden = {"revision"} if local else set[str]()
    return model.model_dump(mode="json", exclude_defaults=True, exclude=hidden)


def _words_of(card: ModelCard) -> dict[str, Any]:
    words: dict[str, Any] = card.model_dump(mode="json", exclude_defaults=True)
    words["source"] = {"kind": card.source.kind} | words["source"]
    if words["source"].get("path"):
        words["source"].pop("revision", None)
    return words


def _papers_limit(task: str) -> int | None:
    known = task in catalog.TASKS and catalog.task(task).kind == "choice"
    return AnnotateSettings().most(has_classes=known)


def _any_student() -> str:
    """Return some student, which the file needs even for a teacher's run."""
    cards = map(presets.load_card, presets.card_names())
    return next(card.name for card in cards if card.source.weights)


def _any_task() -> str:
    """Return some task to train on, which the file needs even if nothing was trained."""
    return next(name for name in catalog.TASKS if catalog.task(name).trains)


# --- files ---


def text_of(draft: Draft) -> str:
    """Write the draft as a file, with its keys in the order of the reference."""
    ordered = {key: draft[key] for key in ORDER if key in draft}
    ordered |= {key: value for key, value in draft.items() if key not in ordered}
    return yaml_file.dump(ordered)


def file_of(text: str) -> Path:
    """Return the file that a typed path means; ``.yaml`` is added unless it has that suffix."""
    path = Path(text.strip()).expanduser()
    return path if path.suffix in SUFFIXES else path.with_name(f"{path.name}.yaml")


def save(draft: Draft, path: Path, overwrite: bool = False) -> None:
    """Save a draft as an experiment's file; ``UserError`` when it can't be written or exists
    already."""
    if path.exists() and not overwrite:
        raise UserError(f"{path}: is there already; give another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text_of(draft))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give another path") from error


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft that was left unsaved: its file, the experiment's name (may be empty), and when it
    last changed."""

    path: Path
    name: str
    changed: datetime


def kept(runs: RunsFolder) -> tuple[Kept, ...]:
    """List the kept drafts, newest first."""
    found = [
        Kept(path, _name_in(path), datetime.fromtimestamp(path.stat().st_mtime, UTC))
        for path in runs.drafts.glob("*.yaml")
    ]
    return tuple(sorted(found, key=lambda draft: draft.changed, reverse=True))


def _name_in(path: Path) -> str:
    """Return the name in a draft, or if it can't be read, the one in its file's name."""
    try:
        draft = yaml_file.parse(yaml_file.read_text(path), path)
    except (OSError, UserError):
        return path.stem.rpartition("-")[0]
    return str(draft.get("name") or "") if isinstance(draft, dict) else ""


def lost_with(draft: Kept) -> list[str]:
    """Return what is lost when a kept draft is deleted, which is its whole text."""
    return draft.path.read_text(encoding="utf-8").splitlines()


def forget(draft: Kept) -> None:
    draft.path.unlink(missing_ok=True)


def new_place(runs: RunsFolder, draft: Draft, before: Path | None = None) -> Path:
    """Name a file for a draft after it, which nobody else writes to: ``before``, unless the draft
    was renamed since."""
    name = "".join(c if c.isalnum() or c in "._" else "-" for c in str(draft.get("name", "draft")))
    slug = name.strip("-.") or "draft"
    if before is not None and before.stem.rpartition("-")[0] == slug:
        return before
    return runs.drafts / f"{slug}-{secrets.token_hex(4)}.yaml"


def keep(draft: Draft, place: Path) -> None:
    """Write a draft to its file at once, so that it survives a lost connection."""
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(place, text_of(draft))
