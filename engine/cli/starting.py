"""The verb init: a few questions, then a first experiment's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine import catalog
from engine.cli.experiments import print_plan
from engine.cli.given import GivenPath
from engine.cli.output import echo
from engine.commands import starting

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

SHOWN = 15


@click.command()
@click.option("--model", help="The student: a model that is listed, a folder, a hub id.")
@click.option("--task", help="What it is trained and measured on.")
@click.option("--device", help="cpu, or GPU indices, as 0,1.")
@click.option("--endpoint", help="The teacher's server: 'ADDRESS MODEL'; '' for a model here.")
@click.option("--file", type=GivenPath(dir_okay=False), help="The file to write.")
@click.option("--yes", is_flag=True, help="Ask nothing: defaults where no option is given.")
@click.pass_obj
def init(
    runs: RunsFolder,
    model: str | None,
    task: str | None,
    device: str | None,
    endpoint: str | None,
    file: Path | None,
    yes: bool,
) -> None:
    """Write a first experiment: five questions, each with a default.

    The file is commented, is planned before it is written, and replaces nothing.
    """

    def answered(given: str | None, question: str, default: str) -> str:
        if given is not None or yes:
            return default if given is None else given
        return str(click.prompt(question, default=default, show_default=bool(default))).strip()

    found = starting.models_at_hand()
    if model is None and not yes:
        _list_models(found)
    chosen = answered(model, "1. model: which student", starting.first_model(found))
    if task is None and not yes:
        echo(f"tasks: {', '.join(n for n in catalog.TASKS if catalog.task(n).trains)}")
    wanted = starting.Wanted(
        model=chosen,
        task=answered(task, "2. task: trained and measured on", starting.first_task(chosen)),
        device=answered(device, "3. device: cpu, or GPU indices", starting.first_device()),
        endpoint=answered(
            endpoint, "4. endpoint: ADDRESS MODEL of the teacher's server, or none", ""
        ),
        file=Path(
            answered(
                None if file is None else str(file), "5. where: the file", str(_default_file())
            )
        ),
    )
    planned = starting.first_experiment(runs, wanted)
    print_plan(planned)
    echo(f"\nwritten: {wanted.file}; read it, then: sirt run {wanted.file} {wanted.runs_on}")


def _default_file() -> Path:
    return starting.free_file(Path())


def _list_models(found: tuple[starting.AtHand, ...]) -> None:
    echo("models at hand:")
    for one in found[:SHOWN]:
        echo(f"  {one.name}  ({one.where})")
    if len(found) > SHOWN:
        echo(f"  and {len(found) - SHOWN} more")
    echo("or a folder, a hub id (org/name), or a shipped card (sirt presets)")
