"""show: a run's ancestry, and handing runs over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.output import json_option, print_json, visible
from engine.control.lineage import lineage
from engine.control.listing import find_runs

if TYPE_CHECKING:
    from engine.contract.rundir import RunsFolder


@click.command()
@click.argument("run_id")
@json_option
@click.pass_obj
def show(runs: RunsFolder, run_id: str, as_json: bool) -> None:
    """Show what RUN_ID comes from: teacher, data, phases, settings, outputs with hashes, scores."""
    found = [lineage(runs, name) for name in find_runs(runs, [run_id])]
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    from rich.console import Console

    from engine.control.lineage_tree import draw, environments

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 240
    for one in found:
        console.print(draw(one, visible))
        for line in environments(one):
            console.print(line, markup=False)
