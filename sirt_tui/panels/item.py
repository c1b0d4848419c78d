"""Show one item: its question or prompt, and its texts side by side with their differences."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from engine.schema.sanitize import one_line, visible
from sirt_tui.places import bindings
from sirt_tui.widgets.diff import WORDS, differences
from sirt_tui.widgets.searching import Found, Searched, has_current

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.items import Item, Side
    from engine.store.item_notes import Mark
    from sirt_tui.widgets.diff import Span

TEXT_CHARS = 12_000
PROMPT_CHARS = 6_000
VERDICTS = {
    "right": ("✓ right", "bold green"),
    "wrong": ("✗ wrong", "bold red"),
    "unparsed": ("? no answer found", "bold yellow"),
}
ONLY_HERE = ("bold green", "bold red")
ANSWER = "bold reverse underline"


@dataclass(frozen=True, slots=True)
class Shown:
    """How to show an item. ``prompt``: 0 for the question, then its prompts in turn."""

    mark: Mark
    left_out: bool = False
    prompt: int = 0
    differ: bool = True


@dataclass(frozen=True, slots=True)
class Drawn:
    """An item as styled texts, made in a thread, since comparing long texts takes time. Titles are
    not strings, since those would be read as markup."""

    title: Text
    subtitle: Text
    head: Text
    sides: tuple[tuple[Text, Text, Text], ...] = ()  # text, title, subtitle


class ItemPanel(VerticalScroll, Searched):
    """Shows an item that :func:`draw` has drawn."""

    ALLOW_MAXIMIZE = True
    DEFAULT_CSS = """
    ItemPanel { border: round $border; border-title-color: $text; padding: 0 1; }
    ItemPanel:focus { border: heavy $primary; }
    ItemPanel #sides { layout: grid; grid-size: 2; grid-rows: auto; height: auto; }
    ItemPanel #sides.one { grid-size: 1; }
    ItemPanel .side {
        border: round $border; height: auto; padding: 0 1;
        border-title-color: $text; border-subtitle-color: $text;
    }
    ItemPanel #head { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = Text()
        self._drawn = Drawn(Text(), Text(), Text())

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Container(id="sides"):
            yield Static(classes="side")
            yield Static(classes="side")

    def show(self, drawn: Drawn) -> None:
        """Show an item; another item begins at its top, the same one keeps its place."""
        if drawn.title != self._title:
            self._title = drawn.title
            self.scroll_home(animate=False)
        self._drawn = drawn
        self.border_title = drawn.title
        self.border_subtitle = drawn.subtitle
        head, *texts = self.matches.mark(drawn.head, *(text for text, _, _ in drawn.sides))
        self.query_one("#head", Static).update(head)
        self.query_one("#sides").set_class(len(drawn.sides) < 2, "one")
        for number, box in enumerate(self.query(".side").results(Static)):
            box.display = number < len(drawn.sides)
            if box.display:
                _, box.border_title, box.border_subtitle = drawn.sides[number]
                box.update(texts[number])
        if self.matches.words:
            self.post_message(Found())

    # --- search ---

    def paint_match(self) -> None:
        self.show(self._drawn)
        self.call_after_refresh(self._reveal)

    def _reveal(self) -> None:
        """Scroll until the current match is visible."""
        texts = self.matches.mark(self._drawn.head, *(text for text, _, _ in self._drawn.sides))
        boxes = [self.query_one("#head", Static), *self.query(".side").results(Static)]
        for text, box in zip(texts, boxes, strict=False):
            lines = text.wrap(self.app.console, max(1, box.content_size.width))
            at = next((n for n, line in enumerate(lines) if has_current(line)), None)
            if at is not None:
                place = box.content_region.y - self.content_region.y + self.scroll_offset.y
                self.scroll_to(y=max(0, place + at - self.size.height // 2), animate=False)

    # --- showing ---

    def say(self, text: str) -> None:
        """Show a text in place of an item."""
        self.show(Drawn(Text(), Text(), Text(text, "dim")))


def draw(item: Item, shown: Shown) -> Drawn:
    """Draw an item; whatever its texts hold is shown as plain text."""
    title = Text(f"{item.number + 1}  {one_line(item.id, 60)}")
    subtitle = Text(one_line(item.label, 80))
    if item.problem:
        return Drawn(title, subtitle, Text(visible(item.problem, TEXT_CHARS), "red"))
    bodies = [visible(side.text, TEXT_CHARS) for side in item.sides]
    only: tuple[list[Span], ...] = tuple([] for _ in bodies)
    if shown.differ and len(bodies) == 2:
        only = differences(bodies[0], bodies[1])
    sides = tuple(
        (_body(side, body, spans, style), _side_title(side, item.target), _side_subtitle(side))
        for side, body, spans, style in zip(item.sides, bodies, only, ONLY_HERE, strict=False)
    )
    return Drawn(title, subtitle, _head(item, shown), sides)


def _head(item: Item, shown: Shown) -> Text:
    text = Text()
    _append_mark(text, shown)
    if shown.prompt and item.prompts:
        name, prompt = item.prompts[(shown.prompt - 1) % len(item.prompts)]
        used = " (in use)" if len(item.prompts) > 1 and shown.prompt == 1 else ""
        text.append(f"{one_line(name, 40)} prompt{used}\n", "bold")
        text.append(visible(prompt, PROMPT_CHARS).strip() + "\n")
    else:
        text.append(visible(item.question, PROMPT_CHARS).strip() + "\n")
        for letter, choice in zip(ascii_uppercase, item.choices, strict=False):
            style = "bold" if letter == item.target else "dim"
            text.append(f"{letter}) {one_line(choice, 200)}   ", style)
        text.append("\n" if item.choices else "")
    text.append("target ", "dim")
    text.append(one_line(item.target, 200), "bold")
    _append_scores(text, item)
    return text


def _append_mark(text: Text, shown: Shown) -> None:
    mark = shown.mark
    if mark.flagged:
        text.append("! flagged  ", "bold yellow")
    if mark.excluded:
        text.append("x left out  ", "bold red")
    if shown.left_out:
        text.append("- left out of this run  ", "red")
    if mark.note:
        text.append(f"note: {one_line(mark.note, 500)}", "cyan")
    text.append("\n" if mark or shown.left_out else "")


def _append_scores(text: Text, item: Item) -> None:
    names = [side.name for side in item.sides]
    if names != ["chosen", "rejected"]:
        return
    if item.margin is None:
        text.append("   no margin: refine has not scored this pair", "dim")
        return
    text.append("   margin over the reference ", "dim")
    text.append(f"{item.margin:+.2f} nats", "green" if item.margin > 0 else "red")


def _side_title(side: Side, target: str) -> Text:
    text = Text(one_line(side.name, 60), "bold")
    text.append("  ")
    text.append(*VERDICTS[side.verdict])
    if side.answer is not None:
        text.append(f"  {one_line(side.answer, 40)}")
    if target and side.verdict != "right":
        text.append(f"  right is {one_line(target, 40)}")
    if side.answer is not None:
        rule = f"found by rule: {one_line(side.tier, 30)}" if side.tier else "found by no rule"
        text.append(f" ({rule})", "dim")
    return text


def _side_subtitle(side: Side) -> Text:
    parts = [f"{len(side.text)} chars", side.remark]
    if side.logps is not None:
        reference, policy = side.logps
        parts.append(f"sum of log p {reference:.2f} → {policy:.2f}")
    return Text(", ".join(part for part in parts if part), "dim")


def _body(side: Side, body: str, only: list[Span], style: str) -> Text:
    text = Text(body or "(empty)")
    for start, end in only:
        text.stylize(style, start, end)
    if side.span is not None:
        text.stylize(ANSWER, *(len(visible(side.text[:at], TEXT_CHARS)) for at in side.span))
    cut = len(side.text) - TEXT_CHARS
    if cut > 0:
        text.append(f"\n{cut} more characters: sirt pairs --id prints them all", "dim")
    elif only and only[-1] and body.count(" ") > WORDS:
        text.append(f"\ncompared: the first {WORDS} words", "dim")
    return text
