"""Tables that compare runs: accuracies with differences, settings, transfer matrix."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from engine.queries.run_settings import names_apart
from engine.schema.accuracy import Estimate
from engine.schema.evaluation import Evaluation
from engine.schema.sanitize import one_line
from engine.tables import comparisons
from engine.tables.table import Table, text_of
from sirt_tui.format import STATE_STYLES
from sirt_tui.panels.figures import cells_of, figure
from sirt_tui.widgets.chart.chart import COLOURS
from sirt_tui.widgets.names import Names, middle_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from engine.queries.comparison import Compared, Matrix
    from engine.queries.judgements import Judgement
    from engine.store.run_row import RunRow
    from engine.tables.table import Cell
    from sirt_tui.shell import Shell
    from sirt_tui.widgets.frozen_table import Cells

PADDING = 1
NAME = 20  # cells of a run's name at least
SHARE = 4  # of the screen's height: a quarter
VALUE = 32  # cells of a setting's value: a path must not push the other runs off the screen
UNSCORED = "no run of the experiment was scored with this prompt yet"
SHADES = " ░▒▓█"
HEAT = ("dim", "blue", "cyan", "yellow", "bold yellow")


def letter(number: int) -> str:
    """Return the run's letter in the columns: A, B, …"""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def colour(number: int) -> str:
    """Return the colour of a run's letter and curves."""
    return COLOURS[number % len(COLOURS)]


class Legend(Static):
    """Names the runs and their letters, in a quarter of the screen or in full."""

    DEFAULT_CSS = """
    Legend {
        display: none; height: auto; max-height: 70%; padding: 0 1; margin-bottom: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    def __init__(self) -> None:
        super().__init__(id="legend")
        self._compared: Compared | None = None
        self._whole = False
        self._unshown = ""

    def show(self, compared: Compared, unshown: str) -> None:
        """``unshown``: which runs of the experiment are not compared, and why."""
        self._compared, self._unshown = compared, unshown
        self.display = True
        most = len(compared.rows) if self._whole else max(2, self.screen.size.height // SHARE)
        room = self.screen.size.width - 2 * PADDING
        text = legend(compared, most, room, cast("Shell", self.app).key)
        self.update(text.append(f"\n{unshown}" if unshown else "", "yellow"))

    def toggle(self) -> None:
        self._whole = not self._whole
        self.on_resize()

    def on_resize(self) -> None:
        if self._compared is not None:
            self.show(self._compared, self._unshown)


def legend(compared: Compared, most: int, room: int, key: Callable[[str], str]) -> Text:
    """Write each run's letter and name in ``most`` lines of ``room`` cells, marking the reference,
    and say why a run can't be tested against it. A long name loses words that don't tell it from
    the others. ``key``: an action's key."""
    rows = compared.rows
    text, names = Text(), Names()
    whole = [one_line(name, 300) for name in names_apart(rows)]
    names.note(whole)
    cut = len(rows) > most
    untested = why_untested(compared, key("reference"))
    for number, row in enumerate(rows[: most - 1] if cut else rows):
        text.append("\n" if number else "")
        text.append(f"{letter(number)} ", f"bold {colour(number)}")
        marks = Text("  ◂ reference" if number == compared.reference else "", "bold")
        marks.append("" if row.state == "done" else f"  {row.state}", STATE_STYLES[row.state])
        if number in untested:
            marks.append(f"  {untested[number]}", "yellow")
        left = room - len(letter(number)) - 1 - marks.cell_len
        name = names.short(whole[number], max(NAME, left))
        text.append(name).append_text(marks)
        if cell_len(name) + cell_len(row.run_id) + 2 <= left:
            text.append(f"  {row.run_id}", "dim")
    if cut:
        hidden = Counter(row.state for row in rows[most - 1 :])
        unfinished = [f"{count} {state}" for state, count in hidden.items() if state != "done"]
        states = f" ({', '.join(unfinished)})" if unfinished else ""
        text.append(f"\nand {hidden.total()} more{states}: {key('whole_names')} shows all", "dim")
    return text


def judged_text(found: Sequence[Judgement], rows: Sequence[RunRow], key: str) -> Text:
    """Write what judges said when they compared these runs' answers, four lines each. ``key``: the
    one that asks a judge."""
    if not found:
        return Text(f"no judge has compared these runs' answers yet; {key} asks one", "dim")
    letters = {row.name: Text(letter(n), f"bold {colour(n)}") for n, row in enumerate(rows)}
    text = Text()
    for one in found:
        said = one.tally
        a, b = (letters.get(name, Text(one_line(name, 40))) for name in (one.a, one.b))
        text.append_text(a).append(" against ").append_text(b)
        what = Evaluation(one.task, one.prompt, one.split).label
        text.append(one_line(f"  {what}, judge {one.judge}", 100), "bold")
        text.append(f"  {said.questions} questions\n", "dim")
        text.append("  ").append_text(a).append(f" better {said.first.text}   ")
        text.append_text(b).append(f" better {said.second.text}   ")
        text.append(f"sign test p {said.p:.2g}\n", "bold" if said.p < 0.05 else "")
        text.append(f"  equal {said.tie.text}   undecided {said.undecided.text}\n")
        text.append(f"  minds the order {said.flips.text}   prefers the right one ")
        text.append(f"{said.agrees.text} of {said.agrees.total}\n\n")
    return text


def why_untested(compared: Compared, key: str) -> dict[int, str]:
    """Say for each run without any test why; empty before the tests are made. ``key``: the one for
    another reference."""
    found = compared.differences.values()
    if not found:
        return {}
    scored = {n for cells in compared.cells.values() for n, cell in enumerate(cells) if cell}
    why = {
        n: "no question in common with the reference" if n in scored else "not scored yet"
        for n in range(len(compared.rows))
        if not any(cells[n] for cells in found)
    }
    if compared.reference in scored:
        del why[compared.reference]
        return why
    return {compared.reference: f"unscored: no tests, {key} for another"}


def settings_table(
    found: Sequence[tuple[str, tuple[str, ...]]], rows: Sequence[RunRow], key: str
) -> Cells | Text:
    """Make the table of settings. ``key``: the one that shows all of them."""
    if not found:
        return Text(f"no setting differs among these runs; {key} shows all", "dim")
    table = comparisons.settings(found, letters(rows))
    return cells_of(table, 1, lambda cell: Text(middle_cut(one_line(text_of(cell)), VALUE)))


def matrix_table(matrices: dict[str, Matrix]) -> Cells | Text:
    """Make heat maps with numbers and with shades that can be read without colour."""
    evaluated = sorted({task for found in matrices.values() for task in found.evaluated})
    if not evaluated:
        return Text(UNSCORED, "dim")
    rows: list[tuple[Cell, ...]] = []
    for title, found in matrices.items():
        rows += [(), (title,)] if rows else [(title,)]
        for name, *cells in comparisons.matrix(found, evaluated).rows:
            rows.append((f"  {text_of(name)}", *cells))
    headers = ("trained on", *(one_line(f"on {name}", 30) for name in evaluated))
    return cells_of(Table(headers, tuple(rows)), 1, partial(_shaded, titles=matrices))


def _shaded(cell: Cell, titles: Container[str]) -> Text:
    if isinstance(cell, Estimate):
        step = min(len(SHADES) - 1, int(cell.value * len(SHADES)))
        return Text.assemble((SHADES[step] * 4 + " ", HEAT[step]), figure(cell))
    text = figure(cell)
    if isinstance(cell, str) and cell in titles:
        text.style = "bold"
    return text


def letters(rows: Sequence[RunRow]) -> list[str]:
    return [letter(number) for number in range(len(rows))]
