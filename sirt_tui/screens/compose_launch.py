"""Save a draft as a file, or launch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.commands import composing, device_request, sites
from engine.schema.counts import counted
from engine.schema.errors import UserError
from sirt_tui import draft_document as documents
from sirt_tui.panels.launching import summary
from sirt_tui.screens import compose_dialogs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands.composing import Planned, Problem
    from engine.commands.device_request import DeviceRequest
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


async def launch(page: Page, planned: Planned, offered: Offered) -> None:
    """Launch the runs after confirmation, and show them in the list of runs."""
    try:
        site = offered.placement.site
        devices = (
            await page.ask(request_of_site, page.runs, planned, site)
            if site
            else await page.ask(request, offered)
        )
        lines = summary(planned, offered.where, offered.on)
        if not await compose_dialogs.agreed(page, planned, lines):
            return
        launched = await page.ask(composing.launch, page.runs, planned, devices)
    except (UserError, OSError) as error:
        page.sirt.say_error(error)
        return
    reused = f", {len(launched.reused)} finished before" if launched.reused else ""
    page.sirt.say(f"{counted(len(launched.queued), 'run')} queued{reused}")
    page.sirt.show_runs(launched.all)


def request_of_site(runs: RunsFolder, planned: Planned, site: str) -> DeviceRequest:
    """Ask the site's cluster whether it would take the jobs; call it in a thread."""
    asked = sites.site_request(runs, site)
    sites.check_launch(planned.plan.to_do, asked)
    return asked


def request(offered: Offered) -> DeviceRequest:
    """Check the devices once more and request them; call it in a thread."""
    now = offered.placement
    if not offered.on_gpu:
        return device_request.device_request(cpu=True)
    return device_request.device_request(now.gpus or None, now.each)
