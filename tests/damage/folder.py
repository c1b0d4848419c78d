"""A small runs folder with a file of every kind, and the ways in which files rot."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.rescoring import rescore
from engine.judging.prompt import VERSION
from engine.planning.presets import card_file as file_of_card
from engine.planning.presets import load_card, resolve_card
from engine.queries.runs import list_runs
from engine.scheduling.queue import Entry, Queue
from engine.schema import events as ev
from engine.schema.follow_ups import JudgeSpec
from engine.schema.jsonfile import with_seal
from engine.schema.records import JudgedAnswers, Pair, PairScore
from engine.schema.specs import EvaluateSpec
from engine.store import item_notes
from engine.store.jsonlines import read_records, write_records
from engine.store.judgement_dir import JudgementDir
from engine.store.layout import (
    ADAPTER,
    ANSWERS,
    PAIR_SCORES,
    PAIRS,
    VERDICTS,
    RunsFolder,
    hash_file,
)
from engine.store.run import read_run, write_run
from engine.store.sealing import accept
from engine.store.writing import write_json
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.store.layout import PhaseDir


@dataclass(frozen=True)
class Sample:
    """A finished folder: ``both`` and ``other`` are runs that can be compared."""

    runs: RunsFolder
    both: str
    other: str

    def copied(self, folder: Path) -> Sample:
        """Files are links to the same content: ways to rot replace, and so does the program."""
        shutil.copytree(self.runs.root, folder, copy_function=os.link)
        return Sample(RunsFolder(folder), self.both, self.other)

    def phase(self, kind: str) -> PhaseDir:
        """The last of its kind in the run ``both``."""
        specs = read_run(self.runs, self.both).spec.phases
        return self.runs.phase([p.id for p in specs if p.kind == kind][-1])


def make(folder: Path) -> Sample:
    """Two recorded runs that are done, with weights, marks, a judgement, a queue and a draft; one
    output was changed and accepted, one evaluation scored again."""
    runs = copy_recorded(folder)
    sample = Sample(runs, run_of(runs, "both", "wren-3m"), run_of(runs, "instruct-only", "wren-3m"))
    _keep_only(runs, {sample.both, sample.other})
    _add_weights(sample.phase("instruct"))
    _add_weights(sample.phase("refine"))
    elicit = sample.phase("elicit")
    _add_pair_scores(elicit, sample.phase("refine"))
    said = elicit.out / ANSWERS
    said.write_bytes(said.read_bytes().replace(b'"question":"', b'"question":" ', 1))
    accept(elicit)
    for run_id in runs.run_ids():  # the recording is older than the seals of these files
        write_run(runs, read_run(runs, run_id))
    for phase in runs.phase_dirs():
        write_json(phase.spec_file, with_seal(phase.spec().model_dump(mode="json")))
        for attempt in phase.attempts():
            events = map(ev.decode, attempt.events.read_bytes().splitlines(keepends=True))
            attempt.events.write_bytes(b"".join(ev.encode(event) for event in events if event))
        if phase.done:
            write_json(phase.manifest_file, with_seal(phase.manifest()))
    list_runs(runs)
    rescore(runs, sample.both, write=True)
    for phase in runs.phase_dirs():  # one with and one without
        if phase.rescored.exists() and phase.id != sample.phase("evaluate").id:
            phase.rescored.unlink()
    item_notes.mark(runs, elicit.id, ["compass-1"], flagged=True, note="look again")
    write_json(runs.queue, Queue(entries=(Entry(run_id=sample.both, hold=True),)).model_dump())
    _judge(sample)
    runs.drafts.mkdir()
    (runs.drafts / "mine.yaml").write_text("name: mine\nteachers: [wren-3m]\n")
    runs.conductor.mkdir()
    write_json(runs.conductor / "process.json", {"pid": 1, "host": "elsewhere", "started": 0.0})
    shutil.rmtree(runs.registry)
    list_runs(runs)
    return sample


def _keep_only(runs: RunsFolder, run_ids: set[str]) -> None:
    kept = {phase.id for run_id in run_ids for phase in read_run(runs, run_id).spec.phases}
    for run_id in set(runs.run_ids()) - run_ids:
        shutil.rmtree(runs.run_folder(run_id))
    for phase in list(runs.phase_dirs()):
        if phase.id not in kept:
            shutil.rmtree(phase.path)


def _add_weights(phase: PhaseDir) -> None:
    """Which the recording leaves out."""
    file = phase.out / ADAPTER / "adapter_model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights, as it were")
    _publish(phase, file)


def _add_pair_scores(elicit: PhaseDir, refine: PhaseDir) -> None:
    """Which the recording is too old for."""
    figures = dict(reference_chosen=-9.5, reference_rejected=-8.25, policy_chosen=-7.5)
    write_records(
        refine.out / PAIR_SCORES,
        (
            PairScore(id=pair.id, held_out=False, policy_rejected=-9.75, **figures)
            for pair in read_records(elicit.out / PAIRS, Pair)
        ),
    )
    _publish(refine, refine.out / PAIR_SCORES)


def _publish(phase: PhaseDir, file: Path) -> None:
    manifest = phase.manifest()
    facts = {"bytes": file.stat().st_size, "sha256": hash_file(file)}
    manifest["files"][str(file.relative_to(phase.path))] = facts
    write_json(phase.manifest_file, with_seal(manifest))


def _judge(sample: Sample) -> None:
    """Two judgements without asking a model: as the phase publishes one, and as version 0.1 did."""
    keys: dict[tuple[str, str], list[EvaluateSpec]] = {}
    for run_id in (sample.other, sample.both):
        for spec in read_run(sample.runs, run_id).spec.phases:
            if isinstance(spec, EvaluateSpec) and spec.method == "match":
                keys.setdefault((spec.task.name, spec.prompt), []).append(spec)
    pair = next(specs for specs in keys.values() if len({spec.id for spec in specs}) == 2)
    verdicts = [
        JudgedAnswers(
            id=f"q{n}", first_correct=n % 2 == 0, second_correct=True, same=False,
            straight="first", swapped="second" if n % 3 else "first", said=("A", "B"),
        )
        for n in range(9)
    ]  # fmt: skip
    now, before = (_judge_spec(pair, judge) for judge in ("otter-3m", "wren-3m"))
    phase = sample.runs.phase(now.id)
    phase.create(now)
    staging = phase.work / "staging"
    staging.mkdir(parents=True)
    write_records(staging / VERDICTS, verdicts)
    phase.publish(staging, {})
    folder = JudgementDir(sample.runs.judgements / before.generation_key)
    folder.path.mkdir(parents=True)
    told = before.model_dump(mode="json", include={"phases", "judge", "prompt_version", "seed"})
    folder.spec_file.write_text(json.dumps(told))
    write_records(folder.verdicts, verdicts)
    write_json(folder.seal, with_seal({"sha256": hash_file(folder.verdicts)}))


def _judge_spec(pair: list[EvaluateSpec], judge: str) -> JudgeSpec:
    first, second = sorted(spec.id for spec in pair)
    return JudgeSpec(
        phases=(first, second),
        names=("one", "other"),
        judge=resolve_card(load_card(judge), file_of_card(judge).parent),
        task=pair[0].task,
        prompt=pair[0].prompt,
        prompt_version=VERSION,
    )


def _judged(sample: Sample) -> PhaseDir:
    return next(phase for phase in sample.runs.phase_dirs() if phase.id.startswith("judge-"))


# --- what rots, and how ---

KINDS: dict[str, Callable[[Sample], Path]] = {
    "run.json": lambda s: s.runs.run_file(s.both),
    "registry": lambda s: _index_file(s),  # noqa: PLW0108  it is below
    "queue.json": lambda s: s.runs.queue,
    "draft": lambda s: s.runs.drafts / "mine.yaml",
    "conductor": lambda s: s.runs.conductor / "process.json",
    "phase.json": lambda s: s.phase("elicit").spec_file,
    "phase.json, evaluate": lambda s: s.phase("evaluate").spec_file,
    "manifest, annotate": lambda s: s.phase("annotate").manifest_file,
    "manifest, elicit": lambda s: s.phase("elicit").manifest_file,
    "manifest, evaluate": lambda s: s.phase("evaluate").manifest_file,
    "process.json": lambda s: _attempt(s, "elicit") / "process.json",
    "events, instruct": lambda s: _attempt(s, "instruct") / "events.jsonl",
    "events, evaluate": lambda s: _attempt(s, "evaluate") / "events.jsonl",
    "alive": lambda s: _attempt(s, "evaluate") / "alive",
    "demonstrations": lambda s: s.phase("annotate").out / "demonstrations.jsonl",
    "answers": lambda s: s.phase("elicit").out / "answers.jsonl",
    "pairs": lambda s: s.phase("elicit").out / "pairs.jsonl",
    "pair scores": lambda s: s.phase("refine").out / "pair_scores.jsonl",
    "adapter": lambda s: s.phase("refine").out / ADAPTER / "adapter_model.safetensors",
    "predictions": lambda s: s.phase("evaluate").out / "predictions.jsonl",
    "score": lambda s: _unscored_again(s).score,
    "rescored": lambda s: s.phase("evaluate").rescored,
    "seals": lambda s: s.phase("elicit").seals_file,
    "marks": lambda s: s.phase("elicit").marks,
    "verdicts, phase": lambda s: _judged(s).out / VERDICTS,
    "phase.json, judge": lambda s: _judged(s).spec_file,
    "judgement": lambda s: next((s.runs.root / "judgements").iterdir()) / "judgement.json",
    "verdicts": lambda s: next((s.runs.root / "judgements").iterdir()) / "verdicts.jsonl",
    "verdicts' seal": lambda s: next((s.runs.root / "judgements").iterdir()) / "seal.json",
}


def _index_file(sample: Sample) -> Path:
    """The one with the run ``both``."""
    files = sample.runs.registry.glob("*.json")
    return next(file for file in files if sample.both.encode() in file.read_bytes())


def _attempt(sample: Sample, kind: str) -> Path:
    attempt = sample.phase(kind).last_attempt()
    assert attempt is not None
    return attempt.path


def _unscored_again(sample: Sample) -> PhaseDir:
    specs = read_run(sample.runs, sample.both).spec.phases
    folders = (sample.runs.phase(p.id) for p in specs if p.kind == "evaluate")
    return next(folder for folder in folders if not folder.rescored.exists())


def _replaced(content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def rot(path: Path) -> None:
        raw = path.read_bytes()
        path.unlink()  # it may be a link to the other copies' content
        path.write_bytes(content(raw))

    return rot


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_digit(raw: bytes) -> bytes:
    """One byte in the middle, a digit where there is one: it stays what it was, with another
    figure."""
    middle = len(raw) // 2
    digits = [n for n in range(middle, len(raw)) if raw[n : n + 1].isdigit()] or [middle]
    at = digits[0]
    other = b"7" if raw[at : at + 1] != b"7" else b"3"
    return raw[:at] + other + raw[at + 1 :]


WAYS: dict[str, Callable[[Path], None]] = {
    "empty": _replaced(lambda _: b""),
    "half": _replaced(lambda raw: raw[: len(raw) // 2]),
    "binary": _replaced(lambda _: bytes(range(256)) * 4),
    "object": _replaced(lambda _: b"{}"),
    "list": _replaced(lambda _: b"[]"),
    "not a number": _replaced(lambda _: b"NaN"),
    "a digit": _replaced(_a_digit),
    "a byte": _replaced(lambda raw: raw[: len(raw) // 3] + b"\xc3" + raw[len(raw) // 3 + 1 :]),
    "deep": _replaced(lambda _: b'{"a":' * 60_000),
    "digits": _replaced(lambda _: b'{"accuracy": ' + b"9" * 5_000 + b"}"),
    "deleted": lambda path: path.unlink(),
    "folder": _folder,
}
