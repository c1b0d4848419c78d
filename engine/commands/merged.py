"""A run's student as a standard model folder: merged, compared, described, then renamed there."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.modelcard import model_card, trained_on, without_places
from engine.planning.presets import (
    card_file,
    hash_weights,
    load_card,
    resolve_card,
)
from engine.queries.line_index import Lines
from engine.queries.lineage import lineage
from engine.scheduling.queue import read_run
from engine.schema.errors import UserError, nearest
from engine.schema.jsonfile import plain, read_object
from engine.schema.specs import EvaluateSpec, InstructSpec, RefineSpec
from engine.store.layout import (
    ADAPTER,
    DEMONSTRATIONS,
    PAIRS,
    PREDICTIONS,
)
from engine.store.sealing import verified
from engine.store.writing import follow_umask, sync_folder, sync_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.lineage import Lineage
    from engine.schema.cards import ModelCard
    from engine.store.layout import PhaseDir, RunsFolder
    from engine.training.merging import Parity

LINEAGE = "lineage.json"
PROBES = 16
_CONTENT_HASH = re.compile(r"[0-9a-f]{16}")
Training = InstructSpec | RefineSpec


@dataclass(frozen=True, slots=True)
class Merged:
    """A published folder: which phase's adapter it holds, and how close it is to the student."""

    folder: Path
    phase: str
    parity: Parity


def export_merged(
    runs: RunsFolder,
    run_id: str,
    folder: Path,
    *,
    phase: str | None = None,
    dtype: str | None = None,
    base: Path | None = None,
    most_kl: float | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> Merged:
    """Write the run's student into ``folder``, which is not there yet.

    ``phase``: id or kind of the training whose adapter is taken; the run's last otherwise.
    ``base``: where the base model's folder is now, when it was trained elsewhere. ``UserError``,
    and nothing left behind, when the merged model is further than ``most_kl`` (mean nats a token;
    what rounding explains when it is None) from the student.
    """
    if folder.exists():
        raise UserError(f"{folder}: is there already; give another folder or move it away")
    spec = _training(runs, run_id, phase)
    adapter = _adapter(runs.phase(spec.id))
    card = located(spec.student, base)
    prompts = _prompts(runs, run_id, spec)
    from engine.training.merging import merge

    staging = _staging(folder, card, dtype)
    try:
        parity = merge(card, adapter, staging, prompts, dtype, tell)
        allowed = parity.allowed if most_kl is None else most_kl
        if not parity.mean_kl <= allowed:
            raise UserError(
                f"the merged model is not the trained student: mean KL {parity.mean_kl:.2g} nats a"
                f" token, {allowed:.2g} allowed; greedy tokens agree in {parity.greedy:.1%};"
                " try --dtype fp32, or accept it with --max-kl"
            )
        found = lineage(runs, run_id)
        _warn_of_another_device(found, spec, parity, tell)
        _describe(without_places(found), spec, parity, _example(runs, spec), staging)
        follow_umask(staging)
        sync_tree(staging)
        staging.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror or error}; nothing was exported") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Merged(folder, spec.id, parity)


def exported_before(folder: Path, run_id: str) -> bool:
    """Whether a folder is this run's, as :func:`export_merged` left it."""
    try:
        return bool(read_object(folder / LINEAGE).get("run_id") == run_id)
    except (OSError, UserError):
        return False


def _training(runs: RunsFolder, run_id: str, wanted: str | None) -> Training:
    """The phase whose adapter is meant; it must be done."""
    phases = read_run(runs, run_id).spec.phases
    found = [p for p in phases if isinstance(p, InstructSpec | RefineSpec)]
    if not found:
        raise UserError(f"{run_id}: trains nothing; its model is the card's own")
    chosen = [p for p in found if p.id.startswith(wanted)] if wanted else found
    if not chosen:
        raise UserError(f"{run_id}: no training {wanted!r}: {nearest(wanted or '', _ids(found))}")
    if not runs.phase(chosen[-1].id).done:
        done = [p.id for p in found if runs.phase(p.id).done]
        other = f"; --phase {done[-1]} takes the last one that is" if done else ""
        raise UserError(f"{run_id}: {chosen[-1].id} is not done{other}")
    return chosen[-1]


def _ids(phases: Sequence[Training]) -> list[str]:
    return [phase.id for phase in phases]


def _adapter(phase: PhaseDir) -> Path:
    """The published adapter, whole; it may have been left out of a bundle."""
    adapter = verified(phase, ADAPTER)
    if not adapter.is_dir():
        raise UserError(f"{adapter}: not there; the run was copied without it")
    return adapter


def located(card: ModelCard, base: Path | None = None) -> ModelCard:
    """The card with its weights where they are on this machine; ``UserError`` unless they are
    those that were trained on."""
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
    """The folder of a shipped model of that name and content."""
    file = card_file(name)
    if not file.exists():
        return None
    source = resolve_card(load_card(name), file.parent).source.weights
    return Path(source.path) if source and source.path and source.revision == revision else None


# --- prompts to compare on ---


def _prompts(runs: RunsFolder, run_id: str, spec: Training) -> list[str]:
    """Prompts that the student has really been asked: test questions, else its training data."""
    for files in _files_of_prompts(runs, run_id, spec):
        lines = [line for file in files for line in _spread(file, -(-PROBES // len(files)))]
        found = [_prompt(line) for line in lines]
        if found:
            return list(dict.fromkeys(found))[:PROBES]
    raise UserError(f"{run_id}: no prompts to compare on; its data are not there")


def _files_of_prompts(runs: RunsFolder, run_id: str, spec: Training) -> Iterator[list[Path]]:
    tested = [
        (runs.phase(p.id), PREDICTIONS)
        for p in read_run(runs, run_id).spec.phases
        if isinstance(p, EvaluateSpec) and p.adapter == spec.id
    ]
    for outputs in (tested, [_training_data(runs, spec)]):
        there = [verified(f, name) for f, name in outputs if f.done and (f.out / name).exists()]
        if there:
            yield there


def _training_data(runs: RunsFolder, spec: Training) -> tuple[PhaseDir, str]:
    if isinstance(spec, RefineSpec):
        return runs.phase(spec.pairs), PAIRS
    return runs.phase(spec.demonstrations), DEMONSTRATIONS


def _example(runs: RunsFolder, spec: Training) -> str:
    """A prompt for the card: of the training data, so that no test question gets about."""
    folder, name = _training_data(runs, spec)
    there = folder.done and (folder.out / name).exists()
    lines = _spread(verified(folder, name), 1) if there else []
    return _prompt(lines[0]) if lines else "…"


def _prompt(line: bytes) -> str:
    """Of a line of a checked file."""
    return str(json.loads(line)["prompt"])


def _spread(file: Path, count: int) -> list[bytes]:
    """So many lines of a file, evenly over it."""
    lines = Lines(file)
    total = lines.all()
    count = min(count, total)
    return lines.read([n * total // count for n in range(count)])


# --- staging ---


def _staging(folder: Path, card: ModelCard, dtype: str | None) -> Path:
    """An empty folder beside the target's place, on a disk with room for the weights."""
    from engine.training.merging import written_bytes

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free, needed = shutil.disk_usage(folder.parent).free, written_bytes(card, dtype)
        if free < needed:
            raise UserError(
                f"{folder.parent}: {free >> 20:,} MiB free, about {needed >> 20:,} MiB needed"
            )
        return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise UserError(f"{folder.parent}: can't be written ({error.strerror})") from error


def _warn_of_another_device(
    found: Lineage, spec: Training, parity: Parity, tell: Callable[[str], None]
) -> None:
    trained = trained_on(found, spec.id)
    if spec.student.weights.precision == "nf4" and trained not in {"", parity.device}:
        tell(
            f"trained on {trained}, merged on {parity.device}: a base whose weights are kept in"
            " fp16 may be quantised otherwise here; merge on the same kind of device to be sure"
        )


def _describe(found: Lineage, spec: Training, parity: Parity, example: str, folder: Path) -> None:
    """``README.md`` for people and the hub, ``lineage.json`` for programs."""
    told: dict[str, Any] = plain(found) | {"adapter": spec.id, "parity": parity}
    (folder / LINEAGE).write_text(json.dumps(told, indent=1, ensure_ascii=False, default=plain))
    card = model_card(found, spec, parity, example)
    (folder / "README.md").write_text(card, encoding="utf-8")
