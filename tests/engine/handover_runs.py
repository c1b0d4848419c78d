"""A small run whose trainings are real: adapters that can be merged, on a pocket student."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.schema.records import Prediction, Verdict
from engine.schema.run_spec import RunSpec
from engine.schema.settings import InstructSettings, RefineSettings
from engine.schema.specs import EvaluateSpec, InstructSpec, RefineSpec, TaskRef
from engine.scoring.score import score
from engine.store.jsonlines import write_records
from engine.store.layout import PREDICTIONS, SCORE
from engine.store.run import RunFile
from engine.store.writing import write_json
from tests.engine.training_helpers import Lab, demonstration, pair, student

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

TASK = TaskRef(name="pocket-sums")


def trained_run(runs: RunsFolder, precision: str, refined: bool = True) -> str:
    """Instruct and refine with rates that move every weight; evaluated by hand. Returns its id."""
    lab = Lab(runs)
    card = student(precision, parameters=1e6)
    demonstrations = lab.annotated([demonstration(i) for i in range(12)])
    instruct = InstructSpec(
        student=card,
        demonstrations=demonstrations,
        settings=InstructSettings(epochs=2, learning_rate=1e-2),
    )
    lab.attempt(instruct)
    phases: list[Any] = [runs.phase(demonstrations).spec(), instruct]
    if refined:
        pairs = lab.elicited([pair(i) for i in range(12)], instruct.id)
        refine = RefineSpec(
            student=card,
            adapter=instruct.id,
            pairs=pairs,
            settings=RefineSettings(
                batch_size=4, max_steps=3, evaluate_every=3, warmup_steps=1, learning_rate=1e-3
            ),
        )
        lab.attempt(refine)
        phases += [runs.phase(pairs).spec(), refine]
    trained = phases[-1].id
    for style in ("plain", "cot"):
        evaluated = EvaluateSpec(model=card, adapter=trained, task=TASK, prompt=style)  # type: ignore[arg-type]
        _evaluated(runs, evaluated)
        phases.append(evaluated)
    return _written(runs, precision, phases)


def _evaluated(runs: RunsFolder, spec: EvaluateSpec) -> None:
    folder = runs.phase(spec.id)
    folder.create(spec)
    staging = folder.work / "staging"
    staging.mkdir(parents=True)
    predictions = [_prediction(i, spec.prompt) for i in range(12)]
    write_records(staging / PREDICTIONS, predictions)
    write_json(staging / SCORE, score(predictions).model_dump())
    folder.publish(staging, {})


def _prediction(number: int, style: str) -> Prediction:
    asked = pair(number + 50)
    return Prediction(
        id=f"t{number}",
        question=asked.question,
        target=asked.target,
        prompt=asked.prompt_plain if style == "plain" else asked.prompt_cot,
        output=f"The answer is {number}.",
        finish="stop",
        tokens=6,
        verdict=Verdict(answer=str(number), tier="statement", correct=number % 3 > 0),
    )


def _written(runs: RunsFolder, precision: str, phases: list[Any]) -> str:
    spec = RunSpec(
        experiment="handover",
        arm="both",
        teacher="wren-1m",
        student="wren-1m",
        teacher_family="wren",
        student_family="wren",
        task="pocket-sums",
        refine_task="pocket-sums",
        phases=tuple(phases),
    )
    run_id = f"handover-{precision}-{spec.fingerprint[:8]}"
    runs.run_folder(run_id).mkdir()
    file = RunFile(run_id=run_id, name=spec.title, created=datetime.now(UTC), spec=spec)
    runs.run_file(run_id).write_text(file.model_dump_json())
    return run_id
