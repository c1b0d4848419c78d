"""Show how a student's answer to the same prompt changes while it is trained."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text

from engine.queries.looks import new_looks
from engine.schema.sanitize import visible
from sirt_tui.format import number
from sirt_tui.panels.samples import verdict_text
from sirt_tui.panels.text_panel import TextPanel
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings
from sirt_tui.widgets.diff import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import Binding, BindingType

    from engine.queries.looks import Stamp
    from engine.queries.runs import PhaseStatus
    from engine.schema.records import Look
    from sirt_tui.page import Page
    from sirt_tui.panels.run_panel import RunView

PROMPT_CHARS = 600
TEXT_CHARS = 3_000
HEIGHTS = "▁▂▃▄▅▆▇█"
ADDED, REMOVED = "bold green underline", "red strike"
NONE = "no prompts were answered while it trained (look_prompts of instruct and refine)"


class AnswersPanel(TextPanel):
    """Shows one look at a training beside the look before; keys step through the looks, and from
    prompt to prompt. The newest look is followed until a person steps back."""

    NAME = "answers"
    BORDER_TITLE = "answers while it trains"
    KEYS: ClassVar[tuple[Binding, ...]] = bindings("answers")
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._phase: PhaseStatus | None = None
        self._stamp: Stamp | None = None
        self._looks: dict[str, list[Look]] = {}  # of each prompt, by its item
        self._prompt = 0
        self._at: int | None = None  # None: the newest

    def draw(self, of: RunView) -> None:
        """Read the looks at the phase under the cursor, or else at the last training."""
        trained = [phase for phase in of.status.phases if phase.spec.trains and phase.attempt]
        chosen = [p for p in trained if of.chosen is not None and p.id == of.chosen.id]
        if not trained:
            self._show_nothing("nothing was trained yet")
            return
        phase = (chosen or trained)[-1]
        if self._phase is None or phase.id != self._phase.id:
            self._looks, self._at = {}, None
        self._phase = phase
        page = cast("Page", self.screen)
        page.run_worker(partial(self._read, page, of, phase), group="looks", exclusive=True)

    async def _read(self, page: Page, of: RunView, phase: PhaseStatus) -> None:
        self._stamp, found = await page.ask(new_looks, of.runs, phase.id, self._stamp)
        if found is not None and phase is self._phase:
            self._looks = {}
            for look in found:
                self._looks.setdefault(look.item, []).append(look)
            self._draw()

    def action_look(self, step: int) -> None:
        if looks := self._of_prompt():
            last = len(looks) - 1
            at = min(max((last if self._at is None else self._at) + step, 0), last)
            self._at = None if at == last else at
            self._draw()

    def action_prompt(self) -> None:
        self._prompt += 1
        self._draw()

    def _of_prompt(self) -> Sequence[Look]:
        prompts = list(self._looks.values())
        return prompts[self._prompt % len(prompts)] if prompts else ()

    def _draw(self) -> None:
        looks, phase = self._of_prompt(), self._phase
        if not looks or phase is None:
            self._show_nothing(NONE)
            return
        at = len(looks) - 1 if self._at is None else min(self._at, len(looks) - 1)
        steps = f"{self.key('earlier_look')} {self.key('later_look')}"
        place = f"{at + 1}/{len(looks)} {steps} step through training"
        key, number = self.key("prompt"), self._prompt % len(self._looks) + 1
        prompt = f"prompt {number}/{len(self._looks)} {key} next"
        entitle(self, f"{phase.spec.title}: answers while it trains", f"{place}  {prompt}")
        self.put(look_text(looks, at))

    def _show_nothing(self, why: str) -> None:
        entitle(self, "answers while it trains")
        self.put(Text(why, "dim"))


def look_text(looks: Sequence[Look], at: int) -> Text:
    """Write a look at one prompt: step and losses, verdict, the answer with what is new in it, the
    answer of the look before with what is gone, and the prompt, which need not be read again."""
    look, before = looks[at], looks[at - 1] if at else None
    text = Text(f"step {look.step}", "bold")
    text.append(f"  loss {number(look.loss)}")
    if any(one.held_out_loss is not None for one in looks):
        text.append(f"  held out {number(look.held_out_loss)}")
    text.append("  ").append_text(loss_line(looks, at)).append("\n")
    if look.verdict is not None:
        text.append_text(verdict_text(look.verdict, look.target)).append("\n")
    now, then = answer_of(look), answer_of(before) if before else ""
    gone, new = differences(then, now) if before else ([], [])
    said = Text(now)
    for first, last in new:
        said.stylize(ADDED, first, last)
    text.append_text(said)
    if before is not None:
        same = "" if gone or new else ": the same"
        text.append(f"\n\nat step {before.step}{same}", "bold")
        if not same:
            was = Text(then, "dim")
            for first, last in gone:
                was.stylize(REMOVED, first, last)
            text.append("\n").append_text(was)
    told = "also trained on" if look.trained_on else "not trained on"
    text.append(f"\n\n{visible(look.item, 60)}, {told}\n", "bold")
    start = max(0, len(look.prompt) - PROMPT_CHARS)
    text.append(("…" if start else "") + visible(look.prompt[start:]).strip(), "dim")
    return text


def answer_of(look: Look) -> str:
    said = visible(look.text, TEXT_CHARS).strip() or "(empty)"
    return f"{said} …" if look.finish == "length" else said


def loss_line(looks: Sequence[Look], at: int) -> Text:
    """Draw the loss at each look, a character each, the one shown reversed."""
    losses = [one.loss if one.held_out_loss is None else one.held_out_loss for one in looks]
    known = [loss for loss in losses if loss is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    text = Text()
    for n, loss in enumerate(losses):
        share = 0.0 if loss is None or high == low else (loss - low) / (high - low)
        mark = "·" if loss is None else HEIGHTS[round(share * (len(HEIGHTS) - 1))]
        text.append(mark, "reverse" if n == at else "")
    return text
