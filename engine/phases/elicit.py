"""Elicit: the student answers each question with and without reasoning; the gate makes pairs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.generation.engines import LocalModel
from engine.interfaces import AnswerKind, Question, Reply
from engine.phases.alike import tell_alike
from engine.phases.ask import ask_all, item_seed
from engine.phases.no_pairs import why_no_pairs
from engine.phases.pairing import make_pair
from engine.phases.replies import ReplyStore
from engine.phases.reuse import take_generations
from engine.phases.thinking import tell_thinking
from engine.schema.errors import UserError
from engine.schema.records import (
    Answer,
    Demonstration,
    ElicitedAnswers,
    Pair,
    asked,
)
from engine.schema.specs import AnnotateSpec
from engine.scoring.verdict import score_reply
from engine.store.jsonlines import read_records, write_records
from engine.store.layout import (
    ADAPTER,
    ANSWERS,
    DEMONSTRATIONS,
    PAIRS,
    REPLIES,
)
from engine.tasks.prompts import render
from engine.tasks.sampling import balanced, fraction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.phases.context import Context
    from engine.schema.records import Verdict
    from engine.schema.settings import ElicitSettings
    from engine.schema.specs import ElicitSpec
    from engine.tasks.prompts import Style


def run(ctx: Context, spec: ElicitSpec) -> dict[str, Any]:
    """Write ``answers.jsonl`` (all answers) and ``pairs.jsonl`` (the pairs); return the figures."""
    demonstrations = _demonstrations(ctx, spec)
    take_generations(ctx, spec)
    store = ReplyStore(ctx.work / REPLIES)
    adapter = ctx.output(spec.adapter, ADAPTER) if spec.adapter else None
    ctx.activity("answering with and without reasoning")
    student = LocalModel(spec.student, spec.generation, ctx.message, adapter=adapter)
    styles = _styles(spec.settings)
    questions = _questions(demonstrations, styles, spec.seed)
    kind = _kind(ctx, spec)
    asked_for = {_key(d.id, style): d for d in demonstrations for style in styles}

    def verdict(question: Question, reply: Reply) -> Verdict:
        return score_reply(kind, asked_for[question.key], reply.text, reply.finish)

    targets = {key: demonstration.target for key, demonstration in asked_for.items()}
    ask_all(
        *(ctx, student, questions, store),
        card=spec.student,
        judge=verdict,
        unit="answers",
        targets=targets,
    )
    ctx.activity("making pairs of the answers")
    answers = [_both(demonstration, styles, kind, store) for demonstration in demonstrations]
    made = [
        make_pair(both, demonstration.verdict, spec.settings, demonstration.finish)
        for both, demonstration in zip(answers, demonstrations, strict=True)
    ]
    pairs = [pair for pair in made if isinstance(pair, Pair)]
    write_records(ctx.staging / ANSWERS, answers)
    write_records(ctx.staging / PAIRS, pairs)
    dropped = Counter(why for why in made if isinstance(why, str))
    if not pairs:
        raise UserError(why_no_pairs(len(answers), dropped, spec.settings))
    figures = _figures(ctx, answers, pairs, dropped)
    tell_alike(ctx, pairs, spec.settings)
    texts = [answer.text for both in answers for answer in (both.plain, both.cot)]
    return figures | {"thinking": tell_thinking(ctx, texts, spec.settings)}


def _demonstrations(ctx: Context, spec: ElicitSpec) -> list[Demonstration]:
    file = ctx.output(spec.demonstrations, DEMONSTRATIONS)
    kept = [d for d in read_records(file, Demonstration) if d.kept]
    shared = fraction(kept, spec.fraction, spec.data_seed)
    return balanced(shared, spec.settings.limit, spec.data_seed)


def _kind(ctx: Context, spec: ElicitSpec) -> AnswerKind:
    source = ctx.input(spec.demonstrations).spec()
    assert isinstance(source, AnnotateSpec)
    return catalog.task(source.task.name).kind


def _styles(settings: ElicitSettings) -> tuple[Style, Style]:
    """The prompt styles of the plain and of the reasoned answer."""
    return ("plain" if settings.plain == "paper" else "answer_only"), "cot"


def _key(item: str, style: Style) -> str:
    """A reply's key names its prompt, so elicit phases that differ only in the plain style share
    their reasoned replies."""
    return f"{item}#{style}"


def _prompt(demonstration: Demonstration, style: Style) -> str:
    return render(demonstration.instruction, demonstration.question, demonstration.choices, style)


def _questions(
    demonstrations: list[Demonstration], styles: tuple[Style, Style], seed: int
) -> list[Question]:
    return [
        Question(_key(d.id, style), _prompt(d, style), item_seed(seed, _key(d.id, style)))
        for d in demonstrations
        for style in styles
    ]


def _both(
    demonstration: Demonstration,
    styles: tuple[Style, Style],
    kind: AnswerKind,
    store: ReplyStore,
) -> ElicitedAnswers:
    def answer(style: Style) -> Answer:
        reply = store[_key(demonstration.id, style)]
        return Answer(
            prompt=_prompt(demonstration, style),
            text=reply.text,
            finish=reply.finish,
            tokens=reply.completion_tokens,
            verdict=score_reply(kind, demonstration, reply.text, reply.finish),
        )

    return ElicitedAnswers(
        **asked(demonstration),
        plain=answer(styles[0]),
        cot=answer(styles[1]),
        teacher=demonstration.output,
    )


def _figures(
    ctx: Context, answers: list[ElicitedAnswers], pairs: list[Pair], dropped: Counter[str]
) -> dict[str, Any]:
    """The phase's counts, with warnings to read before trusting the pairs."""
    total = len(answers)
    from_student = sum(pair.winner == "student" for pair in pairs)
    figures: dict[str, Any] = {
        "questions": total,
        "pairs": len(pairs),
        "winner_student": from_student,
        "winner_teacher": len(pairs) - from_student,
        "dropped": dict(dropped),
        "plain_correct": sum(a.plain.verdict.correct for a in answers) / total,
        "cot_correct": sum(a.cot.verdict.correct for a in answers) / total,
        "plain_has_steps": _share(pair.plain_has_steps for pair in pairs),
        "rejected_correct": _share(pair.rejected_verdict.correct for pair in pairs),
    }
    if figures["cot_correct"] < figures["plain_correct"]:
        ctx.warn(
            f"the student is right in {100 * figures['cot_correct']:.0f} % with the CoT prompt and "
            f"in {100 * figures['plain_correct']:.0f} % without: the pairs prefer the worse style",
            "cot-worse-than-plain",
        )
    ctx.metric(0, **{k: float(v) for k, v in figures.items() if isinstance(v, int | float)})
    return figures


def _share(marked: Iterable[bool]) -> float:
    found = list(marked)
    return sum(found) / len(found) if found else 0.0
