"""DPO: where it starts, what its reference is, which checkpoint is kept, and resuming."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from engine.models.loading import load
from engine.models.tokenizing import prepare_prompt
from engine.phases.context import Context, Stopped
from engine.phases.refine import tokenise
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.records import PairScore
from engine.schema.settings import InstructSettings, RefineSettings
from engine.schema.specs import InstructSpec, RefineSpec
from engine.store.jsonlines import read_records
from engine.store.layout import ADAPTER, CHECKPOINTS, PAIR_SCORES, RunsFolder
from engine.training import compat, guards
from tests.engine.training_helpers import Attempt, Lab, demonstration, pair, same, student

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.records import Pair

FAST = RefineSettings(
    look_prompts=0, batch_size=4, max_steps=6, evaluate_every=2, warmup_steps=1, learning_rate=1e-4
)
PAIRS = [pair(i, group="AB"[i % 2]) for i in range(20)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(RunsFolder(tmp_path))


@pytest.fixture(scope="module")
def instructed(tmp_path_factory: pytest.TempPathFactory) -> Attempt:
    """An instructed student whose adapter is far from nothing."""
    lab = Lab(RunsFolder(tmp_path_factory.mktemp("instructed")))
    demonstrations = lab.annotated([demonstration(i) for i in range(12)])
    settings = InstructSettings(epochs=2, learning_rate=1e-2, look_prompts=0)
    return lab.attempt(
        InstructSpec(student=student(), demonstrations=demonstrations, settings=settings)
    )


def with_adapter(lab: Lab, instructed: Attempt) -> str:
    """The instructed student's phase, in this lab."""
    target = lab.runs.phase(instructed.folder.id)
    target.path.parent.mkdir(parents=True, exist_ok=True)
    target.path.symlink_to(instructed.folder.path)
    return target.id


def spec_for(
    lab: Lab, adapter: str | None = None, pairs: list[Pair] | None = None, **settings: Any
) -> RefineSpec:
    return RefineSpec(
        student=student(),
        adapter=adapter,
        pairs=lab.elicited(pairs or PAIRS),
        settings=FAST.model_copy(update=settings),
    )


def stop_at(step: int) -> Any:
    def watch(event: ev.Event, ctx: Context) -> None:
        if isinstance(event, ev.Metric) and event.step == step and "loss" in event.values:
            ctx.attempt.stop.touch()

    return watch


@pytest.mark.slow
def test_it_starts_at_its_reference_and_learns_to_prefer(lab: Lab, instructed: Attempt) -> None:
    attempt = lab.attempt(spec_for(lab, with_adapter(lab, instructed)))
    assert attempt.figures["step0_loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert attempt.series("step0_margin") == [(0, 0.0)]
    assert attempt.series("rewards/margins")[-1][1] > 0.001
    assert [step for step, _ in attempt.series("eval_loss")] == [2, 4, 6]
    assert [step for step, _ in attempt.series("moved_weights")] == [2, 4, 6]
    assert attempt.figures["moved_weights"] > 99
    assert (attempt.figures["pairs"], attempt.figures["held_out"]) == (18, 2)
    assert not same(attempt.adapter, instructed.adapter)
    assert sorted(p.name for p in (attempt.folder.out / ADAPTER).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    again = load(student(), attempt.folder.out / ADAPTER, trainable=True)
    assert same(guards.adapter_weights(again.model), attempt.adapter)


@pytest.mark.slow
def test_the_reference_is_the_instructed_student_not_the_bare_one(
    lab: Lab, instructed: Attempt
) -> None:
    """Log-probabilities under the reference equal those of the instructed student alone."""
    spec = spec_for(lab, with_adapter(lab, instructed), max_steps=3)
    seen: dict[str, Any] = {}
    remember = compat.PairTrainer.remember_reference

    def spy(self: Any, *told: Any) -> None:
        remember(self, *told)
        seen.update(self.train_dataset[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat.PairTrainer, "remember_reference", spy)
        lab.attempt(spec.model_copy(update={"settings": FAST.model_copy(update={"max_steps": 9})}))
    expected = {
        name: log_probability(
            load(student(), adapter).model, seen["prompt_ids"], seen["chosen_ids"]
        )
        for name, adapter in (("bare", None), ("instructed", instructed.folder.out / ADAPTER))
    }
    assert seen["ref_chosen_logps"] == pytest.approx(expected["instructed"], abs=1e-3)
    assert abs(expected["bare"] - expected["instructed"]) > 1


@pytest.mark.slow
def test_a_later_round_starts_at_the_refined_student(lab: Lab, instructed: Attempt) -> None:
    """It is policy and reference at once, and neither the instructed nor the bare student."""
    first = lab.attempt(spec_for(lab, with_adapter(lab, instructed), max_steps=4))
    assert not same(first.adapter, instructed.adapter)
    pairs = lab.elicited([pair(i, rejected="No.") for i in range(20)], first.folder.id)
    spec = RefineSpec(
        student=student(), adapter=first.folder.id, pairs=pairs, round=2, settings=FAST
    )
    starts: list[guards.Weights] = []
    recast = guards.train_in_fp32

    def watch(model: Any, values: guards.Weights) -> None:
        recast(model, values)
        starts.append(guards.adapter_weights(model))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "train_in_fp32", watch)
        second = lab.attempt(spec)
    assert same(starts[0], first.adapter)
    assert second.figures["step0_loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert second.series("step0_margin") == [(0, 0.0)]
    assert second.series("rewards/margins")[-1][1] > 0.001
    assert not same(second.adapter, first.adapter)


def log_probability(model: Any, prompt: list[int], answer: list[int]) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    return float(logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None]).sum())


@pytest.mark.slow
@pytest.mark.parametrize("max_steps", [4, 9], ids=["reference online", "reference remembered"])
def test_every_pair_is_scored_under_the_reference_and_the_kept_policy(
    lab: Lab, instructed: Attempt, max_steps: int
) -> None:
    spec = spec_for(lab, with_adapter(lab, instructed), max_steps=max_steps, exclude=("q4",))
    attempt = lab.attempt(spec)
    scores = list(read_records(attempt.folder.out / PAIR_SCORES, PairScore))
    assert [s.id for s in scores] == [p.id for p in PAIRS if p.id != "q4"]
    assert sum(s.held_out for s in scores) == attempt.figures["held_out"]
    for folder, fields in (
        (instructed.folder, ("reference_chosen", "reference_rejected")),
        (attempt.folder, ("policy_chosen", "policy_rejected")),
    ):
        loaded = load(student(), folder.out / ADAPTER)
        rows = tokenise(loaded.tokenizer, [PAIRS[7]], FAST).columns
        found = next(score for score in scores if score.id == "q7")
        for field, column in zip(fields, ("chosen_ids", "rejected_ids"), strict=True):
            expected = log_probability(loaded.model, rows["prompt_ids"][0], rows[column][0])
            assert getattr(found, field) == pytest.approx(expected, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_bare_student_is_its_own_reference(lab: Lab, precision: str) -> None:
    spec = spec_for(lab).model_copy(update={"student": student(precision)})
    attempt = lab.attempt(spec)
    assert attempt.figures["step0_loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert attempt.series("rewards/margins")[-1][1] > 0


@pytest.mark.slow
@pytest.mark.parametrize("max_steps", [4, 9], ids=["reference online", "reference remembered"])
def test_a_stopped_refinement_goes_on_to_the_same_bits(
    lab: Lab, instructed: Attempt, max_steps: int
) -> None:
    spec = spec_for(lab, with_adapter(lab, instructed), max_steps=max_steps)
    undisturbed = lab.attempt(spec)
    other = Lab(RunsFolder(lab.runs.root / "other"))
    spec = spec_for(other, with_adapter(other, instructed), max_steps=max_steps)
    with pytest.raises(Stopped):
        other.attempt(spec, stop_at(2))
    resumed = other.attempt(spec)
    assert next(p for p in resumed.of(ev.Progress) if p.unit == "steps").done == 3
    assert same(resumed.adapter, undisturbed.adapter)
    assert resumed.figures == undisturbed.figures
    for name in ("rewards/margins", "num_tokens"):
        assert resumed.series(name) == undisturbed.series(name)[3:]


@pytest.mark.slow
def test_a_checkpoint_holds_no_reference(lab: Lab, instructed: Attempt) -> None:
    """The reference comes from the input phase; nothing in a checkpoint can replace it."""
    attempt = lab.attempt(spec_for(lab, with_adapter(lab, instructed)))
    checkpoint = attempt.folder.work / CHECKPOINTS / "checkpoint-6"
    assert not [p for p in checkpoint.iterdir() if p.is_dir()]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Held-out losses by step, in the place of the measured ones; fill in before training."""
    losses: dict[int, float] = {}
    measure = compat.PairTrainer.evaluate

    def evaluate(self: Any, **kwargs: Any) -> dict[str, float]:
        return measure(self, **kwargs) | {"eval_loss": losses[self.state.global_step]}

    monkeypatch.setattr(compat.PairTrainer, "evaluate", evaluate)
    return losses


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_also_over_a_resume(
    lab: Lab, instructed: Attempt, scripted: dict[int, float]
) -> None:
    scripted |= {2: 0.5, 4: 0.3, 6: 0.6, 8: 0.7}
    spec = spec_for(lab, with_adapter(lab, instructed), max_steps=8)
    undisturbed = lab.attempt(spec)
    assert undisturbed.figures["picked_step"] == undisturbed.figures["best_step"] == 4
    assert undisturbed.figures["best_eval_loss"] == 0.3
    kept = undisturbed.folder.work / CHECKPOINTS / "checkpoint-4"
    assert same(undisturbed.adapter, load_file(kept / "adapter_model.safetensors"))
    other = Lab(RunsFolder(lab.runs.root / "other"))
    spec = spec_for(other, with_adapter(other, instructed), max_steps=8)
    first, second = lab.runs.root / "node-1", lab.runs.root / "node-2"  # each has its own disk
    with pytest.raises(Stopped):
        other.attempt(spec, stop_at(6), scratch=first)
    shutil.rmtree(first)
    resumed = other.attempt(spec, scratch=second)
    assert resumed.figures == undisturbed.figures
    assert same(resumed.adapter, undisturbed.adapter)
    kept, here = (p / CHECKPOINTS for p in (resumed.folder.work, second))
    names = sorted(p.name for p in here.iterdir())
    assert sorted(p.name for p in kept.iterdir()) == names
    assert "checkpoint-4" in names
    last = lab.attempt(spec_for(lab, spec.adapter, select="last", max_steps=8))
    assert last.figures["picked_step"] == 8
    assert not same(last.adapter, undisturbed.adapter)


@pytest.mark.slow
def test_patience_ends_it_and_a_retry_does_not_go_on(lab: Lab, scripted: dict[int, float]) -> None:
    scripted |= {2: 0.5, 4: 0.6, 6: 0.6}
    spec = spec_for(lab, max_steps=40, patience=2)
    before = lab.attempt(spec, publish=False)
    assert before.figures["stopped_early"]
    assert (before.figures["steps"], before.figures["picked_step"]) == (6, 2)
    after = lab.attempt(spec)
    assert not [p for p in after.of(ev.Progress) if p.unit == "steps"]
    assert after.figures == before.figures


@pytest.mark.slow
def test_no_improvement_is_said(lab: Lab, scripted: dict[int, float]) -> None:
    scripted |= {2: 0.7}
    attempt = lab.attempt(spec_for(lab, max_steps=2))
    assert attempt.warned("no-improvement")


@pytest.mark.slow
def test_a_likelihood_term_can_be_added(lab: Lab) -> None:
    plain = lab.attempt(spec_for(lab, max_steps=2))
    with_term = lab.attempt(spec_for(lab, max_steps=2, sft_weight=0.5))
    assert with_term.figures["step0_loss"] == plain.figures["step0_loss"]
    assert with_term.series("loss")[0][1] > plain.series("loss")[0][1] + 0.1


@pytest.mark.slow
def test_both_caps_hold_and_pairs_can_be_left_out(lab: Lab) -> None:
    one_pass = lab.attempt(spec_for(lab, max_steps=100, epochs=1.0, exclude=("q3", "q5")))
    assert one_pass.figures["steps"] == 4  # 16 of 18 pairs are trained on, four at a time
    assert (one_pass.figures["pairs"], one_pass.figures["held_out"]) == (16, 2)
    assert lab.attempt(spec_for(lab, max_steps=3, epochs=9.0)).figures["steps"] == 3


@pytest.mark.slow
def test_the_held_out_pairs_are_drawn_class_by_class(lab: Lab) -> None:
    groups = {p.id: p.group for p in PAIRS}
    drawn: list[list[str]] = []
    original = compat.PairTrainer.__init__

    def spy(self: Any, **kwargs: Any) -> None:
        texts = [self_text(kwargs, i) for i in range(len(kwargs["eval_dataset"]))]
        drawn.append(texts)
        original(self, **kwargs)

    def self_text(kwargs: Any, row: int) -> str:
        ids = kwargs["eval_dataset"][row]["prompt_ids"]
        text = kwargs["processing_class"].decode(ids)
        return next(p.id for p in PAIRS if p.question in text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat.PairTrainer, "__init__", spy)
        lab.attempt(spec_for(lab, max_steps=2, held_out=0.2))
        lab.attempt(spec_for(lab, max_steps=3, held_out=0.2))
    assert drawn[0] == drawn[1]
    assert sorted(groups[name] for name in drawn[0]) == ["A", "A", "B", "B"]


def test_a_batch_larger_than_all_pairs_is_capped(lab: Lab) -> None:
    attempt = lab.attempt(spec_for(lab, batch_size=128, max_steps=2))
    assert attempt.warned("batch-capped")
    assert attempt.figures["batch_size"] == attempt.figures["pairs"] == 18


def test_pairs_that_prefer_little_are_told_before_training(lab: Lab) -> None:
    alike = [p.model_copy(update={"plain_has_steps": True}) for p in PAIRS]
    attempt = lab.attempt(spec_for(lab, pairs=alike))
    kinds = [
        "told" if isinstance(e, ev.Message) and e.code == "plain-has-steps" else "step"
        for e in attempt.events
        if isinstance(e, ev.Message | ev.Metric)
    ]
    assert kinds.count("told") == 1
    assert kinds.index("told") < kinds.index("step")


def test_too_few_pairs_are_refused(lab: Lab) -> None:
    with pytest.raises(UserError, match="1 preference pairs are too few"):
        lab.attempt(spec_for(lab, pairs=PAIRS[:1]))


@pytest.mark.slow
def test_lengths_are_cut_and_counted(lab: Lab) -> None:
    tokenizer = load(student()).tokenizer
    settings = RefineSettings(max_prompt_length=20, max_length=30)
    pairs = [
        pair(1, chosen="She has it.", rejected="No."),
        pair(2, chosen="word " * 40, rejected="No."),
        pair(3, chosen="word " * 40, rejected="word " * 50),
    ]
    result = tokenise(tokenizer, pairs, settings)
    assert (len(result), result.cut_prompts, result.truncated, result.dropped) == (2, 2, 1, 1)
    prompts = result.columns["prompt_ids"]
    assert prompts[0] == prepare_prompt(tokenizer, pairs[0].prompt)[-20:]
    assert [len(ids) for ids in result.columns["chosen_ids"]][1] == 10
    assert result.columns["rejected_ids"][0][-1] == tokenizer.eos_token_id
    attempt = lab.attempt(spec_for(lab, max_prompt_length=20, max_steps=2))
    assert attempt.warned("truncated")
    assert attempt.figures["cut_prompts"] == 20


def test_a_wrong_start_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy differs from its reference before the first step."""
    recast = guards.train_in_fp32

    def disturb(model: Any, values: guards.Weights) -> None:
        recast(model, values)
        for name, parameter in model.named_parameters():
            if ".lora_B.default." in name:
                parameter.data += 0.05

    monkeypatch.setattr(guards, "train_in_fp32", disturb)
    with pytest.raises(UserError, match="does not start from its reference"):
        lab.attempt(spec_for(lab))


@pytest.mark.slow
def test_small_steps_move_a_quantised_student(
    lab: Lab, instructed: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL rounds an NF4 student's adapter to bf16, where the paper's 1e-6 would be lost."""
    recast, dtypes = guards.train_in_fp32, []

    def spy(model: Any, values: guards.Weights) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]
        dtypes.append({p.dtype for p in trainable})
        recast(model, values)
        dtypes.append({p.dtype for p in trainable})
        start = load_file(instructed.folder.out / ADAPTER / "adapter_model.safetensors")
        assert same(guards.adapter_weights(model), start)

    monkeypatch.setattr(guards, "train_in_fp32", spy)
    spec = spec_for(lab, with_adapter(lab, instructed), learning_rate=1e-6)
    attempt = lab.attempt(spec.model_copy(update={"student": student("nf4")}))
    assert dtypes == [{torch.bfloat16}, {torch.float32}]
    assert attempt.figures["moved_weights"] > 90
    assert attempt.figures["step0_loss"] == pytest.approx(math.log(2), abs=1e-4)
