"""The verb judge: a model compares two runs' answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.completion import cards, run_ids, tasks
from engine.cli.experiments import device_options, device_request
from engine.cli.output import json_option, print_json, show_table
from engine.cli.quality import format_option
from engine.queries.finding import find_run
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder


@click.command()
@click.argument("a", metavar="RUN_A", shell_complete=run_ids)
@click.argument("b", metavar="RUN_B", shell_complete=run_ids)
@click.option(
    "--judge",
    "card",
    required=True,
    shell_complete=cards,
    help="A judge's or model's card, or its file.",
)
@click.option(
    "--task",
    "only",
    multiple=True,
    shell_complete=tasks,
    help="Only this task; may be given again.",
)
@click.option("--prompt", "prompts", multiple=True, help="Only this prompt style: plain or cot.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="Questions in each comparison.  [default: 200]"
)
@click.option("--all", "everything", is_flag=True, help="All questions.")
@click.option(
    "--by-answer", is_flag=True, help="The judge answers the question; who agrees with it wins."
)
@device_options
@click.option("--detach", is_flag=True, help="Return at once; look with `sirt status`.")
@format_option
@json_option
@click.pass_obj
def judge(
    runs: RunsFolder,
    a: str,
    b: str,
    card: str,
    only: tuple[str, ...],
    prompts: tuple[str, ...],
    limit: int | None,
    everything: bool,
    by_answer: bool,
    gpus: str | None,
    gpu_count: int | None,
    cpu: bool,
    detach: bool,
    form: str,
    as_json: bool,
) -> None:
    """Have a model compare the answers of runs A and B, each pair in both orders.

    An answer counts as better when it is preferred in both orders. The judgement is a run of its
    own: ctrl+c leaves it running, `sirt stop` ends it, and its replies are kept, so repeating the
    command goes on where it was.

    With --by-answer the judge sees the question alone: one request instead of two, and no order
    that could sway it; but only results are compared, not the reasoning. The embedded models can
    judge in this way: --judge wren-3m --by-answer.
    """
    from engine.cli.follow_up import make
    from engine.commands.judging import judge_card, plan_judging
    from engine.queries.judgements import judgement_of
    from engine.schema.follow_ups import JudgeSpec
    from engine.schema.settings import JudgeSettings
    from engine.tables import answers

    if everything and limit is not None:
        raise UserError("give one of --limit and --all")
    request = device_request(gpus, gpu_count, cpu)
    settings = JudgeSettings(method="answer" if by_answer else "compare")
    if everything or limit is not None:
        settings = settings.model_copy(update={"limit": limit})
    first, second = (find_run(runs, word) for word in (a, b))
    wanted = plan_judging(runs, first, second, judge_card(card), settings, only, prompts)
    if not make(runs, wanted, request, detach, quiet=as_json):
        return
    phases = (phase for phase in wanted.spec.phases if isinstance(phase, JudgeSpec))
    found = [judgement_of(runs, phase, (first, second)) for phase in phases]
    if as_json:
        print_json(found)
    else:
        show_table(answers.judgements(found), form, "shares in per cent [Wilson 95 % interval]")
