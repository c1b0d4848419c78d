"""Dialogs over a screen: a confirmation, a line of text, a choice of one of several."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, work
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Label, OptionList, Static
from textual.widgets.option_list import Option

from engine.schema.sanitize import visible
from sirt_tui.places import bindings
from sirt_tui.widgets.leaving import Dialog
from sirt_tui.widgets.typed_line import TypedLine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.geometry import Region
    from textual.strip import Strip
    from textual.widgets import Input

Offer = tuple[str, str, str]  # what it is called inside, what it says, more about it
LINES_SHOWN = 10
AROUND = 10  # lines of a confirmation's frame, question and buttons
TALLEST = 90  # per cent of the screen that a dialog may take, as the stylesheet has it
KEEP = "Keep it"  # instead of something that is lost


class Question(Label):
    """Knows since when it has been on the screen, on the clock that stamps keys."""

    shown_at = math.inf

    def render_lines(self, crop: Region) -> list[Strip]:
        self.shown_at = min(self.shown_at, time.monotonic())  # before the terminal gets the frame
        return super().render_lines(crop)


class Confirm(Dialog[bool | None]):
    """Asks for confirmation and says what will happen, above all what will be lost; the safe button
    has the focus. Keys that were typed before it could be read do not answer it. ``refuse``: the
    safe button's label. ``other``: a third answer, None."""

    DEFAULT_CSS = "Confirm VerticalScroll { height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("confirm")]

    def __init__(
        self, question: str, lost: Sequence[str], agree: str, refuse: str, other: str = ""
    ) -> None:
        super().__init__()
        self._question = question
        self._lost = lost
        self._agree = agree
        self._refuse = refuse
        self._other = other

    def compose(self) -> ComposeResult:
        more = len(self._lost) - LINES_SHOWN
        lines = [*self._lost[:LINES_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        with Vertical(classes="dialog"):
            yield Question(visible(self._question), markup=False, classes="dialog-title")
            with VerticalScroll(can_focus=False):
                yield Static(visible("\n".join(lines)), markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button(f"{self._refuse} (n)", id="no")
                if self._other:
                    yield Button(f"{self._other} (r)", id="other")
                loses = self._refuse == KEEP
                yield Button(
                    f"{self._agree} (y)", id="yes", variant="error" if loses else "primary"
                )

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def heeds(self, key: events.Key) -> bool:
        return any(key.time >= question.shown_at for question in self.query(Question))

    def on_resize(self) -> None:
        """Scroll what is long, so that the buttons stay on the screen."""
        text = self.query_one(VerticalScroll)
        text.display = bool(self._lost)
        text.styles.max_height = max(1, self.size.height * TALLEST // 100 - AROUND)
        self.call_after_refresh(self._let_it_scroll)

    def _let_it_scroll(self) -> None:
        """Let the focus reach the text where it does not fit."""
        text = self.query_one(VerticalScroll)
        text.can_focus = text.max_scroll_y > 0

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "other" else event.button.id == "yes")

    def action_answer(self, answer: bool | None) -> None:
        self.dismiss(answer)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "answer" and parameters == (None,) and not self._other:
            return False
        return super().check_action(action, parameters)


class AskText(Dialog[str | None]):
    """Asks for a line of text; None if it is left with escape. ``wrong``: says what is wrong with a
    text, which then can be corrected; "" if nothing is."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("ask")]

    DEFAULT_CSS = """
    AskText #wrong { display: none; height: auto; color: $text-error; }
    """

    def __init__(
        self, title: str, value: str, hint: str, wrong: Callable[[str], str] | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._hint = hint
        self._wrong = wrong

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(visible(self._title), markup=False, classes="dialog-title")
            yield TypedLine(self._value)
            yield Static(id="wrong", markup=False)
            if self._hint:
                yield Static(visible(self._hint), markup=False, classes="dialog-hint")
            yield Static(
                "enter to accept, ^u to empty it, esc to leave it as it was", classes="dialog-hint"
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if reason := self._wrong(event.value) if self._wrong is not None else "":
            said = self.query_one("#wrong", Static)
            said.display = True
            said.update(visible(reason))
        else:
            self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)


class Options(OptionList):
    """Moves by pages only where a line has room: Textual's own raises ``KeyError`` elsewhere."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action.startswith("page_") and not self.scrollable_content_region:
            return False
        return super().check_action(action, parameters)


class Choose(Dialog[str | None]):
    """Asks to choose one of several, describing the one under the cursor; None if it is left.
    ``drop`` deletes one of the ``droppable`` for good, and returns whether it did; ``drop_key``
    is its key. ``instead``: keys that answer at once, and what."""

    DEFAULT_CSS = """
    Choose OptionList { height: auto; max-height: 34vh; padding: 0; }
    Choose OptionList, Choose OptionList:focus { border: none; }
    Choose #about { height: 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("choose")]

    def __init__(
        self,
        title: str,
        offers: Sequence[Offer],
        present: str | None = None,
        droppable: Container[str] = (),
        drop: Callable[[str], Awaitable[bool]] | None = None,
        drop_key: str = "",
        instead: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._offers = {key: (label, about) for key, label, about in offers}
        self._present = present
        self._droppable = droppable
        self._drop = drop
        self._drop_key = drop_key
        self._instead = instead or {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(visible(self._title), markup=False, classes="dialog-title")
            labels = self._offers.items()
            yield Options(*(Option(Text(visible(lb)), id=key) for key, (lb, _) in labels))
            yield Static(id="about", classes="dialog-hint", markup=False)
            keys = (
                "enter to choose",
                *([f"{self._drop_key} to delete a draft"] if self._drop else ()),
            )
            yield Static(", ".join((*keys, "esc to leave")), classes="dialog-hint")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        if self._present in self._offers:
            options.highlighted = list(self._offers).index(self._present)

    def tell(self, key: str, about: str) -> None:
        """Add what was not known of an offer when it was made."""
        if key in self._offers and about:
            self._offers[key] = (self._offers[key][0], about)
            options = self.query_one(OptionList).highlighted_option
            if options is not None and options.id == key:
                self.query_one("#about", Static).update(visible(about))

    def on_key(self, event: events.Key) -> None:
        if event.key in self._instead:
            event.stop()
            self.dismiss(self._instead[event.key])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        about = self._offers[str(event.option_id)][1]
        self.query_one("#about", Static).update(visible(about))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_move(self, where: str) -> None:
        options = self.query_one(OptionList)
        options.action_cursor_down() if where == "down" else options.action_cursor_up()

    @work
    async def action_drop(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is None or option.id is None or option.id not in self._droppable:
            return
        if self._drop is not None and await self._drop(option.id):
            self.query_one(OptionList).remove_option(option.id)

    def action_leave(self) -> None:
        self.dismiss(None)
