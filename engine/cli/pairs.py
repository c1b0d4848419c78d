"""The verb pairs: read pairs, mark them, and refine again without those left out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from engine.cli.completion import run_ids
from engine.cli.output import echo, json_option, print_json, tell_passed_over
from engine.commands import curating
from engine.queries import item_filter
from engine.queries.checking import check_source, left_out
from engine.queries.finding import find_run
from engine.queries.item_files import sources
from engine.queries.items import Reader
from engine.queries.nothing_found import why_none
from engine.schema.counts import counted
from engine.schema.errors import UserError, ambiguous, nearest
from engine.store import item_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.queries.items import Item
    from engine.store.item_notes import Mark, Marks
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Chosen:
    """A run's pairs, and the numbers of those that were chosen."""

    reader: Reader
    marks: Marks
    numbers: list[int]
    why_none: str = ""  # said where the filter finds nothing

    @property
    def phase_id(self) -> str:
        return self.reader.source.phase_id


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@click.option(
    "--filter", "words", default="", help="Only these, such as 'chosen:wrong len>200 flagged'."
)
@click.option(
    "--winner",
    type=click.Choice(["student", "teacher"]),
    help="Only where the chosen text is the student's own, or the teacher's.",
)
@click.option("--id", "ids", multiple=True, help="Only the pair of this id; may be repeated.")
@click.option("--limit", type=int, default=10, show_default=True, help="How many to print.")
@click.option(
    "--flag/--unflag", "flagged", default=None, help="Flag the chosen pairs, or unflag them."
)
@click.option(
    "--exclude/--include",
    "excluded",
    default=None,
    help="Leave the chosen pairs out of --refine-again.",
)
@click.option("--note", help="A note on each chosen pair; '' removes it.")
@click.option("--marks", "list_marks", is_flag=True, help="List all flags, exclusions and notes.")
@click.option("--refine-again", is_flag=True, help="Queue a run without the pairs left out.")
@json_option
@click.pass_obj
def pairs(
    runs: RunsFolder,
    run_id: str,
    words: str,
    winner: str | None,
    ids: tuple[str, ...],
    limit: int,
    flagged: bool | None,
    excluded: bool | None,
    note: str | None,
    list_marks: bool,
    refine_again: bool,
    as_json: bool,
) -> None:
    """Read the preference pairs that a run's student made of its own answers.

    With --flag, --exclude or --note it marks the pairs that --id, --filter and --winner choose.
    Marks belong to the pairs: every run that shares them shows them. --refine-again then makes a
    run without the pairs left out, which shares all earlier phases with this one.
    """
    run = find_run(runs, run_id)
    marking_now = (flagged, excluded, note) != (None, None, None)
    words = f"{words} winner:{winner}" if winner else words
    if marking_now and not (words.strip() or ids):
        raise UserError("which pairs? choose them with --id or --filter (--filter len>0: all)")
    if refine_again and not marking_now:
        _refine_again(runs, run, as_json)
        return
    tell_passed_over(left_out(runs, [run]))
    chosen = _choose(runs, run, words, ids)
    if marking_now:
        marked = chosen.reader.ids(chosen.numbers)
        item_notes.mark(
            runs, chosen.phase_id, marked, flagged=flagged, excluded=excluded, note=note
        )
        if not refine_again:
            _tell_marked(runs, chosen, marked, as_json)
            return
        _refine_again(runs, run, as_json)
    elif list_marks:
        _print_marks(chosen.marks, as_json)
    else:
        _print(chosen, limit, as_json)


def _choose(runs: RunsFolder, run_id: str, words: str, ids: tuple[str, ...]) -> Chosen:
    source = next((s for s in sources(runs, run_id) if s.what == "pairs"), None)
    if source is None:
        raise UserError(f"{run_id}: has no pairs (yet); see: sirt status {run_id}")
    check_source(source)
    reader = Reader(source)
    marks = item_notes.read_marks(runs, source.phase_id)
    keep = item_filter.parse(words, marks)
    if keep.problem:
        raise UserError(f"--filter: {keep.problem}")
    wanted = _meant(reader, ids)
    meant = replace(keep, tests=(lambda item: item.id in wanted, *keep.tests)) if wanted else keep
    numbers = [n for _, found in reader.sift(meant, lambda: False) for n in found]
    missing = wanted.difference(reader.ids(numbers))
    if missing:
        known = reader.ids(range(reader.count))
        raise UserError(f"--id: no such pair {min(missing)!r}; {_near(min(missing), known)}")
    why = "" if numbers or wanted else why_none(reader, keep, marks)
    return Chosen(reader, marks, numbers, why)


def _meant(reader: Reader, words: tuple[str, ...]) -> set[str]:
    """Return the pairs' ids that the words are, or are a part of; ``UserError`` where several
    fit."""
    known = reader.ids(range(reader.count)) if words else []
    found = set()
    for word in words:
        fitting = [word] if word in known else [item for item in known if word and word in item]
        if len(fitting) > 1:
            raise UserError(f"--id: {ambiguous(word, fitting, 'pair')}")
        found.add(fitting[0] if fitting else word)
    return found


def _near(item: str, known: list[str]) -> str:
    if item in known:
        return "it is there, but --filter or --winner leaves it out"
    return (
        nearest(item, known) if len(known) <= 1000 else f"{len(known)} are listed with sirt pairs"
    )


def _tell_marked(runs: RunsFolder, chosen: Chosen, marked: list[str], as_json: bool) -> None:
    marks = item_notes.read_marks(runs, chosen.phase_id)
    if as_json:
        print_json({"marked": marked, "marks": marks})
        return
    left_out = len(item_notes.excluded_ids(marks))
    echo(f"{counted(len(marked), 'pair')} marked; {left_out} of {chosen.reader.count} left out")


def _print_marks(marks: Marks, as_json: bool) -> None:
    if as_json:
        print_json(marks)
        return
    for item, mark in marks.items():
        echo(f"{item}  {_mark_text(mark)}")
    if not marks:
        echo("nothing is marked")


def _mark_text(mark: Mark) -> str:
    said = [*(["flagged"] if mark.flagged else []), *(["left out"] if mark.excluded else [])]
    return "  ".join([*said, *([f"note: {mark.note}"] if mark.note else [])])


def _refine_again(runs: RunsFolder, run_id: str, as_json: bool) -> None:
    from engine.commands.device_request import device_request

    found = curating.curated(runs, run_id)
    launched = curating.refine_again(runs, found, device_request())
    if as_json:
        print_json({"run_id": found.run_id, "left_out": found.left_out, "new": found.new})
        return
    became = "queued" if launched.queued else "finished before"
    echo(
        f"{found.run_id}: {became}; it leaves out {found.left_out} of "
        f"{counted(found.pairs, 'pair')}, has {counted(len(found.new), 'new phase')} and shares "
        f"{len(found.shared)} with {run_id}"
    )


def _print(chosen: Chosen, limit: int, as_json: bool) -> None:
    shown = chosen.numbers[:limit]
    if as_json:
        print_json([_record(line, chosen.marks) for line in chosen.reader.lines(shown)])
        return
    for item in chosen.reader.read(shown):
        _print_item(item, chosen.marks.get(item.id, item_notes.NONE))
    echo(chosen.why_none or f"{len(shown)} of {counted(len(chosen.numbers), 'pair')}")


def _record(line: bytes, marks: Marks) -> Any:
    """Return a pair as it is in the file, with its mark."""
    record = json.loads(line)
    mark = marks.get(record["id"])
    return record | {"mark": mark} if mark else record


def _print_item(item: Item, mark: Mark) -> None:
    if item.problem:
        echo(f"== {item.problem}")
        return
    for line in _lines(item, mark):
        echo(line)


def _lines(item: Item, mark: Mark) -> Iterator[str]:
    margin = "" if item.margin is None else f"  margin {item.margin:+.2f}"
    yield f"== {item.id}  target {item.target}  chosen: the {item.label}'s text{margin}"
    if mark:
        yield _mark_text(mark)
    yield item.prompts[0][1]
    for side in item.sides:
        yield f"-- {side.name} ({side.verdict}, says {side.answer}): {side.text}"
