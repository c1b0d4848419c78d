"""Evaluate: tests a model on a task's test split with one prompt style, by answer matching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.generation.engines import LocalModel
from engine.interfaces import Question, Reply
from engine.phases.ask import ask_all, item_seed, workplace
from engine.phases.committing import commit
from engine.phases.replies import ReplyStore
from engine.phases.reuse import take_from
from engine.schema import events as ev
from engine.schema.records import Prediction, Score, Verdict, asked
from engine.scoring.legacy import legacy_verdict
from engine.scoring.score import score
from engine.scoring.verdict import score_reply
from engine.store.jsonlines import write_records
from engine.store.layout import ADAPTER, PREDICTIONS, REPLIES, SCORE
from engine.store.writing import write_json
from engine.tasks.prompts import LETTERS, instruction_of, render
from engine.tasks.sampling import balanced

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Item, Provider, Task
    from engine.phases.context import Context
    from engine.schema.cards import ModelCard
    from engine.schema.specs import EvaluateSpec

UNPARSED_WARNING = 0.1
TRUNCATED_WARNING = 0.05


def run(ctx: Context, spec: EvaluateSpec) -> dict[str, Any]:
    """Write ``predictions.jsonl`` (every answer) and ``score.json``; return the figures."""
    task = catalog.task(spec.task.name)
    items = task.load(spec.task.source, spec.split, ctx.message)
    if spec.limit is not None:
        items = balanced(items, spec.limit, spec.data_seed)
    adapter = ctx.output(spec.adapter, ADAPTER) if spec.adapter else None
    answer = _by_logprob if spec.method == "logprob" else _by_match
    predictions = answer(ctx, spec, task, items, adapter)
    ctx.activity("scoring the answers")
    result = score(predictions, spec.commit)
    write_records(ctx.staging / PREDICTIONS, predictions)
    write_json(ctx.staging / SCORE, result.model_dump())
    ctx.emit(ev.Scored(task=task.name, prompt=spec.prompt, method=spec.method, score=result))
    if missing := len(items) - len(predictions):
        ctx.warn(
            f"{missing} of {len(items)} questions have no answer: the accuracy is of the other "
            f"{len(predictions)}",
            "unanswered",
        )
    _warn(ctx, result)
    return result.model_dump()


def _prompts(spec: EvaluateSpec, task: Task, items: list[Item]) -> list[str]:
    instruction = instruction_of(task, spec.task.prompt_version)
    return [render(instruction, i.question, i.choices, spec.prompt) for i in items]


def _by_match(
    ctx: Context, spec: EvaluateSpec, task: Task, items: list[Item], adapter: Path | None
) -> list[Prediction]:
    store = ReplyStore(ctx.work / REPLIES)
    if spec.answers:
        take_from(ctx, ctx.input(spec.answers), store)
    twin = ctx.runs.phase(spec.twin)
    if twin.done:
        take_from(ctx, twin, store)
    prompts = _prompts(spec, task, items)
    questions = [
        Question(item.id, prompt, item_seed(spec.seed, item.id))
        for item, prompt in zip(items, prompts, strict=True)
    ]
    of_key = {item.id: item for item in items}

    def verdict(question: Question, reply: Reply) -> Verdict:
        return score_reply(task.kind, of_key[question.key], reply.text, reply.finish)

    def model(card: ModelCard) -> Provider:
        if adapter is not None:
            return LocalModel(card, spec.generation, ctx.message, adapter=adapter)
        make = catalog.provider(card.source)
        return make(card, spec.generation, ctx.message, store.most_spent(card))

    targets = {key: item.target for key, item in of_key.items()}
    ask_all(
        *(ctx, model(spec.model), questions, store),
        card=spec.model,
        judge=verdict,
        targets=targets,
    )
    predictions = [
        _prediction(task, item, prompt, store[item.id])
        for item, prompt in zip(items, prompts, strict=True)
        if item.id in store
    ]
    if not spec.commit:
        return predictions
    return commit(ctx, task.kind, predictions, spec.model, spec.seed, store, model)


def _prediction(task: Task, item: Item, prompt: str, reply: Reply) -> Prediction:
    return Prediction(
        **asked(item),
        prompt=prompt,
        output=reply.text,
        finish=reply.finish,
        tokens=reply.completion_tokens,
        verdict=score_reply(task.kind, item, reply.text, reply.finish),
        legacy=legacy_verdict(task.kind, reply.text, item.target, item.choices),
    )


def _by_logprob(
    ctx: Context, spec: EvaluateSpec, task: Task, items: list[Item], adapter: Path | None
) -> list[Prediction]:
    """Take the option letter with the highest log-probability; nothing is generated."""
    prompts = _prompts(spec, task, items)
    letters = [LETTERS[: len(item.choices)] for item in items]
    ctx.activity("probing options")

    def seen(done: int, total: int) -> None:
        ctx.progress(done, total, "texts")

    model = LocalModel(spec.model, spec.generation, ctx.message, adapter=adapter)
    model.watch(ctx.doing)
    model.work_at(workplace(ctx, prompts))
    found = model.option_logprobs(prompts, letters, seen)
    return [
        _probed(item, prompt, options)
        for item, prompt, options in zip(items, prompts, found, strict=True)
    ]


def _probed(item: Item, prompt: str, options: tuple[float, ...]) -> Prediction:
    letter = LETTERS[max(range(len(options)), key=options.__getitem__)]
    return Prediction(
        **asked(item),
        prompt=prompt,
        output="",
        finish="stop",
        tokens=0,
        verdict=Verdict(answer=letter, tier="logprob", correct=letter == item.target),
        option_logprobs=options,
    )


def _warn(ctx: Context, result: Score) -> None:
    if result.unparsed > UNPARSED_WARNING:
        ctx.warn(
            f"no answer was found in {100 * result.unparsed:.0f} % of the texts; they count as "
            "wrong",
            "unparsed-high",
        )
    if result.truncated > TRUNCATED_WARNING:
        ctx.warn(
            f"{100 * result.truncated:.0f} % of the answers were cut off by max_new_tokens",
            "truncated",
        )
