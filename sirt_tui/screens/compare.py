"""Selected runs beside each other: accuracies, curves, settings, matrix, fractions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.widgets import ContentSwitcher, Static

from engine.contract.errors import UserError
from engine.control import comparing
from sirt_tui.charts import Chart, Series
from sirt_tui.page import Page
from sirt_tui.panels import comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from engine.contract.row import RunRow
    from engine.contract.view import PhaseView
    from engine.control.comparing import Compared
    from sirt_tui.feed import Feed

VIEWS = ("accuracies", "curves", "settings", "matrix", "fractions")
PROMPTS = ("plain", "cot")
METRICS = (
    ("refine", "loss"), ("refine", "eval_loss"), ("refine", "rewards/margins"),
    ("refine", "rewards/accuracies"), ("refine", "learning_rate"), ("instruct", "loss"),
    ("instruct", "eval_loss"), ("instruct", "mean_token_accuracy"), ("instruct", "learning_rate"),
)  # fmt: skip
HOW = (
    "Mark runs with space in the list of runs (1), then press c.\n"
    "One run alone is set beside the others of its experiment."
)


class ComparePage(Page):
    """One run is compared with its experiment; several with the first of them."""

    TITLE = "Compare"
    DEFAULT_CSS = """
    ComparePage #bar { height: 1; padding: 0 1; }
    ComparePage #legend { height: auto; max-height: 8; padding: 0 1; }
    ComparePage ContentSwitcher { height: 1fr; }
    ComparePage ScrollableContainer { padding: 0 1; }
    ComparePage ScrollableContainer > Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,tab", "view(1)", "Next view"),
        Binding("left_square_bracket,shift+tab", "view(-1)", "View before", show=False),
        Binding("r", "reference", "Other reference"),
        Binding("c", "metric", "Next curve"),
        Binding("o", "prompt", "Plain or CoT"),
        Binding("a", "all_settings", "All settings", show=False),
        Binding("v", "versus", "Answers side by side", show=False),
        Binding("e", "export", "Export"),
    ]

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__()
        self._run_ids = list(run_ids)
        self._reference = 0
        self._view = 0
        self._metric = 0
        self._prompt = 0
        self._every = False
        self._compared: Compared | None = None
        self._views: list[dict[str, PhaseView]] = []
        self._all: tuple[RunRow, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield Static(id="bar")
        yield Static(id="legend")
        with ContentSwitcher(initial="accuracies"):
            for name in VIEWS:
                if name in {"curves", "fractions"}:
                    yield Chart(id=name)
                else:
                    with ScrollableContainer(id=name, can_focus=True):
                        yield Static(Text(HOW if name == "accuracies" else "", "dim"))

    def on_mount(self) -> None:
        super().on_mount()
        self._draw_bar()
        self.query_one("#accuracies").focus()
        self.feed.watch_runs(self)

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        self._all = event.rows
        if len(self._run_ids) == 1:
            self._run_ids = self._with_experiment(self._run_ids[0])
        if self._run_ids:
            self._read()
        self._draw_overviews()

    def _with_experiment(self, run_id: str) -> list[str]:
        """The run and, after it, what else its experiment has for the same seed."""
        mine = next((row for row in self._all if row.run_id == run_id), None)
        if mine is None:
            return [run_id]
        others = (
            row.run_id
            for row in reversed(self._all)
            if row.experiment == mine.experiment and row.seed == mine.seed and row is not mine
        )
        return [run_id, *others]

    # --- reading ---

    @work(exclusive=True, group="compare")
    async def _read(self) -> None:
        """First what is quick, then the tests, which take seconds."""
        ask = self.feed.ask
        try:
            compared = await ask(comparing.accuracies, self.runs, self._run_ids, self._reference)
            self._show(compared)
            self._views = await ask(comparing.views, self.runs, self._run_ids)
            self._draw_curves()
            self._draw_settings()
            self.subject = f"{len(self._run_ids)} runs, testing the differences"
            self._show(await ask(comparing.with_differences, self.runs, compared))
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        self.subject = f"{len(self._run_ids)} runs"

    # --- drawing ---

    def _show(self, compared: Compared) -> None:
        self._compared = compared
        self.query_one("#legend", Static).update(
            comparison.legend(compared.rows, compared.reference)
        )
        self._put("accuracies", comparison.accuracies_table(compared))

    def _put(self, view: str, content: RenderableType) -> None:
        self.query_one(f"#{view} > Static", Static).update(content)

    def _draw_bar(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        for number, name in enumerate(VIEWS):
            text.append(f" {name} ", "reverse" if number == self._view else "")
        if VIEWS[self._view] == "curves":
            text.append("  " + " ".join(METRICS[self._metric]), "bold")
        if VIEWS[self._view] in {"matrix", "fractions"}:
            text.append(f"  {PROMPTS[self._prompt]} prompt, mean over seeds", "bold")
        self.query_one("#bar", Static).update(text)

    def _draw_curves(self) -> None:
        kind, metric = METRICS[self._metric]
        series = []
        for number, views in enumerate(self._views):
            points = views[kind].metrics.get(metric) if kind in views else None
            if points is not None:
                x, y = np.array(list(points), dtype=np.float64).reshape(-1, 2).T
                series.append(Series(comparison.letter(number), x, y))
        self.query_one("#curves", Chart).show(series)

    @work(exclusive=True, group="settings")
    async def _draw_settings(self) -> None:
        try:
            names = await self.feed.ask(comparing.settings, self.runs, self._run_ids, self._every)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        if self._compared is not None:
            self._put("settings", comparison.settings_table(names, self._compared.rows))

    def _draw_overviews(self) -> None:
        """Of the whole experiment, not of the chosen runs alone: a matrix wants all its cells."""
        chosen = {row.experiment for row in self._all if row.run_id in self._run_ids}
        rows = [row for row in self._all if row.experiment in chosen or not chosen]
        prompt = PROMPTS[self._prompt]
        tables: list[RenderableType] = []
        for title, family in (("all", None), ("in-family", True), ("out-of-family", False)):
            found = comparing.matrix(rows, prompt, family)
            if found.cells:
                tables += [comparison.matrix_table(found, title), Text("")]
        self._put("matrix", Group(*tables) if tables else Text("nothing was scored yet", "dim"))
        lines = comparing.by_fraction(rows, prompt).items()
        self.query_one("#fractions", Chart).show(
            Series(name, *np.array(points, dtype=np.float64).T * np.array([[1.0], [100.0]]))
            for name, points in lines
        )

    # --- keys ---

    def action_view(self, step: int) -> None:
        self._view = (self._view + step) % len(VIEWS)
        self.query_one(ContentSwitcher).current = VIEWS[self._view]
        self.query_one(f"#{VIEWS[self._view]}").focus()
        self._draw_bar()

    def action_reference(self) -> None:
        if self._compared is not None:
            self._reference = (self._reference + 1) % len(self._run_ids)
            self._read()

    def action_versus(self) -> None:
        """The reference's answers beside those of the first other run."""
        if len(self._run_ids) < 2:
            self.sirt.say("there is no other run to set beside it", "warning")
            return
        reference = self._run_ids[self._reference]
        other = next(run_id for run_id in self._run_ids if run_id != reference)
        self.sirt.open_pairs(reference, other)

    def action_metric(self) -> None:
        """The next curve that any of the runs has."""
        for step in range(1, len(METRICS) + 1):
            number = (self._metric + step) % len(METRICS)
            kind, metric = METRICS[number]
            if any(kind in views and metric in views[kind].metrics for views in self._views):
                self._metric = number
                break
        self._draw_curves()
        self._draw_bar()

    def action_prompt(self) -> None:
        self._prompt = 1 - self._prompt
        self._draw_overviews()
        self._draw_bar()

    def action_all_settings(self) -> None:
        self._every = not self._every
        self._draw_settings()

    @work
    async def action_export(self) -> None:
        if self._compared is None:
            self.sirt.say("there is nothing to export yet", "warning")
            return
        hint = "comparison.md, .tex, .csv and the screen as .svg; nothing is overwritten"
        said = await self.sirt.ask_text("Export the comparison into which folder?", hint=hint)
        if not said:
            return
        folder = Path(said).expanduser()
        picture = self.app.export_screenshot(title="SIRT")
        export = partial(_export, self._compared, folder, VIEWS[self._view], picture)
        try:
            made = await self.feed.ask(export)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
        else:
            self.sirt.say(f"{len(made)} files are in {folder}")


def _export(compared: Compared, folder: Path, view: str, picture: str) -> list[Path]:
    pictured = comparing.write_new(folder, {f"{view}.svg": picture})
    return [*comparing.export(compared, folder), *pictured]
