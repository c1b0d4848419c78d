"""Settings against accuracy: a line for each group of runs, through its settings' values."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import ScrollableContainer, Vertical
from textual.widget import Widget
from textual.widgets import Static

from engine.schema.sanitize import one_line
from engine.schema.varied import order_of, value_text
from engine.tables.sweeps import on_choosing
from sirt_tui.panels.comparison import colour, letter
from sirt_tui.widgets.chart.canvas import Canvas
from sirt_tui.widgets.chart.series import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.app import ComposeResult

    from engine.queries.sweeps import Group, Sweep
    from engine.schema.evaluation import Evaluation
    from engine.store.run_row import RunRow

LEAST = (80, 6)  # cells across and down; below that the list alone tells it
NONE = """\
None of these runs is part of a sweep.

Give a setting several values, in Compose (1e-6, 5e-6 at its field)
or in the experiment's file (learning_rate: [1e-6, 5e-6]): each becomes
a run. Runs that were launched apart are set side by side in a shell by
sirt compare --by SETTING."""


class ParallelPanel(Vertical):
    """Shows the lines where there is room, and below them each group's values and accuracy."""

    DEFAULT_CSS = """
    ParallelPanel ScrollableContainer { height: auto; max-height: 50%; padding: 0 1; }
    ParallelPanel.listed ScrollableContainer { max-height: 100%; height: 1fr; }
    ParallelPanel.listed Parallel { display: none; }
    ParallelPanel #groups Static { width: 1fr; }
    """

    def compose(self) -> ComposeResult:
        yield Parallel()
        with ScrollableContainer(id="groups", can_focus=True):
            yield Static(Text("reading…", "dim"))

    def show(self, found: Sweep, what: Evaluation | None, compared: Sequence[str]) -> None:
        """Show the accuracy of this evaluation. ``compared``: the ids of the runs that have letters
        already."""
        drawing = self.query_one(Parallel)
        drawing.show(found, what, compared)
        self.query_one(Static).update(groups_text(found, what, compared))
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """Show the list alone where the lines would not be readable."""
        room = self.size.width > LEAST[0] and self.size.height >= 2 * LEAST[1]
        self.set_class(not (room and self.query_one(Parallel).lines), "listed")


def evaluations(found: Sweep, chosen: Iterable[RunRow]) -> list[Evaluation]:
    """List what the sweep's runs were scored on, beginning with what the chosen runs were."""
    mine = {one.evaluation for row in chosen for one in row.accuracies}
    there = {what for group in found.varied for what in group.accuracies}
    return sorted((one for one in found.measured if one in there), key=lambda one: one not in mine)


def numbers(found: Sweep, compared: Sequence[str]) -> list[int]:
    """Number the groups: by the first of their runs that is compared, else from there on."""
    places = {run_id: number for number, run_id in enumerate(compared)}
    after = count(len(compared))
    mine = ([places[i] for i in group.run_ids if i in places] for group in found.varied)
    return [min(places) if places else next(after) for places in mine]


def groups_text(found: Sweep, what: Evaluation | None, compared: Sequence[str] = ()) -> Text:
    """List the groups along the sweep with their accuracy, and say what may be concluded."""
    if not found.keys:
        return Text(NONE, "dim")
    if what is None:
        return Text("no run of the sweep is scored yet", "dim")
    text = Text()
    seeds = max(len(group.seeds) for group in found.varied)
    mean = "mean ± standard deviation over n seeds " if seeds > 1 else ""
    text.append(f"{what.label}, % right{':' if mean else ''} {mean}[95 %]\n", "dim")
    width = max((len(group.point) for group in found.varied), default=0)
    above = ""
    for n, group in zip(numbers(found, compared), found.varied, strict=True):
        if group.label != above:
            above = group.label
            text.append(f"{one_line(above, 100)}\n", "bold")
        text.append(f"{letter(n)} ", f"bold {colour(n)}")
        text.append(f"{one_line(group.point, 120):<{width}}  ")
        accuracy = group.accuracies.get(what)
        text.append(accuracy.text if accuracy else "not scored yet", "" if accuracy else "dim")
        if group.held_out:
            text.append(f"  held-out loss {group.held_out[1]:.4f}", "dim")
        text.append("\n")
    for line in on_choosing(found, what):
        text.append(f"{line}\n", "dim")
    return text


class Parallel(Widget):
    """Draws an axis for each setting and one for accuracy, and each group's line through them."""

    DEFAULT_CSS = "Parallel { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._found: Sweep | None = None
        self._what: Evaluation | None = None
        self._compared: Sequence[str] = ()

    @property
    def lines(self) -> bool:
        """Whether there is anything to draw."""
        return len(self._scored()) > 1

    @property
    def _fits(self) -> bool:
        return self.size.width > LEAST[0] and self.size.height > LEAST[1]

    def show(self, found: Sweep, what: Evaluation | None, compared: Sequence[str]) -> None:
        self._found, self._what, self._compared = found, what, compared
        self.refresh()

    def _scored(self) -> list[tuple[int, Group]]:
        if self._found is None or self._what is None:
            return []
        numbered = zip(numbers(self._found, self._compared), self._found.varied, strict=True)
        return [(n, group) for n, group in numbered if self._what in group.accuracies]

    def render(self) -> Text:
        groups = self._scored()
        if self._found is None or self._what is None or len(groups) < 2 or not self._fits:
            return Text()
        return drawn(self._found.keys, groups, self._what, *self.size)


def drawn(
    keys: Sequence[str],
    groups: Sequence[tuple[int, Group]],
    what: Evaluation,
    width: int,
    height: int,
) -> Text:
    """Draw the groups, by their numbers, in so many cells."""
    values = {
        key: sorted(
            {_shown(group, key): group.values[key] for _, group in groups if _has(group, key)},
            key=lambda text: order_of(_value(groups, key, text)),
        )
        for key in keys
    }
    keys = [key for key in keys if values[key]]
    reached = [100 * group.accuracies[what].value for _, group in groups]
    low, high = _bounds(reached)
    left = max(len(text) for text in values[keys[0]]) + 1
    right = 8 + min(len(groups), 12)
    rows, across = height - 1, width - left - right
    canvas = Canvas(across, rows)
    for (n, group), accuracy in zip(groups, reached, strict=True):
        points = [
            (float(at), _height(values[key], _shown(group, key)))
            for at, key in enumerate(keys)
            if _has(group, key)
        ]
        points.append((float(len(keys)), (accuracy - low) / (high - low)))
        x, y = [p[0] for p in points], [p[1] for p in points]
        canvas.draw(n, columns((x, y), 0.0, float(len(keys)), canvas.columns))
    grid = _Grid(canvas, left, width)
    for at, key in enumerate(keys):
        column = left + round(at / len(keys) * (across - 1))
        labels = {_row(_height(values[key], text), rows): text for text in values[key]}
        grid.axis(column, key, labels, before=at == 0)
    ends: dict[int, str] = {}
    for (n, _), accuracy in zip(groups, reached, strict=True):
        row = _row((accuracy - low) / (high - low), rows)
        ends[row] = ends.get(row, f"{accuracy:.1f} ") + letter(n)
    grid.axis(left + across - 1, f"% {what.style}", ends)
    return grid.text()


def _has(group: Group, key: str) -> bool:
    return group.values[key] is not None


def _shown(group: Group, key: str) -> str:
    return one_line(value_text(group.values[key]), 16)


def _value(groups: Sequence[tuple[int, Group]], key: str, text: str) -> object:
    return next(g.values[key] for _, g in groups if _has(g, key) and _shown(g, key) == text)


def _height(values: Sequence[str], text: str) -> float:
    """A value's place on its axis, from 0 at the bottom to 1."""
    return (values.index(text) + 0.5) / len(values)


def _bounds(reached: Sequence[float]) -> tuple[float, float]:
    """The accuracy axis' ends, with a margin, in 0..100."""
    margin = max(1.0, 0.1 * (max(reached) - min(reached)))
    return max(0.0, min(reached) - margin), min(100.0, max(reached) + margin)


def _row(height: float, rows: int) -> int:
    return round((1 - height) * (rows - 1))


class _Grid:
    """A drawing's cells, on which axes and labels are written."""

    def __init__(self, canvas: Canvas, left: int, width: int) -> None:
        self._head = [" "] * width
        self._rows = [self._cells(runs, left, width) for runs in canvas.lines()]

    @staticmethod
    def _cells(runs: list[tuple[str, int]], left: int, width: int) -> list[tuple[str, str]]:
        cells = [(" ", "")] * left
        for text, owner in runs:
            cells += [(character, colour(owner) if owner >= 0 else "") for character in text]
        return [*cells, *[(" ", "")] * (width - len(cells))]

    def axis(self, column: int, name: str, labels: dict[int, str], before: bool = False) -> None:
        """Draw an axis with its name above, and labels by row after it, or before it."""
        start = min(max(0, column - len(name) // 2), max(0, len(self._head) - len(name)))
        self._head[start : start + len(name)] = name[: len(self._head) - start]
        for row, cells in enumerate(self._rows):
            cells[column] = ("┼" if row in labels else "│", "dim")
            text = labels.get(row, "")
            first = column - len(text) if before else column + 1
            for n, character in enumerate(text):
                if 0 <= first + n < len(cells):
                    cells[first + n] = (character, "bold")

    def text(self) -> Text:
        found = Text("".join(self._head) + "\n", "dim", no_wrap=True)
        for cells in self._rows:
            for character, style in cells:
                found.append(character, style)
            found.append("\n")
        return found
