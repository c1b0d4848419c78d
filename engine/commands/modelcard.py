"""The README of an exported model: metadata for the hub, and what a reader has to know.

Data, settings, scores with intervals, hashes of everything it descends from, and what it was
made with. Toy models are called toy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.queries.lineage_tree import environments, number, when
from engine.queries.results import Table, mark_text
from engine.schema.cards import LocalWeights
from engine.store.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.lineage import Ancestor, Lineage
    from engine.schema.specs import InstructSpec, RefineSpec
    from engine.store.run_row import Cellmark
    from engine.training.merging import Parity

PAPER = "arxiv:2405.00402"
TOY_TASKS = "pocket-"
TOY_BELOW = 50e6  # weights
TOY = (
    "**This is a toy model**: it shows that the machinery works. It is no evidence about large"
    " models, and its scores are no benchmark results."
)
USE = """\
```python
from transformers import pipeline

student = pipeline("text-generation", model="PATH-OR-NAME")
print(student([{{"role": "user", "content": {question!r}}}]))
```"""


def model_card(
    found: Lineage, spec: InstructSpec | RefineSpec, parity: Parity, question: str
) -> str:
    """The card of the model that ``spec`` trained, in Markdown with a YAML head."""
    ancestors = _ancestors(found, spec.id)
    scores = [p for p in found.phases if p.parent == spec.id and p.score is not None]
    toy = _is_toy(spec, [*ancestors, *scores])
    sections = [
        _title(found, spec),
        TOY if toy else "",
        "## Use\n\n" + USE.format(question=question),
        "## Scores\n\n" + _scores(scores),
        "## Data\n\n" + _data(ancestors),
        "## Settings\n\n" + _settings(ancestors, spec),
        "## Merging\n\n" + _merging(found, spec, parity),
        "## Lineage\n\n" + _lineage([*ancestors, *scores]),
        "## Made with\n\n" + _made_with(found),
        "The licence of the base model applies.",
    ]
    body = "\n\n".join(section for section in sections if section)
    return f"---\n{_metadata(found, spec, ancestors, scores, toy)}\n---\n\n{body}\n"


def without_places(found: Lineage) -> Lineage:
    """For strangers: no machine's name or address, no private note; of local files and folders
    the last part alone."""
    phases = []
    for phase in found.phases:
        attempts = tuple(replace(one, host="") for one in phase.attempts)
        data = phase.data and replace(phase.data, source=_last_parts(phase.data.source))
        model = replace(phase.model, source=_last_parts(phase.model.source))
        phases.append(replace(phase, attempts=attempts, data=data, model=model))
    return replace(found, note="", phases=tuple(phases))


def _last_parts(places: str) -> str:
    parts = places.partition(" at http")[0].split(", ")
    return ", ".join(p.rsplit("/", 1)[-1] if p.startswith("/") else p for p in parts)


def _ancestors(found: Lineage, phase_id: str) -> list[Ancestor]:
    """The phase and all it descends from, inputs first."""
    wanted = {phase_id}
    for phase in reversed(found.phases):
        if phase.id in wanted:
            wanted.update(phase.inputs)
    return [phase for phase in found.phases if phase.id in wanted]


def _is_toy(spec: InstructSpec | RefineSpec, phases: Iterable[Ancestor]) -> bool:
    small = spec.student.parameters is not None and spec.student.parameters < TOY_BELOW
    return small or any(p.data and p.data.name.startswith(TOY_TASKS) for p in phases)


def _metadata(
    found: Lineage,
    spec: InstructSpec | RefineSpec,
    ancestors: list[Ancestor],
    scores: list[Ancestor],
    toy: bool,
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    source = spec.student.source
    hub = source.hub if isinstance(source, LocalWeights) else None
    tags = ["sirt", "self-refine-instruction-tuning", PAPER, *(["toy"] if toy else [])]
    tags += sorted({{"instruct": "sft", "refine": "dpo"}.get(p.kind, "") for p in ancestors} - {""})
    data = ModelCardData(
        language="en",
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=hub,
        datasets=_hub_ids(ancestors) or None,
        tags=tags,
        model_name=found.run_id,
        eval_results=[_result(p, EvalResult) for p in scores] or None,
    )
    return str(data.to_yaml())


def _hub_ids(phases: Iterable[Ancestor]) -> list[str]:
    ids = (p.data.hub for p in phases if p.data is not None)
    return list(dict.fromkeys(hub for hub in ids if hub))


def _result(phase: Ancestor, kind: type[Any]) -> Any:
    mark, data = phase.score, phase.data
    assert mark is not None
    assert data is not None
    return kind(
        task_type="text-generation",
        dataset_type=data.hub or data.name,
        dataset_name=data.name,
        dataset_split=mark.split,
        dataset_revision=data.revision,
        metric_type="accuracy",
        metric_name=f"accuracy in per cent, {_asked(mark)}",
        metric_value=round(100 * mark.accuracy, 2),
        metric_args={
            "n": mark.total,
            "wilson_95": [round(100 * mark.low, 2), round(100 * mark.high, 2)],
        },
    )


def _asked(mark: Cellmark) -> str:
    """``cot prompt``, ``log-prob``."""
    style = mark.evaluation.style
    return style if mark.method == "logprob" else f"{style} prompt"


def _title(found: Lineage, spec: InstructSpec | RefineSpec) -> str:
    done = "instruction-tuned" if spec.kind == "instruct" else "self-refined"
    by = f" with {found.teacher} as its teacher" if found.teacher else ""
    return (
        f"# {found.run_id}\n\n{spec.student.name}, {done}{by}, after *Self-Refine"
        " Instruction-Tuning for Aligning Reasoning in Language Models* (Ranaldi & Freitas, EMNLP"
        f" 2024). Experiment {found.experiment}, arm {found.arm}, seed {found.seed}.\n\n"
        f"Base: {_base(found, spec)}."
    )


def _base(found: Lineage, spec: InstructSpec | RefineSpec) -> str:
    model = next(p.model for p in found.phases if p.id == spec.id)
    at = f", revision `{model.revision}`" if model.revision else ""
    return f"{model.source}{at}, trained on in {model.precision}"


def _scores(scores: Iterable[Ancestor]) -> str:
    lines = []
    for phase in scores:
        mark = phase.score
        assert mark is not None
        unparsed = f"{100 * mark.unparsed:.1f}"
        lines.append(
            (
                mark.task,
                mark.evaluation.style,
                mark.split,
                mark_text(mark),
                str(mark.total),
                unparsed,
            )
        )
    if not lines:
        return "This run holds no scores of this model."
    headers = ("task", "prompt", "split", "right, % [Wilson 95 %]", "n", "unparsed, %")
    return Table(headers, tuple(lines)).markdown()


def _data(phases: Iterable[Ancestor]) -> str:
    headers = ("task", "source", "revision", "teacher", "demonstrations kept", "of")
    lines = tuple(
        (
            p.data.name,
            p.data.source,
            p.data.revision or "",
            p.model.name,
            str(p.figures.get("kept", "")),
            str(p.figures.get("total", "")),
        )
        for p in phases
        if p.data is not None
    )
    return Table(headers, lines).markdown() + "\n\nNo test split was trained on."


def _settings(phases: list[Ancestor], spec: InstructSpec | RefineSpec) -> str:
    lines = [
        f"- {phase.kind} `{phase.fingerprint}`, seed {phase.seed}: "
        + ", ".join(f"{one.name} {number(one.value)}" for one in phase.settings)
        for phase in phases
    ]
    sampling = ", ".join(f"{k} {number(v)}" for k, v in spec.student.sampling)
    return "\n".join([*lines, f"- answers are drawn with {sampling}"])


def _merging(found: Lineage, spec: InstructSpec | RefineSpec, parity: Parity) -> str:
    source = spec.student.source
    assert isinstance(source, LocalWeights)
    how = f"The adapter was added to the base in {source.precision}"
    if source.precision == "nf4":
        how = "The base, quantised to NF4 for training, was dequantised and the adapter added to it"
    trained = trained_on(found, spec.id)
    where = f" It was trained on {trained} and merged on {parity.device}." if trained else ""
    return (
        f"{how} and written in {parity.dtype}.{where} Against the trained student, on"
        f" {parity.tokens} tokens of its greedy answers to {parity.prompts} prompts: mean KL"
        f" {parity.mean_kl:.2g} nats a token (largest {parity.max_kl:.2g}), largest difference of a"
        f" log-probability {parity.max_logit:.2g}, same greedy token in {parity.greedy:.1%}."
    )


def trained_on(found: Lineage, phase_id: str) -> str:
    """The kind of device of a phase's last attempt, ``cpu`` or ``cuda``; empty when unknown."""
    attempts = next((p.attempts for p in found.phases if p.id == phase_id), ())
    devices = attempts[-1].devices if attempts else ()
    return devices[0].partition(":")[0] if devices else ""


def _lineage(phases: Iterable[Ancestor]) -> str:
    lines = []
    for phase in phases:
        outputs = [f"{name} `{facts['sha256']}`" for name, facts in phase.files.items()]
        done = when(phase.finished) if phase.finished else phase.state
        model = f"{phase.model.name} {phase.model.revision or ''}".strip()
        lines.append((f"`{phase.id}`", model, done, "<br>".join(outputs)))
    headers = ("phase", "model and revision", "finished", "outputs with sha256")
    return Table(headers, tuple(lines)).markdown()


def _made_with(found: Lineage) -> str:
    now = provenance()
    at = f" at {now['commit']}" if now["commit"] else ""
    return "\n".join(
        [*(f"- {line}" for line in environments(found)), f"- exported by sirt {now['program']}{at}"]
    )
