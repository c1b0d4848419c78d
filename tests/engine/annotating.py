"""Annotate phases of the embedded boxes against the misbehaving server, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.interfaces import Devices
from engine.phases.context import Context
from engine.schema.cards import Endpoint, ModelCard, Sampling
from engine.schema.records import Demonstration
from engine.schema.settings import AnnotateSettings
from engine.schema.specs import AnnotateSpec, EvaluateSpec, TaskRef
from engine.store.eventlog import EventReader, EventWriter
from engine.store.jsonlines import read_records
from engine.store.layout import DEMONSTRATIONS, PhaseDir, RunsFolder
from engine.store.phase_log import PhaseView, fold_all
from engine.tasks.prompts import render

if TYPE_CHECKING:
    from engine.schema import events as ev
    from tests.engine.misbehaving_server import MisbehavingServer

BOXES = catalog.task("pocket-boxes")
ITEMS = {
    render(BOXES.instruction, item.question, item.choices, "cot"): item
    for item in BOXES.load(BOXES.default_source, "train")
}


def right(prompt: str) -> str:
    return f"Think. The answer is {ITEMS[prompt].target}."


def wrong(prompt: str) -> str:
    return f"The answer is {'A' if ITEMS[prompt].target != 'A' else 'B'}."


def spec_of(
    server: MisbehavingServer, limit: int = 12, keep: str = "correct", **fields: Any
) -> AnnotateSpec:
    prices = {"price_in": 1000.0, "price_out": 10_000.0, "http_retries": 0, "concurrency": 4}
    prices |= {"patience_s": 0.0}
    source = Endpoint(kind="openai_compatible", base_url=server.url, model="m", **(prices | fields))
    teacher = ModelCard(
        name="gpt", family="gpt", source=source, sampling=Sampling(max_new_tokens=20)
    )
    settings = AnnotateSettings(limit=limit, keep=keep)  # type: ignore[arg-type]
    task = TaskRef(name="pocket-boxes", source=BOXES.default_source)
    return AnnotateSpec(teacher=teacher, task=task, settings=settings)


@dataclass
class TeacherLab:
    """Runs annotate phases in this process."""

    runs: RunsFolder
    views: list[PhaseView] = field(default_factory=list)

    def attempt(self, spec: AnnotateSpec | EvaluateSpec) -> PhaseDir:
        """One attempt to its end or error; its events are kept either way."""
        folder = self.runs.phase(spec.id)
        folder.create(spec)
        attempt = folder.new_attempt()
        try:
            with EventWriter(attempt.events, attempt.alive) as writer:
                ctx = Context(self.runs, folder, attempt, writer, Devices())
                ctx.clear_staging()
                folder.publish(ctx.staging, catalog.recipe(spec)(ctx, spec))
        finally:
            self.views.append(fold_all(self.events(folder)))
        return folder

    @staticmethod
    def events(folder: PhaseDir) -> list[ev.Event]:
        return EventReader(folder.attempts()[-1].events).read(max_ms=5000)


def progress(view: PhaseView) -> tuple[int, int, int]:
    assert view.progress is not None
    return view.progress.done, view.progress.total, view.progress.resumed


def cost(view: PhaseView) -> ev.Cost:
    assert view.cost is not None
    return view.cost


def demonstrations(folder: PhaseDir) -> list[Demonstration]:
    return list(read_records(folder.out / DEMONSTRATIONS, Demonstration))
