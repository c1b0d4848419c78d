"""Save a draft as a file, or launch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.commands import composing, device_request, site_jobs, sites
from engine.queries.runs import list_runs
from engine.schema.counts import counted
from engine.schema.errors import UserError
from sirt_tui import draft_document as documents
from sirt_tui.panels.launching import summary
from sirt_tui.screens import compose_dialogs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands.composing import Planned, Problem
    from engine.commands.device_request import DeviceRequest
    from engine.commands.experiments import Launched
    from engine.store.layout import RunsFolder
    from sirt_tui.draft_document import DraftDocument
    from sirt_tui.page import Page
    from sirt_tui.panels.tree_choice import Offered


async def save(page: Page, document: DraftDocument, problems: Sequence[Problem]) -> None:
    path = await compose_dialogs.place(page, document)
    if path is None:
        return
    try:
        await page.ask(documents.save, page.runs, document, path, path.exists())
    except (UserError, OSError) as error:
        page.sirt.say_error(error)
        return
    if problems:
        said = counted(len(problems), "problem")
        page.sirt.say(f"saved to {path}, with {said} in it", "warning")
    else:
        page.sirt.say(f"saved to {path}; launch it here, or with: sirt run {path}")


async def launch(page: Page, planned: Planned, offered: Offered) -> bool:
    """Launch the runs after confirmation, and show them in the list of runs. Return whether the
    experiment shall get another name first."""
    name = planned.resolved.experiment.name
    try:
        site = offered.placement.site
        devices = (
            await page.ask(request_of_site, page.runs, planned, site)
            if site
            else await page.ask(request, offered)
        )
        there = await page.ask(runs_of, page.runs, name)
        lines = summary(planned, offered.where, offered.on, there)
        agreed = await compose_dialogs.agreed(page, planned, lines, "Rename" if there else "")
        if not agreed:
            return agreed is None
        launched = await page.ask(composing.launch, page.runs, planned, devices)
    except (UserError, OSError) as error:
        page.sirt.say_error(error)
        return False
    page.sirt.say(done(launched, planned))
    for note in launched.notes:
        page.sirt.say(note, "warning")
    page.sirt.show_runs(launched.all)
    return False


def done(launched: Launched, planned: Planned) -> str:
    """Say what a launch did: ``2 runs launched, 3 phases reused (1 more run reused whole)``."""
    phases, whole = len(planned.plan.done), len(launched.reused)
    if not launched.queued:
        return f"nothing launched: {counted(whole, 'run')} had finished before, reused whole"
    said = f"{counted(len(launched.queued), 'run')} launched"
    said += f", {counted(phases, 'finished phase')} reused" if phases else ""
    return said + (f" ({counted(whole, 'more run')} reused whole)" if whole else "")


def runs_of(runs: RunsFolder, experiment: str) -> int:
    """Count the runs in the folder that belong to an experiment of this name."""
    return sum(row.experiment == experiment for row in list_runs(runs))


def request_of_site(runs: RunsFolder, planned: Planned, site: str) -> DeviceRequest:
    """Ask the site's cluster whether it would take the jobs; call it in a thread."""
    asked = sites.site_request(runs, site)
    site_jobs.check_launch(planned.plan.to_do, asked)
    return asked


def request(offered: Offered) -> DeviceRequest:
    """Check the devices once more and request them; call it in a thread."""
    now = offered.placement
    if not offered.on_gpu:
        return device_request.device_request(cpu=True)
    return device_request.device_request(now.gpus or None, now.each)
