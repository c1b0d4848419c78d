"""Keep the draft on the screen and plan it again whenever it has stopped changing."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from engine.commands import composing
from engine.commands.composing import Planned
from sirt_tui import draft_document as documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.commands.composing import Problem
    from sirt_tui.draft_document import DraftDocument
    from sirt_tui.page import Page

REST_S = 0.2  # a draft that has rested so long is planned


class DraftPlan:
    """The plan or the problems of the draft, as it was when it last stopped changing."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.planned: Planned | None = None
        self.problems: tuple[Problem, ...] = ()
        self.at_work = False
        self._version = 0  # of the draft; what is kept and planned catches up with it
        self._settled = asyncio.Event()

    @property
    def begun(self) -> bool:
        return self._version > 0

    def change(self) -> None:
        """Note that the draft has changed."""
        self._version += 1
        self._settled.clear()

    async def settled(self) -> Planned | None:
        """Wait for the present draft's plan; None if it has problems."""
        await self._settled.wait()
        return self.planned

    async def follow(
        self,
        document: Callable[[], DraftDocument],
        place: Callable[[], tuple[bool, str]],
        wait: Callable[[], None],
    ) -> None:
        """Keep and plan the draft until it stops changing. Only one plan is made at a time, since a
        thread can't be interrupted. ``place``: whether it would run on a GPU, and its site;
        ``wait`` is called before each."""
        page, version = self._page, -1
        found: Planned | tuple[Problem, ...] = ()
        self.at_work = True
        try:
            while version != self._version:
                version = self._version
                await page.ask(documents.keep, page.runs, document())
                await page.pause(REST_S)
                if version == self._version:
                    wait()
                    draft = copy.deepcopy(document().draft)
                    found = await page.ask(composing.plan, page.runs, draft, *place())
            self.planned = found if isinstance(found, Planned) else None
            self.problems = () if isinstance(found, Planned) else found
            self._settled.set()
        finally:
            self.at_work = False
