"""The base of the Run screen's panels, and the data that they draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.binding import Binding

    from engine.queries.runs import PhaseStatus, RunStatus
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow
    from sirt_tui.shell import Shell


@dataclass(frozen=True, slots=True)
class RunView:
    """What the Run screen knows now. ``chosen``: the phase under the cursor; ``relatives``: the run
    and the other arms' runs that share its cell;"""

    runs: RunsFolder
    status: RunStatus
    chosen: PhaseStatus | None
    relatives: Sequence[RunRow]
    now: datetime


class RunPanel(Widget):
    """A panel of the Run screen, drawn about once a second and when it becomes visible.

    ``NAME``: what the bar calls it, and its id. ``KEYS``: work wherever the focus is. It draws
    nothing while it is not displayed.
    """

    NAME: ClassVar[str]
    KEYS: ClassVar[tuple[Binding, ...]] = ()
    ALLOW_MAXIMIZE = True

    def __init__(self, **options: Any) -> None:
        super().__init__(id=self.NAME, classes="panel", **options)
        self.of: RunView | None = None

    def key(self, name: str) -> str:
        """Return the key of an action as people know it."""
        return cast("Shell", self.app).key(name)

    def show(self, of: RunView) -> None:
        self.of = of
        if self.is_mounted and self.display:
            self.draw(of)

    def on_show(self) -> None:
        if self.of is not None:
            self.draw(self.of)

    def draw(self, of: RunView) -> None:
        raise NotImplementedError
