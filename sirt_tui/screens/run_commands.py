"""Commands on one or several runs, to be called in threads.

The engine's commands are imported when one is called: the first paint does without them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from engine.queries.runs import RunStatus
    from engine.store.layout import RunsFolder


def read(runs: RunsFolder, run_id: str) -> RunStatus:
    """Read a run with its phases' states; logs only for what was paid to endpoints."""
    from engine.queries.runs import run_status

    return run_status(runs, run_id, with_views=False)


def stop(runs: RunsFolder, run_ids: Sequence[str]) -> None:
    from engine.commands import run_changes

    run_changes.stop(runs, run_ids)


def retry(runs: RunsFolder, run_ids: Sequence[str]) -> str:
    """Retry the runs and say how many had something left to do."""
    from engine.commands import run_changes

    left = run_changes.retry(runs, run_ids)
    done = len(run_ids) - len(left)
    if not left:
        return "nothing is left to do"
    return f"queued again, but for {done} with nothing left to do" if done else "queued again"


def delete(runs: RunsFolder, run_ids: Sequence[str]) -> None:
    from engine.commands import deleting

    deleting.delete(runs, *run_ids)


def losses(runs: RunsFolder, run_ids: Sequence[str]) -> list[str]:
    """Say what would be deleted with these runs and what other runs need, a line each."""
    from engine.commands import deleting

    lost = deleting.losses(runs, *run_ids)
    going = lost.going
    lines = [f"{lost.sizes} (u, sirt trash)"]
    lines.append(f"goes: {kinds(going)}, with all that they made" if going else "goes: no phase")
    if lost.marked:
        lines.append(f"goes: what you marked on {lost.marked} of their pairs and answers")
    if lost.staying:
        lines.append(f"stays: {kinds(lost.staying)}, since other runs need them")
    names = [f"  {phase_id}" for phase_id in going]
    return [*lines, *(["what goes:", *names] if names else [])]


def trashed(runs: RunsFolder) -> list[tuple[str, str, str]]:
    """The deletions in the trash, the newest first: id, runs, and how old and large each is."""
    from engine.commands import deleting
    from engine.queries.runs import age
    from engine.schema.counts import size
    from engine.schema.durations import duration
    from engine.store.writing import bytes_of

    return [
        (
            one.id,
            one.runs[0] if len(one.runs) == 1 else f"{len(one.runs)} runs: {', '.join(one.runs)}",
            f"deleted {duration(age(one.deleted))} ago, {size(bytes_of(one.path))}",
        )
        for one in deleting.deletions(runs)
    ]


def restore(runs: RunsFolder, which: str | None = None) -> tuple[tuple[str, ...], str]:
    """Bring back a deletion, the newest unless one is named; return its runs and a line that says
    what came back. ``UserError`` when the named one is gone."""
    from engine.commands import deleting
    from engine.store import trash

    found = [trash.find(runs, which)] if which is not None else deleting.deletions(runs)
    if not found:
        return (), "the trash is empty"
    kept = deleting.restore(runs, found[0])
    ids = found[0].runs
    said = f"{ids[0] if len(ids) == 1 else f'{len(ids)} runs'}: restored"
    return tuple(ids), f"{said}, but for what is there again since" if kept else said


def leave_out(runs: RunsFolder, run_ids: Iterable[str], left_out: bool) -> None:
    """Leave runs out of tables and reports, or take them in again."""
    from engine.commands import run_changes

    for run_id in run_ids:
        run_changes.describe(runs, run_id, left_out=left_out)


def kinds(phase_ids: Sequence[str]) -> str:
    counts = Counter(phase_id.partition("-")[0] for phase_id in phase_ids)
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def export(runs: RunsFolder, run_ids: Sequence[str], folder: Path) -> None:
    """Export into the folder, or for several runs into a folder each."""
    from engine.commands import exporting

    for run_id in run_ids:
        exporting.export(runs, run_id, folder / run_id if len(run_ids) > 1 else folder)


def report(runs: RunsFolder, name: str, run_ids: Sequence[str], folder: Path) -> str:
    """Write a report, and say where its page is."""
    from engine.commands import reporting

    written = reporting.write(runs, name, run_ids, folder)
    return f"{len(written.files)} files are in {folder}; open {folder / 'index.html'}"


def describe(
    runs: RunsFolder,
    tags: Mapping[str, Iterable[str]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Set tags or notes by run id."""
    from engine.commands import run_changes

    for run_id, words in (tags or {}).items():
        run_changes.describe(runs, run_id, tags=tuple(dict.fromkeys(words)))
    for run_id, note in (notes or {}).items():
        run_changes.describe(runs, run_id, note=note)
