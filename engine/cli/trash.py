"""The verbs delete, trash and gc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.completion import run_ids
from engine.cli.output import echo, json_option, print_json, print_table
from engine.commands import collecting, deleting
from engine.queries.finding import find_runs
from engine.queries.runs import age
from engine.schema.counts import counted, size
from engine.schema.durations import duration
from engine.store import trash as bin_
from engine.store.writing import bytes_of
from engine.tables.table import Table

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder
    from engine.store.trash import Deletion
    from engine.tables.table import Column


@click.command()
@click.argument("which", nargs=-1, required=True, metavar="RUN...", shell_complete=run_ids)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(runs: RunsFolder, which: tuple[str, ...], yes: bool) -> None:
    """Move runs to the trash, with those of their phases that no other run needs.

    `sirt trash restore` brings them back; `sirt trash empty` frees the space.
    """
    found = find_runs(runs, which)
    lost = deleting.losses(runs, *found)
    echo(f"{', '.join(found)}: {lost.sizes}")
    goes = ", ".join(lost.going) or "none"
    echo(f"  deletes {counted(len(lost.going), 'phase')}: {goes}")
    if lost.marked:
        echo(f"  deletes what you marked on {counted(lost.marked, 'item')}")
    if lost.staying:
        echo(f"  keeps {counted(len(lost.staying), 'phase')} that other runs need")
    if yes or click.confirm("  delete?"):
        done = deleting.delete(runs, *found)
        echo(f"in the trash; `sirt trash restore {done.id}` brings it back")


@click.command()
@click.argument("action", type=click.Choice(["list", "restore", "empty"]), default="list")
@click.argument("which", nargs=-1, metavar="[DELETION|RUN]...")
@click.option("--yes", is_flag=True, help="Don't ask before it is emptied.")
@json_option
@click.pass_obj
def trash(runs: RunsFolder, action: str, which: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """List what was deleted, restore it, or empty the trash.

    Restore takes the newest deletion, empty all, unless some are named, by their id or a run's.
    """
    chosen = [bin_.find(runs, word) for word in which] or deleting.deletions(runs)
    if action == "list":
        _list(chosen, as_json)
    elif not chosen:
        echo("the trash is empty")
    elif action == "restore":
        for one in chosen if which else chosen[:1]:
            _restore(runs, one)
    else:
        _empty(runs, chosen, yes)


def _list(chosen: list[Deletion], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"id": one.id, "deleted": one.deleted, "runs": one.runs, "phases": one.phases}
                | {"bytes": bytes_of(one.path)}
                for one in chosen
            ]
        )
        return
    if not chosen:
        echo("the trash is empty")
        return
    print_table(Table.of(chosen, COLUMNS))


COLUMNS: tuple[Column[Deletion], ...] = (
    ("deletion", lambda one: one.id),
    ("age", lambda one: duration(age(one.deleted))),
    ("size", lambda one: size(bytes_of(one.path))),
    ("phases", lambda one: str(len(one.phases))),
    ("runs", lambda one: ", ".join(one.runs)),
)


def _restore(runs: RunsFolder, one: Deletion) -> None:
    kept = deleting.restore(runs, one)
    echo(f"restored: {', '.join(one.runs)}")
    for home in kept:
        echo(f"  {home}: is there again since; its older copy stays in the trash")


def _empty(runs: RunsFolder, chosen: list[Deletion], yes: bool) -> None:
    whole = sum(bytes_of(one.path) for one in chosen)
    for one in chosen:
        echo(f"{one.id}: {', '.join(one.runs)}")
    if yes or click.confirm(f"delete them for good ({size(whole)})?"):
        echo(f"{size(deleting.empty(runs, chosen))} freed")


@click.command()
@click.option("--remove", is_flag=True, help="Remove what is listed, after asking.")
@click.option("--checkpoints", is_flag=True, help="Checkpoints of finished trainings too.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@click.pass_obj
def gc(runs: RunsFolder, remove: bool, checkpoints: bool, yes: bool, as_json: bool) -> None:
    """List what no run needs, with its size; --remove deletes it for good.

    Phases of no run, what servers and killed processes have left. Nothing is touched that a run
    or the trash names, that is at work, or that was written within the last hour.
    """
    found = collecting.needless(runs, checkpoints)
    if as_json and not remove:
        print_json([{"path": one.path, "why": one.why, "bytes": one.size} for one in found])
        return
    if not found:
        echo("every file is needed by a run")
        return
    rows = tuple((size(one.size), one.why, str(one.path.relative_to(runs.root))) for one in found)
    print_table(Table(("size", "what", "where"), rows))
    whole = size(sum(one.size for one in found))
    if not remove:
        echo(f"{whole} in all; nothing was removed: `sirt gc --remove` does, after asking")
    elif yes or click.confirm(f"remove them for good ({whole})?"):
        gone = collecting.collect(runs, found, checkpoints)
        echo(f"{counted(len(gone), 'thing')} removed, {size(sum(one.size for one in gone))} freed")
