"""The bar of the Compare screen: the views' names, and what the chosen one shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.metrics import title_of
from sirt_tui.widgets.tabs import tabs

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.schema.evaluation import Evaluation

VIEWS = ("accuracies", "curves", "settings", "matrix", "fractions", "sweep", "judgements")
TESTED = "% right [95 %]; below it the difference from ◂, p of McNemar's test (Holm)"
BESIDE = 4  # cells of the bar's padding, and between the names and what is beside them


@dataclass(frozen=True, slots=True)
class Bar:
    """What the views show. ``curve``: the phase and metric, and what it is drawn over;
    ``key``: an action's key."""

    view: int
    curve: tuple[tuple[str, str], str]
    every_setting: bool
    prompt: str
    evaluation: Evaluation | None
    key: Callable[[str], str]
    left_out: str

    def text(self, width: int) -> Text:
        """Write the views' names, and what the chosen one shows: below, where that won't fit."""
        text, about = tabs(VIEWS, self.view, "screen.view_at"), self._about()
        about.append(f"  {self.left_out}" if self.left_out else "", "yellow")
        fits = text.cell_len + about.cell_len + BESIDE <= width
        return text.append("  " if fits else "\n ").append_text(about)

    def _about(self) -> Text:
        match VIEWS[self.view]:
            case "accuracies":
                return Text().append(TESTED, "dim")
            case "curves":
                metric, over = self.curve
                return Text().append(title_of(*metric), "bold").append(f"  over {over}", "dim")
            case "judgements":
                what = f"what judges prefer, % [95 %]; {self.key('judge')} asks one"
                return Text().append(what, "dim")
            case "settings":
                other = "shows those that differ" if self.every_setting else "shows all"
                what = "all settings" if self.every_setting else "settings that differ"
                text = Text().append(what, "bold")
                return text.append(f"  {self.key('all_settings')} {other}", "dim")
            case "sweep":
                what = self.evaluation.label if self.evaluation else ""
            case _:
                what = f"{self.prompt} prompt, the whole experiment"
                return Text().append(what, "bold").append("  n 2: the mean of 2 runs", "dim")
        return Text().append(what, "bold")
