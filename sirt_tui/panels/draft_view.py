"""The data that the panels of the Compose screen draw."""

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
    """A draft, its possible values, and its plan (None while it is made) or the problems that
    prevent one."""

    draft: Draft
    offered: Offered
    planned: Planned | None = None
    problems: tuple[Problem, ...] = ()

    def problem(self, key: str) -> str:
        """Return what is wrong with this key of the file."""
        return composing.by_setting(self.problems).get(key, "")

    def remark(self, key: str) -> str:
        """Return what is unusual at this key."""
        return composing.by_setting(self.planned.remarks).get(key, "") if self.planned else ""
