"""Tables of a comparison: accuracies with differences, settings, trained-on x evaluated-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING, STATE_STYLES, interval, percent
from sirt_tui.widgets.chart.chart import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.comparison import Compared, Matrix
    from engine.schema.accuracy import Accuracy, Comparison, Estimate
    from engine.store.run_row import RunRow

SIGNIFICANT = 0.05
SHADES = " ░▒▓█"
HEAT = ("dim", "blue", "cyan", "yellow", "bold yellow")


def letter(number: int) -> str:
    """What a run is called in the columns: A, B, …"""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def colour(number: int) -> str:
    """Of a run's letter and of its curves."""
    return COLOURS[number % len(COLOURS)]


def legend(compared: Compared, most: int) -> Text:
    """Letter and name of each run in ``most`` lines; which is the reference, and which share no
    question with it, so that nothing can be tested."""
    rows = compared.rows
    text = Text()
    cut = len(rows) > most
    apart = unpaired(compared)
    for number, row in enumerate(rows[: most - 1] if cut else rows):
        text.append("\n" if number else "")
        text.append(f"{letter(number)} ", f"bold {colour(number)}")
        text.append(one_line(row.name, 100))
        text.append("  ◂ reference" if number == compared.reference else "", "bold")
        text.append("" if row.state == "done" else f"  {row.state}", STATE_STYLES[row.state])
        if number in apart:
            text.append("  no question in common with the reference", "yellow")
        text.append(f"  {row.run_id}", "dim")
    if cut:
        text.append(f"\nand {len(rows) - most + 1} more: l shows all", "dim")
    return text


def unpaired(compared: Compared) -> set[int]:
    """The runs of which no cell could be tested; empty before the tests."""
    found = compared.differences.values()
    others = set(range(len(compared.rows))) - {compared.reference}
    return {n for n in others if not any(cells[n] for cells in found)} if found else set()


def accuracies_table(compared: Compared) -> Table | Text:
    """A line a task and prompt; below it what the paired test says of each run."""
    if not compared.cells:
        return Text("none of these runs was scored yet", "dim")
    table = _table("task", "prompt", *(letter(n) for n in range(len(compared.rows))))
    for key, found in compared.cells.items():
        table.add_row(key.where, key.style, *(_cell(one) for one in found))
        differences = compared.differences.get(key)
        if differences and any(differences):
            pairs = zip(differences, found, strict=True)
            table.add_row("", "", *(_difference(d, one) for d, one in pairs))
    return table


def _cell(one: Accuracy | None) -> Text:
    if one is None:
        return Text(NOTHING, "dim")
    text = Text(f"{percent(one.value):>5}", "bold")
    return text.append(f" [{interval(one.right.low, one.right.high)}]", "not bold dim")


def _difference(found: Comparison | None, one: Accuracy | None) -> Text:
    """Points with their interval, and Holm's p; coloured and marked only where the test says so.
    ``n``: on how many questions, where not on all of them."""
    if found is None:
        return Text("")
    sure = found.adjusted < SIGNIFICANT
    text = Text(found.difference.points)
    text.stylize(("green" if found.difference.value > 0 else "red") if sure else "dim")
    text.append(f" p {p_value(found.adjusted)}", "bold" if sure else "dim")
    text.append("*" if sure else "", "bold")
    if one is None or found.total != one.total:
        text.append(f" n {found.total}", "dim")
    return text


def p_value(p: float) -> str:
    """Two digits; what is tiny is only called small."""
    return "<1e-4" if p < 1e-4 else f"{p:.2g}"


def settings_table(
    names: Sequence[tuple[str, tuple[str, ...]]], rows: Sequence[RunRow]
) -> Table | Text:
    if not names:
        return Text("these runs have the same settings", "dim")
    table = _table("setting", *(letter(n) for n in range(len(rows))))
    for name, values in names:
        table.add_row(one_line(name, 60), *(one_line(value, 60) for value in values))
    return table


def matrix_table(matrices: dict[str, Matrix]) -> Table | Text:
    """Heat maps under each other: shades that read without colour, and numbers."""
    evaluated = sorted({task for found in matrices.values() for task in found.evaluated})
    if not evaluated:
        return Text("nothing was scored yet", "dim")
    table = _table("trained on", *(one_line(f"on {name}", 30) for name in evaluated))
    for number, (title, found) in enumerate(matrices.items()):
        if number:
            table.add_row()
        table.add_row(Text(title, "bold"))
        for trained in found.trained:
            cells = (_shaded(found.cells.get((trained, task))) for task in evaluated)
            table.add_row(f"  {one_line(trained, 60)}", *cells)
    return table


def _shaded(cell: Estimate | None) -> Text:
    if cell is None:
        return Text(NOTHING, "dim")
    step = min(len(SHADES) - 1, int(cell.value * len(SHADES)))
    return Text.assemble((SHADES[step] * 4 + " ", HEAT[step]), _point(cell))


def fractions_table(lines: dict[str, list[tuple[int, Estimate]]]) -> Table:
    """Beside the lines: their points, with intervals."""
    shares = sorted({share for points in lines.values() for share, _ in points})
    table = _table("demonstrations", *(f"{share} %" for share in shares))
    for name, points in lines.items():
        at = dict(points)
        table.add_row(one_line(name, 40), *(_point(at.get(share)) for share in shares))
    return table


def _point(cell: Estimate | None) -> Text:
    """Accuracy with its interval, and of how many runs the mean is."""
    if cell is None:
        return Text(NOTHING, "dim")
    text = Text()
    text.append(f"{percent(cell.value):>5}", "bold")
    text.append(f" [{interval(cell.low, cell.high)}]", "dim")
    text.append(f" n {cell.runs}" if cell.runs > 1 else "", "dim")
    return text


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
