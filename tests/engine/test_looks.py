"""Answers to the same prompts while a student learns: kept, given once, and without a trace."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import Dropout, Linear, Sequential

from engine.phases.context import Stopped
from engine.queries.looks import new_looks
from engine.schema import events as ev
from engine.schema.records import Look
from engine.schema.settings import InstructSettings, RefineSettings
from engine.schema.specs import InstructSpec, RefineSpec
from engine.store.jsonlines import append_records, whole_records
from engine.store.layout import LOOKS, RunsFolder
from engine.training import looks
from tests.engine.training_helpers import Lab, demonstration, pair, same, student

if TYPE_CHECKING:
    from pathlib import Path

    from engine.phases.context import Context

FAST = {"learning_rate": 1e-3, "batch_size": 4}
ANNOTATED = [demonstration(n, kept=n % 4 != 1) for n in range(16)]  # 1, 5, 9, 13 are left out


def instruct(lab: Lab, **settings: Any) -> InstructSpec:
    given = InstructSettings(**FAST | {"epochs": 2, "checkpoint_every": 2} | settings)
    demonstrations = lab.annotated(ANNOTATED)
    return InstructSpec(student=student(), demonstrations=demonstrations, settings=given)


def refine(lab: Lab, **settings: Any) -> RefineSpec:
    given = RefineSettings(
        **FAST | {"max_steps": 4, "evaluate_every": 2, "warmup_steps": 1} | settings
    )
    pairs = lab.elicited([pair(n, group="AB"[n % 2]) for n in range(20)])
    return RefineSpec(student=student(), adapter=None, pairs=pairs, settings=given)


def kept(attempt: Any) -> list[Look]:
    folder = attempt.folder
    return new_looks(RunsFolder(folder.path.parents[1]), folder.id)[1] or []


@pytest.fixture(scope="module")
def two_labs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Lab]:
    """Two folders, so that the same phase can be made twice."""
    return tuple(Lab(RunsFolder(tmp_path_factory.mktemp(n))) for n in ("with", "without"))  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.parametrize("make", [instruct, refine])
def test_looking_changes_nothing_of_what_is_learnt(make: Any, two_labs: tuple[Lab, Lab]) -> None:
    looking, blind = (make(lab, look_prompts=n) for lab, n in zip(two_labs, (2, 0), strict=True))
    assert looking.id == blind.id
    seen = two_labs[0].attempt(looking)
    random = torch.get_rng_state()
    unseen = two_labs[1].attempt(blind)
    assert torch.equal(random, torch.get_rng_state())
    assert same(seen.adapter, unseen.adapter)
    for name in ("loss", "eval_loss", "grad_norm"):
        assert seen.series(name) == unseen.series(name)
    assert kept(seen)
    assert not kept(unseen)
    (looked, *_) = (n for n, e in enumerate(seen.events) if "answering 2" in getattr(e, "text", ""))
    counted = next(e for e in seen.events[looked:] if isinstance(e, ev.Progress))
    assert counted.done == 0  # so the look's time is not the first step's


@pytest.mark.slow
def test_questions_that_nothing_is_learnt_from_are_answered_at_each_look(tmp_path: Path) -> None:
    lab = Lab(RunsFolder(tmp_path))
    spec = instruct(lab, look_prompts=3)

    def stop(event: ev.Event, ctx: Context) -> None:
        if isinstance(event, ev.Metric) and event.step == 3 and "loss" in event.values:
            ctx.attempt.stop.touch()

    with pytest.raises(Stopped):
        lab.attempt(spec, stop)
    folder = lab.runs.phase(spec.id)
    before, stamp = new_looks(lab.runs, spec.id)[::-1]
    assert before is not None
    assert new_looks(lab.runs, spec.id, stamp) == (stamp, None)
    assert {look.item for look in before} == {"q1", "q5", "q9"}
    assert {look.step for look in before} == {0, 1, 2, 3, 4}
    with (folder.work / LOOKS).open("ab") as file:
        file.write(b'{"step": 99, "it')  # killed while it wrote
    asked: list[int] = []
    answers = looks.Looks._answers

    def counting(self: Any, prompts: Any) -> Any:
        asked.append(len(prompts))
        return answers(self, prompts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looks.Looks, "_answers", counting)
        attempt = lab.attempt(spec)
    assert attempt.figures["steps"] == 6
    assert asked == [3, 3]  # steps 5 and 6: what the first attempt had answered is not asked again
    found = kept(attempt)
    assert found[: len(before)] == before
    assert {look.step for look in found} == set(range(7))
    assert (folder.out / LOOKS).is_file()
    assert all(not look.trained_on and look.target for look in found)
    assert all(look.verdict is not None for look in found)  # by the rules of its benchmark
    first, last = (look for look in found if look.item == "q1" and look.step in {0, 6})
    assert first.loss is None
    assert last.loss == pytest.approx(dict(attempt.series("loss"))[6])


@pytest.mark.slow
def test_refine_asks_the_prompts_of_pairs_that_are_held_out(tmp_path: Path) -> None:
    lab = Lab(RunsFolder(tmp_path))
    attempt = lab.attempt(refine(lab, look_prompts=9))
    found = kept(attempt)
    assert {look.step for look in found} == {0, 2, 4}
    assert len({look.item for look in found}) == attempt.figures["held_out"] == 2
    assert found[-1].held_out_loss == pytest.approx(dict(attempt.series("eval_loss"))[4])


def test_modes_and_random_state_are_put_back() -> None:
    model = Sequential(Linear(2, 2), Dropout())
    model.train()
    next(model.children()).eval()
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    with looks.undisturbed(model):
        assert not any(m.training for m in model.modules())
        torch.rand(3)
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


def test_half_a_line_is_cut_off_and_a_damaged_one_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    one = Look(step=0, item="a", prompt="Q", target="7", trained_on=False, text="7", finish="stop")
    append_records(file, [one])
    with file.open("ab") as torn:
        torn.write(b"not json\n{")
    assert whole_records(file, Look) == [one]
    append_records(file, [one.model_copy(update={"step": 5})])
    assert [look.step for look in whole_records(file, Look)] == [0, 5]


def test_without_memory_for_it_the_training_goes_on_without_looks(tmp_path: Path) -> None:
    told: list[str] = []
    watcher: Any = SimpleNamespace(activity=told.append, warn=lambda text, code: told.append(code))
    loaded: Any = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace()))
    prompt = looks.Prompt("q1", "How many?", [1, 2], "7", trained_on=False)
    one = looks.Looks(watcher, loaded, [prompt], 1, tmp_path / LOOKS, nullcontext)
    state: Any = SimpleNamespace(global_step=0, max_steps=9, is_world_process_zero=True)

    def full(_prompts: object) -> object:
        told.append("asked")
        raise torch.OutOfMemoryError

    one._answers = full  # type: ignore[method-assign,assignment]
    for state.global_step in (0, 1):
        one.on_step_begin(None, state, None)  # type: ignore[arg-type]
    assert told.count("asked") == 1
    assert "look-memory" in told
    assert told[-1] == "training"
