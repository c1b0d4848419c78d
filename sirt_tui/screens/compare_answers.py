"""Which two of the compared runs have their answers set side by side, or judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sirt_tui.panels.comparison import letter
from sirt_tui.screens.run_names import name_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.schema.accuracy import Accuracy
    from engine.schema.evaluation import Evaluation
    from sirt_tui.page import Page
    from sirt_tui.screens.compare_runs import ComparedRuns


@dataclass(frozen=True, slots=True)
class Two:
    """The reference and another run, with the letters that they have on the screen."""

    runs: tuple[str, str]
    letters: tuple[str, str]


async def ask_for_two(
    page: Page,
    compared: ComparedRuns,
    what: str,
    asked: Evaluation | None = None,
    scored: Sequence[Accuracy | None] | None = None,
) -> Two | None:
    """Take the reference and the other run; ask which one where there are several. ``what``: what
    is done with the two, as the question says it. ``asked``, ``scored``: the evaluation whose
    answers are wanted, and each run's accuracy in it. Call it from a worker."""
    ids = compared.ids
    others = [n for n in range(len(ids)) if n != compared.reference]
    if asked is not None and scored is not None and others:
        there = [n for n in others if scored[n] is not None]
        if scored[compared.reference] is None or not there:
            mine = f"{letter(compared.reference)} was not scored on {asked.label}"
            page.hint(mine if there else f"no other run was scored on {asked.label}")
            return None
        others = there
    if not others:
        page.sirt.say("there is no other run to set beside it", "warning")
        return None
    first, at = letter(compared.reference), str(others[0])
    if others[1:]:
        offers = [
            (str(n), f"{letter(n)} {name_apart(ids[n], compared.rows)}", ids[n]) for n in others
        ]
        said = await page.sirt.choose(f"{what} of {first} (the reference) and of which?", offers)
        if said is None:
            return None
        at = said
    number = int(at)
    return Two((ids[compared.reference], ids[number]), (first, letter(number)))
