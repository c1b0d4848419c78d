"""Find the runs and phases that a word on the command line means.

A run is meant by its id, by any part of its id or name that no other run has, or, where several
may be given, by its experiment. A phase is meant by any such part of its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.runs import registry
from engine.schema.errors import UserError, ambiguous, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.store.layout import RunsFolder


def find_runs(runs: RunsFolder, words: Iterable[str]) -> list[str]:
    """Find the runs that are meant, each once; ``UserError`` lists what a word could mean."""
    return list(dict.fromkeys(run_id for word in words for run_id in _runs(runs, word)))


def find_run(runs: RunsFolder, word: str) -> str:
    """Find the one run that is meant; ``UserError`` also for an experiment with several."""
    found = _runs(runs, word)
    if len(found) > 1:
        raise UserError(ambiguous(word, found, "run"))
    return found[0]


def find_runs_and_phases(runs: RunsFolder, words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Find the runs that are meant, and the phases."""
    run_ids: list[str] = []
    phases: list[str] = []
    for word in words:
        if (phase := find_phase(runs, word)) is not None:
            phases.append(phase)
        else:
            run_ids += _runs(runs, word)
    return list(dict.fromkeys(run_ids)), list(dict.fromkeys(phases))


def find_phase(runs: RunsFolder, word: str) -> str | None:
    """Find the one phase that is meant; None where no phase is, or a run has that word too."""
    if runs.is_phase(word):
        return word
    of_runs = word and _matching(word, _names(runs))
    found = [] if not word or of_runs else [f.id for f in runs.phase_dirs() if word in f.id]
    if len(found) > 1:
        raise UserError(ambiguous(word, found, "phase"))
    return found[0] if found else None


def _runs(runs: RunsFolder, word: str) -> list[str]:
    """Return one run, or all of an experiment."""
    names = _names(runs)
    if not word.strip():  # an unset variable of a script must not mean every run
        raise UserError(f"an empty run id; {nearest(word, names)}")
    if word in names:
        return [word]
    of_experiment = [row.run_id for row in registry(runs).rows() if row.experiment == word]
    found = of_experiment or _matching(word, names)
    if not found:
        raise UserError(f"no run {word!r} in {runs.root}; {nearest(word, names)}")
    if len(found) > 1 and not of_experiment:
        raise UserError(ambiguous(word, found, "run"))
    return found


def _names(runs: RunsFolder) -> dict[str, str]:
    """Return the name of each run by its id; "" where the run's file can't be read."""
    return dict.fromkeys(runs.run_ids(), "") | {
        row.run_id: row.name for row in registry(runs).rows()
    }


def _matching(word: str, names: Mapping[str, str]) -> list[str]:
    """Return the runs with that word: with that name, else at the id's start, else anywhere."""
    tests = (
        lambda run_id: names[run_id] == word,
        lambda run_id: run_id.startswith(word),
        lambda run_id: word in run_id or word.casefold() in names[run_id].casefold(),
    )
    return next(filter(None, ([i for i in names if test(i)] for test in tests)), [])
