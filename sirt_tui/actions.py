"""The one table of keys: what each does, what it is called, and where it works.

``ACTIONS`` gives every action its keys: a key stands there once, so it means the same on every
screen. ``PLACES`` says which actions a screen, a panel or a dialog has, in the order of the footer;
:func:`bindings` makes Textual's bindings of them. The footer, the help, the palette and
``keys.yaml`` know keys from here only. To add a key: a line in each table, and a method
``action_NAME`` in the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.binding import Binding
from textual.keys import format_key


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does, wherever it does it. ``keys``: Textual's names, with commas between.
    ``words``: what the help and the palette say. ``label``: the footer's word. ``does``: the
    application's action, for what works everywhere."""

    keys: str
    words: str
    label: str = ""
    does: str = ""


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


SCREENS: Final[dict[str, Action]] = {
    "runs": Action("1", "All runs", "Runs", "open_runs"),
    "run": Action("2", "The run under the cursor, live", "Run", "open_run"),
    "compose": Action("3", "Compose an experiment", "New", "open_compose"),
    "pairs": Action("4,p", "What this run's models said: pairs, answers", "Pairs", "open_pairs"),
    "comparison": Action("5", "The comparison of runs", "Compare", "open_compare"),
    "devices": Action("6", "Devices and the queue", "Devices", "open_devices"),
    "theme": Action("T", "Light or dark", does="theme"),
    "palette": Action("ctrl+p", "Find an action, a run or a curve by name", does="command_palette"),
    "help": Action("question_mark", "Help: the keys that work here", "Help", "help"),
    "quit": Action("q", "Quit; what runs goes on", "Quit", "quit"),
}
PANELS: Final = 6  # that have a key of their own
GROUPS: Final[dict[str, dict[str, Action]]] = {
    "screens": SCREENS,
    "panels": {
        "back": Action("escape", "Cancel what was opened last, or go back", "Back", "back"),
        "next_panel": Action("tab", "Next panel", "Panel"),
        "previous_panel": Action("shift+tab", "Previous panel"),
        **{f"panel_{n}": Action(f"alt+{n}", f"Panel {n}") for n in range(1, PANELS + 1)},
        "next_tab": Action("right_square_bracket", "Next tab of the bar"),
        "previous_tab": Action("left_square_bracket", "Previous tab of the bar"),
        "zoom": Action("z", "This panel alone, or all again", "Zoom"),
        "preview": Action("H", "Preview on or off"),
    },
    "lists": {
        "open": Action("enter", "Open what is under the cursor", "Open"),
        "tick": Action("space", "Tick the row", "Tick"),
        "tick_all": Action("a", "Tick all that are shown, or none"),
        "find": Action("slash", "Filter the list", "Filter"),
        "next": Action("n", "Next", "Next"),
        "previous": Action("N,b", "Previous"),
        "down": Action("down,j", "Down"),
        "up": Action("up,k", "Up"),
        "page_down": Action("pagedown", "A page down"),
        "page_up": Action("pageup", "A page up"),
        "first": Action("home,g", "First"),
        "last": Action("end,G", "Last"),
        "sort": Action("s", "Sort by the next column"),
        "reverse": Action("S", "Reverse the order"),
        "sort_by": Action("O", "Sort by a column"),
        "columns": Action("F", "Choose the columns, settings among them"),
        "group": Action("Z", "Group by experiment, state, task, tag, or not at all"),
        "undo": Action("u", "Undo the last deletion, or the last mark that leaves out"),
    },
    "runs": {
        "compare": Action("c", "Compare the ticked runs, or this with its experiment", "Compare"),
        "versus": Action("v", "Answers of two runs side by side"),
        "stop": Action("x", "Stop", "Stop"),
        "retry": Action("r", "Retry what failed or was stopped", "Retry"),
        "delete": Action("d", "Delete", "Delete"),
        "exclude": Action("i", "Leave out, or take in again", "Leave out"),
        "exclude_all": Action("I", "Leave out all that the filter finds, or take them in again"),
        "tags": Action("t", "Tags"),
        "note": Action("M", "Write a note"),
        "compose_from": Action("C", "Compose from this run"),
        "lineage": Action("L", "Lineage: models, data, hashes"),
        "export": Action("E", "Export", "Export"),
        "copy": Action("Y", "Copy id, path or command of what is under the cursor"),
        "warnings": Action("U", "All warnings, in full"),
    },
    "curves": {
        "all_curves": Action("w", "All curves on one page", "All curves"),
        "x_axis": Action("X", "Over steps, time or epochs"),
        "log_scale": Action("y", "Log scale"),
        "smoother": Action("plus,equals_sign", "Smoother"),
        "less_smooth": Action("minus", "Less smooth"),
        "reset": Action("0", "As it was: no smoothing, no zoom, no cursor"),
        "cursor_right": Action("right", "Cursor right"),
        "cursor_left": Action("left", "Cursor left"),
        "far_right": Action("shift+right", "Cursor far right"),
        "far_left": Action("shift+left", "Cursor far left"),
        "zoom_in": Action("greater_than_sign", "Zoom in at the cursor"),
        "zoom_out": Action("less_than_sign", "Zoom out"),
        "pan_right": Action("full_stop", "Move right"),
        "pan_left": Action("comma", "Move left"),
        "symbols": Action("m", "Draw with braille, blocks or letters"),
        "later_look": Action("right_curly_bracket", "Answers later in the training"),
        "earlier_look": Action("left_curly_bracket", "Answers earlier in the training"),
        "memory_or_use": Action("percent_sign", "Memory, or use in per cent"),
    },
    "texts": {
        "messages_or_stderr": Action("l", "Messages or stderr"),
        "prompt": Action("P", "The next prompt", "Prompt"),
        "differences": Action("exclamation_mark", "Highlight the words that differ, or not"),
        "flag": Action("f", "Flag, or take the flag off", "Flag"),
        "refine_again": Action("R", "Refine again without what was left out", "Refine again"),
    },
    "comparing": {
        "reference": Action("B", "Compare with the next run", "Reference"),
        "judge": Action("V", "Let a model judge between two of the runs", "Judge"),
        "all_settings": Action("A", "All settings, or those that differ"),
        "whole_names": Action("W", "Whole names, or short ones"),
    },
    "composing": {
        "launch": Action("ctrl+l", "Launch", "Launch"),
        "save": Action("ctrl+s", "Save as a file for the command line", "Save"),
        "edit_file": Action("e", "Edit the file in your editor ($VISUAL, $EDITOR)", "Editor"),
        "start_from": Action("o", "Start from a preset, a file or a kept draft", "Start from"),
        "default": Action("D", "Put the default back", "Default"),
    },
    "queue": {
        "earlier": Action("K,shift+up", "Earlier in the queue", "Earlier"),
        "later": Action("J,shift+down", "Later in the queue", "Later"),
        "hold": Action("h", "Hold, or release", "Hold"),
        "limit": Action("number_sign", "Phases on the CPU at once"),
    },
}  # fmt: skip
ACTIONS: Final = {name: action for group in GROUPS.values() for name, action in group.items()}
# in a question these two answer; nothing else works there
ANSWERS: Final = {"yes": Action("y", "Yes"), "no": Action("n", "No")}

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
    "pick table": (
        Use("open", "select", "Edit the value", "Edit", shown=True),
        Use("tick", "pick", "Tick, unfold, or take the next value", "Choose", shown=True),
    ),
    "runs": (
        Use("find", "filter", shown=True, first=True),
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
        Use("exclude", "leave_out", "Leave out of tables and reports, or take in again"),
        Use("undo", "undo"),
        Use("tags", "tag"),
        Use("note", "note"),
        Use("compose_from", "compose_from"),
        Use("preview", "preview"),
        Use("back", "clear", "Clear the filter and the ticks"),
    ),
    "run": (
        Use("find", "search", "Search in log or samples", "Search", shown=True, first=True),
        Use("zoom", "zoom", shown=True),
        Use("stop", "stop", shown=True),
        Use("retry", "retry", shown=True),
        Use("pairs", "app.open_pairs", shown=True),
        Use("all_curves", "curves", shown=True),
        Use("next_panel", "next_panel(1)"),
        Use("previous_panel", "next_panel(-1)"),
        Use("next_tab", "panel(1)", "Next panel of the bar, or of all"),
        Use("previous_tab", "panel(-1)", "Previous panel of the bar, or of all"),
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
        Use("x_axis", "x_axis", label="Over steps, time or epochs", shown=True),
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
        Use("launch", "launch", shown=True),
        Use("save", "save", shown=True),
        Use("start_from", "start", shown=True),
        Use("edit_file", "edit_file", shown=True),
        Use("find", "filter", "Filter the settings: words, or changed", shown=True, first=True),
        Use("default", "default", shown=True),
        Use("next_panel", "pane(1)", shown=True),
        Use("previous_panel", "pane(-1)"),
        Use("next_tab", "pane(1)"),
        Use("previous_tab", "pane(-1)"),
        Use("back", "leave", "Clear the filter, or go back"),
    ),
    "pairs": (
        Use("find", "filter", "Filter the list, or search in the item", shown=True, first=True),
        Use("next", "step(1)", "Next item", shown=True),
        Use("prompt", "prompt", "The question, then each prompt", shown=True),
        Use("flag", "flag", "Flag or unflag the ticked items, else this one", shown=True),
        Use("exclude", "exclude", "Leave out of refining again, or take in again", shown=True),
        Use("refine_again", "refine_again", shown=True),
        Use("previous", "step(-1)", "Previous item"),
        Use("next_tab", "source(1)", "Next file of items"),
        Use("previous_tab", "source(-1)", "Previous file of items"),
        Use("sort", "sort", "Sort: as in the file, by margin, by length"),
        Use("reverse", "reverse"),
        Use("differences", "differ"),
        Use("exclude_all", "exclude_all"),
        Use("note", "note"),
        Use("zoom", "zoom", "The item alone, or with the list"),
        Use("back", "clear", "Undo zoom, filter and ticks, then go back"),
    ),
    "compare": (
        Use("next_panel", "view(1)", "Next view", "Next view", shown=True),
        Use("reference", "reference", shown=True),
        Use("prompt", "prompt", "Plain or CoT prompt", shown=True),
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
        Use("versus", "versus", "Answers of reference and the first other run side by side"),
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
        Use("back", "answer(False)", "No"),
        Use("cursor_right", "app.focus_next", "The other button"),
        Use("cursor_left", "app.focus_next", "The other button"),
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


def shown(keys: str) -> str:
    """Write the first of these keys as people know it: ``esc``, ``?``, ``^s``."""
    *modifiers, key = keys.partition(",")[0].split("+")
    ctrl = "^" if "ctrl" in modifiers else ""
    others = "".join(f"{modifier}+" for modifier in modifiers if modifier != "ctrl")
    return f"{others}{ctrl}{key if key in ('enter', 'tab') else format_key(key)}"
