"""What the tests of the two trainings share: a card, fabricated inputs, one attempt."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load_file

from engine.catalog import recipe
from engine.interfaces import Devices
from engine.phases.context import Context
from engine.schema import events as ev
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.records import Demonstration, Pair, Verdict
from engine.schema.settings import ElicitSettings
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    TaskRef,
)
from engine.store.eventlog import EventReader, EventWriter
from engine.store.layout import (
    ADAPTER,
    DEMONSTRATIONS,
    PAIRS,
    PhaseDir,
    RunsFolder,
)
from engine.tasks.prompts import NUMBER_INSTRUCTION, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.schema.phase import PhaseSpec

MODELS = Path(__file__).parents[2] / "engine" / "pocket" / "models"
STUDENT = "wren-1m"
RIGHT = Verdict(answer="7", tier="last number", correct=True)


def student(precision: str = "fp32", name: str = STUDENT, **fields: Any) -> ModelCard:
    """A pocket student; the test is skipped where the models aren't built yet."""
    if not (MODELS / name).is_dir():
        pytest.skip(f"the pocket model {name} is not built")
    source = LocalWeights(path=str(MODELS / name), precision=precision)  # type: ignore[arg-type]
    return ModelCard(name=name, family="wren", source=source, **fields)


def demonstration(number: int, *, kept: bool = True, output: str = "") -> Demonstration:
    question = f"Mia has {number} shells and finds {number % 5} more. How many has she?"
    return Demonstration(
        id=f"q{number}",
        instruction=NUMBER_INSTRUCTION,
        question=question,
        target=str(number + number % 5),
        prompt=render(NUMBER_INSTRUCTION, question, style="cot"),
        output=output or f"She has {number} and {number % 5}. The answer is {number + number % 5}.",
        finish="stop",
        verdict=RIGHT,
        kept=kept,
    )


def pair(number: int, *, group: str = "", chosen: str = "", rejected: str = "") -> Pair:
    one = demonstration(number)
    plain, cot = (render(NUMBER_INSTRUCTION, one.question, style=s) for s in ("plain", "cot"))  # type: ignore[arg-type]
    return Pair(
        id=one.id,
        question=one.question,
        target=one.target,
        group=group,
        prompt=cot,
        prompt_plain=plain,
        prompt_cot=cot,
        chosen=chosen or one.output,
        rejected=rejected or f"The answer is {number + 9}.",
        winner="student",
        chosen_verdict=RIGHT,
        rejected_verdict=RIGHT,
        plain_has_steps=False,
    )


@dataclass
class Lab:
    """A runs folder in which phases are fabricated and run in this process."""

    runs: RunsFolder

    def annotated(self, demonstrations: Sequence[Demonstration]) -> str:
        """Id of a finished annotate phase with these demonstrations."""
        spec = AnnotateSpec(teacher=student(), task=TaskRef(name="pocket-sums"))
        return self._finished(spec, DEMONSTRATIONS, demonstrations)

    def elicited(self, pairs: Sequence[Pair], adapter: str | None = None, **settings: Any) -> str:
        """Id of a finished elicit phase with these pairs."""
        spec = ElicitSpec(
            student=student(),
            adapter=adapter,
            demonstrations="annotate-" + "0" * 16,
            settings=ElicitSettings(**settings),
        )
        return self._finished(spec, PAIRS, pairs)

    def _finished(self, spec: Any, file: str, records: Sequence[Any]) -> str:
        folder = self.runs.phase(spec.id)
        if folder.done:
            shutil.rmtree(folder.path)
        folder.create(spec)
        staging = folder.work / "staging"
        staging.mkdir(parents=True)
        lines = "".join(f"{record.model_dump_json()}\n" for record in records)
        (staging / file).write_text(lines)
        folder.publish(staging, {})
        return spec.id

    def attempt(
        self,
        spec: PhaseSpec,
        on_event: Callable[[ev.Event, Context], None] | None = None,
        *,
        publish: bool = True,
        scratch: Path | None = None,
    ) -> Attempt:
        """Run one attempt here; ``on_event`` sees every event as it is written."""
        folder = self.runs.phase(spec.id)
        folder.create(spec)
        attempt = folder.new_attempt()
        with EventWriter(attempt.events, attempt.alive) as writer:
            ctx = Context(self.runs, folder, attempt, writer, Devices(), scratch=scratch)
            if on_event:
                emit = writer.emit

                def spy(event: ev.Event) -> None:
                    emit(event)
                    on_event(event, ctx)

                writer.emit = spy  # type: ignore[method-assign]
            ctx.bring_checkpoints()
            ctx.clear_staging()
            result = Attempt(folder, {}, [])
            try:
                result.figures = recipe(spec)(ctx, spec)
                if publish:
                    ctx.publish(result.figures)
            finally:
                result.events = EventReader(attempt.events).read()
        return result


@dataclass
class Attempt:
    """What an attempt left behind."""

    folder: PhaseDir
    figures: dict[str, Any]
    events: list[ev.Event]

    @property
    def adapter(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = load_file(
            self.folder.out / ADAPTER / "adapter_model.safetensors"
        )
        return weights

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def series(self, name: str) -> list[tuple[int, float]]:
        return [(m.step, m.values[name]) for m in self.of(ev.Metric) if name in m.values]

    def warned(self, code: str) -> bool:
        return any(m.code == code for m in self.of(ev.Message))


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return left.keys() == right.keys() and all(left[k].equal(right[k]) for k in left)
