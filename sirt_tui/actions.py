"""The table of actions: what each is called, and its keys.

A key stands here once, so it means the same on every screen; :mod:`sirt_tui.places` says where an
action works. The footer, the help, the palette and ``keys.yaml`` know keys from here only. To add
a key: a line here and in ``PLACES``, and a method ``action_NAME`` in the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from textual.keys import format_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does, wherever it does it. ``keys``: Textual's names, with commas between.
    ``words``: what the help and the palette say. ``label``: the footer's word. ``does``: the
    application's action, for what works everywhere."""

    keys: str
    words: str
    label: str = ""
    does: str = ""


SCREENS: Final[dict[str, Action]] = {
    "runs": Action("1", "All runs", "Runs", "open_runs"),
    "run": Action("2", "The run under the cursor, live", "Run", "open_run"),
    "compose": Action("3", "Compose an experiment", "New", "open_compose"),
    "pairs": Action("4,p", "What this run's models said: pairs, answers", "Pairs", "open_pairs"),
    "comparison": Action("5", "The comparison of runs", "Compare", "open_compare"),
    "devices": Action("6", "Devices and the queue", "Devices", "open_devices"),
    "messages": Action("7", "Messages of this session, read again", "Messages", "messages"),
    "theme": Action("T", "Light or dark", does="theme"),
    "palette": Action(
        "ctrl+p", "Find an action, a run or a curve by name", "Find", "command_palette"
    ),
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
        "larger": Action("right_parenthesis", "Make this panel larger"),
        "smaller": Action("left_parenthesis", "Make this panel smaller"),
        "zoom": Action("z", "This panel alone, or all again", "Zoom"),
        "preview": Action("H", "Preview on or off"),
    },
    "lists": {
        "open": Action("enter", "Open what is under the cursor", "Open"),
        "tick": Action("space", "Tick the row, and go to the next", "Tick, next"),
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
        "group": Action("Z", "Group by experiment, state, arm or another column, or not at all"),
        "undo": Action("u", "Undo the last deletion, or the last mark that leaves out"),
        "trash": Action("ctrl+t", "What is in the trash, to bring it back"),
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
        "live": Action("backspace", "Back to the phase at work and its curve", "Live"),
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
# in a question these answer; nothing else works there
ANSWERS: Final = {
    "yes": Action("y", "Yes"),
    "no": Action("n", "No"),
    "rename": Action("r", "Give it another name"),
}


SPELT = ("enter", "tab", "backspace")  # whose signs few people know


def shown(keys: str) -> str:
    """Write the first of these keys as people know it: ``esc``, ``?``, ``^s``."""
    *modifiers, key = keys.partition(",")[0].split("+")
    ctrl = "^" if "ctrl" in modifiers else ""
    others = "".join(f"{modifier}+" for modifier in modifiers if modifier != "ctrl")
    return f"{others}{ctrl}{key if key in SPELT else format_key(key)}"


def by_key(own: Mapping[str, str]) -> dict[str, str]:
    """Return what each key does, somewhere; ``own``: a person's own keys, by action."""
    keys = {name: own.get(name, action.keys) for name, action in ACTIONS.items()}
    return {key: name for name, found in keys.items() for key in found.split(",")}
