"""Settings for the pocket experiment, tried out without a look at any test question.

    python -m benchmarks.pocket_trials instruct.learning_rate=5e-4,7e-4 elicit.pair_prompt=cot

Every combination of the given values is laid over the shipped preset and goes through the
engine's own phases, in this one process, for each teacher and seed. Accuracies are on questions of
the train split that no teacher annotates: neither learnt from nor tested with. Phases that the
folder already has are reused.
"""

from __future__ import annotations

import argparse
import sys
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pocket import POCKET, expectations
from engine import catalog
from engine.generation.local import LocalProvider
from engine.interfaces import Devices, Question
from engine.phases.ask import item_seed
from engine.planning.graph import expand
from engine.planning.presets import resolve
from engine.planning.sweep import Combination
from engine.planning.yaml_file import load, parse
from engine.scheduling.runner import run_attempt
from engine.schema.experiment import Experiment
from engine.scoring.verdict import score_answer
from engine.store.layout import ADAPTER, RunsFolder
from engine.tasks.prompts import render
from engine.tasks.sampling import balanced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.interfaces import Item
    from engine.planning.presets import Resolved
    from engine.schema.run_spec import RunSpec
    from engine.schema.settings import PromptStyle

VALIDATION_SEED = 1
STYLES: tuple[PromptStyle, ...] = ("plain", "cot")
HEADS = (
    "student",
    "teacher",
    "seed",
    "teacher's own",
    "baseline",
    "instructed",
    "refined",
    "does not hold",
)


def laid_over(changes: dict[str, Any], file: Path = POCKET) -> Experiment:
    """A preset with settings laid over it; keys such as ``refine.beta``."""
    document = load(file, Experiment).model_dump()
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = document["settings"]
        for name in parents:
            place = place[name]
        place[last] = value
    return Experiment.model_validate(document)


def finish(runs: RunsFolder, run: RunSpec) -> dict[str, Path]:
    """Run what is missing of a run's phases before evaluation; the adapter of each training."""
    for spec in run.phases:
        phase = runs.phase(spec.id)
        if spec.kind != "evaluate" and not phase.done:
            phase.create(spec)
            attempt = phase.new_attempt()
            if run_attempt(phase, attempt, Devices()):
                sys.exit(f"{attempt.events}: ended without success")
    kinds = ("instruct", "refine")
    return {s.kind: runs.phase(s.id).out / ADAPTER for s in run.phases if s.kind in kinds}


class Validation:
    """Questions of the train split that are not annotated, and how well they are answered."""

    def __init__(self, resolved: Resolved, count: int) -> None:
        self.resolved = resolved
        self.count = count
        self.known: dict[tuple[Any, ...], float] = {}
        self.task = catalog.task(resolved.experiment.tasks[0])

    @cached_property
    def items(self) -> list[Item]:
        experiment = self.resolved.experiment
        items = self.task.load(self.resolved.sources[self.task.name], "train")
        limit = experiment.settings.annotate.limit
        annotated = {i.id for i in balanced(items, limit, experiment.data_seed)}
        left = [i for i in items if i.id not in annotated]
        return balanced(left, self.count, VALIDATION_SEED)

    def accuracy(self, name: str, adapter: Path | None, style: PromptStyle, seed: int) -> float:
        """Share of right answers of a card with an adapter; asked once."""
        key = (name, adapter, style, seed)
        if key not in self.known:
            self.known[key] = self._accuracy(name, adapter, style, seed)
        return self.known[key]

    def _accuracy(self, name: str, adapter: Path | None, style: PromptStyle, seed: int) -> float:
        by_key = {item.id: item for item in self.items}
        questions = [
            Question(
                i.id,
                render(self.task.instruction, i.question, i.choices, style),
                item_seed(seed, i.id),
            )
            for i in self.items
        ]
        settings = self.resolved.experiment.settings.generation
        model = LocalProvider(self.resolved.cards[name], settings, lambda _: None, adapter=adapter)
        right = 0
        for batch in model.answer(questions):
            for question, reply in batch:
                item = by_key[question.key]
                right += score_answer(self.task.kind, reply.text, item.target, item.choices).correct
        return right / len(questions)


def examine(runs: RunsFolder, resolved: Resolved, asked: Validation) -> Iterator[tuple[str, ...]]:
    """One row a student, teacher and seed: accuracies with the plain and with the CoT prompt."""
    for run in expand(resolved):
        assert run.teacher
        assert run.student
        adapters = finish(runs, run)
        models = (
            (run.teacher, None),
            (run.student, None),
            (run.student, adapters["instruct"]),
            (run.student, adapters["refine"]),
        )
        found = [[asked.accuracy(*m, style, run.seed) for style in STYLES] for m in models]
        own, baseline, instructed, refined = (plain for plain, _ in found)
        failed = expectations(own, baseline, instructed, 0.0, refined)
        cells = [" / ".join(f"{100 * a:.1f}" for a in pair) for pair in found]
        yield (run.student, run.teacher, str(run.seed), *cells, "; ".join(failed))


def combinations(given: Sequence[str]) -> Iterator[dict[str, Any]]:
    """``a=1,2 b=3`` -> ``{a: 1, b: 3}``, ``{a: 2, b: 3}``; values as YAML, floats as ``5e-4``."""
    names = [text.partition("=")[0] for text in given]
    lists = [[_value(v) for v in text.partition("=")[2].split(",")] for text in given]
    yield from (dict(zip(names, values, strict=True)) for values in product(*lists))


def _value(text: str) -> Any:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return parse(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE,...")
    parser.add_argument("--runs", type=Path, default=Path("runs-trials"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--teachers", nargs="+", help="those of the preset when left out")
    parser.add_argument("--students", nargs="+", help="those of the preset when left out")
    parser.add_argument("--questions", type=int, default=400)
    given = parser.parse_args()
    runs = RunsFolder(given.runs.absolute())
    runs.create()
    asked: Validation | None = None
    for changes in combinations(given.changes):
        experiment = laid_over(changes)
        chosen: dict[str, Any] = {"seeds": tuple(given.seeds), "arms": ("both",)}
        for models in ("teachers", "students"):
            if getattr(given, models):
                chosen[models] = tuple(getattr(given, models))
        alone = Combination({}, experiment.model_copy(update=chosen))
        resolved = resolve((alone,), POCKET)
        asked = asked or Validation(resolved, given.questions)
        print(f"\n{' '.join(f'{k}={v}' for k, v in changes.items()) or 'as shipped'}\n")
        print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
        for row in examine(runs, resolved, asked):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
