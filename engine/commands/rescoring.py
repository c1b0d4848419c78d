"""Score kept answers again with the present scorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import catalog
from engine.queries.evaluations import evaluations
from engine.queries.runs import registry
from engine.schema.jsonfile import with_seal
from engine.schema.records import Prediction, Score
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS
from engine.store.scores import published_score
from engine.store.sealing import verified
from engine.store.writing import write_json

if TYPE_CHECKING:
    from engine.queries.evaluations import Evaluated
    from engine.schema.evaluation import Evaluation
    from engine.schema.records import Verdict
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Changed:
    """An answer to which the present scorer gives another verdict."""

    id: str
    before: Verdict
    now: Verdict


@dataclass(frozen=True, slots=True)
class Rescored:
    """A kept evaluation scored again: its accuracy in 0..1, its tiers, and every answer that is now
    read otherwise."""

    phase: str
    evaluation: Evaluation
    before: Score
    now: Score
    changed: tuple[Changed, ...]


def rescore(runs: RunsFolder, run_id: str, write: bool) -> list[Rescored]:
    """Score kept predictions again with the present scorer. With ``write`` tables and tests
    use the new score and verdicts; what the phase published stays as it is."""
    found = []
    for one in evaluations(runs, run_id):
        if one.spec.method == "match":
            found.append(_rescored(one))
            if write:
                verdicts = {c.id: c.now.model_dump() for c in found[-1].changed}
                written = found[-1].now.model_dump() | {"verdicts": verdicts}
                write_json(one.folder.rescored, with_seal(written))
    if write:
        registry(runs).refresh_with({r.phase for r in found})
    return found


def _rescored(one: Evaluated) -> Rescored:
    from engine.scoring.score import score
    from engine.scoring.verdict import score_reply

    kind = catalog.task(one.spec.task.name).kind
    again, changed = [], []
    for old in read_records(verified(one.folder, PREDICTIONS), Prediction):
        verdict = score_reply(kind, old, old.output, old.finish)
        if verdict != old.verdict.model_copy(update={"span": verdict.span}):
            changed.append(Changed(old.id, old.verdict, verdict))
        again.append(old.model_copy(update={"verdict": verdict}))
    before = Score.model_validate(published_score(one.folder))
    now = score(again, one.spec.commit)
    return Rescored(one.folder.id, one.evaluations[0], before, now, tuple(changed))
