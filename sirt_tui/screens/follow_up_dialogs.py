"""Ask before judging two runs or merging a student, and say what it will take.

Each becomes a run of its own, whose screen opens; leaving it stops nothing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.schema.errors import UserError
from engine.schema.follow_ups import MergeSpec
from sirt_tui.format import roughly

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.commands.experiments import Launched
    from engine.commands.follow_ups import FollowUp
    from engine.schema.run_spec import RunSpec
    from engine.store.layout import RunsFolder
    from sirt_tui.page import Page
    from sirt_tui.widgets.dialogs import Offer

T = TypeVar("T")
FILE = "a file"
METHODS: tuple[Offer, ...] = (
    ("compare", "it compares both answers", "each pair in both orders: two requests a question"),
    (
        "answer",
        "it answers the questions itself",
        "the answer that agrees with its own is preferred: one request a question; the embedded"
        " models can judge in this way only",
    ),
)


async def judge(page: Page, a: str, b: str) -> None:
    """Ask for a judge, say what it will take, and queue it. Call it from a worker."""
    from engine.commands import composing

    cards = (await page.ask(composing.shipped)).choices["teachers"]
    offers: list[Offer] = [(c.value, f"{c.value}  {c.note}", c.about) for c in cards]
    offers.append((FILE, "a card's file …", "by its path: an endpoint, say"))
    card = await page.sirt.choose("Who shall judge?", offers)
    if card == FILE:
        said = await page.sirt.ask_text("The judge's card is which file?")
        card = said and str(Path(said).expanduser())
    method = card and await page.sirt.choose(f"How shall {card} judge?", METHODS)
    if card and method:
        await _make(page, partial(_judging, page.runs, a, b, card, method), "Judge")


def _judging(runs: RunsFolder, a: str, b: str, card: str, method: str) -> FollowUp:
    from engine.commands.judging import judge_card, plan_judging
    from engine.schema.settings import JudgeSettings

    settings = JudgeSettings.model_validate({"method": method})
    return plan_judging(runs, a, b, judge_card(card), settings)


async def merged(page: Page, run_id: str, spec: RunSpec) -> None:
    """Copy the run's merged student into a folder, or merge it first. Call it from a worker."""
    from engine.commands import merged as merging

    wanted = await _or_said(page, partial(merging.plan_merge, page.runs, run_id))
    if wanted is None:
        return
    if wanted.plan.to_do and spec.arm == "merge":
        page.sirt.say("it is not merged yet", "warning")
    elif wanted.plan.to_do:
        await _make(page, lambda: wanted, "Merge")
    else:
        merge = wanted.spec.phases[0]
        assert isinstance(merge, MergeSpec)
        await _export(page, run_id, merge)


async def _make(page: Page, plan: Callable[[], FollowUp], verb: str) -> None:
    from engine.commands import follow_ups
    from engine.commands.device_request import device_request

    wanted = await _or_said(page, plan)
    if wanted is None:
        return
    if wanted.plan.to_do:
        if not await page.sirt.confirm(f"{wanted.name}?", _takes(wanted), verb, "Leave it"):
            return

        def launch() -> Launched:
            return follow_ups.launch(page.runs, wanted, device_request())

        if await _or_said(page, launch) is None:
            return
        page.feed.hurry()
    page.sirt.open_run(wanted.run_id)


def _takes(wanted: FollowUp) -> list[str]:
    """List time, memory and money that it takes, and how it is queued."""
    found = wanted.estimate
    where = "a GPU" if found.on_gpu else "this CPU"
    lines = [f"{roughly(found.seconds)} on {where}" if not found.unknown else "time: unknown"]
    if found.memory_gib is not None:
        lines.append(f"about {found.memory_gib:.1f} GiB of memory")
    lines += [f"cost (rough): {found.costs}"] if found.costs else []
    phases = len(wanted.plan.to_do)
    return [*lines, f"queued as a run of {phases} phase{'s' if phases > 1 else ''}"]


async def _export(page: Page, run_id: str, merge: MergeSpec) -> None:
    from engine.commands import merged as merging

    hint = "a new folder: weights, tokenizer, a model card and its lineage"
    said = await page.sirt.ask_text("Write the merged model into which folder?", hint=hint)
    if not said:
        return
    folder = Path(said).expanduser().absolute()
    page.sirt.say(f"copying to {folder}")
    made = await _or_said(page, partial(merging.export_merged, page.runs, run_id, merge, folder))
    if made is not None:
        page.sirt.say(f"{folder}: {made.parity.summary}")


async def _or_said(page: Page, verb: Callable[[], T]) -> T | None:
    """Run a command and return its result; if it is refused, show why and return None."""
    try:
        return await page.ask(verb)
    except (UserError, OSError) as error:
        page.sirt.say_error(error)
        return None
