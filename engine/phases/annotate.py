"""Annotate: the teacher answers every training question; right answers become demonstrations.

The teacher gets the task's zero-shot prompt (CoT by default, as the paper has it). Questions
are drawn class by class, each with a seed of its own. Every raw reply is kept in ``work/``,
every demonstration in the output with its verdict and, if it was dropped, the reason.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.interfaces import Item, Question, Reply
from engine.phases.ask import ask_all, item_seed
from engine.phases.replies import ReplyStore
from engine.phases.reuse import take_generations
from engine.phases.thinking import tell_thinking
from engine.schema.errors import UserError
from engine.schema.records import Demonstration, Verdict, asked
from engine.scoring.steps import has_steps
from engine.scoring.thinking import without_thinking
from engine.scoring.verdict import score_reply
from engine.store.jsonlines import write_records
from engine.store.layout import DEMONSTRATIONS, REPLIES
from engine.tasks.checking import BadRows
from engine.tasks.prompts import instruction_of, render, with_letters
from engine.tasks.repeats import shared
from engine.tasks.sampling import balanced

if TYPE_CHECKING:
    from engine.interfaces import Task
    from engine.phases.context import Context
    from engine.schema.settings import AnnotateSettings
    from engine.schema.specs import AnnotateSpec

KEPT_LOW = 0.2
TARGETS_MANY = 0.1
NO_REPLY = Reply("", "empty", 0, 0)


def run(ctx: Context, spec: AnnotateSpec) -> dict[str, Any]:
    """Write ``demonstrations.jsonl`` in the order of the drawn items; return the figures."""
    task = catalog.task(spec.task.name)
    ctx.activity("reading the questions")
    limit = spec.settings.most(has_classes=task.kind == "choice")
    items = balanced(
        task.load(spec.task.source, "train", ctx.message), limit, spec.seed, ctx.message
    )
    _tell_overlap(ctx, task, items, spec)
    by_key = {item.id: item for item in items}
    questions = [_question(task, item, spec) for item in items]

    take_generations(ctx, spec)
    store = ReplyStore(ctx.work / REPLIES)
    if spec.teacher.source.bills_in:
        store.ask_again()
    teacher = catalog.provider(spec.teacher.source)(
        spec.teacher, spec.generation, ctx.message, store.most_spent(spec.teacher)
    )
    ctx.activity("asking the teacher")
    ask_all(
        ctx,
        teacher,
        questions,
        store,
        card=spec.teacher,
        judge=lambda question, reply: _verdict(task, by_key[question.key], reply),
        targets={key: item.target for key, item in by_key.items()},
    )

    ctx.activity("judging the demonstrations")
    demonstrations = [
        _demonstration(task, by_key[q.key], q, store.get(q.key), spec) for q in questions
    ]
    figures = _figures(demonstrations, spec, store)
    texts = [store[q.key].text for q in questions if q.key in store]
    figures["thinking"] = tell_thinking(ctx, texts, spec.settings)
    _look_at(ctx, demonstrations, figures, spec.settings)
    _look_for_reasoning(ctx, [d for d in demonstrations if d.kept], spec)
    write_records(ctx.staging / DEMONSTRATIONS, demonstrations)
    return figures


def _tell_overlap(ctx: Context, task: Task, items: list[Item], spec: AnnotateSpec) -> None:
    """Report training questions that are test questions too; they are kept, as in the paper.
    Nothing is said if the test split isn't at hand; if it can't be scored, that is reported now
    and not by the evaluation hours later."""
    try:
        repeated = shared(items, task.load(spec.task.source, "test"))
    except BadRows as error:
        ctx.warn(f"the test split can't be evaluated on: {error}", "test-rows")
        return
    except UserError:
        return
    if repeated:
        ctx.warn(
            f"{repeated} of {len(items)} training questions stand in {task.name}'s test split too, "
            "with the same options: accuracies on it are that much too kind",
            "test-overlap",
        )


def _question(task: Task, item: Item, spec: AnnotateSpec) -> Question:
    instruction = instruction_of(task, spec.task.prompt_version)
    prompt = render(instruction, item.question, item.choices, spec.settings.prompt)
    return Question(key=item.id, prompt=prompt, seed=item_seed(spec.seed, item.id))


def _verdict(task: Task, item: Item, reply: Reply) -> Verdict:
    return score_reply(task.kind, item, reply.text, reply.finish)


def _demonstration(
    task: Task, item: Item, question: Question, reply: Reply | None, spec: AnnotateSpec
) -> Demonstration:
    verdict = _verdict(task, item, reply or NO_REPLY)
    said = (reply or NO_REPLY).text
    output = without_thinking(said) if spec.settings.thinking == "drop" else said
    dropped = _why_dropped(reply, output, verdict, spec.settings.keep)
    return Demonstration(
        **asked(item),
        instruction=with_letters(instruction_of(task, spec.task.prompt_version), item.choices),
        prompt=question.prompt,
        output=output,
        finish=(reply or NO_REPLY).finish,
        verdict=verdict.at_the_end(said, output),
        kept=dropped is None,
        dropped_because=dropped,
    )


def _why_dropped(reply: Reply | None, output: str, verdict: Verdict, keep: str) -> str | None:
    """Why a reply is dropped; None if it is kept. A reply without any answer teaches nothing,
    so it is dropped with ``keep: all`` too."""
    if reply is None:
        return "no reply"
    if reply.finish in ("filtered", "refused"):
        return reply.finish
    if reply.text.strip() and not output.strip():
        return "all thinking"
    if not reply.text.strip():
        spent = "all thinking" if reply.why else "cut off"
        return spent if reply.finish == "length" else "empty"
    if keep == "all":
        return None
    if reply.finish == "length":  # it would teach to stop in the middle
        return "cut off"
    if verdict.answer is None:
        return "unparsed"
    return None if verdict.correct else "wrong answer"


def _figures(
    demonstrations: list[Demonstration], spec: AnnotateSpec, store: ReplyStore
) -> dict[str, Any]:
    """Counts of demonstrations, and the tokens and money that this phase itself has used."""
    dropped = Counter(d.dropped_because for d in demonstrations if d.dropped_because)
    figures = {
        "kept": sum(d.kept for d in demonstrations),
        "total": len(demonstrations),
        "correct": sum(d.verdict.correct for d in demonstrations),
        "unparsed": sum(d.verdict.answer is None for d in demonstrations),
        "truncated": sum(d.finish == "length" for d in demonstrations),
        "dropped": dict(dropped.most_common()),
    }
    return figures | store.usage(spec.teacher)


def _look_at(
    ctx: Context,
    demonstrations: list[Demonstration],
    figures: dict[str, Any],
    settings: AnnotateSettings,
) -> None:
    """Warn if there are few demonstrations; ``UserError`` if there are none to train on."""
    kept, total = figures["kept"], figures["total"]
    counts = ", ".join(f"{n} {why}" for why, n in figures["dropped"].items())
    if kept == 0:
        shown = next((d.output for d in demonstrations if d.output.strip()), "")
        sample = f"; the first reply begins {shown[:80]!r}" if shown else ""
        raise UserError(
            f"none of {total} demonstrations is usable ({counts}){sample}; look at the samples, "
            "then at the teacher's card (model, max_new_tokens) and the task's source"
            + (
                ""
                if settings.keep == "all"
                else ", or set annotate keep: all, which asks nothing again"
            )
        )
    if kept < KEPT_LOW * total:
        ctx.warn(f"only {kept} of {total} demonstrations kept ({counts})", "kept-low")


def _look_for_reasoning(ctx: Context, kept: list[Demonstration], spec: AnnotateSpec) -> None:
    """Warn if imported answers give no reasoning, such as a benchmark's own targets."""
    if not spec.teacher.source.ready_made:
        return
    targets = sum(d.output.strip().casefold() == d.target.casefold() for d in kept)
    bare = sum(not has_steps(d.output, d.choices) for d in kept)
    if 2 * bare > len(kept) or targets > TARGETS_MANY * len(kept):
        same = f", {targets} are nothing but their target" if targets else ""
        ctx.warn(
            f"{bare} of {len(kept)} demonstrations hold no reasoning{same}: a student can't learn "
            f"to reason from them; is it the right column of {spec.teacher.source.origin.place}?",
            "no-reasoning",
        )
