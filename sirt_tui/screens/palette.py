"""What the palette finds: runs to open, metrics to go to, filters to set, and all actions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits
from textual.content import Content
from textual.system_commands import SystemCommandsProvider

from engine.schema.sanitize import one_line
from sirt_tui.page import Page
from sirt_tui.screens.filtering import FIELDS
from sirt_tui.widgets.working_keys import working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.store.run_row import RunRow
    from sirt_tui.shell import Shell
    from sirt_tui.widgets.working_keys import Working

MOST = 40  # found at once; more words find others
FILTER = "filter by "
BEGINNINGS = {
    "open run ": "any part of a run's name or id",
    "go to metric ": "on a screen with curves",
    FILTER: "words and conditions, as after /",
}
ALSO = {"paid": "cost", "acc": "accuracy"}  # other words for a figure
FILTERED = ("state", "arm", "student", "teacher", "task", "experiment", "tag")


@dataclass(frozen=True, slots=True)
class Place:
    """Something to find: what it says, more about it, and what goes there."""

    said: str
    help: str
    go: Callable[[], object]


class Rank(IntEnum):
    """What comes before what; within a rank it is Textual's match that decides."""

    LETTERS = 0  # an action in whose words the letters occur, somewhere
    FOREIGN = 1  # Textual's own action
    PLACE = 2  # a run, a metric, a filter
    EVERYWHERE = 3  # an action that works on every screen
    HERE = 4  # an action of this screen or panel
    NAMED = 5  # an action of ours that is called so
    TYPED = 6  # a filter as it is typed


class Places(SystemCommandsProvider):
    """Finds places by words in any order, and actions; places are gathered once, when it opens."""

    async def startup(self) -> None:
        shell = cast("Shell", self.app)
        rows = shell.feed.rows
        self._page = self.screen if isinstance(self.screen, Page) else None
        metrics = self._page.metrics() if self._page is not None else {}
        places = [Place(f"go to metric {name}", "", go) for name, go in metrics.items()]
        places += _runs(shell, rows)
        places += [
            Place(f"{FILTER}{text}", "the list of runs", partial(shell.show_filtered, text))
            for text in _filters(rows)
        ]
        places += _figures(shell)
        self._places = [(f"{place.said} {place.help}".lower(), place) for place in places]

    async def discover(self) -> Hits:
        """Offer the beginnings; one that is chosen is gone on with."""
        for said, more in BEGINNINGS.items():
            go = partial(cast("Shell", self.app).open_palette, said)
            yield DiscoveryHit(Content(f"{said}…"), go, text=f"{said}…", help=more)
        async for hit in super().discover():
            yield hit

    async def search(self, query: str) -> Hits:
        words = query.lower().split()
        matcher = self.matcher(query)
        shell = cast("Shell", self.app)
        if (typed := query.removeprefix(FILTER)) != query and typed.strip():
            page = self._page if self._page is not None and self._page.can_filter else None
            go = partial(page.filter_by if page else shell.show_filtered, typed)
            text = f"{FILTER}{one_line(typed, 200)}"
            yield Hit(Rank.TYPED, Content(text), go, text=text, help="as it is typed")
        found = (place for text, place in self._places if all(word in text for word in words))
        for _, place in zip(range(MOST), found, strict=False):
            score = Rank.PLACE + _share(matcher.match(place.said))
            yield Hit(score, Content(place.said), place.go, text=place.said, help=place.help)
        for one in working(self.screen):
            if match := matcher.match(one.words):
                score = _rank(one, words) + _share(match)
                said = matcher.highlight(one.words)
                yield Hit(score, said, one.run, text=one.words, help=one.said_keys)


def _rank(one: Working, words: Sequence[str]) -> Rank:
    said = one.words.lower()
    if not all(word in said for word in words):
        return Rank.LETTERS
    if not one.own:
        return Rank.FOREIGN
    if one.name.startswith("_".join(words)) or said.startswith(" ".join(words)):
        return Rank.NAMED
    return Rank.EVERYWHERE if isinstance(one.node, App) else Rank.HERE


def _share(match: float) -> float:
    """Return a match, which has no upper bound, as a share of a rank."""
    return match / (1 + match)


def _runs(shell: Shell, rows: Iterable[RunRow]) -> Iterator[Place]:
    for row in rows:
        more = f"{row.run_id}  {row.state}"
        yield Place(
            f"open run {one_line(row.name, 120)}", more, partial(shell.open_run, row.run_id)
        )


def _filters(rows: Iterable[RunRow]) -> list[str]:
    """List a filter for each value that some of the runs have."""
    found: dict[str, None] = {}
    for row in rows:
        for field in FILTERED:
            for word in FIELDS[field](row).split():
                found[f"{field}:{one_line(word, 60)}"] = None
    return sorted(found)


def _figures(shell: Shell) -> Iterator[Place]:
    """Filters by figures, which also their other words find."""
    for name, also in ALSO.items():
        go = partial(shell.open_palette, f"{FILTER}{name}>")
        yield Place(f"{FILTER}{name}>…", f"{also}, a figure of runs", go)
