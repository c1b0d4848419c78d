"""Show a phase's sampled answers as they come, newest first, and whether each is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import visible
from sirt_tui.panels.text_panel import TextPanel
from sirt_tui.panels.titles import entitle

if TYPE_CHECKING:
    from engine.schema.events import Sample
    from engine.schema.records import Verdict
    from sirt_tui.panels.run_panel import RunView

SHOWN = 30
PROMPT_CHARS = 600
TEXT_CHARS = 3_000


class SamplesPanel(TextPanel):
    """Shows the newest sampled answers of the chosen phase; while somebody has scrolled in them,
    those that were there."""

    NAME = "samples"
    BORDER_TITLE = "samples"

    def __init__(self) -> None:
        super().__init__()
        self._drawn = ("", "", 0)  # attempt, how it ended, samples

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        if new == 0 < old and self.of is not None:
            self.draw(self.of)

    def draw(self, of: RunView) -> None:
        """Draw the samples, only if they have changed."""
        if of.chosen is None:
            return
        view = of.chosen.view
        attempt, _, drawn = self._drawn
        seen = (f"{view.phase} {view.attempt}", view.outcome or "", len(view.samples))
        if seen == self._drawn:
            return
        if self.scroll_y > 0 and seen[0] == attempt:
            newer = f"samples, {seen[2] - drawn} newer above" if seen[2] > drawn else "samples"
            entitle(self, newer, of.chosen.spec.title)
            return
        self._drawn = seen
        entitle(self, "samples", of.chosen.spec.title)
        newest = reversed(view.samples.last(SHOWN))
        nothing = "it generated nothing to show" if view.outcome else "no generations yet"
        text = Text("\n\n").join(sample_text(sample) for sample in newest)
        self.put(text if text.plain else Text(nothing, "dim"))


def verdict_text(verdict: Verdict, target: str) -> Text:
    """Write whether an answer is right, what was read, and what would have been right."""
    text = Text()
    text.append(*(("✓ right", "bold green") if verdict.correct else ("✗ wrong", "bold red")))
    answer = visible(verdict.answer, 60) if verdict.answer is not None else "nothing found"
    text.append(f"  answer {answer}")
    text.append(f" (found by rule: {visible(verdict.tier, 30)})" if verdict.tier else "", "dim")
    if target and not verdict.correct:
        text.append("  right is ", "dim").append(visible(target, 60), "bold")
    return text


def sample_text(sample: Sample) -> Text:
    """Write verdict, item, the prompt's end and the answer, all as plain text."""
    text = Text()
    if sample.verdict is None:
        text.append(
            f"· {visible(sample.label, 100) or 'not judged'}", "bold" if sample.label else "dim"
        )
    else:
        text.append_text(verdict_text(sample.verdict, sample.target))
    text.append(f"  {visible(sample.item, 60)}\n", "dim")
    prompt = sample.prompt
    start = max(0, len(prompt) - PROMPT_CHARS)
    text.append(("…" if start else "") + visible(prompt[start:]).strip() + "\n", "dim")
    text.append(visible(sample.text, TEXT_CHARS).strip() or "(empty)")
    return text
