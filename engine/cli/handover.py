"""show: a run's ancestry, and handing runs over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.output import json_option, plural, print_json, visible
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


@click.command()
@click.argument("which")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--without-weights", is_flag=True, help="Leave the adapters out.")
@click.pass_obj
def bundle(runs: RunsFolder, which: str, file: Path | None, without_weights: bool) -> None:
    """Pack WHICH (a run, or an experiment's runs) with all phases into FILE (.tar.gz).

    FILE is RUN.sirt.tar.gz in this folder when it is not given.
    """
    from engine.control import bundling

    run_ids = find_runs(runs, [which])
    file = file or Path((run_ids[0] if len(run_ids) == 1 else which) + bundling.SUFFIX)
    made = bundling.bundle(
        runs, run_ids, file, without_weights, lambda line: click.echo(line, err=True)
    )
    weights = f"; {plural(len(made.left_out), 'file')} of weights left out" if made.left_out else ""
    what = f"{plural(len(made.runs), 'run')}, {plural(len(made.files), 'file')}{weights}"
    click.echo(f"{file}: {what}; for `sirt import` elsewhere")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def take(runs: RunsFolder, files: tuple[Path, ...], as_json: bool) -> None:
    """Take in runs that `sirt bundle` packed; what is here already is kept."""
    from engine.control.importing import take_in

    for file in files:
        found = take_in(runs, file)
        if as_json:
            print_json(found)
            continue
        for run_id in found.runs:
            click.echo(f"{run_id}: taken in")
        for run_id in found.runs_kept:
            click.echo(f"{run_id}: was here already")
        kept = f", {len(found.phases_kept)} were here already" if found.phases_kept else ""
        click.echo(f"{plural(len(found.phases), 'phase')} new{kept}")
        if found.filled:
            click.echo(f"missing weights added to {', '.join(found.filled)}")
        for phase_id in found.differs:
            click.echo(
                f"{phase_id}: the outputs here are kept and differ from the bundle's, from which"
                " its scores come",
                err=True,
            )
