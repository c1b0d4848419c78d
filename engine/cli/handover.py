"""The verbs show, export, bundle and import: where runs come from, and passing them on."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.completion import run_ids
from engine.cli.experiments import device_options, device_request
from engine.cli.given import GivenPath
from engine.cli.output import console, echo, json_option, print_json, tell_passed_over
from engine.commands.exporting import export as export_outputs
from engine.queries.checking import left_out
from engine.queries.finding import find_run, find_runs
from engine.queries.lineage import lineage
from engine.queries.runs import run_status
from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.schema.sanitize import visible

if TYPE_CHECKING:
    from engine.scheduling.queue import DeviceRequest
    from engine.store.layout import RunsFolder


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@json_option
@click.pass_obj
def show(runs: RunsFolder, run_id: str, as_json: bool) -> None:
    """Show what a run was made from: models, data, phases, settings, files with hashes, scores."""
    found = [lineage(runs, name) for name in find_runs(runs, [run_id])]
    for one in found:
        tell_passed_over(one.damage)
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    from engine.queries.lineage_tree import draw, environments

    for one in found:
        console().print(draw(one, visible))
        for line in environments(one):
            echo(line)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@click.argument("folder", required=False, type=GivenPath(file_okay=False))
@click.option("--merged", type=GivenPath(), help="The model's folder to write.")
@click.option("--phase", help="The training whose adapter is merged; the run's last otherwise.")
@click.option(
    "--dtype",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="The merged weights' number format.",
)
@click.option(
    "--base", type=GivenPath(file_okay=False), help="The base model's folder, if it has moved."
)
@device_options
@click.option(
    "--detach", is_flag=True, help="Return at once; repeat the command to write the folder."
)
@click.option("--max-kl", type=float, help="Highest mean KL from the student, nats a token.")
@click.option(
    "--push", "repo", metavar="REPO", help="Send the merged model to this hub repository."
)
@click.option("--public", is_flag=True, help="Make REPO public; it is private otherwise.")
@click.pass_obj
def export(
    runs: RunsFolder,
    run_id: str,
    folder: Path | None,
    merged: Path | None,
    phase: str | None,
    dtype: str | None,
    base: Path | None,
    gpus: str | None,
    gpu_count: int | None,
    cpu: bool,
    detach: bool,
    max_kl: float | None,
    repo: str | None,
    public: bool,
) -> None:
    """Copy the run's demonstrations, pairs, predictions and adapters into FOLDER.

    With --merged, write its student as a standard model folder: the base as it was trained, the
    adapter merged into it, compared with the trained student. Merging is a run of its own, done
    once: ctrl+c leaves it running, and repeating the command goes on.
    """
    if folder is None and merged is None:
        raise UserError("give a FOLDER for the files, or --merged DIR for the model")
    if repo is not None and merged is None:
        raise UserError("--push sends a merged model; say with --merged DIR where it is written")
    found = find_run(runs, run_id)
    if folder is not None:
        tell_passed_over(left_out(runs, [found]))
        for path in export_outputs(runs, found, folder):
            echo(str(path))
    if merged is not None:
        request = device_request(gpus, gpu_count, cpu)
        options = {"phase": phase, "dtype": dtype, "base": base, "max_kl": max_kl}
        if not _merge(runs, found, merged, repo, request, detach, options):
            return
    if merged is not None and repo is not None:
        from engine.commands.pushing import push

        echo(f"sending to {repo}", err=True)
        echo(push(merged, repo, private=not public))


def _clear_up_when_ended() -> None:
    """Make SIGTERM end it as ctrl+c does, so that half-written files are removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _merge(
    runs: RunsFolder,
    run_id: str,
    folder: Path,
    repo: str | None,
    request: DeviceRequest,
    detach: bool,
    options: dict[str, Any],
) -> bool:
    """Whether the folder is there now. A folder that was written before and only has to be sent is
    left as it is."""
    from engine.cli.follow_up import make
    from engine.commands import merged
    from engine.schema.follow_ups import MergeSpec

    if repo is not None and merged.exported_before(folder, run_id):
        echo(f"{folder}: is there already, from this run", err=True)
        return True
    merged.check_place(folder)
    wanted = merged.plan_merge(runs, run_id, **options)
    if not make(runs, wanted, request, detach):
        return False
    _clear_up_when_ended()
    (merge,) = wanted.spec.phases
    assert isinstance(merge, MergeSpec)
    made = merged.export_merged(runs, run_id, merge, folder, options["max_kl"])
    echo(f"{folder}: {made.phase} merged, {made.parity.summary}")
    return True


@click.command()
@click.argument("which", metavar="RUN|EXPERIMENT", shell_complete=run_ids)
@click.argument("file", required=False, type=GivenPath(dir_okay=False))
@click.option("--without-weights", is_flag=True, help="Leave the adapters out.")
@click.pass_obj
def bundle(runs: RunsFolder, which: str, file: Path | None, without_weights: bool) -> None:
    """Pack a run, or an experiment's runs, with all phases into FILE (.tar.gz).

    FILE is RUN.sirt.tar.gz in this folder when it is not given.
    """
    from engine.commands import bundling

    _clear_up_when_ended()
    run_ids = find_runs(runs, [which])
    file = file or Path((run_ids[0] if len(run_ids) == 1 else which) + bundling.SUFFIX)
    tell_passed_over(left_out(runs, run_ids))
    for run_id in run_ids:
        tell_passed_over(run_status(runs, run_id).damage)
    made = bundling.bundle(runs, run_ids, file, without_weights, lambda line: echo(line, err=True))
    weights = (
        f"; {counted(len(made.left_out), 'file')} of weights left out" if made.left_out else ""
    )
    what = f"{counted(len(made.runs), 'run')}, {counted(len(made.files), 'file')}{weights}"
    echo(f"{file}: {what}; unpack it elsewhere with `sirt import`")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=GivenPath(dir_okay=False))
@json_option
@click.pass_obj
def take(runs: RunsFolder, files: tuple[Path, ...], as_json: bool) -> None:
    """Unpack runs that `sirt bundle` packed; what is here already is kept."""
    from engine.commands.importing import take_in

    _clear_up_when_ended()
    for file in files:
        found = take_in(runs, file)
        if as_json:
            print_json(found)
            continue
        for run_id in found.runs:
            echo(f"{run_id}: imported")
        for run_id in found.runs_kept:
            echo(f"{run_id}: was here already")
        kept = f", {len(found.phases_kept)} were here already" if found.phases_kept else ""
        echo(f"{counted(len(found.phases), 'phase')} new{kept}")
        if found.filled:
            echo(f"missing weights added to {', '.join(found.filled)}")
        for phase_id in found.differs:
            echo(
                f"{phase_id}: the outputs here are kept and differ from the bundle's, from which"
                " its scores come",
                err=True,
            )
