"""A judge compares two runs' answers to the same questions, each pair in both orders; or it
answers the questions itself, and what agrees with it is preferred.

What it says is kept in ``judgements/`` below the runs: a call that is interrupted, or asks for
more questions, or names the runs the other way round, goes on from there and pays nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import catalog
from engine.interfaces import Question
from engine.judging.prompt import VERSION, comparison
from engine.judging.table import Judgement
from engine.judging.verdicts import STRAIGHT, SWAPPED, by_own_answer, read_verdict, tally
from engine.phases.ask import filed, item_seed
from engine.phases.replies import ReplyStore
from engine.queries.answers import evaluations
from engine.scheduling.queue import read_run
from engine.schema.errors import UserError, explain, nearest
from engine.schema.jsonfile import read_as, read_sealed, with_seal
from engine.schema.records import JudgedAnswers, Prediction
from engine.schema.settings import GenerationSettings
from engine.schema.specs import EvaluateSpec, JudgementSpec
from engine.store.jsonlines import read_records
from engine.store.layout import (
    PREDICTIONS,
    JudgementDir,
    atomic_write,
    hash_file,
    write_json,
)
from engine.store.locking import Timeout, held
from engine.store.sealing import verified
from engine.tasks.prompts import instruction_of, render

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from engine.schema.cards import ModelCard
    from engine.schema.specs import JudgeMethod
    from engine.store.layout import PhaseDir, RunsFolder
from engine.judging.verdicts import Preference

LIMIT = 200
JUDGE_AGAIN = "judge these runs again; the replies are kept"
Pair = tuple[Prediction, Prediction]
ORDERS = {"compare": ("straight", "swapped"), "answer": ("own",)}


@dataclass(frozen=True, slots=True)
class Comparable:
    """Two runs' finished evaluations of one task with one prompt style; ``names`` of the runs."""

    task: str
    prompt: str
    names: tuple[str, str]
    a: PhaseDir
    b: PhaseDir


@dataclass(frozen=True, slots=True)
class Asked:
    """How far a comparison is. ``resumed``: replies that were on file; ``spent`` in all, and
    ``possible`` on top, for replies that were cut; ``waiting``: what it waits for, in words."""

    what: Comparable
    done: int
    total: int
    resumed: int
    spent: float
    possible: float = 0.0
    waiting: str = ""


class Interrupted(Exception):
    """Somebody wanted the judging to end; what had come back is on file."""


def comparables(
    runs: RunsFolder, a: str, b: str, tasks: Sequence[str] = (), prompts: Sequence[str] = ()
) -> list[Comparable]:
    """What two runs have both answered, by generating; ``UserError`` when there is nothing."""
    mine, theirs = _evaluations(runs, a), _evaluations(runs, b)
    shared = [key for key in mine if key in theirs and mine[key].id != theirs[key].id]
    if not shared:
        raise UserError(f"{a} and {b} share no finished evaluation with different answers")
    for wanted, place in ((tasks, 0), (prompts, 1)):
        known = {key[place] for key in shared}
        for name in set(wanted) - known:
            raise UserError(f"{a} and {b} share no answers to {name!r}; {nearest(name, known)}")
    names = (_name(runs, a), _name(runs, b))
    return [
        Comparable(task, prompt, names, mine[task, prompt, split], theirs[task, prompt, split])
        for task, prompt, split in shared
        if (not tasks or task in tasks) and (not prompts or prompt in prompts)
    ]


def _evaluations(runs: RunsFolder, run_id: str) -> dict[tuple[str, str, str], PhaseDir]:
    found: dict[tuple[str, str, str], PhaseDir] = {}
    for one in evaluations(runs, run_id):
        if one.spec.method == "match":
            found[one.spec.task.name, one.spec.prompt, one.spec.split] = one.folder
    return found


def judge(
    runs: RunsFolder,
    what: Comparable,
    card: ModelCard,
    limit: int | None = LIMIT,
    method: JudgeMethod = "compare",
    *,
    tell: Callable[[str], None],
    watch: Callable[[Asked], None],
    stopped: Callable[[], bool],
) -> Judgement:
    """Ask what is not on file yet, and count.

    At most ``limit`` questions, drawn by a seeded hash, so that more include fewer. ``tell``
    takes lines for the person who watches. ``UserError`` when the judge can't go on (no key,
    spend cap reached) or another call is at work on the same; ``Interrupted`` after ``stopped``.
    """
    first, second = sorted((what.a, what.b), key=lambda phase: phase.id)
    spec = JudgementSpec(
        phases=(first.id, second.id), judge=card, method=method, prompt_version=VERSION
    )
    folder = runs.judgement(spec.fingerprint)
    with _sole_call(folder):
        atomic_write(folder.spec_file, spec.model_dump_json(indent=1) + "\n")
        pairs = _pairs(first, second, spec.seed, limit)
        store = ReplyStore(folder.replies)
        _ask(pairs, spec, store, what, tell, watch, stopped)
        judged = [_judged(pair, spec, what.task, store) for pair in pairs]
        lines = "".join(f"{one.model_dump_json()}\n" for one in judged).encode()
        write_json(folder.seal, with_seal({"sha256": hashlib.sha256(lines).hexdigest()}))
        atomic_write(folder.verdicts, lines)
    return _judgement(spec, judged, what)


@contextlib.contextmanager
def _sole_call(folder: JudgementDir) -> Generator[None, None, None]:
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with held(folder.lock):
            yield
    except Timeout:
        raise UserError(
            f"{folder.path}: another sirt judge is at work on this; wait for it"
        ) from None


def _pairs(first: PhaseDir, second: PhaseDir, seed: int, limit: int | None) -> list[Pair]:
    """Answers to the questions that both were asked."""
    ours, theirs = (
        {p.id: p for p in read_records(verified(phase, PREDICTIONS), Prediction)}
        for phase in (first, second)
    )
    shared = sorted(ours.keys() & theirs.keys(), key=lambda i: (item_seed(seed, i), i))
    return [(ours[i], theirs[i]) for i in shared[:limit]]


def _ask(
    pairs: Sequence[Pair],
    spec: JudgementSpec,
    store: ReplyStore,
    what: Comparable,
    tell: Callable[[str], None],
    watch: Callable[[Asked], None],
    stopped: Callable[[], bool],
) -> None:
    instruction = _instruction(what)
    questions = [
        question
        for pair in pairs
        if not _same(pair, spec.method)
        for question in _questions(pair, spec, instruction)
    ]
    total, resumed = len(questions), sum(q.key in store for q in questions)
    watch(_asked(what, resumed, total, resumed, spec.judge, store))
    if resumed == total:
        return
    make = catalog.provider(spec.judge.source)
    teacher = make(
        spec.judge, GenerationSettings(), lambda line, *_: tell(line), store.most_spent(spec.judge)
    )
    count = resumed
    with contextlib.closing(filed(teacher, questions, store, stopped)) as batches:
        for batch in batches:
            count += sum(reply.final for _, reply in batch)
            watch(_asked(what, count, total, resumed, spec.judge, store, teacher.waiting))
    if stopped() and count < total:
        raise Interrupted


def _asked(
    what: Comparable,
    done: int,
    total: int,
    resumed: int,
    judge: ModelCard,
    store: ReplyStore,
    waiting: str = "",
) -> Asked:
    spent, possible = store.spent(judge), store.possibly_spent(judge)
    return Asked(what, done, total, resumed, spent, possible, waiting)


def _same(pair: Pair, method: JudgeMethod) -> bool:
    """Nothing to decide: the same text, or for one that goes by the result the same result."""
    first, second = pair
    if method == "answer" and first.verdict.answer == second.verdict.answer:
        return True
    return first.output.strip() == second.output.strip()


def _keys(pair: Pair, method: JudgeMethod) -> list[str]:
    return [f"{pair[0].id}#{order}" for order in ORDERS[method]]


def _instruction(what: Comparable) -> str:
    """The line that the compared models were asked with."""
    evaluated = what.a.spec()
    assert isinstance(evaluated, EvaluateSpec)
    return instruction_of(catalog.task(what.task), evaluated.task.prompt_version)


def _questions(pair: Pair, spec: JudgementSpec, instruction: str) -> list[Question]:
    """The same pair in both orders, or the question alone."""
    item, texts = pair[0], (pair[0].output, pair[1].output)
    if spec.method == "answer":
        prompts = [render(instruction, item.question, item.choices, "cot")]
    else:
        prompts = [
            comparison(item.question, item.choices, *shown) for shown in (texts, texts[::-1])
        ]
    return [
        Question(key, prompt, item_seed(spec.seed, key))
        for key, prompt in zip(_keys(pair, spec.method), prompts, strict=True)
    ]


def _judged(pair: Pair, spec: JudgementSpec, task: str, store: ReplyStore) -> JudgedAnswers:
    same = _same(pair, spec.method)
    said = () if same else tuple(store[key].text for key in _keys(pair, spec.method))
    straight, swapped = _preferences(pair, spec.method, task, said) if said else (None, None)
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
    pair: Pair, method: JudgeMethod, task: str, said: tuple[str, ...]
) -> tuple[Preference | None, Preference | None]:
    if method == "answer":
        kind, texts = catalog.task(task).kind, (pair[0].output, pair[1].output)
        found = by_own_answer(kind, said[0], pair[0].choices, texts)
        return found, found
    labels = [read_verdict(text) for text in said]
    return labels[0] and STRAIGHT[labels[0]], labels[1] and SWAPPED[labels[1]]


def _judgement(spec: JudgementSpec, judged: Iterable[JudgedAnswers], what: Comparable) -> Judgement:
    rows = list(judged)
    if what.a.id != spec.phases[0]:
        rows = [_turned(row) for row in rows]
    compared = spec.method == "compare"
    judge_name = spec.judge.name if compared else f"{spec.judge.name}, by its own answer"
    found = tally(rows, both_orders=compared)
    return Judgement(*what.names, what.task, what.prompt, judge_name, spec.fingerprint, found)


def _turned(row: JudgedAnswers) -> JudgedAnswers:
    """The same with first and second exchanged; so are the two orders."""
    other = {"first": "second", "second": "first", "tie": "tie"}
    return JudgedAnswers(
        id=row.id,
        first_correct=row.second_correct,
        second_correct=row.first_correct,
        same=row.same,
        straight=other[row.swapped] if row.swapped else None,
        swapped=other[row.straight] if row.straight else None,
        said=row.said[::-1],
    )


def judgements(
    runs: RunsFolder,
    run_ids: Sequence[str],
    pass_over: Callable[[str], None] = lambda _line: None,
) -> list[Judgement]:
    """What judges have said of these runs' answers to each other; nobody is asked. The run that
    is named first is A. ``pass_over`` takes a line for each judgement that is damaged."""
    owners: dict[str, str] = {}
    for run_id in run_ids:
        with contextlib.suppress(UserError):  # not evaluated yet
            for phase in _evaluations(runs, run_id).values():
                owners.setdefault(phase.id, run_id)
    found = []
    for folder in runs.judgements():
        try:
            spec = _spec_of(folder)
            if not owners.keys() >= set(spec.phases):
                continue
            a, b = sorted(spec.phases, key=lambda phase: run_ids.index(owners[phase]))
            names = (_name(runs, owners[a]), _name(runs, owners[b]))
            evaluated = runs.phase(a).spec()
            assert isinstance(evaluated, EvaluateSpec)
            what = Comparable(
                evaluated.task.name, evaluated.prompt, names, runs.phase(a), runs.phase(b)
            )
            found.append(_judgement(spec, _verdicts(folder), what))
        except FileNotFoundError as error:
            pass_over(explain(error))
        except UserError as error:
            pass_over(str(error))
    return found


def _spec_of(folder: JudgementDir) -> JudgementSpec:
    spec = read_as(folder.spec_file, JudgementSpec.model_validate_json, JUDGE_AGAIN)
    if spec.fingerprint != folder.path.name:
        raise UserError(f"{folder.spec_file}: belongs to {spec.fingerprint}; {JUDGE_AGAIN}")
    return spec


def _verdicts(folder: JudgementDir) -> list[JudgedAnswers]:
    """What was filed, as it was filed; an older version wrote no seal."""
    with contextlib.suppress(FileNotFoundError):
        sealed = read_sealed(folder.seal, JUDGE_AGAIN).get("sha256")
        if sealed != hash_file(folder.verdicts):
            raise UserError(f"{folder.verdicts}: is not what its seal says; {JUDGE_AGAIN}")
    return list(read_records(folder.verdicts, JudgedAnswers))


def _name(runs: RunsFolder, run_id: str) -> str:
    return read_run(runs, run_id).name
