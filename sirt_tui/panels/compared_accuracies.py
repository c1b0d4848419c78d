"""Accuracies of the compared runs beside each other, with their tests, the best, time and cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from rich.text import Text

from engine.queries.run_settings import names_apart
from engine.schema.sanitize import one_line
from engine.tables import accuracies, efforts
from sirt_tui.panels.comparison import colour, letter, letters
from sirt_tui.panels.figures import cells_of
from sirt_tui.widgets.frozen_table import FrozenTable
from sirt_tui.widgets.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.queries.comparison import Compared
    from engine.schema.evaluation import Evaluation
    from sirt_tui.shell import Shell
    from sirt_tui.widgets.frozen_table import Cells

NAMED = 8  # cells of a name in a column's head at least
BEST = "▲"
LEADING = f"{BEST}: the best of its row, and what the paired test can't tell from it"
MARKS = f"""\
◂   the reference, with which the others are compared

{BEST}   the best of its row, and what can't be told from it: by
    McNemar's test of both on the questions that they share, at
    5 % after Holm's correction over the table. In a row without
    {BEST} none can be told from the best

*   p below 0.05 after Holm's correction over all differences"""


class ComparedAccuracies(FrozenTable):
    """The table; its rows are evaluations, of which one is under the cursor."""

    def show(self, compared: Compared, untested: str = "", why: str = "") -> None:
        """Show the accuracies. ``untested``: what stands in place of each test, such as that it is
        being made; ``why``: the same in a line."""
        key = cast("Shell", self.app).key
        self.put(*accuracies_table(compared, key, untested, why))

    @property
    def evaluation(self) -> Evaluation | None:
        return cast("Evaluation | None", self.key)


def accuracies_table(
    compared: Compared, key: Callable[[str], str], untested: str = "", why: str = ""
) -> list[Cells | Text]:
    """Make the table with a row per task and prompt, and the paired test in each cell; below it
    what the answers took and cost. ``key``: an action's key. ``untested``: what stands in place of
    each test, such as that it is being made; ``why``: the same in a line."""
    if not compared.cells:
        return [_unscored(compared, key)]
    names = letters(compared.rows)
    table = cells_of(accuracies.compared(compared, names), 2)
    for row, (evaluation, cells) in zip(table.rows, compared.cells.items(), strict=True):
        for number, text in enumerate(row[2:]):
            if number in compared.leading.get(evaluation, ()):
                _mark_best(text)
            if untested and number != compared.reference and cells[number] is not None:
                text.append(f"\n{untested}", "dim")
    table = table._replace(headers=_headers(compared, table), keys=list(compared.cells))
    below = [Text(line, "dim") for line in accuracies.remarks(compared, names)]
    below += [Text(LEADING, "dim")] if any(compared.leading.values()) else []
    below += [Text(why, "yellow")] if why else []
    if not compared.efforts:
        return [table, *below]
    told = efforts.remarks(compared.efforts, names, compared.reference)
    took = cells_of(efforts.efforts(compared.efforts, names), 2)
    heading = Text(f"\n{efforts.CAPTION}", "bold")
    return [table, *below, heading, took, *(Text(one_line(line, 300), "dim") for line in told)]


def _unscored(compared: Compared, key: Callable[[str], str]) -> Text:
    """Say why there is no accuracy, and where to look for it."""
    states = Counter(row.state for row in compared.rows)
    doing = ", ".join(f"{count} {state}" for state, count in states.items())
    said = f"none of these runs was scored yet ({doing})\n"
    return Text(f"{said}{key('runs')} and {key('open')} on a run show how far it is", "dim")


def _mark_best(text: Text) -> None:
    """Put the mark at the end of the first line, where the accuracy is."""
    end = text.plain.find("\n")
    first, rest = (text[:end], text[end:]) if end >= 0 else (text.copy(), Text())
    text.truncate(0)
    text.append_text(first).append(f" {BEST}", "bold green").append_text(rest)


def _headers(compared: Compared, table: Cells) -> list[Text]:
    """Head each run's column by its letter and what tells its name from the others', as far as
    that has room there; the reference has its sign."""
    whole = [one_line(name, 300) for name in names_apart(compared.rows, brief=True)]
    names = Names()
    names.note(whole)
    found = list(table.headers[:2])
    for number, name in enumerate(whole):
        parts = (line for cells in table.rows for line in cells[2 + number].split("\n"))
        head = Text(letter(number), colour(number))
        head.append(" ◂" if number == compared.reference else "")
        room = max(part.cell_len for part in parts) - head.cell_len - 1
        if room >= NAMED:
            head.append(f" {names.short(name, room)}")
        found.append(head)
    return found
