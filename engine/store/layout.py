"""The names of all files and folders below ``runs/``. Nothing else spells them, but for what is in
``conductor/`` (:mod:`engine.store.conductor_dir`) and in a judgement of version 0.1
(:mod:`engine.store.judgement_dir`).

A phase's outputs are published by renaming a whole folder, then the manifest is renamed into
place, then the final event is written. A phase with a manifest is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError, advice
from engine.schema.jsonfile import read_sealed, with_seal
from engine.store.writing import follow_umask, sync_folder, sync_tree, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.schema.specs import PhaseSpec

DEMONSTRATIONS = "demonstrations.jsonl"
ANSWERS = "answers.jsonl"
PAIRS = "pairs.jsonl"
PREDICTIONS = "predictions.jsonl"
SCORE = "score.json"
PAIR_SCORES = "pair_scores.jsonl"
ADAPTER = "adapter"
VERDICTS = "verdicts.jsonl"
MERGED = "model"
WEIGHTS = {ADAPTER, MERGED}  # folders that a bundle may leave out
REPLIES = "replies.jsonl"
CHECKPOINTS = "checkpoints"
TRACKERS = "trackers"
MANIFEST = "manifest.json"
LOOKS = "looks.jsonl"

_ATTEMPT = re.compile(r"attempt-(\d{3,})$")
_PHASE = re.compile(r"[a-z_]+-[0-9a-f]{16}$")


@dataclass(frozen=True, slots=True)
class AttemptDir:
    """``attempt-001/``: one try of a phase."""

    path: Path

    @property
    def number(self) -> int:
        match = _ATTEMPT.search(self.path.name)
        return int(match.group(1)) if match else 0

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def alive(self) -> Path:
        return self.path / "alive"

    @property
    def process(self) -> Path:
        """JSON: which launcher runs the attempt, its host and handle."""
        return self.path / "process.json"

    @property
    def exit_code(self) -> Path:
        """The exit status; absent if the launcher could not see it."""
        return self.path / "exit"

    @property
    def stop(self) -> Path:
        """A file that asks the phase to stop at the next safe point."""
        return self.path / "stop"

    @property
    def goes_on(self) -> Path:
        """A file that asks the phase to save its work: it goes on in a next allocation."""
        return self.path / "yield"

    @property
    def death(self) -> Path:
        """Which of several processes died, and how."""
        return self.path / "death"

    def of_rank(self, rank: int) -> AttemptDir:
        """The folder of one of several processes; the first one's is the attempt's own."""
        return AttemptDir(self.path / f"rank-{rank}") if rank else self

    @property
    def error(self) -> Path:
        """Why a process other than the first one ended, in a line."""
        return self.path / "error"

    @property
    def script(self) -> Path:
        """The script of a cluster's job."""
        return self.path / "job.sh"

    @property
    def job(self) -> Path:
        """The id of the cluster's job that has begun this attempt."""
        return self.path / "job"

    @property
    def submitting(self) -> Path:
        """The lock held while the script is handed over."""
        return self.path / ".submitting"

    @property
    def queue_log(self) -> Path:
        """What a cluster wrote about the job itself."""
        return self.path / "job.log"

    @property
    def queued(self) -> Path:
        """What the conductor saw of the attempt in a cluster's queue: an event a change."""
        return self.path / "queued.jsonl"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.log"


@dataclass(frozen=True, slots=True)
class PhaseDir:
    """``phases/<kind>-<fingerprint>/``."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec_file(self) -> Path:
        return self.path / "phase.json"

    @property
    def work(self) -> Path:
        """Replies, batches and checkpoints, for the next attempt to resume from."""
        return self.path / "work"

    @property
    def out(self) -> Path:
        return self.path / "out"

    @property
    def manifest_file(self) -> Path:
        return self.path / MANIFEST

    @property
    def seals_file(self) -> Path:
        """Later hashes of outputs; see :mod:`engine.store.sealing`."""
        return self.path / "seals.json"

    @property
    def taken_file(self) -> Path:
        """Whose the outputs are, if they were taken from another runs folder; see
        :mod:`engine.store.taken`."""
        return self.path / "taken.json"

    @property
    def lock(self) -> Path:
        """The lock held by the attempt that works in this folder."""
        return self.path / ".lock"

    @property
    def score(self) -> Path:
        return self.out / SCORE

    @property
    def rescored(self) -> Path:
        """A later scoring of the same predictions; the published one stays as it is."""
        return self.path / "rescored.json"

    @property
    def marks(self) -> Path:
        """A person's flags, exclusions and notes on items. No phase reads it."""
        return self.path / "marks.json"

    @property
    def done(self) -> bool:
        return self.manifest_file.is_file()

    def create(self, spec: PhaseSpec) -> None:
        """Make the folder and its ``phase.json``, the only copy of the specification. Until the
        phase is done, settings outside the fingerprint (a price, a cap, a batch size) may change
        from launch to launch; the newest apply."""
        from engine.store.specification import has_own_spec

        self.path.mkdir(parents=True, exist_ok=True)
        for file in (self.spec_file, self.manifest_file):
            if file.is_dir():  # for an unknown reason; kept beside what will be written
                file.rename(file.with_suffix(".damaged"))
        if not self.done or not has_own_spec(self):
            write_json(self.spec_file, with_seal(spec.model_dump(mode="json")))

    def spec(self) -> PhaseSpec:
        """``UserError`` when the file is damaged, ``FileNotFoundError`` when there is none."""
        from engine.store.specification import read_specification  # a list does without pydantic

        return read_specification(self.spec_file)

    def attempts(self) -> list[AttemptDir]:
        """All attempts, oldest first."""
        if not self.path.is_dir():
            return []
        found = [AttemptDir(p) for p in self.path.iterdir() if _ATTEMPT.search(p.name)]
        return sorted(found, key=lambda a: a.number)

    def last_attempt(self) -> AttemptDir | None:
        attempts = self.attempts()
        return attempts[-1] if attempts else None

    def new_attempt(self) -> AttemptDir:
        """The next attempt's folder; two starters can't get the same one."""
        attempt = self.next_attempt()
        attempt.path.mkdir()
        return attempt

    def next_attempt(self) -> AttemptDir:
        """The next attempt's folder, not yet made."""
        last = self.last_attempt()
        return AttemptDir(self.path / f"attempt-{(last.number if last else 0) + 1:03d}")

    def publish(
        self, staged: Path, figures: dict[str, Any], accepted: dict[str, list[str]] | None = None
    ) -> None:
        """Rename ``staged`` to ``out/``, then write the manifest with sizes and hashes.
        ``accepted``: input phase -> its changed outputs that a person accepted."""
        if self.out.exists():  # an earlier attempt died between the two renames
            shutil.rmtree(self.out)
        follow_umask(staged)
        sync_tree(staged)
        staged.rename(self.out)
        sync_folder(self.path)
        files = {
            str(p.relative_to(self.path)): {"bytes": p.stat().st_size, "sha256": hash_file(p)}
            for p in sorted(self.out.rglob("*"))
            if p.is_file()
        }
        manifest = {"finished": datetime.now(UTC).isoformat(), "files": files, "figures": figures}
        write_json(self.manifest_file, with_seal(manifest | {"accepted": accepted or {}}))

    def manifest(self) -> dict[str, Any]:
        """``files`` with size and hash, ``figures``, ``accepted``; ``UserError`` when damaged."""
        path, todo = self.manifest_file, f"make the phase again with: sirt retry {self.id}"
        try:
            value = {"files": {}, "accepted": {}} | read_sealed(path, todo)
        except FileNotFoundError:
            raise UserError(f"{path}: not there; {todo}") from None
        if not all(isinstance(value.get(name), dict) for name in ("files", "figures", "accepted")):
            raise UserError(f"{path}: not a manifest; {todo}")
        return value


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class RunsFolder:
    """``runs/``: all runs and phases of one workspace."""

    root: Path

    @property
    def registry(self) -> Path:
        """The folder with the index."""
        return self.root / "registry"

    @property
    def old_registry(self) -> Path:
        """The index file of versions before 0.2."""
        return self.root / "registry.json"

    @property
    def lock(self) -> Path:
        """The lock for changes of registry, queue or a ``run.json``."""
        return self.root / ".lock"

    @property
    def queue(self) -> Path:
        return self.root / "queue.json"

    @property
    def conductor(self) -> Path:
        """The conductor's folder; see :mod:`engine.store.conductor_dir`."""
        return self.root / "conductor"

    @property
    def judgements(self) -> Path:
        """Judgements made by version 0.1, a folder each; see :mod:`engine.store.judgement_dir`."""
        return self.root / "judgements"

    @property
    def drafts(self) -> Path:
        """Experiments being composed and not saved yet."""
        return self.root / "drafts"

    @property
    def trash(self) -> Path:
        """What was deleted and can be restored."""
        return self.root / "trash"

    def experiment(self, name: str) -> Path:
        """The file of an experiment that was launched."""
        return self.root / "experiments" / name

    @property
    def programs(self) -> Path:
        """Copies of the program as it was handed over with jobs, each by its hash."""
        return self.root / "programs"

    def program(self, name: str) -> Path:
        """The copy with this hash."""
        return self.programs / name

    @property
    def phases(self) -> Path:
        return self.root / "phases"

    def create(self) -> None:
        """Make the folder; a clear error when that can't be."""
        try:
            self.phases.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            error.filename = str(self.root)
            todo = advice(error) or "; give another folder with --runs DIR"
            raise UserError(f"{self.root}: can't write here ({error.strerror}){todo}") from error

    def phase(self, phase_id: str) -> PhaseDir:
        return PhaseDir(self.phases / phase_id)

    def is_phase(self, word: str) -> bool:
        """Whether a word is the id of a phase in this folder."""
        return bool(_PHASE.fullmatch(word)) and (self.phases / word).is_dir()

    def run_folder(self, run_id: str) -> Path:
        return self.root / run_id

    def run_file(self, run_id: str) -> Path:
        return self.root / run_id / "run.json"

    def notify_file(self, run_id: str) -> Path:
        """Who is told of the run, where its experiment says so."""
        return self.root / run_id / "notify.json"

    def notices_file(self, run_id: str) -> Path:
        """What was told of the run; see :mod:`engine.store.notices`."""
        return self.root / run_id / "notices.jsonl"

    def stop_file(self, run_id: str) -> Path:
        """There from when somebody stops the run until it is queued again."""
        return self.root / run_id / "stop"

    def has_run_file(self, run_id: str) -> bool:
        """Whether a run exists; asks without ``Path``, which interns every name."""
        return os.path.exists(f"{self.root}/{run_id}/run.json")  # noqa: PTH110

    def run_ids(self) -> list[str]:
        """All runs, by name."""
        return sorted(filter(self.has_run_file, self.folder_names()))

    def folder_names(self) -> list[str]:
        """Names of folders that are runs if they hold a run file."""
        if not self.root.is_dir():
            return []
        with os.scandir(self.root) as entries:
            return [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]

    def phase_dirs(self) -> Iterator[PhaseDir]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self.phases) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if _PHASE.search(entry.name):
                    yield PhaseDir(Path(entry.path))
