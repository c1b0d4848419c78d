"""Change existing runs: stop, retry, reorder, tag, leave out of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.machine.state import phase_state
from engine.planning import notify_files
from engine.planning.graph import expand, key_variables, unique_phases
from engine.queries.runs import list_runs, registry
from engine.scheduling import daemon, queue
from engine.schema.errors import UserError
from engine.store import trash
from engine.store.registry import folder_lock
from engine.store.run import read_record, with_phases, write_run
from engine.store.specification import has_own_spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.layout import RunsFolder
    from engine.store.run import RunFile


def stop(runs: RunsFolder, run_ids: Iterable[str]) -> None:
    """Take runs off the queue and ask their running phases to stop; finished work is kept.

    A phase that another queued run needs goes on. The conductor kills what does not stop.
    """
    for run_id in run_ids:
        read_record(runs, run_id)
        asked = queue.request_stop(runs, run_id)
        if any(queue.is_elsewhere(runs.phase(phase)) for phase in asked):
            daemon.revive(runs)  # what waits in a cluster's queue sees no file


def retry(runs: RunsFolder, run_ids: Iterable[str]) -> list[str]:
    """Queue runs again; failed, lost and stopped phases get a new attempt that continues from what
    the last one kept. Returns the runs that had something left to do."""
    files = {run_id: _whole(runs, run_id) for run_id in run_ids}
    left = {
        run_id: file.spec.phases
        for run_id, file in files.items()
        if not all(runs.phase(phase.id).done for phase in file.spec.phases)
    }
    if left:
        keys = key_variables(p for phases in left.values() for p in phases)
        daemon.make_way(runs, keys | notify_files.variables(runs, left))
        for run_id in left:
            queue.retry(runs, run_id)
        daemon.ensure_running(runs)
    return list(left)


def make_again(runs: RunsFolder, phase_id: str) -> str:
    """Queue a finished phase to be made again, in a run that has it; return that run. Kept replies
    and checkpoints are used, so nothing is paid or trained twice."""
    folder = runs.phase(phase_id)
    rows = registry(runs).rows()
    run_id = next((row.run_id for row in rows if phase_id in row.phase_ids), None)
    if run_id is None:
        raise UserError(f"{phase_id}: no run has this phase")
    if phase_state(folder).state == "running":
        raise UserError(f"{phase_id} is running; stop its run first")
    of_the_outputs = folder.manifest_file, folder.seals_file, folder.rescored, folder.taken_file
    for file in of_the_outputs:
        if file.is_file():
            file.unlink()
    retry(runs, [run_id])
    return run_id


def _whole(runs: RunsFolder, run_id: str) -> RunFile:
    """Return the run, after restoring phase files that were removed or damaged, from the run or its
    experiment."""
    record = read_record(runs, run_id)
    file, lost = with_phases(runs, record)
    if lost:
        with folder_lock(runs):
            trash.take_back(runs, lost)
        file, lost = with_phases(runs, record)
    known = {phase.id: phase for phase in file.spec.phases}
    experiment = runs.experiment(record.experiment_file)
    if lost and experiment.is_file():
        from engine.planning.presets import load_experiment

        resolved = load_experiment(str(experiment))
        known |= {phase.id: phase for phase in unique_phases(expand(resolved))}
    for phase_id in record.spec.phase_ids:
        folder = runs.phase(phase_id)
        if phase_id in known and not (has_own_spec(folder) and not folder.manifest_file.is_dir()):
            folder.create(known[phase_id])
    file, lost = with_phases(runs, record)
    for phase_id in lost:
        raise UserError(
            f"{runs.phase(phase_id).spec_file}: can't be restored: the run's experiment is not "
            "kept, or plans another phase now; launch it again, or import a bundle of the run"
        )
    return file


def move(runs: RunsFolder, run_id: str, position: int) -> None:
    """Move a queued run to a position; 0 is next."""
    queue.move(runs, run_id, position)


def describe(
    runs: RunsFolder,
    run_id: str,
    name: str | None = None,
    tags: tuple[str, ...] | None = None,
    note: str | None = None,
    left_out: bool | None = None,
) -> None:
    """Change a run's name, tags or note, or whether it is left out of tables and reports; its spec
    stays. An empty note removes the old one."""
    for what, text in (("name", name), *(("tag", tag) for tag in tags or ())):
        if text is not None and not any(c.isprintable() and c != " " for c in text):
            raise UserError(f"{run_id}: an empty {what}; leave it out to keep what is there")
    with folder_lock(runs):
        file = read_record(runs, run_id)
        given = {"name": name, "tags": tags, "note": note, "left_out": left_out}
        update = {key: value for key, value in given.items() if value is not None}
        write_run(runs, file.model_copy(update=update))
    registry(runs).refresh([run_id])


def reindex(runs: RunsFolder) -> int:
    """Rebuild the registry from the folders; return how many runs there are."""
    registry(runs).reindex()
    return len(list_runs(runs))
