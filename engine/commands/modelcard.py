"""Write the README of an exported model: metadata for the hub, and what a reader must know.

``modelcard.md.j2`` has its text: data, settings, scores with intervals, hashes of everything it
descends from, and what it was made with. Toy models are called toy.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.queries.lineage_tree import environments, number, when
from engine.store.provenance import provenance
from engine.tables import accuracies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from huggingface_hub import ModelCardData

    from engine.queries.lineage import Ancestor, Lineage
    from engine.schema.evaluation import Evaluation
    from engine.schema.records import Parity
    from engine.schema.specs import InstructSpec, RefineSpec

PAPER = "arxiv:2405.00402"
TEMPLATE = Path(__file__).with_name("modelcard.md.j2")
TOY_TASKS = "pocket-"
TOY_BELOW = 50e6  # weights


def model_card(
    found: Lineage, spec: InstructSpec | RefineSpec, parity: Parity, question: str
) -> str:
    """Write the card of the model that ``spec`` trained, in Markdown with a YAML head."""
    from huggingface_hub import ModelCard

    ancestors = _ancestors(found, spec.id)
    scores = [p for p in found.phases if p.parent == spec.id and p.score is not None]
    toy = _is_toy(spec, [*ancestors, *scores])
    card = ModelCard.from_template(
        _metadata(found, spec, ancestors, scores, toy),
        template_path=str(TEMPLATE),
        run=found,
        spec=spec,
        base=next(p.model for p in ancestors if p.id == spec.id),
        toy=toy,
        question=repr(question),
        ancestors=ancestors,
        scores=scores,
        table=accuracies.of_model(phase.score for phase in scores if phase.score),
        parity=parity,
        trained=trained_on(found, spec.id),
        made_with=environments(found),
        now=provenance(),
        number=number,
        when=when,
    )
    return f"{card}\n"


def without_places(found: Lineage) -> Lineage:
    """Remove what outsiders must not see: machines' names and addresses, private notes, and all but
    the last part of local paths."""
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
    """Return the phase and all phases that it depends on, inputs first."""
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
) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    hub = spec.student.weights.hub
    tags = ["sirt", "self-refine-instruction-tuning", PAPER, *(["toy"] if toy else [])]
    tags += sorted({{"instruct": "sft", "refine": "dpo"}.get(p.kind, "") for p in ancestors} - {""})
    return ModelCardData(
        language="en",
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=hub,
        datasets=_hub_ids(ancestors) or None,
        tags=tags,
        model_name=found.run_id,
        eval_results=[_result(p, EvalResult) for p in scores] or None,
    )


def _hub_ids(phases: Iterable[Ancestor]) -> list[str]:
    ids = (p.data.hub for p in phases if p.data is not None)
    return list(dict.fromkeys(hub for hub in ids if hub))


def _result(phase: Ancestor, kind: type[Any]) -> Any:
    one, data = phase.score, phase.data
    assert one is not None
    assert data is not None
    return kind(
        task_type="text-generation",
        dataset_type=data.hub or data.name,
        dataset_name=data.name,
        dataset_split=one.evaluation.split,
        dataset_revision=data.revision,
        metric_type="accuracy",
        metric_name=f"accuracy in per cent, {_asked(one.evaluation)}",
        metric_value=round(100 * one.value, 2),
        metric_args={
            "n": one.total,
            "wilson_95": [round(100 * one.right.low, 2), round(100 * one.right.high, 2)],
        },
    )


def _asked(what: Evaluation) -> str:
    """Say how a model was asked: ``cot prompt`` or ``log-prob``, for example."""
    return what.style if what.method == "logprob" else f"{what.style} prompt"


def trained_on(found: Lineage, phase_id: str) -> str:
    """Return the device kind of a phase's last attempt, ``cpu`` or ``cuda``; empty if unknown."""
    attempts = next((p.attempts for p in found.phases if p.id == phase_id), ())
    devices = attempts[-1].devices if attempts else ()
    return devices[0].partition(":")[0] if devices else ""
