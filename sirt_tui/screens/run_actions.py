"""Actions on runs, confirmed if something would be lost, refused if there is nothing to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from sirt_tui.screens import run_commands
from sirt_tui.screens.run_names import name_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from engine.store.phase_log import State
    from engine.store.run_row import RunRow
    from sirt_tui.page import Page

    States = Mapping[str, State]  # by the run's id

ENDED: frozenset[State] = frozenset({"done", "stopped"})
BUSY: frozenset[State] = frozenset({"running", "stopping"})
BADLY: frozenset[State] = frozenset({"failed", "lost", "stopped", "unreachable"})
NAMES_SHOWN = 5
SEVERAL = "several"  # the name of a report of several experiments' runs
GO_ON = "Let it go on"  # instead of a stop


class RunActions:
    """Actions on runs for a page; its methods run in workers and report on the page. ``ticked``:
    whether the runs are those that were ticked, which a question says."""

    def __init__(self, page: Page, ticked: Callable[[], bool] = lambda: False) -> None:
        self._page = page
        self._ticked = ticked
        self._undone: list[Callable[[], Awaitable[Sequence[str]]]] = []

    async def stop(self, runs: States) -> None:
        meant = [run_id for run_id, state in runs.items() if state not in {*ENDED, "stopping"}]
        if runs and not meant and "stopping" in runs.values():
            self._page.sirt.say(f"{named(runs)}: stopping already; it ends at its next safe point")
        elif runs and not meant:
            self._page.sirt.say(f"{named(runs)}: ended already, there is nothing to stop")
        kept = [*self._listed(meant), "Finished work is kept; a retry goes on from it."]
        question = f"Stop {self._said(meant)}?"
        if meant and await self._page.sirt.confirm(question, kept, "Stop", GO_ON):
            stop = partial(run_commands.stop, self._page.runs, meant)
            await self._do(stop, f"{named(meant)}: asked to stop")

    async def retry(self, runs: States) -> None:
        meant = [run_id for run_id, state in runs.items() if state != "running"]
        if runs and not meant:
            self._page.sirt.say(f"{named(runs)}: running already, there is nothing to retry")
        if meant:
            retry = partial(run_commands.retry, self._page.runs, meant)
            await self._do(retry, f"{named(meant)}: ")

    async def delete(self, runs: States) -> bool:
        """Delete the runs after confirmation; return whether they are gone."""
        busy = [run_id for run_id, state in runs.items() if state in BUSY]
        if busy:
            said, it = self._said(busy), "it" if len(busy) == 1 else "them"
            todo = f"stop {it} first ({self._page.sirt.key('stop')})"
            if all(runs[run_id] == "stopping" for run_id in busy):
                todo = "delete once stopped"
            self._page.sirt.say(f"{said}: {runs[busy[0]]}; {todo}", "warning")
            return False
        meant = list(runs)
        try:
            lost = await self._page.ask(run_commands.losses, self._page.runs, meant)
        except (UserError, OSError) as error:
            self._page.sirt.say_error(error)
            return False
        lost = [*self._listed(meant), *lost]
        undo = self._page.sirt.key("undo")
        back = "brings it back" if len(meant) == 1 else "brings them back"
        delete = partial(run_commands.delete, self._page.runs, meant)
        gone = bool(meant) and (
            await self._page.sirt.confirm(f"Delete {self._said(meant)}?", lost)
            and await self._do(delete, f"{named(meant)}: in the trash; {undo} {back}")
        )
        if gone:
            self._undone.append(self._restore)
        return gone

    async def undo(self) -> Sequence[str]:
        """Undo what was done here last, else the newest deletion; return the runs that it brings
        back."""
        return await (self._undone.pop() if self._undone else self._restore)()

    async def look_into_trash(self) -> Sequence[str]:
        """Offer what is in the trash; return the runs that come back."""
        there = await self._page.ask(run_commands.trashed, self._page.runs)
        if not there:
            self._page.sirt.say("the trash is empty")
            return ()
        which = await self._page.sirt.choose("In the trash: enter brings back", there)
        return await self._restore(which) if which is not None else ()

    async def _restore(self, which: str | None = None) -> Sequence[str]:
        """Bring back a deletion, the newest unless one is named; return its runs."""
        try:
            back, said = await self._page.ask(run_commands.restore, self._page.runs, which)
        except (UserError, OSError) as error:
            self._page.sirt.say_error(error)
            return ()
        self._page.feed.hurry()
        self._page.sirt.say(said)
        return back

    async def leave_out_or_in(self, rows: Sequence[RunRow]) -> None:
        """Leave the runs out of tables and reports, or if all are, take them in again."""
        out = not all(row.left_out for row in rows)
        run_ids = [row.run_id for row in rows if row.left_out != out]
        if run_ids:
            self._undone.append(partial(self._leave_out, run_ids, not out))
            await self._leave_out(run_ids, out)

    async def _leave_out(self, run_ids: Sequence[str], left_out: bool) -> Sequence[str]:
        mark = partial(run_commands.leave_out, self._page.runs, run_ids, left_out)
        what = "left out of tables and reports" if left_out else "in tables and reports again"
        await self._do(mark, f"{named(run_ids)}: {what}")
        return ()

    async def export(self, rows: Sequence[RunRow]) -> None:
        """Write a report of the runs, or copy their files, into a folder with their name."""
        if not rows:
            return
        run_ids = [row.run_id for row in rows]
        name, chosen = self._reported(rows)
        which = f"{counted(len(chosen), 'run')} of {name}" if name != SEVERAL else named(run_ids)
        offers = (
            ("report", "report", f"tables, figures and a page of {one_line(which, 100)}"),
            ("files", "files", f"what the phases of {named(run_ids)} made, as they made it"),
        )
        match await self._page.sirt.choose("Export", offers):
            case "report":
                await self._report(name, chosen)
            case "files":
                await self._files(run_ids)

    def _reported(self, rows: Sequence[RunRow]) -> tuple[str, Sequence[RunRow]]:
        """Return the name and the runs of a report: all of one experiment, or just these of
        several."""
        experiments = {row.experiment for row in rows}
        if len(experiments) > 1:
            return SEVERAL, rows
        name = experiments.pop()
        return name, [row for row in self._page.feed.rows if row.experiment == name]

    async def _report(self, name: str, chosen: Sequence[RunRow]) -> None:
        place = str(self._page.runs.root.parent / "reports" / name)
        hint = "Its tables, figures and index.html are written there."
        folder = await self._page.sirt.ask_text("Write the report into which folder?", place, hint)
        if folder:
            target, run_ids = Path(folder).expanduser(), [row.run_id for row in chosen]
            write = partial(run_commands.report, self._page.runs, name, run_ids, target)
            said = f"writing the report of {counted(len(run_ids), 'run')} to {target} …"
            with self._page.sirt.lasting(said):
                await self._do(write, "")

    async def _files(self, run_ids: Sequence[str]) -> None:
        title = f"Export {self._said(run_ids)} into which folder?"
        what = run_ids[0] if len(run_ids) == 1 else f"{len(run_ids)}-runs"
        place = str(self._page.runs.root.parent / "exports" / what)
        hint = "Nothing there is overwritten."
        folder = await self._page.sirt.ask_text(title, place, hint)
        if folder:
            target = Path(folder).expanduser()
            export = partial(run_commands.export, self._page.runs, run_ids, target)
            with self._page.sirt.lasting(f"exporting {named(run_ids)} to {target} …"):
                await self._do(export, f"{named(run_ids)}: exported to {target}")

    async def tag(self, rows: Sequence[RunRow]) -> None:
        """Change the tags; for several runs, those that all have, keeping each one's others."""
        if not rows:
            return
        shared = [tag for tag in rows[0].tags if all(tag in row.tags for row in rows)]
        title = f"Tags of {self._said([row.run_id for row in rows])}"
        hint = "Words with spaces between; a filter finds them as tag:WORD."
        text = await self._page.sirt.ask_text(title, " ".join(shared), hint)
        if text is not None:
            tags = {
                row.run_id: (*(t for t in row.tags if t not in shared), *text.split())
                for row in rows
            }
            describe = partial(run_commands.describe, self._page.runs, tags=tags)
            await self._do(describe, f"{named(tags)}: tags saved")

    async def note(self, rows: Sequence[RunRow]) -> None:
        """Write a note, the same for all of several runs."""
        if not rows:
            return
        notes = {row.note for row in rows}
        title = f"Note on {self._said([row.run_id for row in rows])}"
        hint = "" if len(notes) == 1 else "They have different notes now; this one replaces them."
        text = await self._page.sirt.ask_text(title, notes.pop() if len(notes) == 1 else "", hint)
        if text is not None:
            note = dict.fromkeys((row.run_id for row in rows), text)
            describe = partial(run_commands.describe, self._page.runs, notes=note)
            await self._do(describe, f"{named(note)}: note saved")

    def _said(self, run_ids: Sequence[str]) -> str:
        """Write ``the run NAME``, ``the ticked run NAME`` or ``the 2 ticked runs``."""
        ticked = "ticked " if self._ticked() else ""
        if len(run_ids) == 1:
            return f"the {ticked}run {self._names(run_ids)[0]}"
        return f"the {len(run_ids)} {ticked}runs"

    def _names(self, run_ids: Sequence[str]) -> list[str]:
        """Return names that tell these runs from all others."""
        return [name_apart(run_id, self._page.feed.rows) for run_id in run_ids]

    def _listed(self, run_ids: Sequence[str]) -> list[str]:
        """List several runs by name, for a question that only gives their number."""
        if len(run_ids) < 2:
            return []
        names = [f"  {name}" for name in self._names(run_ids[:NAMES_SHOWN])]
        more = len(run_ids) - NAMES_SHOWN
        return [*names, *([f"  and {more} more"] if more > 0 else [])]

    async def _do(self, command: Callable[[], str | None], said: str) -> bool:
        """Run a command and report its result or its error; return whether it succeeded."""
        try:
            told = await self._page.ask(command)
        except (UserError, OSError) as error:
            self._page.sirt.say_error(error)
            return False
        finally:
            self._page.feed.hurry()
        self._page.sirt.say(f"{said}{told or ''}")
        return True


def to_retry(state: State, phases: Iterable[State | None]) -> State:
    """Return the run's state, or a failed phase's while other phases are running."""
    return next((phase for phase in phases if phase in BADLY), state)


def named(run_ids: Sequence[str] | Mapping[str, object]) -> str:
    return next(iter(run_ids)) if len(run_ids) == 1 else f"{len(run_ids)} runs"
