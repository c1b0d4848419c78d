"""The shipped studies and cards: the paper's settings, the makers' chat formats, what is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine import catalog
from engine.planning import presets
from engine.planning.graph import make_plan
from engine.planning.presets import load_experiment
from engine.planning.yaml_file import load
from engine.schema.cards import LocalWeights
from engine.schema.experiment import Experiment, Settings
from engine.schema.run_spec import Arm
from engine.schema.settings import EvaluateSettings

if TYPE_CHECKING:
    from engine.planning.plan import Plan

PAPER = (
    "main-in-family", "main-out-family", "in-out-domain", "cross-task", "low-resource",
    "extra-benchmarks",
)  # fmt: skip
# what each maker documents: a user's turn, up to where the answer begins, and what ends the answer
FORMATS = {
    "llama-2": ("<s>", "</s>", "<s>[INST] Why? [/INST]", " So. </s>"),
    "mistral": ("<s>", "</s>", "<s>[INST] Why? [/INST]", " So.</s>"),
    "llama-3": (
        "<|begin_of_text|>",
        "<|eot_id|>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "So.<|eot_id|>",
    ),
    "qwen2.5": (
        "",
        "<|im_end|>",
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        "<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        "So.<|im_end|>\n",
    ),
    "qwen3": (
        "",
        "<|im_end|>",
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "So.<|im_end|>\n",
    ),
    "smollm2": (
        "",
        "<|im_end|>",
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        "So.<|im_end|>\n",
    ),
}


def experiment(name: str) -> Experiment:
    return load(presets.find_experiment(name), Experiment)


def planned(name: str) -> Plan:
    return make_plan(load_experiment(name), lambda _: False)


@pytest.mark.parametrize("name", [*PAPER, "paper-grid"])
def test_the_papers_studies_have_the_papers_settings(name: str) -> None:
    """They are written out for people to read, and must not drift from the defaults."""
    found = experiment(name).settings
    usual = Settings()
    limit = 3000 if name == "low-resource" else "paper"
    assert found.annotate == usual.annotate.model_copy(update={"limit": limit})
    assert (found.instruct, found.elicit, found.refine) == (
        usual.instruct,
        usual.elicit,
        usual.refine,
    )
    changed = {"domain", "teacher_splits"}
    assert found.evaluate.model_dump(exclude=changed) == EvaluateSettings().model_dump(
        exclude=changed
    )


@pytest.mark.parametrize(
    ("name", "limits"),
    [("main-in-family", (4000, None)), ("low-resource", (3000, 3000)), ("pocket", (600, 600))],
)
def test_tasks_without_classes_are_annotated_whole_as_the_paper_does(name, limits) -> None:
    found = {
        catalog.task(phase.task.name).kind: phase.settings.limit
        for phase in planned(name).phases
        if phase.kind == "annotate"
    }
    with_classes, without = limits
    assert found.get("choice", with_classes) == with_classes
    assert found.get("number", without) == without


@pytest.mark.parametrize("name", [*PAPER, "recommended"])
def test_every_study_has_a_toy_twin_with_pockets_settings(name: str) -> None:
    twin, real, pocket = experiment(f"pocket-{name}"), experiment(name), experiment("pocket")
    assert (twin.arms, twin.family) == (real.arms, real.family)
    assert twin.description.strip().endswith("it is no evidence about large models.")
    assert twin.settings.annotate == pocket.settings.annotate
    assert twin.settings.elicit == pocket.settings.elicit
    for kind in ("instruct", "refine"):
        ours, theirs = (getattr(e.settings, kind).model_dump() for e in (twin, pocket))
        differ = {key for key in ours if ours[key] != theirs[key]}
        assert differ <= ({"lora", "patience"} if name == "recommended" else set())


def test_recommended_differs_where_it_says_so() -> None:
    found = experiment("recommended")
    assert found.precision == "bf16"
    for training in (found.settings.instruct, found.settings.refine):
        assert (training.lora.r, training.lora.targets) == (16, "all-linear")
    assert found.settings.instruct.learning_rate == 2e-4
    refine = found.settings.refine
    assert (refine.learning_rate, refine.sft_weight) == (5e-6, 1.0)
    assert refine.patience is not None


def test_the_grid_shares_what_it_can() -> None:
    plan = planned("paper-grid")
    assert len(plan.phases) <= 0.4 * plan.naive
    counts = plan.counts()
    assert counts["annotate"][1] == 3 * 6  # teachers x tasks, whoever learns from them
    assert counts["instruct"][1] == 9 * 6 * 4 * 3  # pairs x tasks x fractions x seeds


def test_families_are_those_of_the_paper() -> None:
    pairs = {(r.teacher, r.student) for r in planned("main-in-family").runs if r.arm == "both"}
    assert pairs == {
        ("llama-2-70b-chat", "llama-2-7b-chat"),
        ("llama-2-70b-chat", "llama-2-13b-chat"),
        ("mixtral-8x7b", "mistral-7b"),
    }
    out = {(r.teacher, r.student) for r in planned("main-out-family").runs if r.arm == "both"}
    assert len(out) == 6
    assert not out & pairs


def test_extra_benchmarks_are_for_evaluation_only() -> None:
    for run in planned("extra-benchmarks").runs:
        evaluated = {p.task.name for p in run.phases if p.kind == "evaluate"}
        assert evaluated == {"math", "mmlu"}
        assert run.task in {None, "gsm8k", "csqa"}


@pytest.mark.parametrize("name", presets.card_names())
def test_a_cards_chat_format_is_its_makers(name: str) -> None:
    source = presets.load_card(name).source
    if not isinstance(source, LocalWeights) or source.hub is None:
        return  # an endpoint has its own format; the embedded models are tested with their weights
    assert source.chat_template, "a format that a file fixes can't change under a study"
    assert not source.trust_remote_code
    file = presets.card_file(name).parent / source.chat_template
    bos, eos, prompt, answer = FORMATS[file.stem]
    template = ImmutableSandboxedEnvironment().from_string(file.read_text())
    turns = [{"role": "user", "content": " Why?\n"}]
    tokens = {"bos_token": bos, "eos_token": eos}
    assert template.render(messages=turns, add_generation_prompt=True, **tokens) == prompt
    turns.append({"role": "assistant", "content": "So."})
    whole = template.render(messages=turns, add_generation_prompt=False, **tokens)
    assert whole.endswith(answer)
    assert not bos or whole.count(bos) == 1


def test_both_first_real_studies_have_the_same_demonstrations() -> None:
    """Who has run the one has the demonstrations of the other."""
    large, small = planned("first-real"), planned("first-real-small")
    demonstrations = [
        {p.id for p in plan.phases if p.kind == "annotate"} for plan in (large, small)
    ]
    assert demonstrations[0] == demonstrations[1] != set()
    assert {run.arm for run in large.runs} == {run.arm for run in small.runs} == set(get_args(Arm))
    assert {run.in_family for run in large.runs} == {None, True}
    assert {run.in_family for run in small.runs} == {None, False}


@pytest.mark.parametrize("name", ["first-real", "first-real-small"])
def test_every_setting_of_a_first_real_study_says_why(name: str) -> None:
    _, _, settings = presets.find_experiment(name).read_text().partition("\nsettings:\n")
    values = [line for line in settings.splitlines() if not line.endswith(":")]
    assert values
    assert [line for line in values if "# ours" not in line and "# paper" not in line] == []
