"""The Compare screen: accuracies, curves, settings, matrix, fractions, judgements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual import work
from textual.containers import ScrollableContainer
from textual.widgets import ContentSwitcher, Static

from engine.queries import comparison as compared_runs
from engine.queries import sweeps
from engine.queries.checking import for_tables
from engine.queries.judgements import judgements
from engine.queries.sibling_runs import with_experiment
from engine.schema.errors import UserError
from sirt_tui import failures
from sirt_tui.page import Page
from sirt_tui.panels import comparison
from sirt_tui.panels.compared_curves import ComparedCurves
from sirt_tui.panels.comparison import Legend
from sirt_tui.panels.fractions import FractionsPanel
from sirt_tui.panels.parallel import ParallelPanel, evaluations
from sirt_tui.places import bindings
from sirt_tui.screens import follow_up_dialogs
from sirt_tui.screens.compare_files import Shown
from sirt_tui.widgets.frozen_table import FrozenTable
from sirt_tui.widgets.tabs import tabs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.comparison import Compared, Overview, Settings
    from engine.queries.judgements import Judgement
    from engine.queries.sweeps import Sweep
    from engine.schema.evaluation import Evaluation
    from engine.store.run_row import RunRow
    from sirt_tui.feed import Feed
    from sirt_tui.widgets.frozen_table import Cells

VIEWS = ("accuracies", "curves", "settings", "matrix", "fractions", "sweep", "judgements")
PROMPTS: tuple[Literal["plain", "cot"], ...] = ("plain", "cot")
FOCUSED = {"fractions": "points", "sweep": "groups"}  # the part of a view that scrolls
HOW = (
    "Tick runs with {tick} in the list of runs ({runs}), then press {compare}.\n"
    "One run alone is set beside the others of its experiment."
)
FOLLOW_S = 2.0
BESIDE_BAR = 4  # cells of its padding, and between the names and what is beside them


class ComparePage(Page):
    """Compares one run with its experiment, or several runs with the first of them."""

    TITLE = "Compare"
    DEFAULT_CSS = """
    ComparePage #bar { padding: 0 1; }
    ComparePage ContentSwitcher { height: 1fr; }
    ComparePage ContentSwitcher ScrollableContainer { padding: 0 1; height: 1fr; }
    ComparePage ContentSwitcher Static { width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compare")]

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__()
        self._run_ids = list(run_ids)
        self._given = list(run_ids)  # also those that are left out of tables
        self._left_out = ""
        self._reference = 0
        self._view = 0
        self._prompt = 0
        self._every = False
        self._mine: tuple[RunRow, ...] = ()
        self._all: tuple[RunRow, ...] = ()
        self._compared: Compared | None = None
        self._logs: compared_runs.Logs | None = None
        self._reading = False
        self._settings: Settings = []
        self._overview: Overview | None = None
        self._sweep: Sweep | None = None
        self._measured = 0  # of what the sweep's runs were scored on
        self._judging: tuple[RunRow, ...] = ()
        self._judged: list[Judgement] = []

    def compose_body(self) -> ComposeResult:
        yield Static(id="bar")
        yield Legend()
        with ContentSwitcher(initial="accuracies"):
            keys = {name: self.sirt.key(name) for name in ("tick", "runs", "compare")}
            how = HOW.format(**keys)
            text = Text("reading…" if self._run_ids else how, "dim")
            yield FrozenTable("accuracies", text)
            yield ComparedCurves(id="curves")
            yield FrozenTable("settings")
            yield FrozenTable("matrix")
            yield FractionsPanel(id="fractions")
            yield ParallelPanel(id="sweep")
            with ScrollableContainer(id="judgements", can_focus=True):
                yield Static()

    def on_mount(self) -> None:
        super().on_mount()
        self._draw_bar()
        self.query_one("#accuracies").focus()
        self.feed.watch_runs(self)
        self.set_interval(FOLLOW_S, self._follow)

    @property
    def curves(self) -> ComparedCurves:
        return self.query_one(ComparedCurves)

    # --- what comes in ---

    def on_feed_runs_changed(self, event: Feed.RunsChanged) -> None:
        """Read again only what has changed, since the tests take seconds."""
        first = not self._all
        self._all = event.rows
        if first and len(self._given) == 1:
            self._given = with_experiment(self._all, self._given[0])
        kept, self._left_out = for_tables(row for row in event.rows if row.run_id in self._given)
        by_id = {row.run_id: row for row in kept}
        before, self._run_ids = self._run_ids, [i for i in self._given if i in by_id]
        if self._run_ids != before:
            self._logs = None  # its curves have the letters of other runs
            kept_as = [i for i in before[self._reference :][:1] if i in by_id]
            self._reference = self._run_ids.index(kept_as[0]) if kept_as else 0
        if self._left_out and not kept:
            self._put("accuracies", Text("these runs are left out of tables and reports", "yellow"))
        mine = tuple(by_id[run_id] for run_id in self._run_ids if run_id in by_id)
        if self._run_ids and (mine != self._mine or first):
            self._mine = mine
            self._read()
            self._read_overview()
        judging = tuple(row for row in event.rows if row.arm == "judge" and row.state == "done")
        if self._run_ids and (judging != self._judging or first):
            self._judging = judging
            self._read_judged()

    @work(exclusive=True, group="compare")
    async def _read(self) -> None:
        """Read the accuracies first, then make the tests, which take seconds."""
        count = f"{len(self._run_ids)} runs"
        self._draw_bar()
        try:
            compared = await self.ask(
                compared_runs.accuracies, self.runs, self._run_ids, self._reference
            )
            self._show(compared)
            self._settings = await self.ask(
                compared_runs.settings, self.runs, self._run_ids, self._every
            )
            self._draw_settings()
            self.subject = f"{count}, testing the differences"
            self._show(await self.ask(compared_runs.with_differences, self.runs, compared))
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            if self._compared is None:
                self._put("accuracies", Text(failures.said(error), "red"))
        else:
            self._follow()
        self.subject = count

    @work(group="follow")
    async def _follow(self) -> None:
        """Read running phases' curves as they grow; those of finished runs are read once."""
        if self._reading or not self._run_ids or (self._logs is not None and self._logs.at_rest):
            return
        self._reading = True
        try:
            self._logs = self._logs or compared_runs.Logs(self.runs, self._run_ids)
            views = await self.ask(self._logs.read)
        except (UserError, OSError):
            return  # a run was deleted: reading the accuracies has said so
        finally:
            self._reading = False
        self.curves.show_views(views)
        self._draw_bar()

    @work(exclusive=True, group="overview")
    async def _read_overview(self) -> None:
        """Read the whole experiments, since a matrix needs more than the chosen runs."""
        chosen = {row.experiment for row in self._mine}
        rows, _ = for_tables(row for row in self._all if row.experiment in chosen)
        self._overview = await self.ask(compared_runs.overview, rows, PROMPTS[self._prompt])
        self._sweep = await self.ask(sweeps.of_rows, self.runs, rows)
        self._draw_overview()

    @work(exclusive=True, group="judgements")
    async def _read_judged(self) -> None:
        self._judged = await self.ask(judgements, self.runs, self._run_ids)
        told = comparison.judged_text(self._judged, self._mine)
        self.query_one("#judgements > Static", Static).update(told)

    # --- drawing ---

    def _show(self, compared: Compared) -> None:
        self._compared = compared
        self.query_one(Legend).show(compared)
        self._put("accuracies", *comparison.accuracies_table(compared))

    def _put(self, view: str, *content: Cells | Text) -> None:
        self.query_one(f"#{view}", FrozenTable).put(*content)

    def _draw_bar(self) -> None:
        """Write the views' names, and what the chosen one shows: below, where that won't fit."""
        text, about = tabs(VIEWS, self._view, "screen.view_at"), Text()
        match VIEWS[self._view]:
            case "accuracies":
                about.append("% [95 %], paired difference, Holm's p of McNemar's test", "dim")
            case "curves":
                about.append(" ".join(self.curves.metric), "bold")
                about.append(f"  over {self.curves.over}", "dim")
            case "judgements":
                key = self.sirt.key("judge")
                about.append(f"what judges prefer, % [95 %]; {key} asks one", "dim")
            case "settings":
                about.append("all" if self._every else "those that differ", "bold")
            case "sweep":
                what = self._evaluation()
                about.append(what.label if what else "not scored yet", "bold")
            case _:
                about.append(f"{PROMPTS[self._prompt]} prompt, the whole experiment", "bold")
        about.append(f"  {self._left_out}" if self._left_out else "", "yellow")
        fits = text.cell_len + about.cell_len + BESIDE_BAR <= self.size.width
        text.append("  " if fits else "\n ").append_text(about)
        self.query_one("#bar", Static).update(text)

    def _draw_settings(self) -> None:
        if self._compared is not None:
            table = comparison.settings_table(self._settings, self._compared.rows)
            self._put("settings", table)

    def _draw_overview(self) -> None:
        if self._overview is None:
            return
        self._put("matrix", comparison.matrix_table(self._overview.matrices))
        self.query_one(FractionsPanel).show(self._overview.fractions)
        if self._sweep is not None:
            what = self._evaluation()
            self.query_one(ParallelPanel).show(self._sweep, what, self._run_ids)
        self._draw_bar()

    def _evaluation(self) -> Evaluation | None:
        """Return what the view of the sweep shows: at first what the compared runs have."""
        known = evaluations(self._sweep, self._mine) if self._sweep is not None else []
        return known[self._measured % len(known)] if known else None

    # --- keys ---

    def action_view(self, step: int) -> None:
        self.action_view_at((self._view + step) % len(VIEWS))

    def action_to_panel(self, at: int) -> None:
        self.action_view_at(at)

    def action_view_at(self, number: int) -> None:
        self._view = number
        self.query_one(ContentSwitcher).current = VIEWS[self._view]
        name = VIEWS[self._view]
        self.query_one(f"#{FOCUSED.get(name, name)}").focus()
        self._draw_bar()

    def action_reference(self) -> None:
        if self._compared is not None and self._run_ids:
            self._reference = (self._reference + 1) % len(self._run_ids)
            self._read()

    def action_versus(self) -> None:
        """Show the reference's answers beside those of the first other run."""
        if two := self._two():
            self.sirt.open_pairs(*two)

    @work(exclusive=True, group="judge")
    async def action_judge(self) -> None:
        """Judge between the reference and the first other run."""
        if two := self._two():
            await follow_up_dialogs.judge(self, *two)

    def _two(self) -> tuple[str, str] | None:
        if len(self._run_ids) < 2:
            self.sirt.say("there is no other run to set beside it", "warning")
            return None
        reference = self._run_ids[self._reference]
        return reference, next(run_id for run_id in self._run_ids if run_id != reference)

    def action_curves(self) -> None:
        self.sirt.open_curves(self._run_ids)

    def action_metric(self, step: int) -> None:
        self.curves.next_metric(step)
        self._draw_bar()

    def copied(self) -> dict[str, str]:
        if not self._run_ids:
            return {}
        command = self._command("compare", *self._run_ids)
        return {"ids": " ".join(self._run_ids), "command": command}

    def metrics(self) -> dict[str, Callable[[], object]]:
        return {" ".join(key): partial(self._go_to_metric, key) for key in self.curves.metrics()}

    def _go_to_metric(self, metric: tuple[str, str]) -> None:
        self.action_view_at(VIEWS.index("curves"))
        self.curves.go_to(metric)
        self._draw_bar()

    def action_x_axis(self) -> None:
        self.curves.next_x_axis()
        self._draw_bar()

    def action_prompt(self) -> None:
        """Go to the other prompt; in the sweep to the next task and prompt that was scored."""
        if VIEWS[self._view] == "sweep":
            self._measured += 1
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
            found = await self.ask(compared_runs.settings, self.runs, self._run_ids, self._every)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)
            return
        self._settings = found
        self._draw_settings()

    # --- export ---

    @work
    async def action_export(self) -> None:
        view = VIEWS[self._view]
        if self._compared is None or self._overview is None or self._sweep is None:
            self.sirt.say("there is nothing to export yet", "warning")
            return
        shown = Shown(
            self._compared, self._overview, self._settings, self.curves.views,
            self.curves.metric, self._judged, self._sweep, self._left_out,
        )  # fmt: skip
        await shown.export(self, view)
