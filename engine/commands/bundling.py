"""Pack runs into one file for somebody else: specifications, logs, outputs, manifests.

The archive has the layout of a runs folder, with ``bundle.json`` in front: every file's size and
sha256, and what was left out. Process ids, checkpoints and replies stay at home.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.machine.state import phase_state
from engine.planning import notify_files
from engine.planning.graph import key_variables
from engine.queries.lineage import with_ancestors
from engine.schema.errors import UserError, explain
from engine.store.layout import WEIGHTS, hash_file
from engine.store.provenance import provenance
from engine.store.run import read_record, read_run
from engine.store.sealing import sealed_files, verified
from engine.store.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder

FORMAT = 2
LISTING = "bundle.json"
SUFFIX = ".sirt.tar.gz"
COMPRESSIONS = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".zst": "zst", ".tar": ""}
BY_HAND = frozenset({"run.json", "phase.json", "marks.json"})
OF_ATTEMPT = ("events.jsonl", "stderr.log")
KEY_NAMES = ("HF_TOKEN", "OPENAI_API_KEY", "WANDB_API_KEY")  # besides those that cards name
KEY_SHAPE = re.compile(
    rb"\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{20,}|://[^/\s\"@]+:[^/\s\"@]+@"
    rb"|://hooks\.slack\.com/\w+/\w|://discord(app)?\.com/api/webhooks/\w|\.webhook\.office\.com/\w"
)
SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of ``bundle.json``. ``files``: path in the archive -> bytes, sha256;
    ``left_out``: paths that the manifests list and the archive lacks."""

    format: int
    packed: str
    made_with: dict[str, Any]
    runs: tuple[str, ...]
    files: dict[str, dict[str, Any]]
    left_out: tuple[str, ...]


def bundle(
    runs: RunsFolder,
    run_ids: Sequence[str],
    file: Path,
    without_weights: bool = False,
    tell: Callable[[str], None] = lambda _line: None,
) -> Listing:
    """Pack runs with all their phases. ``UserError`` if the file exists, a run is at work, or a key
    would be given away."""
    mode = _mode(file)
    if file.exists():
        raise UserError(f"{file}: is there already; give another name or move it away")
    specs = _phases(runs, run_ids)
    _check_at_rest(runs, specs)
    paths, left_out = _collect(runs, run_ids, specs, without_weights)
    _check_no_keys(
        runs, paths, key_variables(specs.values()) | notify_files.variables(runs, run_ids)
    )
    tell(f"hashing {len(paths)} files")
    _check_sealed(runs, specs, left_out)
    files: dict[str, dict[str, Any]] = {
        str(path): {
            "bytes": (runs.root / path).stat().st_size,
            "sha256": hash_file(runs.root / path),
        }
        for path in paths
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    left = tuple(str(path) for path in left_out)
    listing = Listing(FORMAT, now, provenance(), tuple(run_ids), files, left)
    tell(f"packing {sum(facts['bytes'] for facts in files.values()):,} bytes")
    _write(runs, listing, file, mode)
    return listing


def _mode(file: Path) -> str:
    """Return tarfile's mode for a file's name."""
    kind = COMPRESSIONS.get(file.suffix)
    if kind is None or (kind == "zst" and "zst" not in tarfile.TarFile.OPEN_METH):
        raise UserError(f"{file}: can't be packed by that name; end it in .tar.gz, .tar.xz or .tar")
    return f"w:{kind}"


def _phases(runs: RunsFolder, run_ids: Iterable[str]) -> dict[str, PhaseSpec]:
    """Return the runs' phases and their ancestors, each once."""
    found = (
        spec for run_id in run_ids for spec in with_ancestors(runs, read_run(runs, run_id).spec)
    )
    return {spec.id: spec for spec in found}


def _check_at_rest(runs: RunsFolder, phase_ids: Iterable[str]) -> None:
    for phase_id in phase_ids:
        state = phase_state(runs.phase(phase_id)).state
        if state == "running":
            raise UserError(f"{phase_id} is running; wait for it, or stop its run, and pack then")
        if state == "unreachable":
            raise UserError(
                f"{phase_id}: its machine does not answer, so it may be running; pack it there"
            )


def _collect(
    runs: RunsFolder, run_ids: Iterable[str], phase_ids: Iterable[str], without_weights: bool
) -> tuple[list[Path], list[Path]]:
    """Return paths below the runs folder: those to pack, and the weights left out."""
    packed = [runs.run_file(run_id) for run_id in run_ids]
    names = {read_record(runs, run_id).experiment_file for run_id in run_ids} - {""}
    packed += [file for file in map(runs.experiment, sorted(names)) if file.is_file()]
    left_out: list[Path] = []
    for phase_id in phase_ids:
        for file in _files(runs.phase(phase_id)):
            weights = file.parent.name in WEIGHTS
            (left_out if weights and without_weights else packed).append(file)
    return [p.relative_to(runs.root) for p in packed], [p.relative_to(runs.root) for p in left_out]


def _files(phase: PhaseDir) -> Iterator[Path]:
    """Yield the files of a phase to pack; an unfinished phase has no outputs yet."""
    for file in (
        phase.spec_file,
        phase.manifest_file,
        phase.seals_file,
        phase.rescored,
        phase.marks,
    ):
        if file.exists():
            yield file
    if phase.done:
        yield from (phase.path / name for name in sealed_files(phase))
    for attempt in phase.attempts():
        yield from (attempt.path / n for n in OF_ATTEMPT if (attempt.path / n).exists())


def _check_sealed(runs: RunsFolder, phase_ids: Iterable[str], left_out: Iterable[Path]) -> None:
    """Check that every output is the one that its phase published."""
    ours = {runs.root / path for path in left_out}
    for phase in map(runs.phase, phase_ids):
        phase.spec()
        for file in sealed_files(phase) if phase.done else ():
            if phase.path / file not in ours:
                verified(phase, file.removeprefix("out/"))


def _check_no_keys(runs: RunsFolder, paths: Iterable[Path], variables: Iterable[str]) -> None:
    """Check that no file holds a key or a webhook's address. Those that the ``variables`` hold are
    looked for everywhere; what merely looks like one is ignored in model text."""
    keys = _keys(variables)
    for path in paths:
        if path.parent.name in WEIGHTS:
            continue
        written_here = path.suffix in {".log", ".yaml"} or path.name in BY_HAND
        with (runs.root / path).open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                name = next((name for name, value in keys.items() if value in line), None)
                if name is None and written_here and KEY_SHAPE.search(line):
                    name = "something like a key or a password"
                if name is not None:
                    raise UserError(
                        f"{runs.root / path}:{number}: holds {name}; nothing was packed; take it"
                        " out of that file, and make the key invalid"
                    )


def _keys(variables: Iterable[str]) -> dict[str, bytes]:
    values = {name: os.environ.get(name, "") for name in (*KEY_NAMES, *sorted(variables))}
    return {f"${n}": v.encode() for n, v in values.items() if len(v) >= SHORTEST_KEY}


def _write(runs: RunsFolder, listing: Listing, file: Path, mode: str) -> None:
    """Write the archive under another name and rename it, so that no half-written file is used."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as raw, tarfile.open(fileobj=raw, mode=mode) as archive:  # type: ignore[call-overload]
            _add(archive, LISTING, json.dumps(asdict(listing), indent=1).encode())
            for path in listing.files:
                archive.add(runs.root / path, path, recursive=False, filter=_anonymous)
    except OSError as error:
        raise UserError(f"{explain(error)}; nothing was packed") from error


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove the names and rights of whoever packed it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member
