"""The Compare screen: accuracies, curves, settings, matrix, fractions, judgements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual import work
from textual.widgets import Static

from engine.queries import comparison as compared_runs
from engine.queries.judgements import judgements
from engine.schema.errors import UserError
from engine.schema.metrics import title_of
from sirt_tui import failures
from sirt_tui.page import Page
from sirt_tui.panels import comparison
from sirt_tui.panels.compared_accuracies import MARKS
from sirt_tui.panels.comparison import Legend
from sirt_tui.places import bindings
from sirt_tui.screens import follow_up_dialogs
from sirt_tui.screens.compare_answers import ask_for_two
from sirt_tui.screens.compare_bar import VIEWS, Bar
from sirt_tui.screens.compare_curves import GrowingLogs
from sirt_tui.screens.compare_experiments import WholeExperiments
from sirt_tui.screens.compare_files import Shown
from sirt_tui.screens.compare_runs import ComparedRuns
from sirt_tui.screens.compare_views import ComparedViews

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.comparison import Compared, Settings
    from engine.queries.judgements import Judgement
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed
    from sirt_tui.panels.compared_curves import ComparedCurves

PROMPTS: tuple[Literal["plain", "cot"], ...] = ("plain", "cot")
HOW = (
    "Tick runs with {tick} in the list of runs ({runs}), then press {compare}.\n"
    "One run alone is set beside the others of its experiment."
)
NONE_LEFT = "these runs are left out of tables and reports"
FOLLOW_S = 2.0
REFERENCE = "compare.reference"  # the name of what is remembered


class ComparePage(Page):
    """Compares one run with its experiment, or several runs with the first of them."""

    TITLE = "Compare"
    DEFAULT_CSS = """
    ComparePage #bar { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compare")]

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__()
        self._chosen = ComparedRuns(run_ids)
        self._prompt = 0
        self._every = False
        self._compared: Compared | None = None
        self._logs = GrowingLogs(self)
        self._settings: Settings = []
        self._whole = WholeExperiments()
        self._judging: tuple[RunRow, ...] = ()
        self._judged: list[Judgement] = []

    def compose_body(self) -> ComposeResult:
        yield Static(id="bar")
        yield Legend()
        keys = {name: self.sirt.key(name) for name in ("tick", "runs", "compare")}
        yield ComparedViews(Text("reading…" if self._chosen.ids else HOW.format(**keys), "dim"))

    def on_mount(self) -> None:
        self._chosen.remembered = self.sirt.remembered.get(REFERENCE, {})
        self._draw_bar()
        self.query_one("#accuracies").focus()
        self.feed.watch_runs(self)
        self.set_interval(FOLLOW_S, self._follow)

    @property
    def views(self) -> ComparedViews:
        return self.query_one(ComparedViews)

    @property
    def curves(self) -> ComparedCurves:
        return self.views.curves

    def about_here(self) -> tuple[str, RenderableType]:
        """Explain the marks of the table, for the help."""
        return "Marks", MARKS

    # --- what comes in ---

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        """Read again only what has changed, since the tests take seconds."""
        first, before = not self._chosen.listed, self._chosen.ids
        changed = self._chosen.take(event.rows)
        if self._chosen.ids != before:
            self._logs.begin_again()  # its curves have the letters of other runs
        if self._chosen.left_out and not self._chosen.ids:
            self.views.put("accuracies", Text(NONE_LEFT, "yellow"))
        if changed:
            self._read()
            self._read_overview()
        judging = tuple(row for row in event.rows if row.arm == "judge" and row.state == "done")
        if self._chosen.ids and (judging != self._judging or first):
            self._judging = judging
            self._read_judged()

    @work(exclusive=True, group="compare")
    async def _read(self) -> None:
        """Read the accuracies first, then make the tests, which take seconds."""
        count = self._chosen.count
        self._draw_bar()
        try:
            compared = await self.ask(
                compared_runs.accuracies, self.runs, self._chosen.ids, self._chosen.reference
            )
            base = comparison.letter(self._chosen.reference)
            self._show(compared, "testing…", f"testing the differences from {base} …")
            await self._read_settings()
            self.subject = f"{count}, testing the differences"
            self._show(await self.ask(compared_runs.with_differences, self.runs, compared))
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            if self._compared is None:
                self.views.put("accuracies", Text(failures.said(error), "red"))
            else:
                self._show(self._compared, "not tested", f"not tested: {failures.said(error)}")
        else:
            self._follow()
        self.subject = count

    async def _read_settings(self) -> None:
        ids = self._chosen.ids
        self._settings = await self.ask(compared_runs.settings, self.runs, ids, self._every)
        if self._compared is not None:
            self.views.show_settings(self._settings, self._compared.rows)

    @work(group="follow")
    async def _follow(self) -> None:
        """Read running phases' curves as they grow; those of finished runs are read once."""
        views = await self._logs.read(self._chosen.ids)
        if views is not None:
            self.curves.show_views(views)
            self.views.use_room()
            self._draw_bar()

    @work(exclusive=True, group="overview")
    async def _read_overview(self) -> None:
        rows = self._chosen.of_experiments()
        await self._whole.read(self, rows, PROMPTS[self._prompt])
        self._draw_overview()

    @work(exclusive=True, group="judgements")
    async def _read_judged(self) -> None:
        self._judged = await self.ask(judgements, self.runs, self._chosen.ids)
        self.views.show_judged(self._judged, self._chosen.rows)

    # --- drawing ---

    def _show(self, compared: Compared, untested: str = "", why: str = "") -> None:
        """Show the accuracies. ``untested``: what stands where a test is missing; ``why``."""
        self._compared = compared
        self.query_one(Legend).show(compared, self._chosen.unshown)
        self.views.show_accuracies(compared, untested, why)

    def on_resize(self) -> None:
        self._draw_bar()

    def _draw_bar(self) -> None:
        curve = (self.curves.metric, self.curves.over)
        evaluation = self._whole.evaluation(self._chosen.rows)
        bar = Bar(
            self.views.number, curve, self._every, PROMPTS[self._prompt], evaluation,
            self.sirt.key, self._chosen.left_out,
        )  # fmt: skip
        self.query_one("#bar", Static).update(bar.text(self.size.width))

    def _draw_overview(self) -> None:
        self.views.show_overview(self._whole, self._chosen.rows)
        self._draw_bar()

    # --- keys ---

    def action_view(self, step: int) -> None:
        self.action_view_at((self.views.number + step) % len(VIEWS))

    def action_to_panel(self, at: int) -> None:
        self.action_view_at(at)

    def action_view_at(self, number: int) -> None:
        self.views.go_to(number)
        self.refresh_bindings()
        self._draw_bar()

    def action_reference(self) -> None:
        if self._compared is not None and self._chosen.ids:
            self.sirt.remembered.put(REFERENCE, self._chosen.next_reference())
            self._read()

    @work(exclusive=True, group="answers")
    async def action_answers(self, words: str) -> None:
        """Show the reference's answers beside another run's, filtered by these words: those of the
        row under the cursor, where rows are evaluations."""
        asked = self.views.accuracies.evaluation if self.views.shown == "accuracies" else None
        scored = self._compared.cells.get(asked) if asked and self._compared else None
        if two := await ask_for_two(self, self._chosen, "Answers", asked, scored):
            self.sirt.open_pairs(*two.runs, names=two.letters, words=words, asked=asked)

    def on_frozen_table_selected(self) -> None:
        self.action_answers("flipped")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the rows of accuracies have questions."""
        if action == "answers" and parameters == ("flipped",) and self.views.shown != "accuracies":
            return None
        return super().check_action(action, parameters)

    def why_not(self, name: str) -> str:
        if name != "open":
            return super().why_not(name)
        there = f"{self.sirt.key('panel_1')}: accuracies, whose rows have questions"
        return f"nothing to open in {self.views.shown}; {there}"

    @work(exclusive=True, group="judge")
    async def action_judge(self) -> None:
        """Judge between the reference and another run."""
        if two := await ask_for_two(self, self._chosen, "Judge between the answers"):
            await follow_up_dialogs.judge(self, *two.runs)

    def action_pairs(self) -> None:
        """Show what the reference's models said."""
        self.sirt.open_pairs(self._chosen.reference_id)

    def action_curves(self) -> None:
        self.sirt.open_curves(self._chosen.ids)

    def action_metric(self, step: int) -> None:
        self.curves.next_metric(step)
        self._draw_bar()

    def copied(self) -> dict[str, str]:
        if not self._chosen.ids:
            return {}
        command = self._command("compare", *self._chosen.ids)
        return {"ids": " ".join(self._chosen.ids), "command": command}

    def metrics(self) -> dict[str, Callable[[], object]]:
        return {title_of(*key): partial(self._go_to_metric, key) for key in self.curves.metrics()}

    def _go_to_metric(self, metric: tuple[str, str]) -> None:
        self.action_view_at(VIEWS.index("curves"))
        self.curves.go_to(metric)
        self._draw_bar()

    def action_x_axis(self) -> None:
        self.curves.next_x_axis()
        self._draw_bar()

    def action_prompt(self) -> None:
        """Go to the other prompt; in the sweep to the next task and prompt that was scored."""
        if self.views.shown == "sweep":
            self._whole.next_evaluation()
            self._draw_overview()
            return
        self._prompt = 1 - self._prompt
        self._read_overview()
        self._draw_bar()

    def action_legend(self) -> None:
        self.query_one(Legend).toggle()

    @work
    async def action_all_settings(self) -> None:
        self._every = not self._every
        self._draw_bar()
        try:
            await self._read_settings()
        except (UserError, OSError) as error:
            self.sirt.say_error(error)

    # --- export ---

    @work
    async def action_export(self) -> None:
        view, overview, sweep = self.views.shown, self._whole.overview, self._whole.sweep
        if self._compared is None or overview is None or sweep is None:
            self.sirt.say("there is nothing to export yet", "warning")
            return
        shown = Shown(
            self._compared, overview, self._settings, self.curves.views,
            self.curves.metric, self._judged, sweep, self._chosen.left_out,
        )  # fmt: skip
        await shown.export(self, view)
