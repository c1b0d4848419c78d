"""Settings of a real experiment, tried out on questions that nobody is taught or tested with.

    python -m benchmarks.real_trials FILE --runs DIR instruct.learning_rate=1e-4,2e-4,4e-4
    python -m benchmarks.real_trials FILE --runs DIR --arm both refine.learning_rate=2e-5,1e-4

Every combination of the given values is laid over the experiment FILE, and its phases up to the
last training go through the engine here, in this one process. Then each student answers questions
of the train split that no teacher annotates. What is done is kept in the folder and not done again,
and ``sirt run FILE --runs DIR`` uses the phases of the settings that were chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pocket_trials import STYLES, VALIDATION_SEED, combinations, finish, laid_over
from engine import catalog
from engine.generation.engines import LocalModel
from engine.interfaces import Question
from engine.phases.ask import item_seed
from engine.phases.replies import ReplyStore
from engine.planning.graph import expand
from engine.planning.presets import resolve
from engine.planning.sweep import Combination
from engine.scoring.statistics import share
from engine.scoring.verdict import score_reply
from engine.store.layout import RunsFolder
from engine.tasks.prompts import instruction_of, render
from engine.tasks.sampling import balanced

if TYPE_CHECKING:
    from engine.interfaces import Item
    from engine.planning.presets import Resolved
    from engine.schema.run_spec import RunSpec
    from engine.schema.settings import PromptStyle

HEADS = ("settings", "student", "task", *(f"{style}: right %, cut off %" for style in STYLES))


def held_out(resolved: Resolved, task: str, count: int) -> list[Item]:
    """Questions of a task's train split that no teacher annotates."""
    experiment = resolved.experiment
    items = catalog.task(task).load(resolved.sources[task], "train")
    limit = experiment.settings.annotate.limit
    assert isinstance(limit, int)
    taught = {item.id for item in balanced(items, limit, experiment.data_seed)}
    return balanced([i for i in items if i.id not in taught], count, VALIDATION_SEED)


def answered(
    resolved: Resolved, run: RunSpec, adapter: Path | None, style: PromptStyle, items: list[Item],
    store: ReplyStore,
) -> str:  # fmt: skip
    """How many of the items are answered right, with the interval, and the share cut off."""
    assert run.student
    assert run.task
    task = catalog.task(run.task)
    instruction = instruction_of(task, 1)
    questions = [
        Question(
            item.id,
            render(instruction, item.question, item.choices, style),
            item_seed(run.seed, item.id),
        )
        for item in items
    ]
    generation = resolved.experiment.settings.generation
    model = LocalModel(resolved.cards[run.student], generation, lambda *_: None, adapter=adapter)
    for batch in model.answer(questions, store):
        store.append(batch)
    replies = [store[item.id] for item in items]
    right = sum(
        score_reply(task.kind, item, reply.text, reply.finish).correct
        for item, reply in zip(items, replies, strict=True)
    )
    found = share(right, len(items))
    cut = sum(reply.finish == "length" for reply in replies) / len(items)
    percent = (100 * right / len(items), 100 * found.low, 100 * found.high, 100 * cut)
    return "{:.1f} [{:.1f}, {:.1f}], {:.0f}".format(*percent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE,...")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--arm", default="instruct-only", help="whose students are asked")
    parser.add_argument("--questions", type=int, default=60)
    given = parser.parse_intermixed_args()
    runs = RunsFolder(given.runs.absolute())
    runs.create()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    for changes in combinations(given.changes):
        experiment = laid_over(changes, given.experiment)
        chosen = {"arms": (given.arm,), "seeds": experiment.seeds[:1]}
        alone = Combination({}, experiment.model_copy(update=chosen))
        resolved = resolve((alone,), given.experiment)
        for run in expand(resolved):
            adapters = list(finish(runs, run).values())
            items = held_out(resolved, str(run.task), given.questions)
            cells = []
            for style in STYLES:
                whose = adapters[-1].parent.parent.name if adapters else run.student
                file = runs.root / "trials" / f"{whose}-{run.task}-{style}.jsonl"
                file.parent.mkdir(exist_ok=True)
                last = adapters[-1] if adapters else None
                cells.append(answered(resolved, run, last, style, items, ReplyStore(file)))
            what = " ".join(f"{key}={value}" for key, value in changes.items()) or "as given"
            print(f"| {what} | {run.student} | {run.task} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
