"""Export a run's student as a standard model folder, with its adapter merged into the base."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.follow_ups import planned
from engine.commands.modelcard import model_card, without_places
from engine.planning.presets import (
    card_file,
    hash_weights,
    load_card,
    resolve_card,
)
from engine.queries.lineage import lineage
from engine.queries.runs import registry
from engine.schema.errors import UserError, nearest
from engine.schema.follow_ups import MergeSpec
from engine.schema.jsonfile import plain, read_object
from engine.schema.records import Parity
from engine.schema.specs import InstructSpec, RefineSpec
from engine.store.layout import ADAPTER, DEMONSTRATIONS, MERGED, PAIRS
from engine.store.run import read_run
from engine.store.sealing import verified
from engine.store.writing import follow_umask, sync_folder, sync_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands.follow_ups import FollowUp
    from engine.queries.lineage import Lineage
    from engine.schema.cards import ModelCard
    from engine.schema.follow_ups import Dtype
    from engine.store.layout import PhaseDir, RunsFolder

LINEAGE = "lineage.json"
_CONTENT_HASH = re.compile(r"[0-9a-f]{16}")
Training = InstructSpec | RefineSpec


@dataclass(frozen=True, slots=True)
class Merged:
    """An exported folder: which phase's adapter it holds, and how close it is to the student."""

    folder: Path
    phase: str
    parity: Parity


def plan_merge(
    runs: RunsFolder,
    run_id: str,
    *,
    phase: str | None = None,
    dtype: Dtype | None = None,
    base: Path | None = None,
    max_kl: float | None = None,
) -> FollowUp:
    """Plan the run that merges a run's student (it may be that run itself); changes nothing.

    ``phase``: id or kind of the training whose adapter is taken; the run's last otherwise.
    ``base``: where the base model's folder is now, when it was trained elsewhere. ``max_kl``: see
    :class:`~engine.schema.follow_ups.MergeSpec`.
    """
    file = read_run(runs, run_id)
    if file.spec.arm == "merge":
        return planned(runs, file.spec, file.name, file.tags)
    training = _training(runs, run_id, phase)
    _check_adapter(runs.phase(training.id))
    merge = MergeSpec(
        student=located(training.student, base),
        adapter=training.id,
        data=_data_of(training)[0],
        dtype=dtype,
        max_kl=max_kl,
    )
    spec = file.spec.model_copy(update={"arm": "merge", "phases": (merge,)})
    return planned(runs, spec, f"merge {file.name}", (run_id,))


def check_place(folder: Path) -> None:
    """Raise ``UserError`` when the folder exists."""
    if folder.exists():
        raise UserError(f"{folder}: is there already; give another folder or move it away")


def export_merged(
    runs: RunsFolder, run_id: str, merge: MergeSpec, folder: Path, max_kl: float | None = None
) -> Merged:
    """Copy a run's merged student into the new ``folder``, with a model card.

    ``UserError``, and nothing left behind, when it is not done, or further than ``max_kl`` from the
    student (mean nats a token; what rounding explains when it is None).
    """
    check_place(folder)
    if read_run(runs, run_id).spec.arm == "merge":
        run_id = merged_from(runs, run_id)[0]
    made = runs.phase(merge.id)
    if not made.done:
        raise UserError(f"{made.id}: is not done; see: sirt status")
    parity = Parity.model_validate(made.manifest()["figures"])
    parity.check(max_kl)
    model = verified(made, MERGED)
    staging = _staging(folder, model)
    try:
        shutil.copytree(model, staging, dirs_exist_ok=True)
        training = runs.phase(merge.adapter).spec()
        assert isinstance(training, InstructSpec | RefineSpec)
        found = without_places(lineage(runs, run_id))
        _describe(found, training, parity, _example(runs, training), staging)
        follow_umask(staging)
        sync_tree(staging)
        staging.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror or error}; nothing was exported") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Merged(folder, merge.adapter, parity)


def merged_from(runs: RunsFolder, run_id: str) -> tuple[str, MergeSpec]:
    """Return the run whose student a merge run merges, and its phase; ``UserError`` for another
    run, or when that run is gone."""
    file = read_run(runs, run_id)
    merge = file.spec.phases[0]
    if not isinstance(merge, MergeSpec):
        raise UserError(f"{run_id}: merges nothing")
    found = [r.run_id for r in registry(runs).rows() if merge.adapter in r.phase_ids]
    if not found:
        raise UserError(f"{run_id}: no run has {merge.adapter}, whose student it merges, any more")
    return next((run_id for run_id in found if run_id in file.tags), found[0]), merge


def exported_before(folder: Path, run_id: str) -> bool:
    """Whether :func:`export_merged` made this folder for this run."""
    try:
        return bool(read_object(folder / LINEAGE).get("run_id") == run_id)
    except (OSError, UserError):
        return False


def _training(runs: RunsFolder, run_id: str, wanted: str | None) -> Training:
    """Return the finished training phase whose adapter is to be merged."""
    phases = read_run(runs, run_id).spec.phases
    found = [p for p in phases if isinstance(p, InstructSpec | RefineSpec)]
    if not found:
        raise UserError(f"{run_id}: trains nothing; its model is the card's own")
    chosen = [p for p in found if wanted in p.id] if wanted else found
    if not chosen:
        raise UserError(f"{run_id}: no training {wanted!r}: {nearest(wanted or '', _ids(found))}")
    if not runs.phase(chosen[-1].id).done:
        done = [p.id for p in found if runs.phase(p.id).done]
        other = f"; --phase {done[-1]} takes the last one that is" if done else ""
        raise UserError(f"{run_id}: {chosen[-1].id} is not done{other}")
    return chosen[-1]


def _ids(phases: Sequence[Training]) -> list[str]:
    return [phase.id for phase in phases]


def _check_adapter(phase: PhaseDir) -> None:
    """Check that the adapter is there; a bundle may have left it out."""
    adapter = verified(phase, ADAPTER)
    if not adapter.is_dir():
        raise UserError(f"{adapter}: not there; the run was copied without it")


def located(card: ModelCard, base: Path | None = None) -> ModelCard:
    """Return the card with its weights' place on this machine; ``UserError`` unless they are the
    weights that were trained on."""
    source = card.weights
    if source.path is None:
        if base is not None:
            raise UserError(f"{card.name}: comes from the hub ({source.hub}); leave out --base")
        return card
    folder = base or Path(source.path)
    if base is None and not folder.is_dir():
        folder = _shipped(card.name, source.revision) or folder
    if not folder.is_dir():
        raise UserError(
            f"{folder}: the base model {card.name} is not there; say with --base DIR where it is"
        )
    revision = source.revision or ""
    if _CONTENT_HASH.fullmatch(revision) and hash_weights(folder) != revision:
        raise UserError(
            f"{folder}: other weights than {card.name} was trained from ({revision}); say with"
            " --base DIR where those are"
        )
    return card.model_copy(update={"source": source.model_copy(update={"path": str(folder)})})


def _shipped(name: str, revision: str | None) -> Path | None:
    """Return the folder of a shipped model with this name and content."""
    file = card_file(name)
    if not file.exists():
        return None
    source = resolve_card(load_card(name), file.parent).source.weights
    return Path(source.path) if source and source.path and source.revision == revision else None


def _data_of(training: Training) -> tuple[str, str]:
    """Return the phase whose output a training has learnt from, and that file's name."""
    if isinstance(training, RefineSpec):
        return training.pairs, PAIRS
    return training.demonstrations, DEMONSTRATIONS


def _example(runs: RunsFolder, training: Training) -> str:
    """Return a prompt for the model card, from the training data so that no test question leaks."""
    phase_id, name = _data_of(training)
    folder = runs.phase(phase_id)
    if not (folder.done and (folder.out / name).exists()):
        return "…"
    with verified(folder, name).open("rb") as lines:
        return str(json.loads(next(lines))["prompt"])


def _staging(folder: Path, model: Path) -> Path:
    """Make an empty folder beside the target, on a disk with room for the weights."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        needed = sum(file.stat().st_size for file in model.iterdir())
        if free < needed:
            raise UserError(
                f"{folder.parent}: {free >> 20:,} MiB free, about {needed >> 20:,} MiB needed"
            )
        return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise UserError(f"{folder.parent}: can't be written ({error.strerror})") from error


def _describe(found: Lineage, spec: Training, parity: Parity, example: str, folder: Path) -> None:
    """Write ``README.md`` for people and the hub, and ``lineage.json`` for programs."""
    told: dict[str, Any] = plain(found) | {"adapter": spec.id, "parity": parity}
    (folder / LINEAGE).write_text(json.dumps(told, indent=1, ensure_ascii=False, default=plain))
    card = model_card(found, spec, parity, example)
    (folder / "README.md").write_text(card, encoding="utf-8")
