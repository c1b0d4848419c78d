"""The verb quality: measure answers without a judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.completion import run_ids
from engine.cli.output import json_option, print_json, show_table, tell_passed_over
from engine.queries.checking import left_out
from engine.queries.finding import find_runs

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

FORMATS = ("text", "markdown", "latex", "csv")
format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True
)


@click.command()
@click.argument(
    "which", nargs=-1, required=True, metavar="RUN|EXPERIMENT...", shell_complete=run_ids
)
@format_option
@json_option
@click.pass_obj
def quality(runs: RunsFolder, which: tuple[str, ...], form: str, as_json: bool) -> None:
    """Measure the answers of runs or experiments: no judge, nothing generated.

    Repeated 4-grams: of an answer's sequences of four words and signs, the share that had
    occurred in it before. Steps: stated calculations such as 22 + 4 = 26, checked with exact
    fractions.
    """
    from engine.queries.quality import measure
    from engine.tables import answers

    chosen = find_runs(runs, which)
    tell_passed_over(left_out(runs, chosen))
    found = measure(runs, chosen)
    if as_json:
        print_json(found)
    else:
        show_table(answers.quality(found), form, "shares in per cent [Wilson 95 % interval]")
