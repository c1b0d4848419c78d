"""The verbs devices, doctor, reindex and accept."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from engine.cli.completion import runs_and_phases
from engine.cli.given import GivenPath
from engine.cli.output import echo, json_option, print_json, print_table, tell_passed_over
from engine.commands import run_changes
from engine.commands.accepting import accept_outputs
from engine.commands.doctor import examine
from engine.generation.vllm import install
from engine.machine import devices as machine
from engine.machine import vllm
from engine.queries import cluster
from engine.queries.checking import missing_figures
from engine.queries.runs import list_runs, unreadable
from engine.schema.counts import counted
from engine.tables.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """Show GPUs with who uses them, CPU cores and memory; on a cluster its nodes too."""
    gpus, host, around = machine.gpus(), machine.machine(), cluster.look()
    if as_json:
        print_json({"gpus": gpus, "machine": host, "cluster": around})
        return
    used, total = host.memory_used / 1024, host.memory_total / 1024
    echo(f"CPU: {host.cores} cores, load {host.load:.1f}; memory {used:.1f} of {total:.1f} GiB")
    for gpu in gpus:
        echo(
            f"GPU {gpu.index}: {gpu.name}, {gpu.used / 1024:.1f} of {gpu.total / 1024:.1f} GiB, "
            f"{gpu.utilisation:.0f} %"
        )
        for process in gpu.processes:
            echo(f"  {process.user} {process.name} ({process.pid}): {process.used:.0f} MiB")
    if not gpus:
        echo("GPU: none")
    for name, said in cluster.lines(around) if around else ():
        echo(f"{name}: {said}")


@click.command()
@click.option("--deep", is_flag=True, help="Also generate with a pocket model (takes seconds).")
@click.option("--install", "what", type=click.Choice(["vllm"]), help="Install what is missing.")
@click.option(
    "--into",
    type=GivenPath(file_okay=False),
    help="The folder to install into; vllm-env in the runs folder otherwise.",
)
@click.option("--yes", is_flag=True, help="Don't ask before installing.")
@json_option
@click.pass_obj
def doctor(
    runs: RunsFolder, deep: bool, what: str | None, into: Path | None, yes: bool, as_json: bool
) -> None:
    """Check this machine and this folder; exit code 1 when something is bad."""
    if what:
        _install(runs, into, yes)
        return
    findings = list(examine(runs, deep))
    if as_json:
        print_json(findings)
    else:
        styles = {"ok": "green", "warn": "yellow", "bad": "bold red"}
        rows = tuple((f.verdict, f.what, f.said) for f in findings)
        print_table(Table(("", "what", "says"), rows), styles=styles)
    sys.exit(1 if any(f.verdict == "bad" for f in findings) else 0)


def _install(runs: RunsFolder, into: Path | None, yes: bool) -> None:
    gpu = bool(machine.gpus())
    folder = (into or runs.root / vllm.FOLDER).absolute()
    build = "for CUDA" if gpu else "for CPUs (there is no GPU here)"
    echo(f"vLLM {install.VERSION} {build}: about {install.size_gib(gpu):.1f} GiB, into {folder}")
    if not yes:
        click.confirm("install it?", abort=True)
    found = install.install(folder, gpu, echo)
    echo(f"vLLM {found.told}")
    if into is not None:
        echo(f"for this program to find it there: export {vllm.VARIABLE}={found.path}")


@click.command()
@click.pass_obj
def reindex(runs: RunsFolder) -> None:
    """Rebuild the registry from the folders."""
    echo(f"{counted(run_changes.reindex(runs), 'run')} indexed")
    rows = list_runs(runs)
    tell_passed_over([*unreadable(runs, rows), *missing_figures(runs, rows)])


@click.command()
@click.argument(
    "which", nargs=-1, required=True, metavar="RUN|PHASE...", shell_complete=runs_and_phases
)
@json_option
@click.pass_obj
def accept(runs: RunsFolder, which: tuple[str, ...], as_json: bool) -> None:
    """Accept files that were changed after their phase had ended.

    A finished phase's files are hashed, and a file that was changed since is not used. Accepted
    files are used again, and all that is made from them says so. The other way is to make the
    phase again: sirt retry PHASE.
    """
    found = accept_outputs(runs, which)
    if as_json:
        print_json([{"phase": phase_id} | asdict(seal) for phase_id, seal in found])
        return
    for phase_id, seal in found:
        echo(f"{phase_id}: {seal.told}")
    if not found:
        echo("nothing has changed: all files are as they were published")
