"""Judge: a model says which of two evaluations' answers to a question is better.

Each pair is shown in both orders, or the judge answers the question itself
(:class:`~engine.schema.settings.JudgeSettings`). Every reply is kept in ``work/`` before it is
counted; replies of a phase with fewer questions or of an earlier version are reused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.interfaces import Question
from engine.judging.prompt import comparison
from engine.judging.verdicts import STRAIGHT, SWAPPED, by_own_answer, read_verdict, tally, told
from engine.phases.ask import ask_all, item_seed
from engine.phases.replies import ReplyStore
from engine.phases.reuse import take_generations, take_replies
from engine.schema.records import JudgedAnswers, Prediction
from engine.store.jsonlines import read_records, write_records
from engine.store.judgement_dir import JudgementDir
from engine.store.layout import PREDICTIONS, REPLIES, VERDICTS
from engine.tasks.prompts import instruction_of, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import AnswerKind, Reply
    from engine.judging.verdicts import Preference
    from engine.phases.context import Context
    from engine.schema.follow_ups import JudgeSpec

Pair = tuple[Prediction, Prediction]
UNREAD_WARNING = 0.1
COUNTED = ("first", "second", "tie", "undecided")


def run(ctx: Context, spec: JudgeSpec) -> dict[str, Any]:
    """Write ``verdicts.jsonl``, one line per question; return their summary."""
    task = catalog.task(spec.task.name)
    ctx.activity("reading both evaluations' answers")
    pairs = _pairs(ctx, spec)
    instruction = instruction_of(task, spec.task.prompt_version)
    questions = [
        question
        for pair in pairs
        if not _same(pair, spec)
        for question in _questions(pair, spec, instruction)
    ]

    take_generations(ctx, spec)
    store = ReplyStore(ctx.work / REPLIES)
    earlier = JudgementDir(ctx.runs.judgements / spec.generation_key)
    take_replies(ctx, earlier.replies, f"judgement {earlier.path.name}", store)
    judge = catalog.provider(spec.judge.source)(
        spec.judge, spec.generation, ctx.message, store.most_spent(spec.judge)
    )
    ctx.activity("asking the judge")
    label = partial(_label, spec)
    ask_all(ctx, judge, questions, store, card=spec.judge, label=label, unit="verdicts")

    ctx.activity("counting the verdicts")
    judged = [_judged(pair, spec, task.kind, store) for pair in pairs]
    write_records(ctx.staging / VERDICTS, judged)
    found = tally(judged, both_orders=spec.settings.method == "compare")
    if (unread := found.unread.value or 0.0) > UNREAD_WARNING:
        ctx.warn(f"{100 * unread:.0f} % of the replies hold no verdict", "unread")
    summary = told(found, spec.names)
    counts = {name: getattr(found, name).count for name in COUNTED}
    figures = {"questions": found.questions, **counts, "p": found.p, "summary": summary}
    return figures | store.usage(spec.judge)


def _pairs(ctx: Context, spec: JudgeSpec) -> list[Pair]:
    """Both answers to each shared question, in seeded order: a smaller limit takes a subset."""
    ours, theirs = (
        {p.id: p for p in read_records(ctx.output(phase, PREDICTIONS), Prediction)}
        for phase in spec.phases
    )
    shared = sorted(ours.keys() & theirs.keys(), key=lambda i: (item_seed(spec.seed, i), i))
    return [(ours[i], theirs[i]) for i in shared[: spec.settings.limit]]


def _same(pair: Pair, spec: JudgeSpec) -> bool:
    """Whether both answers are the same text, or the same result if only the result counts."""
    first, second = pair
    if spec.settings.method == "answer" and first.verdict.answer == second.verdict.answer:
        return True
    return first.output.strip() == second.output.strip()


def _keys(pair: Pair, spec: JudgeSpec) -> list[str]:
    return [f"{pair[0].id}#{order}" for order in spec.orders]


def _questions(pair: Pair, spec: JudgeSpec, instruction: str) -> list[Question]:
    """The judge's prompts: the same pair in both orders, or the question alone."""
    item, texts = pair[0], (pair[0].output, pair[1].output)
    if spec.settings.method == "answer":
        prompts = [render(instruction, item.question, item.choices, "cot")]
    else:
        prompts = [
            comparison(item.question, item.choices, *shown) for shown in (texts, texts[::-1])
        ]
    return [
        Question(key, prompt, item_seed(spec.seed, key))
        for key, prompt in zip(_keys(pair, spec), prompts, strict=True)
    ]


def _label(spec: JudgeSpec, question: Question, reply: Reply) -> str:
    """The name of the model that a reply prefers."""
    if spec.settings.method == "answer":
        return "its own answer"
    verdict = read_verdict(reply.text)
    if verdict is None:
        return "no verdict"
    prefers = (SWAPPED if question.key.endswith("#swapped") else STRAIGHT)[verdict]
    names = dict(zip(("first", "second"), spec.names, strict=True))
    return f"prefers {names[prefers]}" if prefers in names else "equally good"


def _judged(pair: Pair, spec: JudgeSpec, kind: AnswerKind, store: ReplyStore) -> JudgedAnswers:
    same = _same(pair, spec)
    said = () if same else tuple(store[key].text for key in _keys(pair, spec))
    straight, swapped = _preferences(pair, spec, kind, said) if said else (None, None)
    return JudgedAnswers(
        id=pair[0].id,
        first_correct=pair[0].verdict.correct,
        second_correct=pair[1].verdict.correct,
        same=same,
        straight=straight,
        swapped=swapped,
        said=said,
    )


def _preferences(
    pair: Pair, spec: JudgeSpec, kind: AnswerKind, said: Sequence[str]
) -> tuple[Preference | None, Preference | None]:
    if spec.settings.method == "answer":
        texts = (pair[0].output, pair[1].output)
        found = by_own_answer(kind, said[0], pair[0].choices, texts)
        return found, found
    labels = [read_verdict(text) for text in said]
    return labels[0] and STRAIGHT[labels[0]], labels[1] and SWAPPED[labels[1]]
