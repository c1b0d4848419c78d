"""The verb site: init, check, list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from engine.cli.given import GivenPath
from engine.cli.output import echo, json_option, print_json
from engine.commands import sites
from engine.planning.sites import find_site, load_site
from engine.planning.sites import sites as all_sites
from engine.schema.errors import UserError
from engine.schema.site import EVERY, Need, Site

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.cards import Frozen
    from engine.store.layout import RunsFolder


@click.command()
@click.argument("what", type=click.Choice(["list", "init", "check"]), default="list")
@click.argument("name", default="")
@click.option("--join", type=GivenPath(dir_okay=False), help="init: a colleague's file, as it is.")
@click.option("--group", is_flag=True, help="init: for all who use this runs folder.")
@click.option("--yes", is_flag=True, help="init: don't ask; take what was detected.")
@click.option("--ssh", is_flag=True, help="init: how a laptop gets here, in two lines.")
@json_option
@click.pass_obj
def site(
    runs: RunsFolder,
    what: str,
    name: str,
    join: Path | None,
    group: bool,
    yes: bool,
    ssh: bool,
    as_json: bool,
) -> None:
    """Set up clusters to run on: sites.

    `list` names them; `init NAME` looks at the cluster, asks what can't be seen and writes the
    site's file; `check NAME` has Slurm check a job of each kind of phase, and hands over none.
    `init --ssh` prints two lines for your laptop, which then opens the interface here.
    """
    if what == "init" and ssh:
        _tell(sites.lines_for_ssh(runs, name), as_json)
        return
    if what != "list" and not name:
        raise UserError(f"{what}: name the site, as in: sirt site {what} mine")
    if what == "list":
        found = {one: str(path) for one, path in all_sites(runs).items()}
        lines = [f"{one}: {_described(path)}" for one, path in all_sites(runs).items()]
        _tell(found if as_json else ["local: this machine", *lines], as_json)
    elif what == "check":
        _tell(sites.check_site(load_site(find_site(runs, name))), as_json)
    else:
        _tell(_init(runs, name, join, group, yes), as_json)


def _tell(told: list[str] | dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for line in told:
        echo(line)


def _described(path: Path) -> str:
    try:
        return f"{load_site(path).description or 'a Slurm cluster'} ({path})"
    except UserError as error:  # one that is wrong hides no other
        return str(error)


def _init(runs: RunsFolder, name: str, join: Path | None, group: bool, yes: bool) -> list[str]:
    if join is not None:
        path = sites.join_site(runs, name, join, group)
    else:
        sites.new_file(runs, name, group)  # said before anybody answers questions
        found = sites.try_detecting()
        for partition in found.partitions:
            echo(f"partition {partition.said}")
        path = sites.make_site(runs, name, _asked(found, name, yes), found.text, group)
    return [
        f"{path}: written; presets/sites/plain-slurm.yaml explains its keys",
        f"try it with: sirt site check {name}; then: sirt run my.yaml --site {name}",
    ]


def _asked(found: sites.Found, name: str, yes: bool) -> Site:
    """The site, of what was detected and what a person says."""

    def ask(text: str, default: str, key: str = "", of: type[Frozen] = Site) -> str:
        valid = partial(_valid, of, key) if key else None
        return default if yes else str(click.prompt(text, default=default, value_proc=valid))

    usual = found.usual
    chosen = ask("partition", usual.name if usual else "", "partition")
    partition = next((p for p in found.partitions if p.name == chosen), usual)
    gpus = partition.gpus if partition else {}
    known = {"partition": chosen}
    if gpus:
        most = max(gpus, key=lambda g: gpus[g])
        known["gres"] = ask(f"GPUs are called ({', '.join(gpus)})", most, "gres")
    if found.accounts:
        known["account"] = ask(
            f"account ({', '.join(found.accounts)})", found.accounts[0], "account"
        )
    if len(found.qos) > 1:
        known["qos"] = ask(f"QOS ({', '.join(found.qos)}; empty: the default)", "", "qos")
    if partition and partition.features and not yes:
        listed = ", ".join(partition.features)
        known["constraint"] = ask(f"constraint ({listed}; empty: any node)", "", "constraint")
    limit = (partition.limit if partition else "") or "4:00:00"
    need = Need(
        time=ask("time of a job", limit, "time", Need),
        memory=ask("memory of a job", "16G", "memory", Need) if not yes else None,
        gpus=int(bool(gpus)),
        cpus=max(1, min(8, (partition.cores if partition else 4) // max(1, *gpus.values()))),
    )
    setup = ask("line of shell before a phase (module load …; empty: none)", "")
    environment = ask("folder of the Python environment on the nodes (empty: this one)", "")
    return Site.model_validate(
        known
        | {"description": name, "environment": environment, "phases": {EVERY: need.model_dump()}}
        | ({"setup": (setup,)} if setup else {})
    )


def _valid(of: type[Frozen], key: str, said: str) -> str:
    """The answer for a key of the site, which is asked for again if it can't be that."""
    try:
        of.model_validate({key: said})
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return said
