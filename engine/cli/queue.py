"""The verb queue: which runs come next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.output import echo, json_option, print_json
from engine.commands import queue_changes, run_changes
from engine.queries.finding import find_run
from engine.scheduling.queue import read_queue

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder


@click.command()
@click.option("--move", nargs=2, type=(str, int), metavar="RUN POSITION", help="0 is next.")
@click.option("--hold", "held", metavar="RUN", help="Start nothing of it; hold its pending jobs.")
@click.option("--release", "released", metavar="RUN", help="Let a held run go on.")
@click.option(
    "--cpu-slots",
    type=click.IntRange(0),
    help="How many phases may share the CPU; 0: as many as are ready.",
)
@json_option
@click.pass_obj
def queue(
    runs: RunsFolder,
    move: tuple[str, int] | None,
    held: str | None,
    released: str | None,
    cpu_slots: int | None,
    as_json: bool,
) -> None:
    """Show which runs come next; move, hold or release one. A phase is started when its devices are
    free."""
    if move:
        run_changes.move(runs, find_run(runs, move[0]), move[1])
    for which, on in ((held, True), (released, False)):
        if which:
            queue_changes.hold(runs, find_run(runs, which), on)
    if cpu_slots is not None:
        queue_changes.set_cpu_slots(runs, cpu_slots or None)
    wanted = read_queue(runs)
    entries = wanted.entries
    if as_json:
        print_json(entries)
        return
    for place, entry in enumerate(entries):
        held = ", held back" if entry.hold else ""
        echo(f"{place}  {entry.run_id}  devices: {queue_changes.requested(entry.devices)}{held}")
    if not entries:
        echo("the queue is empty")
    if wanted.cpu_slots:
        echo(f"CPU phases at once: {wanted.cpu_slots}")
