"""What the panels of Compose are given to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands import composing

if TYPE_CHECKING:
    from engine.commands.composing import Planned, Problem
    from engine.queries.settings_form import Draft
    from sirt_tui.panels.tree_choice import Offered


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft, what it can choose from, and its plan (None while there is none) or the problems in
    the plan's way."""

    draft: Draft
    offered: Offered
    planned: Planned | None = None
    problems: tuple[Problem, ...] = ()

    def problem(self, key: str) -> str:
        """What is wrong with the file's key."""
        return composing.by_setting(self.problems).get(key, "")
