"""Where the actions work: which of them a screen, a panel or a dialog has, in the footer's order.

:func:`bindings` makes Textual's bindings of it, with the keys of :mod:`sirt_tui.actions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.binding import Binding

from sirt_tui.actions import ACTIONS, ANSWERS, PANELS


@dataclass(frozen=True, slots=True)
class Use:
    """An action in one place. ``does``: the Textual action. ``words`` and ``label``: its own there.
    ``shown``: whether the footer has it. ``first``: it is asked before the focused widget."""

    name: str
    does: str
    words: str = ""
    label: str = ""
    shown: bool = False
    first: bool = False


MOVES: Final = (
    Use("down", "move(1)"),
    Use("up", "move(-1)"),
    Use("first", "end(0)"),
    Use("last", "end(1)"),
)
PLACES: Final[dict[str, tuple[Use, ...]]] = {
    "everywhere": tuple(
        Use(name, action.does, shown=name in ("help", "quit"), first=name == "palette")
        for name, action in ACTIONS.items()
        if action.does
    ),
    "page": (
        Use("next_panel", "app.focus_next"),
        Use("previous_panel", "app.focus_previous"),
        Use("copy", "copy"),
        *(Use(f"panel_{n}", f"to_panel({n - 1})") for n in range(1, PANELS + 1)),
    ),
    "table": (
        Use("open", "select", shown=True),
        Use("tick", "tick", shown=True),
        *MOVES,
        Use("page_down", "page(1)"),
        Use("page_up", "page(-1)"),
    ),
    "compared table": (
        *MOVES,
        Use("cursor_right", "column(1)", "The next columns"),
        Use("cursor_left", "column(-1)", "The columns before"),
    ),
    "pick table": (
        Use("open", "select", "Edit the value", "Edit", shown=True),
        Use("tick", "pick", "Tick, unfold, or take the next value", "Choose", shown=True),
    ),
    "runs": (
        Use("find", "filter", shown=True, first=True),
        Use("palette", "app.command_palette", shown=True, first=True),
        Use("compose", "app.open_compose", shown=True),
        Use("compare", "compare", shown=True),
        Use("pairs", "pairs", shown=True),
        Use("stop", "stop", shown=True),
        Use("retry", "retry", shown=True),
        Use("delete", "delete", shown=True),
        Use("next", "step(1)", "Next run"),
        Use("previous", "step(-1)", "Previous run"),
        Use("versus", "versus", "Answers of the two ticked runs side by side"),
        Use("all_curves", "curves", "All curves of the ticked runs, over each other"),
        Use("export", "export", "Export a report, or the runs' files"),
        Use("sort", "sort"),
        Use("reverse", "reverse"),
        Use("sort_by", "order"),
        Use("tick_all", "tick_all"),
        Use("columns", "columns"),
        Use("group", "group"),
        Use("reset", "reset", "Usual order and columns, no groups, no filter"),
        Use("exclude", "leave_out", "Leave out of tables and reports, or take in again"),
        Use("undo", "undo"),
        Use("trash", "trash"),
        Use("tags", "tag"),
        Use("note", "note"),
        Use("compose_from", "compose_from"),
        Use("preview", "preview"),
        Use("back", "clear", "Clear the filter and the ticks"),
    ),
    "run": (
        Use("find", "search", "Search in log or samples", "Search", shown=True, first=True),
        Use("live", "live", shown=True),
        Use("zoom", "zoom", shown=True),
        Use("larger", "resize(1)"),
        Use("smaller", "resize(-1)"),
        Use("stop", "stop", shown=True),
        Use("retry", "retry", shown=True),
        Use("pairs", "app.open_pairs", shown=True),
        Use("compare", "compare", "Compare this run with its experiment"),
        Use("all_curves", "curves", shown=True),
        Use("next_panel", "next_panel(1)"),
        Use("previous_panel", "next_panel(-1)"),
        Use("next_tab", "panel(1)", "Next panel of the bar, or of all"),
        Use("previous_tab", "panel(-1)", "Previous panel of the bar, or of all"),
        Use("down", "phase(1)", "Next phase"),
        Use("up", "phase(-1)", "Phase before"),
        Use("export", "export", "Export the student as a model"),
        Use("compose_from", "compose_from"),
        Use("lineage", "lineage"),
        Use("warnings", "warnings"),
        Use("back", "leave", "End the search, show all panels, then go back"),
    ),
    "phases": MOVES,
    "curves": (
        Use("next", "group(1)", "Next curve", "Next curve", shown=True),
        Use("previous", "group(-1)", "Previous curve"),
        Use("x_axis", "x_axis"),
    ),
    "all curves": (
        Use("find", "filter", "Search the metrics by name", "Search", shown=True, first=True),
        Use("back", "back", "Close the search, show all charts, then go back", shown=True),
        Use("all_curves", "back", "Go back"),
    ),
    "curve grid": (
        Use("open", "enlarge", "Enlarge this chart, or show all", "Enlarge", shown=True),
        Use("next", "step(1)", "Next chart", "Next chart", shown=True),
        Use("previous", "step(-1)", "Previous chart"),
        Use("x_axis", "x_axis", label="Steps or time", shown=True),
        Use("cursor_right", "across(1)", "Next chart; enlarged, the cursor right"),
        Use("cursor_left", "across(-1)", "Previous chart; enlarged, the cursor left"),
        Use("down", "down(1)", "Chart below"),
        Use("up", "down(-1)", "Chart above"),
        Use("first", "end(0)", "First chart"),
        Use("last", "end(-1)", "Last chart"),
    ),
    "answers": (
        Use("later_look", "look(1)"),
        Use("earlier_look", "look(-1)"),
        Use("prompt", "prompt", "Answers to the next prompt"),
    ),
    "memory": (Use("memory_or_use", "change"),),
    "text": (
        Use("down", "scroll(1)"),
        Use("up", "scroll(-1)"),
        Use("page_down", "page(1)"),
        Use("page_up", "page(-1)"),
        Use("first", "end(0)", "The beginning of the text"),
        Use("last", "end(1)", "The end of the text"),
        Use("next", "match(1)", "Next match of the search", "Next match", shown=True),
        Use("previous", "match(-1)", "Previous match of the search"),
    ),
    "log": (Use("messages_or_stderr", "source", label="Messages or stderr", shown=True),),
    "chart": (
        Use("cursor_right", "cursor(1)"),
        Use("cursor_left", "cursor(-1)"),
        Use("far_right", "cursor(10)"),
        Use("far_left", "cursor(-10)"),
        Use("smoother", "smooth(1)"),
        Use("less_smooth", "smooth(-1)"),
        Use("reset", "reset"),
        Use("log_scale", "log"),
        Use("zoom_in", "zoom(0.5)"),
        Use("zoom_out", "zoom(2)"),
        Use("pan_right", "pan(0.25)"),
        Use("pan_left", "pan(-0.25)"),
        Use("symbols", "mode"),
    ),
    "compose": (
        Use("next_panel", "pane(1)", shown=True),
        Use("launch", "launch", shown=True),
        Use("save", "save", shown=True),
        Use("start_from", "start", shown=True),
        Use("edit_file", "edit_file", shown=True),
        Use("find", "filter", "Filter choices and settings (changed)", shown=True, first=True),
        Use("default", "default", shown=True),
        Use("previous_panel", "pane(-1)"),
        Use("next_tab", "pane(1)"),
        Use("previous_tab", "pane(-1)"),
        Use("back", "leave", "Clear the filter, or go back"),
    ),
    "pairs": (
        Use("find", "filter", "Filter the list, or search in the item", shown=True, first=True),
        Use("exclude", "mark('excluded')", "Leave out of refining, or take in again", shown=True),
        Use("refine_again", "refine_again", shown=True),
        Use("sort", "sort", "Sort: as in the file, by margin, by a length, by their difference",
            "Sort", shown=True),
        Use("next", "step(1)", "Next item", "Next item", shown=True),
        Use("flag", "mark('flagged')", "Flag or unflag the ticked items, or this one", shown=True),
        Use("prompt", "prompt", "The question, then each prompt", shown=True),
        Use("copy", "copy", label="Copy", shown=True),
        Use("zoom", "zoom", "The item alone, or with the list", "Item alone", shown=True),
        Use("previous", "step(-1)", "Previous item"),
        Use("next_tab", "source(1)", "Next file of items"),
        Use("previous_tab", "source(-1)", "Previous file of items"),
        Use("reverse", "reverse"),
        Use("differences", "differ"),
        Use("exclude_all", "exclude_all"),
        Use("undo", "undo", "Undo the last mark that leaves out or takes in"),
        Use("note", "note"),
        Use("back", "clear", "Undo zoom, filter and ticks, go to the list, then back"),
    ),
    "compare": (
        Use("next_panel", "view(1)", "Next view", "Next view", shown=True),
        Use("open", "answers('flipped')", "Questions that a run gains or loses against another",
            "Questions", shown=True),
        Use("versus", "answers('')", "All answers (predictions) of two runs, side by side",
            "All answers", shown=True),
        Use("reference", "reference", shown=True),
        Use("prompt", "prompt", "Plain or CoT prompt; in sweep the next task", shown=True),
        Use("judge", "judge", shown=True),
        Use("export", "export", "Write this view: Markdown, LaTeX, CSV, SVG", shown=True),
        Use("next_tab", "view(1)", "Next view"),
        Use("previous_tab", "view(-1)", "Previous view"),
        Use("previous_panel", "view(-1)", "Previous view"),
        Use("next", "metric(1)", "Next curve"),
        Use("previous", "metric(-1)", "Previous curve"),
        Use("x_axis", "x_axis"),
        Use("all_curves", "curves"),
        Use("all_settings", "all_settings"),
        Use("whole_names", "legend"),
        Use("pairs", "pairs", "What the reference's models said: pairs, answers"),
    ),
    "devices": (
        Use("hold", "hold", shown=True),
        Use("stop", "stop", shown=True),
        Use("earlier", "move(-1)", shown=True),
        Use("later", "move(1)", shown=True),
        Use("limit", "limit"),
    ),
    "confirm": (
        Use("yes", "answer(True)"),
        Use("no", "answer(False)"),
        Use("rename", "answer(None)"),
        Use("back", "answer(False)", "No"),
        Use("cursor_right", "app.focus_next", "The other button"),
        Use("cursor_left", "app.focus_previous", "The other button"),
    ),
    "ask": (Use("back", "leave", "Leave it as it is"),),
    "choose": (
        Use("down", "move('down')"),
        Use("up", "move('up')"),
        Use("delete", "drop", "Delete the draft"),
        Use("back", "leave", "Leave it as it is"),
    ),
    "columns": (
        Use("find", "filter", "Search the columns"),
        Use("earlier", "shift(-1)", "Move the column to the left"),
        Use("later", "shift(1)", "Move the column to the right"),
        Use("group", "group", "Group the runs by this column"),
        Use("default", "usual", "The usual columns"),
        Use("back", "leave", "Leave it as it is"),
    ),
    "help": (
        Use("help", "dismiss", "Close"),
        Use("back", "dismiss", "Close"),
        Use("quit", "dismiss", "Close"),
    ),
    "reading": (
        Use("back", "dismiss", "Close"),
        Use("quit", "dismiss", "Close"),
        Use("down", "scroll(1)"),
        Use("up", "scroll(-1)"),
    ),
    "lineage": (
        Use("lineage", "dismiss", "Close"),
        Use("back", "dismiss", "Close"),
        Use("quit", "dismiss", "Close"),
        Use("down", "scroll('down')"),
        Use("up", "scroll('up')"),
    ),
}  # fmt: skip


def bindings(place: str) -> tuple[Binding, ...]:
    """Return the bindings of a place; each has its action's name as its id."""
    return tuple(_binding(use) for use in PLACES[place])


def _binding(use: Use) -> Binding:
    action = (ACTIONS | ANSWERS)[use.name]
    words = use.words or action.words
    return Binding(
        action.keys,
        use.does,
        use.label or action.label or words,
        show=use.shown,
        priority=use.first,
        tooltip=words,
        id=use.name,
    )
