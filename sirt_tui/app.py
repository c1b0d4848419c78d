"""The application: it opens screens, asks questions and shows errors."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.filter import Monochrome, NoColor
from textual.screen import ModalScreen

from engine.schema.kinds import resolve
from engine.schema.sanitize import visible
from engine.store.clock import ahead
from sirt_tui import failures, hangup
from sirt_tui.actions import ACTIONS, by_key, shown
from sirt_tui.asking import AskingApp
from sirt_tui.colours import ON_DARK, ON_LIGHT
from sirt_tui.feed import Feed
from sirt_tui.page import Page
from sirt_tui.places import bindings
from sirt_tui.remembered import Remembered
from sirt_tui.ringing import Ringer
from sirt_tui.screens import ended_badly
from sirt_tui.widgets.key_line import KeyLine
from sirt_tui.widgets.leaving import Dialog, Palette
from sirt_tui.widgets.typed_ahead import TypedAhead
from sirt_tui.widgets.working_keys import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from textual.app import SystemCommand
    from textual.binding import Binding, BindingType
    from textual.command import Provider
    from textual.screen import Screen

    from engine.schema.evaluation import Evaluation
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow
    from sirt_tui.ringing import End
    from sirt_tui.shell import Shell

STUCK_EVERY_S = 60.0
NO_RUN = "no run is chosen yet; choose one in the list of runs"
DARK, LIGHT = "textual-dark", "textual-light"


def clock_of(runs: RunsFolder) -> Callable[[], datetime]:
    """Return a clock that agrees with the one that stamps the folder's files. On a network disk a
    phase must not look silent only because this machine's clock is ahead."""
    off = timedelta(seconds=ahead(runs.root))
    return lambda: datetime.now(UTC) - off


def _places() -> type[Provider]:
    from sirt_tui.screens.palette import Places

    return Places


class SirtApp(AskingApp):
    """The application; its screens are the list of runs, and over it those that were opened from
    one another, of each kind one: ``esc`` goes back through them.

    ``clock`` is frozen in tests, so that ages don't change; else it is the folder's.
    ``remembered``: what was chosen here before; without it, choices end with the program.
    ``keys``: a person's own, by action; ``problems``: lines to say as soon as it opens.
    """

    TITLE = "SIRT"
    CSS_PATH = "sirt.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {_places}  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere")]

    def __init__(
        self,
        runs: RunsFolder,
        clock: Callable[[], datetime] | None = None,
        remembered: Remembered | None = None,
        keys: Mapping[str, str] | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._keys, self._problems = keys or {}, problems
        self._typed = TypedAhead(self, self._deliver)
        self._elsewhere: dict[str, str] = {}  # what each key does, somewhere
        self.remembered = remembered or Remembered()
        self.remembered.on_failure = lambda said: self.call_from_thread(self.say, said, "warning")
        if self.no_color:  # Textual's own makes greys of them, which are colours too
            self._filters = [NoColor() if isinstance(f, Monochrome) else f for f in self._filters]
        self.runs = runs
        self.clock = clock or clock_of(runs)
        self.feed = Feed(runs)
        self._ringer = Ringer(self.feed, runs, self._ring)
        self._run_id: str | None = None
        self._compared: tuple[str, ...] = ()

    def on_mount(self) -> None:
        from sirt_tui.screens.runs import RunsPage

        self.ansi_theme_dark, self.ansi_theme_light = ON_DARK, ON_LIGHT
        self.theme = LIGHT if self.remembered.get("theme", DARK) == LIGHT else DARK
        self.set_keymap(self._keys)
        self._elsewhere = by_key(self._keymap)
        for problem in (*self._problems, self.remembered.problem):
            if problem:
                self.say(problem, "warning")
        self.push_screen(RunsPage())
        self.set_interval(STUCK_EVERY_S, lambda: self.run_worker(self._ringer.ring_for_stuck()))
        hangup.watch(lambda: self.call_from_thread(self.exit, return_code=hangup.CODE))

    def on_feed_runs_changed(self, message: Feed.RunsChanged) -> None:
        """Ring for runs that have ended meanwhile, where their ``notify:`` asks for it, and keep in
        the messages which of them ended badly."""
        if ends := self._ringer.ends.news(message.rows):
            self.run_worker(self._ringer.ring_for(ends))
            self.run_worker(self._keep_bad(ends, message.rows))

    async def _keep_bad(self, ends: Sequence[tuple[str, End]], rows: Sequence[RunRow]) -> None:
        for run_id, end in ends:
            if end != "done":
                said = await self.feed.ask(ended_badly.told, self.runs, rows, run_id)
                self._keep(said, "error" if end == "failed" else "warning")

    def _ring(self, title: str) -> None:
        self.bell()
        if self._driver is not None:  # Textual sets no title by itself
            self._driver.write(f"\x1b]2;{visible(title)}\a")

    def on_unmount(self) -> None:
        self.feed.close()
        self.remembered.close()

    # --- screens ---

    def open_runs(self) -> None:
        """Go back to the home screen."""
        while len(self.screen_stack) > 2:
            self.pop_screen()

    def go_back(self) -> None:
        """Go back to the screen from which the present one was opened."""
        if len(self.screen_stack) > 2:
            self.pop_screen()

    def show_runs(self, run_ids: Sequence[str]) -> None:
        """Go to the home screen, with the cursor on the first of these runs once it is read."""
        from sirt_tui.screens.runs import RunsPage

        self.open_runs()
        if isinstance(self.screen, RunsPage):
            self.screen.await_runs(run_ids)

    def show_filtered(self, text: str) -> None:
        """Go to the home screen and filter it."""
        from sirt_tui.screens.runs import RunsPage

        self.open_runs()
        if isinstance(self.screen, RunsPage):
            self.screen.filter_by(text)

    def open_run(self, run_id: str | None = None) -> None:
        from sirt_tui.screens.run import RunPage

        if meant := self._meant(run_id):
            self._open(RunPage(meant))

    def open_compose(self, preset: str | None = None, run_id: str | None = None) -> None:
        from sirt_tui.screens.compose import ComposePage

        beside = self._run_id if preset is None and run_id is None else None
        self._open(ComposePage(preset, run_id, beside))

    def open_pairs(
        self,
        run_id: str | None = None,
        against: str | None = None,
        names: tuple[str, str] = ("A", "B"),
        words: str = "",
        asked: Evaluation | None = None,
    ) -> None:
        """Show what a run's models said, or two runs' answers side by side, called by these
        ``names``; ``words``: a filter to begin with; ``asked``: whose answers come first."""
        from sirt_tui.screens.pairs import PairsPage

        if meant := self._meant(run_id):
            self._open(PairsPage(meant, against, names, words, asked))

    def open_compare(self, run_ids: Sequence[str] = ()) -> None:
        from sirt_tui.screens.compare import ComparePage

        self._compared = tuple(run_ids) or self._compared
        self._open(ComparePage(self._compared))

    def open_devices(self) -> None:
        from sirt_tui.screens.devices import DevicesPage

        self._open(DevicesPage())

    def open_curves(self, run_ids: Sequence[str]) -> None:
        """Show all curves of these runs over the present screen, which comes back afterwards."""
        from sirt_tui.screens.curves import CurvesPage

        if run_ids:
            self._open(CurvesPage(run_ids))

    def action_open(self, where: str) -> None:
        """Open a screen that takes no arguments, given as ``package.module:Page``."""
        page: type[Page] = resolve(where)
        self._open(page())

    def _open(self, page: Page) -> None:
        """Open a page over the present one. If one of its kind is open, it takes that one's place,
        and what was opened from there is closed."""
        while isinstance(self.screen, ModalScreen) or any(
            type(screen) is type(page) for screen in self.screen_stack
        ):
            self.pop_screen()
        self.push_screen(page)

    def _meant(self, run_id: str | None) -> str | None:
        """Return this run, which becomes the chosen one, or else the one chosen before."""
        self._run_id = run_id or self._run_id
        if self._run_id is None:
            self.say(NO_RUN, "warning")
        return self._run_id

    def choose_run(self, run_id: str | None) -> None:
        """Remember the run under the cursor, which ``2`` and ``4`` open."""
        self._run_id = run_id

    async def on_key(self, event: events.Key) -> None:
        """Say in one line that a key has no effect here, if it has one elsewhere."""
        name = self._elsewhere.get(event.key)
        found = self.screen.active_bindings.get(event.key)
        if name is not None and (found is None or not found.enabled):
            why = self.screen.why_not(name) if isinstance(self.screen, Page) else ""
            what, does = f"key {shown(event.key)} has no effect here", f"({ACTIONS[name].words})"
            for line in self.screen.query(KeyLine):
                line.say(why or f"{what}; {self.key('help')} lists those that have  {does}")

    def get_key_display(self, binding: Binding) -> str:
        return shown(binding.key)

    # --- the end ---

    async def on_event(self, event: events.Event) -> None:
        """Let keys wait for each other; ignore those that come after the last screen is gone."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._typed.add(event)
        elif self.screen_stack or not isinstance(event, events.InputEvent):
            await super().on_event(event)

    async def _deliver(self, key: events.Key) -> None:
        screen = self.screen if self.screen_stack else None
        if screen is not None and (not isinstance(screen, Dialog) or screen.heeds(key)):
            await super().on_event(key)

    def _fatal_error(self) -> None:
        """End after an unexpected error with one line, not with Textual's pages of local variables,
        which may hold any text."""
        error = sys.exception() or self._exception
        if error is not None:
            self._exit_renderables.append(Text(visible(f"sirt: {failures.said(error)}")))
        self._close_messages_no_wait()

    # --- keys ---

    async def action_back(self) -> None:
        self.go_back()

    action_open_runs = open_runs
    action_open_run = open_run
    action_open_compose = open_compose
    action_open_pairs = open_pairs
    action_open_compare = open_compare
    action_open_devices = open_devices

    def action_theme(self) -> None:
        self.theme = LIGHT if self.theme == DARK else DARK
        self.remembered.put("theme", self.theme)

    def open_palette(self, text: str = "") -> None:
        """Open the palette, with the beginning of what to find."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(text))

    action_command_palette = open_palette

    def action_help(self) -> None:
        from sirt_tui.screens.help import Help

        self.push_screen(Help(self.screen))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """List what the keys do that work here, each action once, for the command palette."""
        return commands(screen)


if TYPE_CHECKING:
    _: type[Shell] = SirtApp  # screens know it as a Shell: the type checker holds it to that
