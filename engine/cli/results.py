"""The verbs report, compare and score."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from engine.cli.completion import run_ids, settings
from engine.cli.given import GivenPath
from engine.cli.output import (
    echo,
    json_option,
    print_json,
    print_table,
    say,
    show_table,
    tell_passed_over,
)
from engine.cli.status import row_json
from engine.commands.rescoring import Rescored, rescore
from engine.queries import evaluations
from engine.queries import sweeps as sweeps_found
from engine.queries.checking import accepted_of, checked_rows, for_tables, left_out
from engine.queries.comparison import rows_of
from engine.queries.effort import effort_of, why_unknown
from engine.queries.evaluations import why_unscored
from engine.queries.finding import find_run, find_runs
from engine.queries.runs import list_runs, unreadable
from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.tables import accuracies, comparisons, efforts, sweeps
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.queries.effort import Effort
    from engine.queries.sweeps import Group, Sweep
    from engine.schema.accuracy import Comparison
    from engine.schema.records import Verdict
    from engine.store.layout import RunsFolder

SHOWN = 10  # changed verdicts an evaluation


def print_report(
    runs: RunsFolder, run_ids: Sequence[str], form: str, details: bool = False
) -> None:
    """Print the accuracy table of some runs, or the figures behind each accuracy."""
    found = list_runs(runs)
    chosen, out = for_tables(row for row in found if row.run_id in set(run_ids))
    rows, damaged = checked_rows(runs, chosen)
    tell_passed_over([*unreadable(runs, found), *damaged])
    for line in accepted_of(runs, (phase_id for row in rows for phase_id in row.phase_ids)):
        say(f"sirt: {line}", err=True)
    if form == "json":
        tell_left_out(out)
        print_json([row_json(row) for row in rows])
        return
    table = accuracies.details(rows) if details else accuracies.by_run(rows)
    show_table(replace(table, left_out=out), form, "accuracy in per cent [Wilson 95 % interval]")
    if form == "text" and any(row.varied for row in rows):
        show_sweep(sweeps_found.of_rows(runs, rows), out=out)


@click.command()
@click.argument("which", nargs=-1, metavar="[RUN|EXPERIMENT]...", shell_complete=run_ids)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "json"]),
    help="Only print the table, in this form; no folder is written.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option(
    "--details",
    is_flag=True,
    help="Only print what is behind each accuracy: unread answers, lengths.",
)
@click.option(
    "--out",
    type=GivenPath(file_okay=False),
    help="The report's folder; reports/NAME beside the runs folder when left out.",
)
@click.pass_obj
def report(
    runs: RunsFolder, which: tuple[str, ...], form: str | None, details: bool, out: Path | None
) -> None:
    """Write the report of an experiment (or of runs), and print its accuracy table.

    Tables in Markdown, LaTeX and CSV, figures in SVG, PDF and PNG, and index.html with all of it.
    Without any RUN, and with --format or --details, it only prints.
    """
    run_ids = find_runs(runs, which) if which else [row.run_id for row in list_runs(runs)]
    print_report(runs, run_ids, form or "text", details)
    if not which or form or details:
        return
    from engine.cli.progress import Progress
    from engine.commands import reporting

    progress = Progress()
    name = which[0] if len(which) == 1 else "several"
    folder = out or runs.root.parent / "reports" / name
    try:
        written = reporting.write(runs, name, run_ids, folder, progress.watch)
    finally:
        progress.clear()
    tell_passed_over(written.passed_over)
    echo(f"{counted(len(written.files), 'file')} in {folder}; open {folder / 'index.html'}")
    if written.replaced:
        names = ", ".join(written.replaced)
        echo(f"left out, later or scored runs have the same arm, models, tasks and seed: {names}")


@click.command()
@click.argument("which", nargs=-1, metavar="RUN_A RUN_B", shell_complete=run_ids)
@click.option(
    "--by",
    multiple=True,
    metavar="SETTING",
    shell_complete=settings,
    help="Group runs by a setting (learning_rate); may be given again for another.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "latex", "csv"]),
    default="text",
    help="The form of the table of --by.",
)
@json_option
@click.pass_obj
def compare(
    runs: RunsFolder, which: tuple[str, ...], by: tuple[str, ...], form: str, as_json: bool
) -> None:
    """Compare two runs on the same questions: difference, interval, exact test.

    With --by SETTING: the accuracies of the runs, or experiments, that are given (or of all) by the
    values of that setting, with mean and standard deviation over seeds.
    """
    if by:
        _compare_by(runs, which, by, form, as_json)
        return
    if len(which) != 2:
        raise UserError(f"{counted(len(which), 'run')} given: name two, or add --by SETTING")
    both = [find_run(runs, word) for word in which]
    for row in rows_of(runs, both):
        if row.left_out:
            todo = "take it in again with: sirt leave-out --undo"
            raise UserError(f"{row.run_id}: left out of tables; {todo} {row.run_id}")
    tell_passed_over(left_out(runs, both))
    found = evaluations.compare(runs, *both)
    measured = [evaluations.finished(runs, run_id) for run_id in both]
    behind = [one for mine in measured for one in mine.values()]
    why = [reason for one in behind for reason in (why_unscored(one.folder), why_unknown(one))]
    tell_passed_over(filter(None, dict.fromkeys(why)))
    took = {c.evaluation: [effort_of(runs, mine[c.evaluation]) for mine in measured] for c in found}
    if as_json:
        print_json([_comparison_json(c, took[c.evaluation]) for c in found])
        return
    print_table(comparisons.differences(found))
    echo(f"\n{efforts.CAPTION}")
    print_table(efforts.efforts(took, ("A", "B")))
    for line in efforts.remarks(took, ("A", "B"), 0):
        echo(line)


def _compare_by(
    runs: RunsFolder, which: tuple[str, ...], by: tuple[str, ...], form: str, as_json: bool
) -> None:
    chosen = set(find_runs(runs, which)) if which else None
    rows = [row for row in list_runs(runs) if chosen is None or row.run_id in chosen]
    rows, out = for_tables(rows)
    rows, damaged = checked_rows(runs, rows)
    tell_passed_over(damaged)
    found = sweeps_found.by_settings(runs, rows, by)
    if as_json:
        tell_left_out(out)
        print_json([_group_json(group) for group in found.groups])
    else:
        show_sweep(found, form, out)


def tell_left_out(out: str) -> None:
    if out:
        echo(f"sirt: {out}", err=True)


def show_sweep(found: Sweep, form: str = "text", out: str = "") -> None:
    """Print accuracies by setting, and what may be concluded from the highest. ``out``: how many
    runs are left out."""
    table = replace(sweeps.by_setting(found), left_out=out)
    show_table(table, form, f"{table.title}. {table.note}")
    for line in sweeps.on_choosing(found) if form == "text" else ():
        say(line)


def _group_json(group: Group) -> dict[str, Any]:
    one = group.condition
    return {
        "arm": one.arm, "student": one.student, "teacher": one.teacher, "task": one.task,
        "refine_task": one.refine_task, "fraction": one.fraction, "rounds": one.rounds,
        "settings": dict(group.values), "seeds": group.seeds,
        "held_out_loss": group.held_out and group.held_out[1],
        "accuracies": [
            asdict(what) | asdict(found) for what, found in group.accuracies.items()
        ],
    }  # fmt: skip


def _comparison_json(found: Comparison, took: Sequence[Effort | None]) -> dict[str, Any]:
    """Return a comparison for JSON, with difference and interval in points, and what 1,000
    questions take and cost."""
    told = {name: value for name, value in asdict(found).items() if name != "evaluation"}
    gap = found.difference
    told |= {"difference": 100 * gap.value, "low": 100 * gap.low, "high": 100 * gap.high}
    told |= {f"effort_{n}": one and asdict(one) for n, one in zip("ab", took, strict=True)}
    return asdict(found.evaluation) | told


@click.command()
@click.argument("which", nargs=-1, required=True, metavar="RUN...", shell_complete=run_ids)
@click.option("--write", is_flag=True, help="Use the new scores in tables from now on.")
@click.option("--all", "every", is_flag=True, help=f"Print all changed answers, not only {SHOWN}.")
@json_option
@click.pass_obj
def score(
    runs: RunsFolder, which: tuple[str, ...], write: bool, every: bool, as_json: bool
) -> None:
    """Score the kept predictions of runs again, without generating.

    Shows what changes: each answer that is read differently, with the rule that found it before
    and the one that finds it now.
    """
    chosen = find_runs(runs, which)
    tell_passed_over(left_out(runs, chosen))
    found = [r for run_id in chosen for r in rescore(runs, run_id, write)]
    if as_json:
        print_json(found)
        return
    rows = tuple(
        (
            r.evaluation.label,
            f"{100 * r.before.accuracy:.1f}",
            f"{100 * r.now.accuracy:.1f}",
            str(len(r.changed)),
            str(sum(c.before.correct != c.now.correct for c in r.changed)),
        )
        for r in found
    )
    print_table(
        Table(
            (
                "evaluated on",
                "right before, %",
                "right now, %",
                "read differently",
                "right or wrong now",
            ),
            rows,
        )
    )
    for one in found:
        _print_changes(one, len(one.changed) if every else SHOWN)


def _print_changes(one: Rescored, most: int) -> None:
    if not one.changed:
        return
    echo(f"\n{one.evaluation.label} ({one.phase})")
    for change in one.changed[:most]:
        echo(f"  {change.id}: {_said(change.before)} -> {_said(change.now)}")
    if len(one.changed) > most:
        echo(f"  and {len(one.changed) - most} more; --all shows them")


def _said(verdict: Verdict) -> str:
    if verdict.answer is None:
        return "no answer found"
    return f"{verdict.answer!r} (rule: {verdict.tier}), {'right' if verdict.correct else 'wrong'}"
