"""Have a model compare two runs' answers to the same questions, as a run of its own.

Its replies are kept by what they answer: a judgement that is interrupted, asks for more questions
or names the runs the other way round pays nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.follow_ups import planned
from engine.judging.prompt import VERSION
from engine.planning.presets import judge_card
from engine.queries.judgements import judged_evaluations
from engine.schema.errors import UserError, nearest
from engine.schema.follow_ups import JudgeSpec
from engine.schema.run_spec import RunSpec
from engine.schema.settings import JudgeSettings
from engine.store.run import read_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands.follow_ups import FollowUp
    from engine.schema.cards import ModelCard
    from engine.schema.specs import EvaluateSpec
    from engine.store.layout import RunsFolder


__all__ = ["Comparable", "comparables", "judge_card", "plan_judging"]


@dataclass(frozen=True, slots=True)
class Comparable:
    """Finished evaluations of run A and run B on the same task and prompt style."""

    a: EvaluateSpec
    b: EvaluateSpec


def comparables(
    runs: RunsFolder, a: str, b: str, tasks: Sequence[str] = (), prompts: Sequence[str] = ()
) -> list[Comparable]:
    """List what both runs have answered by generating; ``UserError`` when there is nothing."""
    mine, theirs = judged_evaluations(runs, a), judged_evaluations(runs, b)
    shared = [one for one in mine if one in theirs and mine[one].id != theirs[one].id]
    if not shared:
        raise UserError(f"{a} and {b} share no finished evaluation with different answers")
    for wanted, known in (
        (tasks, {one.task for one in shared}),
        (prompts, {one.prompt for one in shared}),
    ):
        for name in set(wanted) - known:
            raise UserError(f"{a} and {b} share no answers to {name!r}; {nearest(name, known)}")
    return [
        Comparable(mine[one], theirs[one])
        for one in shared
        if (not tasks or one.task in tasks) and (not prompts or one.prompt in prompts)
    ]


def plan_judging(
    runs: RunsFolder,
    a: str,
    b: str,
    card: ModelCard,
    settings: JudgeSettings | None = None,
    tasks: Sequence[str] = (),
    prompts: Sequence[str] = (),
) -> FollowUp:
    """Plan the run in which ``card`` judges between runs ``a`` and ``b``; changes nothing.
    ``UserError`` when they have no answers to the same questions."""
    settings = settings or JudgeSettings()
    files = {run_id: read_run(runs, run_id) for run_id in (a, b)}
    wanted = comparables(runs, a, b, tasks, prompts)
    phases = tuple(_phase(one, (files[a].name, files[b].name), card, settings) for one in wanted)
    first = a if phases[0].phases[0] == wanted[0].a.id else b  # whichever is named first
    judged = {phase.task.name for phase in phases}
    spec = RunSpec(
        experiment=files[first].spec.experiment,
        arm="judge",
        teacher=None,
        student=None,
        task=judged.pop() if len(judged) == 1 else None,
        phases=phases,
    )
    how = "" if settings.method == "compare" else " by its own answer"
    name = f"judge {card.name}{how}: {files[a].name} against {files[b].name}"
    return planned(runs, spec, name, (a, b))


def _phase(
    one: Comparable, names: tuple[str, str], card: ModelCard, settings: JudgeSettings
) -> JudgeSpec:
    turned = one.a.id > one.b.id
    return JudgeSpec(
        phases=(one.b.id, one.a.id) if turned else (one.a.id, one.b.id),
        names=names[::-1] if turned else names,
        judge=card,
        task=one.a.task,
        prompt=one.a.prompt,
        split=one.a.split,
        prompt_version=VERSION,
        settings=settings,
    )
