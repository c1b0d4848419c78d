"""Tables of a comparison: accuracies with differences, settings, trained-on x evaluated-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sirt_tui.format import NOTHING, interval, percent
from sirt_tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.contract.row import Cellmark, RunRow
    from engine.control.comparing import Compared, Difference, Matrix

SIGNIFICANT = 0.05
SHADES = " ░▒▓█"


def letter(number: int) -> str:
    """What a run is called in the columns: A, B, …"""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def legend(rows: Sequence[RunRow], reference: int) -> Text:
    """Letter and name of each run; which is the reference."""
    text = Text()
    for number, row in enumerate(rows):
        text.append(f"{letter(number)} ", "bold")
        text.append(one_line(row.name, 100))
        text.append(f"  {row.run_id}", "dim")
        text.append("  ◂ reference\n" if number == reference else "\n", "bold cyan")
    return text


def accuracies_table(compared: Compared) -> Table:
    """A line a task and prompt; below it what the paired test says of each run."""
    table = _table("task", "prompt", *(letter(n) for n in range(len(compared.rows))))
    for key, marks in compared.cells.items():
        table.add_row(key[0], key[1], *(_cell(mark) for mark in marks))
        differences = compared.differences.get(key)
        if differences and any(differences):
            table.add_row("", "", *(_difference(d) for d in differences))
    return table


def _cell(mark: Cellmark | None) -> Text:
    if mark is None:
        return Text(NOTHING, "dim")
    text = Text(f"{percent(mark.accuracy):>5}", "bold")
    return text.append(f" [{interval(mark.low, mark.high)}]", "not bold dim")


def _difference(difference: Difference | None) -> Text:
    """Points with their interval, and Holm's p; coloured only where the test says so."""
    if difference is None:
        return Text("")
    found = difference.found
    text = Text(f"{found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}]")
    sure = difference.adjusted < SIGNIFICANT
    text.stylize(("green" if found.difference > 0 else "red") if sure else "dim")
    text.append(f" p {difference.adjusted:.2g}", "bold" if sure else "dim")
    return text


def settings_table(
    names: Sequence[tuple[str, tuple[str, ...]]], rows: Sequence[RunRow]
) -> Table | Text:
    if not names:
        return Text("these runs have the same settings", "dim")
    table = _table("setting", *(letter(n) for n in range(len(rows))))
    for name, values in names:
        table.add_row(one_line(name, 60), *(one_line(value, 60) for value in values))
    return table


def matrix_table(matrix: Matrix, title: str) -> Table | Text:
    """A heat map whose cells are numbers, so that it reads without colour."""
    if not matrix.cells:
        return Text(f"{title}: no run was scored like that", "dim")
    table = _table(title, *(one_line(name, 30) for name in matrix.evaluated))
    for trained in matrix.trained:
        found = (matrix.cells.get((trained, evaluated)) for evaluated in matrix.evaluated)
        table.add_row(one_line(trained, 60), *(_shaded(cell) for cell in found))
    return table


def _shaded(cell: tuple[float, int] | None) -> Text:
    if cell is None:
        return Text(NOTHING, "dim")
    share, seeds = cell
    shade = SHADES[min(len(SHADES) - 1, int(share * len(SHADES)))]
    text = Text(shade * 3, "cyan")
    text.append(f" {percent(share):>5}", "bold not dim")
    if seeds > 1:
        text.append(f" n {seeds}", "dim")
    return text


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
