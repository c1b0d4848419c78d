"""Read what judges said when they compared two runs' answers."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.judging.verdicts import tally
from engine.queries.evaluations import evaluations
from engine.schema.errors import UserError, explain
from engine.schema.follow_ups import JudgeSpec
from engine.schema.identity import STORED
from engine.schema.jsonfile import read_as, read_sealed
from engine.schema.records import JudgedAnswers
from engine.store.jsonlines import read_records
from engine.store.judgement_dir import finished
from engine.store.layout import VERDICTS, hash_file
from engine.store.run import read_record
from engine.store.sealing import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from engine.judging.verdicts import Tally
    from engine.schema.evaluation import Evaluation
    from engine.schema.specs import EvaluateSpec
    from engine.store.judgement_dir import JudgementDir
    from engine.store.layout import PhaseDir, RunsFolder

JUDGE_AGAIN = "judge these runs again; the replies are kept"
OTHER = {"first": "second", "second": "first", "tie": "tie"}
Filed = tuple["Callable[[], JudgeSpec]", "Callable[[], list[JudgedAnswers]]"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's comparison of two runs' answers; ``a`` is first in the tally, ``b`` second.
    ``fingerprint``: the hash of all that determines the judge's replies."""

    a: str
    b: str
    task: str
    prompt: str
    split: str
    judge: str
    fingerprint: str
    tally: Tally


def judged_evaluations(runs: RunsFolder, run_id: str) -> dict[Evaluation, EvaluateSpec]:
    """Return the finished evaluations whose answers a judge can read."""
    found = (one.spec for one in evaluations(runs, run_id) if one.spec.method == "match")
    return {spec.evaluation: spec for spec in found}


def judgements(
    runs: RunsFolder,
    run_ids: Sequence[str],
    pass_over: Callable[[str], None] = lambda _line: None,
) -> list[Judgement]:
    """Read the judgements between these runs; no judge is asked. The run that is named first is A.
    If a judge was asked several times, the judgement with the most questions counts. ``pass_over``
    is called with a line for each damaged judgement."""
    owners = _owners(runs, run_ids)
    found: dict[str, Judgement] = {}
    for read_spec, read_verdicts in _filed(runs):
        try:
            spec = read_spec()
            if not owners.keys() >= set(spec.phases):
                continue
            judged = read_verdicts()
        except FileNotFoundError as error:
            pass_over(explain(error))
        except UserError as error:
            pass_over(str(error))
        else:
            before = found.get(spec.generation_key)
            if before is None or before.tally.questions < len(judged):
                found[spec.generation_key] = _judgement(runs, spec, judged, owners, run_ids)
    return sorted(found.values(), key=lambda one: (one.task, one.prompt, one.judge))


def judgement_of(runs: RunsFolder, spec: JudgeSpec, run_ids: Sequence[str]) -> Judgement:
    """Read what a finished judge phase says of two of these runs."""
    judged = _verdicts_of(runs.phase(spec.id))
    return _judgement(runs, spec, judged, _owners(runs, run_ids), run_ids)


def _owners(runs: RunsFolder, run_ids: Sequence[str]) -> dict[str, tuple[str, EvaluateSpec]]:
    """Return for each evaluation the first of the runs that has it."""
    owners: dict[str, tuple[str, EvaluateSpec]] = {}
    for run_id in run_ids:
        with contextlib.suppress(UserError):  # not evaluated yet
            for evaluated in judged_evaluations(runs, run_id).values():
                owners.setdefault(evaluated.id, (run_id, evaluated))
    return owners


def _filed(runs: RunsFolder) -> Iterator[Filed]:
    """Yield, for every finished judgement, functions that read its spec and its verdicts."""
    for phase in runs.phase_dirs():
        if phase.id.startswith("judge-") and phase.done:
            yield partial(_spec_of, phase), partial(_verdicts_of, phase)
    for earlier in finished(runs):
        yield partial(_earlier_spec, earlier), partial(_earlier_verdicts, earlier)


def _spec_of(phase: PhaseDir) -> JudgeSpec:
    spec = phase.spec()
    assert isinstance(spec, JudgeSpec)
    return spec


def _verdicts_of(phase: PhaseDir) -> list[JudgedAnswers]:
    return list(read_records(verified(phase, VERDICTS), JudgedAnswers))


def _earlier_spec(folder: JudgementDir) -> JudgeSpec:
    """Read an older version's judgement, which did not store the names of runs and tasks."""

    def parsed(raw: bytes) -> JudgeSpec:
        told = json.loads(raw)
        if not isinstance(told, dict):
            raise ValueError("not a JSON object")
        settings = {"method": told.pop("method", "compare"), "limit": None}
        unknown = {"names": ["", ""], "task": {"name": ""}, "prompt": "plain"}
        return JudgeSpec.model_validate_json(
            json.dumps(told | unknown | {"settings": settings}), context=STORED
        )

    spec = read_as(folder.spec_file, parsed, JUDGE_AGAIN)
    if spec.generation_key != folder.path.name:
        raise UserError(f"{folder.spec_file}: belongs to {spec.generation_key}; {JUDGE_AGAIN}")
    return spec


def _earlier_verdicts(folder: JudgementDir) -> list[JudgedAnswers]:
    """Read an older version's verdicts as they were written; the oldest have no seal."""
    with contextlib.suppress(FileNotFoundError):
        sealed = read_sealed(folder.seal, JUDGE_AGAIN).get("sha256")
        if sealed != hash_file(folder.verdicts):
            raise UserError(f"{folder.verdicts}: is not what its seal says; {JUDGE_AGAIN}")
    return list(read_records(folder.verdicts, JudgedAnswers))


def _judgement(
    runs: RunsFolder,
    spec: JudgeSpec,
    rows: list[JudgedAnswers],
    owners: Mapping[str, tuple[str, EvaluateSpec]],
    run_ids: Sequence[str],
) -> Judgement:
    a, b = sorted((owners[phase][0] for phase in spec.phases), key=run_ids.index)
    if owners[spec.phases[0]][0] != a:
        rows = [_turned(row) for row in rows]
    compared = spec.settings.method == "compare"
    judge_name = spec.judge.name if compared else f"{spec.judge.name}, by its own answer"
    evaluated = owners[spec.phases[0]][1]
    return Judgement(
        a=read_record(runs, a).name,
        b=read_record(runs, b).name,
        task=evaluated.task.name,
        prompt=evaluated.prompt,
        split=evaluated.split,
        judge=judge_name,
        fingerprint=spec.generation_key,
        tally=tally(rows, both_orders=compared),
    )


def _turned(row: JudgedAnswers) -> JudgedAnswers:
    """Exchange first and second, and with them the two orders."""
    return JudgedAnswers(
        id=row.id,
        first_correct=row.second_correct,
        second_correct=row.first_correct,
        same=row.same,
        straight=OTHER[row.swapped] if row.swapped else None,
        swapped=OTHER[row.straight] if row.straight else None,
        said=row.said[::-1],
    )
