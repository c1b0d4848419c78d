"""judge: a model compares two runs' answers."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from engine.cli.output import echo, json_option, print_json
from engine.cli.progress import LiveLine, pace
from engine.cli.quality import format_option, show
from engine.queries.runs import find_runs
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.commands.judging import Asked
    from engine.schema.specs import JudgeMethod
    from engine.store.layout import RunsFolder

LINE_EVERY_S = 10.0  # where the output is no terminal
UNREAD_WARNING = 0.1


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--judge", "card", required=True, help="A judge's or model's card, or its file.")
@click.option("--task", "tasks", multiple=True, help="Only this task; may be given again.")
@click.option("--prompt", "prompts", multiple=True, help="Only this prompt style.")
@click.option("--limit", type=click.IntRange(min=1), help="Questions a comparison.  [default: 200]")
@click.option("--all", "everything", is_flag=True, help="All questions.")
@click.option(
    "--by-answer", is_flag=True, help="The judge answers itself; who agrees is preferred."
)
@format_option
@json_option
@click.pass_obj
def judge(
    runs: RunsFolder,
    a: str,
    b: str,
    card: str,
    tasks: tuple[str, ...],
    prompts: tuple[str, ...],
    limit: int | None,
    everything: bool,
    by_answer: bool,
    form: str,
    as_json: bool,
) -> None:
    """Have a model compare the answers of runs A and B, each pair in both orders.

    An answer counts as better when it is preferred in both orders. Replies are kept: ctrl+c
    loses none, and the same call goes on where it was.

    With --by-answer the judge sees the question alone: one request instead of two, and no order
    to be swayed by; but it minds the result only. The embedded models can judge in this way:
    --judge wren-3m --by-answer.
    """
    from engine.commands import judging
    from engine.judging.table import judgement_table
    from engine.planning.presets import judge_card

    if everything and limit is not None:
        raise UserError("give one of --limit and --all")
    model = judge_card(card)
    first, second = (_one_run(runs, word) for word in (a, b))
    wanted = judging.comparables(runs, first, second, tasks, prompts)
    most = None if everything else limit or judging.LIMIT
    if model.source.weights:
        from engine.models.loading import quiet

        quiet()
    method: JudgeMethod = "answer" if by_answer else "compare"
    line = _Line(currency=model.source.bills_in or "", quiet=as_json)
    found = []
    with _interruptible() as stopped:
        judge_one = partial(judging.judge, tell=line.tell, watch=line.watch, stopped=stopped)
        for what in wanted:
            line.begin()
            try:
                found.append(judge_one(runs, what, model, most, method))
            except judging.Interrupted:
                line.tell("stopped; what the judge has said is kept, and the same call goes on")
                sys.exit(130)
    line.clear()
    if as_json:
        print_json(found)
        return
    show(judgement_table(found), form, "shares in per cent [Wilson 95 % interval]")
    for one in found:
        if (one.tally.unread.value or 0) > UNREAD_WARNING:
            share = 100 * (one.tally.unread.value or 0)
            line.tell(f"{one.task} {one.prompt}: {share:.0f} % of the replies hold no verdict")


def _one_run(runs: RunsFolder, word: str) -> str:
    found = find_runs(runs, [word])
    if len(found) != 1:
        raise UserError(f"{word!r} names {len(found)} runs; a judge compares two")
    return found[0]


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first ctrl+c lets what has come back be filed; the second is as ever."""
    wanted = []

    def interrupt(*_: object) -> None:
        wanted.append(True)
        echo("\nstopping once the next replies are filed; ctrl+c again ends at once", err=True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(wanted)
    finally:
        signal.signal(signal.SIGINT, before)


class _Line:
    """One live line, or one every ten seconds where nobody sees it change."""

    def __init__(self, currency: str, quiet: bool) -> None:
        self._currency = currency
        self._quiet = quiet
        self._line = LiveLine(quiet)
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()
        self._told = -LINE_EVERY_S

    def watch(self, asked: Asked) -> None:
        now = time.monotonic()
        if self._quiet or (not self._line.live and now - self._told < LINE_EVERY_S):
            return
        self._told = now
        fresh, took = asked.done - asked.resumed, now - self._began
        text = f"{asked.what.task} {asked.what.prompt}: {asked.done}/{asked.total} verdicts"
        left = asked.total - asked.done
        text += f", {asked.waiting}" if asked.waiting else pace(fresh, took, left)
        text += f", {asked.resumed} on file" if asked.resumed and not fresh else ""
        text += f", {asked.spent:.4f} {self._currency}" if self._currency else ""
        text += f" (+{asked.possible:.4f} possibly)" if asked.possible else ""
        if self._line.live:
            self._line.show(text)
        else:
            echo(text, err=True)

    def tell(self, text: str) -> None:
        self.clear()
        echo(text, err=True)

    def clear(self) -> None:
        self._line.clear()
