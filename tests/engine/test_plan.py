from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.cli.follow import label
from engine.planning.graph import expand, make_plan, unique_phases
from engine.planning.presets import Resolved
from engine.schema.cards import (
    LocalWeights,
    ModelCard,
    Sampling,
    TaskSource,
)
from engine.schema.experiment import Experiment
from engine.schema.specs import ElicitSpec, EvaluateSpec, RefineSpec

if TYPE_CHECKING:
    from engine.schema.run_spec import RunSpec


def resolved(temperature: float = 0.1, **changes: Any) -> Resolved:
    given = {
        "name": "x",
        "teachers": ("t1", "t2"),
        "students": ("s1", "s2"),
        "tasks": ("csqa",),
        "arms": ("baseline", "teacher", "instruct-only", "refine-only", "both"),
    } | changes
    experiment = Experiment.model_validate(given)

    def card(name: str) -> ModelCard:
        return ModelCard(
            name=name,
            family=f"family{name[-1]}",
            source=LocalWeights(path=f"/{name}", revision=name),
            sampling=Sampling(temperature=temperature),
        )

    names = (*experiment.teachers, *experiment.students)
    tasks = (*experiment.tasks, *experiment.refine_tasks, *experiment.evaluate_on)
    sources = {task: TaskSource(hub=task, revision="1") for task in tasks}
    return Resolved(experiment, {name: card(name) for name in names}, sources)


def kinds(run: RunSpec) -> list[str]:
    return [p.kind for p in run.phases if p.kind != "evaluate"]


@pytest.mark.parametrize(
    ("arm", "path"),
    [
        ("baseline", []),
        ("teacher", []),
        ("instruct-only", ["annotate", "instruct"]),
        ("refine-only", ["annotate", "elicit", "refine"]),
        ("both", ["annotate", "instruct", "elicit", "refine"]),
    ],
)
def test_each_arm_is_a_path(arm: str, path: list[str]) -> None:
    for run in expand(resolved(arms=(arm,))):
        assert kinds(run) == path


def test_inputs_come_before_their_users() -> None:
    seen: set[str] = set()
    for phase in unique_phases(expand(resolved())):
        assert set(phase.inputs) <= seen
        seen.add(phase.id)


def test_sharing() -> None:
    plan = make_plan(resolved(), lambda _: False)
    without, shared, left = plan.counts()["annotate"]
    assert (without, shared, left) == (12, 2, 2)  # a teacher's demonstrations serve all
    assert plan.counts()["instruct"] == (8, 4, 4)  # instruct-only and both share the student
    assert len(plan.runs) == 2 + 2 + 3 * 4


def test_what_is_done_is_not_to_do() -> None:
    everything = make_plan(resolved(), lambda _: True)
    assert everything.to_do == ()
    annotated = make_plan(resolved(), lambda phase: phase.startswith("annotate"))
    assert {p.kind for p in annotated.to_do} == {"instruct", "elicit", "refine", "evaluate"}


def test_seeds_share_demonstrations_and_nothing_else() -> None:
    runs = expand(resolved(seeds=(0, 1), arms=("both",), teachers=("t1",), students=("s1",)))
    first, second = ({p.kind: p.id for p in run.phases} for run in runs)
    assert first["annotate"] == second["annotate"]
    assert all(first[k] != second[k] for k in ("instruct", "elicit", "refine", "evaluate"))


@pytest.mark.parametrize(("temperature", "phases"), [(0.1, 4), (0.0, 2)])
def test_greedy_answers_are_made_once_for_all_seeds(temperature: float, phases: int) -> None:
    runs = expand(resolved(temperature, seeds=(0, 1), arms=("baseline",), students=("s1",)))
    assert len(unique_phases(runs)) == phases


def test_the_bare_student_refines_against_itself() -> None:
    for run in expand(resolved(arms=("refine-only",))):
        (refine,) = (p for p in run.phases if isinstance(p, RefineSpec))
        assert refine.adapter is None


def test_cross_task() -> None:
    (run,) = expand(
        resolved(
            arms=("both",), teachers=("t1",), students=("s1",), tasks=("obqa",),
            refine_tasks=("csqa",), evaluate_on=("obqa", "csqa"),
        )
    )  # fmt: skip
    assert kinds(run) == ["annotate", "instruct", "annotate", "elicit", "refine"]
    annotated = [p.task.name for p in run.phases if p.kind == "annotate"]
    assert annotated == ["obqa", "csqa"]
    assert (run.task, run.refine_task) == ("obqa", "csqa")
    evaluated = {(p.task.name, p.prompt) for p in run.phases if isinstance(p, EvaluateSpec)}
    assert evaluated == {(t, s) for t in ("obqa", "csqa") for s in ("plain", "cot")}


def test_fractions_share_the_teacher() -> None:
    plan = make_plan(
        resolved(arms=("both",), fractions=(100, 50, 25), teachers=("t1",), students=("s1",)),
        lambda _: False,
    )
    assert plan.counts()["annotate"] == (3, 1, 1)
    assert plan.counts()["instruct"] == (3, 3, 3)


def test_families() -> None:
    runs = expand(resolved(arms=("both",)))
    assert {(r.teacher, r.student): r.in_family for r in runs} == {
        ("t1", "s1"): True,
        ("t1", "s2"): False,
        ("t2", "s1"): False,
        ("t2", "s2"): True,
    }


def test_log_probabilities_are_for_choice_tasks_and_plain_prompts() -> None:
    runs = expand(
        resolved(
            arms=("baseline",), students=("s1",), tasks=("csqa", "gsm8k"),
            settings={"evaluate": {"methods": ("match", "logprob")}},
        )
    )  # fmt: skip
    probes = [p for p in runs[0].phases if isinstance(p, EvaluateSpec) and p.method == "logprob"]
    assert [(p.task.name, p.prompt) for p in probes] == [("csqa", "plain")]


def test_a_later_round_goes_on_from_the_student_before() -> None:
    one, two = expand(resolved(arms=("both",), teachers=("t1",), students=("s1",), rounds=(1, 2)))
    assert kinds(two) == ["annotate", "instruct", "elicit", "refine", "elicit", "refine"]
    assert {p.id for p in one.phases if p.kind != "evaluate"} < {p.id for p in two.phases}
    first, second = (p for p in two.phases if isinstance(p, RefineSpec))
    pairs = {p.id: p for p in two.phases if isinstance(p, ElicitSpec)}
    for refine, start in ((first, two.phases[1].id), (second, first.id)):
        assert refine.adapter == pairs[refine.pairs].adapter == start
    assert [first.round, second.round] == [1, 2]
    assert {p.adapter for p in two.phases if isinstance(p, EvaluateSpec)} == {second.id}
    assert (one.title, two.title) == ("both s1 <t1 csqa s0", "both s1 <t1 csqa 2 rounds s0")
    assert one.fingerprint != two.fingerprint


def test_rounds_are_for_arms_that_refine() -> None:
    arms = ("baseline", "teacher", "instruct-only", "refine-only")
    runs = expand(resolved(arms=arms, teachers=("t1",), students=("s1",), rounds=(1, 2)))
    assert [(r.arm, r.rounds) for r in runs] == [
        *((arm, 1) for arm in arms),
        ("refine-only", 2),
    ]


@pytest.mark.parametrize(
    ("family", "pairs"),
    [
        ("all", {("t1", "s1"), ("t1", "s2"), ("t2", "s1"), ("t2", "s2")}),
        ("in", {("t1", "s1"), ("t2", "s2")}),
        ("out", {("t1", "s2"), ("t2", "s1")}),
    ],
)
def test_pairs_of_one_family_or_of_two(family: str, pairs: set[tuple[str, str]]) -> None:
    runs = expand(resolved(family=family))
    assert {(r.teacher, r.student) for r in runs if r.teacher and r.student} == pairs
    assert len([r for r in runs if r.arm in {"teacher", "baseline"}]) == 4


def test_in_domain_tables_measure_what_was_trained_on() -> None:
    given = {"tasks": ("csqa", "obqa"), "settings": {"evaluate": {"domain": "in"}}}
    for run in expand(resolved(**given)):
        tasks = {p.task.name for p in run.phases if isinstance(p, EvaluateSpec)}
        assert tasks == ({run.task} if run.task else {"csqa", "obqa"})


def test_teachers_on_what_they_annotate() -> None:
    """The training questions, whatever the seed; demonstrations are scored, not made again."""
    runs = expand(
        resolved(
            arms=("teacher",), teachers=("t1",), students=("s1",), seeds=(0, 1), data_seed=5,
            evaluate_on=("csqa", "mmlu"), settings={
                "annotate": {"limit": 100},
                "evaluate": {"teacher_splits": ("train", "test"), "limit": 300},
            },
        )
    )  # fmt: skip
    first, second = (
        [p for p in run.phases if isinstance(p, EvaluateSpec) and p.split == "train"]
        for run in runs
    )
    assert first == second
    assert [(p.task.name, p.prompt, p.limit, p.data_seed) for p in first] == [
        ("csqa", "plain", 100, 5),
        ("csqa", "cot", 100, 5),
    ]
    (annotated,) = (p for p in runs[0].phases if p.kind == "annotate")
    assert [p.answers for p in first] == [None, annotated.id]
    tested = [p for p in runs[0].phases if isinstance(p, EvaluateSpec) and p.split == "test"]
    assert {(p.task.name, p.limit, p.data_seed) for p in tested} == {
        ("csqa", 300, 0),
        ("mmlu", 300, 0),
    }


def test_a_run_s_phases_are_told_apart_in_the_terminal() -> None:
    settings = {"evaluate": {"methods": ("match", "logprob"), "teacher_splits": ("train", "test")}}
    for run in expand(resolved(arms=("teacher", "both"), settings=settings)):
        names = [label(spec) for spec in run.phases]
        assert len(set(names)) == len(names)
