"""Check that files are what their phases published."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine.queries.evaluations import why_absent, why_unscored
from engine.queries.rows import row_of
from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.store.layout import PhaseDir
from engine.store.run import read_record
from engine.store.sealing import accepted, verified

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.items import Source
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow


def checked_rows(runs: RunsFolder, rows: Iterable[RunRow]) -> tuple[list[RunRow], list[str]]:
    """Return the rows without the figures of damaged evaluations, and the reasons, a line each. The
    figures come from the index; here each is checked against its phase's folder."""
    why: dict[str, str] = {}
    found = []
    for row in rows:
        for phase_id in row.evaluation_ids:
            if phase_id not in why:
                why[phase_id] = why_unscored(runs.phase(phase_id))
        wrong = any(why.get(phase_id) for phase_id in row.evaluation_ids)
        found.append((row_of(runs, row.run_id) if wrong else row) or row)
    return found, [problem for problem in why.values() if problem]


def for_tables(rows: Iterable[RunRow]) -> tuple[list[RunRow], str]:
    """Return the rows without those that a person leaves out of tables and reports, and how many
    these are: ``2 runs left out``; empty when there are none."""
    given = list(rows)
    kept = [row for row in given if not row.left_out]
    number = len(given) - len(kept)
    return kept, f"{counted(number, 'run')} left out" if number else ""


def missing_figures(runs: RunsFolder, rows: Iterable[RunRow]) -> list[str]:
    """Say why finished runs have fewer figures than evaluations, a line each."""
    done = [row for row in rows if row.state == "done"]
    short = [row for row in done if len(row.accuracies) < len(row.evaluation_ids)]
    wrong = dict.fromkeys(phase_id for row in short for phase_id in row.evaluation_ids)
    return [problem for i in wrong if (problem := why_unscored(runs.phase(i)))]


def left_out(runs: RunsFolder, run_ids: Iterable[str]) -> list[str]:
    """Say why phases of these runs have nothing to show though they should, a line each."""
    ids = (i for run_id in run_ids for i in read_record(runs, run_id).spec.phase_ids)
    why = (why_absent(runs.phase(i)) for i in dict.fromkeys(ids))
    return [line for line in why if line]


def check_source(source: Source) -> None:
    """Raise ``UserError`` when a file of items is not what its phase published."""
    for file in (source.file, source.against, source.scores):
        if file is not None:
            verified(PhaseDir(file.parent.parent), file.name)


def accepted_of(runs: RunsFolder, phase_ids: Iterable[str]) -> list[str]:
    """List what was accepted in these phases although it had changed, a line each."""
    found = []
    for phase_id in dict.fromkeys(phase_ids):
        with suppress(UserError, OSError):  # told as damaged, where it is read
            found += [f"{phase_id}: {line}" for line in accepted(runs.phase(phase_id))]
    return found
