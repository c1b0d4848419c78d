"""The Compose screen's questions: what to start from, a setting's value, where to save."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from engine.commands import composing, drafts
from engine.queries import settings_form
from engine.schema.counts import counted
from engine.schema.errors import UserError
from sirt_tui import draft_document as documents
from sirt_tui.actions import SCREENS
from sirt_tui.draft_document import DraftDocument
from sirt_tui.panels.tree_choice import label_of
from sirt_tui.screens.run_names import name_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from engine.commands.composing import Planned
    from engine.commands.drafts import Kept
    from engine.queries.settings_form import Draft, Setting
    from sirt_tui.page import Page
    from sirt_tui.panels.tree_choice import Placement
    from sirt_tui.widgets.dialogs import Offer

FILE, EMPTY = "a file", "nothing"
SEVERAL = "several …"
NAMELESS = "without a name"


async def start(
    page: Page, kept: Sequence[Kept], beside: str | None = None
) -> Callable[[], DraftDocument] | str | None:
    """Ask what to start from, at once; :func:`tell_presets` adds what presets say of themselves.
    Return a function that reads the draft, the application's action of a screen to go to instead,
    or None to leave. ``beside``: the run from which a person comes."""
    sources: dict[str, Callable[[], DraftDocument]] = {}
    offers: list[Offer] = []
    if beside is not None:
        sources[beside] = partial(documents.from_run, page.runs, beside)
        name = name_apart(beside, page.feed.rows)
        offers.append((beside, f"this run  {name}", f"what {beside} was made with, as one run"))
    for draft in kept:
        key = str(draft.path)
        sources[key] = partial(documents.from_kept, draft.path)
        offers.append(
            (
                key,
                f"draft   {draft.name or NAMELESS}, {draft.changed.astimezone():%d %b %H:%M}",
                key,
            )
        )
    for preset in composing.preset_names():
        sources[preset] = partial(documents.from_preset, preset)
        offers.append((preset, f"preset  {preset}", ""))
    offers.append((FILE, "file    …", "a preset file, by its path"))
    offers.append((EMPTY, "nothing", "nothing chosen, every setting at its default"))
    title = "What should the new experiment start from?"
    by_path = {str(draft.path): draft for draft in kept}
    forget = partial(_forgotten, page, by_path)
    drop = forget if kept else None
    newest = str(kept[0].path) if kept else None
    instead = {key: one.does for one in SCREENS.values() for key in one.keys.split(",")}
    instead = {key: does for key, does in instead.items() if does.startswith("open_")}
    said = await page.sirt.choose(title, offers, newest, by_path, drop, instead)
    while said == FILE:
        path = await page.sirt.ask_text("Start from which file?", hint="as sirt plan takes it")
        if path:
            return partial(documents.from_preset, str(drafts.file_of(path)))
        said = await page.sirt.choose(title, offers, FILE, by_path, drop, instead)
    if said in instead.values():
        return said
    return DraftDocument if said == EMPTY else sources.get(said or "")


async def tell_presets(page: Page) -> None:
    """Add to the question, if it is still there, what the presets say of themselves."""
    from sirt_tui.widgets.dialogs import Choose

    for name in composing.preset_names():
        if isinstance(page.app.screen, Choose):
            about = await page.ask(composing.about_preset, name)
            if isinstance(dialog := page.app.screen, Choose):
                dialog.tell(name, about)


async def _forgotten(page: Page, kept: Mapping[str, Kept], key: str) -> bool:
    """Delete a kept draft after confirmation; return whether it was deleted."""
    draft = kept[key]
    try:
        words = await page.ask(drafts.lost_with, draft)
        since = f"{draft.changed.astimezone():%d %b %H:%M}"
        lost = [f"It is saved nowhere else. Left {since}, it says:", *words]
        if not await page.sirt.confirm(f"Delete this draft: {draft.name or NAMELESS}?", lost):
            return False
        await page.ask(drafts.forget, draft)
    except OSError as error:
        page.sirt.say_error(error)
        return False
    return True


async def value(page: Page, draft: Draft, setting: Setting) -> tuple[object] | None:
    """Ask for a setting's value; None leaves it as it is."""
    now, called = settings_form.value_of(draft, setting), _called(setting)
    if setting.options and not setting.many:
        words = {settings_form.said(option): option for option in setting.options}
        offers = [(w, w, "the default" if o == setting.default else "") for w, o in words.items()]
        if setting.sweeps:
            offers.append((SEVERAL, SEVERAL, "a sweep: values with commas between, a run for each"))
        title = ": ".join(part for part in (called, setting.meaning) if part)
        said = await page.sirt.choose(title, offers, settings_form.said(now))
        if said != SEVERAL:
            return None if said is None else (words[said],)
    text = "" if now is None else settings_form.typed(setting, now)
    said = await page.sirt.ask_text(called, text, _hint(setting), partial(_wrong, draft, setting))
    return None if said is None else (settings_form.read(setting, said),)


def _wrong(draft: Draft, setting: Setting, text: str) -> str:
    if not text.strip():  # the default, or not chosen yet
        return ""
    try:
        return composing.wrong_with(draft, setting, settings_form.read(setting, text))
    except UserError as error:
        return str(error)


def _called(setting: Setting) -> str:
    """Return what its row is called."""
    return setting.name if setting.is_setting else label_of(setting)


def _hint(setting: Setting) -> str:
    lines = [setting.meaning] if setting.meaning else []
    if setting.options:
        lines.append(f"one of: {', '.join(map(settings_form.said, setting.options))}")
    if setting.many:
        lines.append("several, with commas between")
    elif setting.sweeps:
        lines.append("several, with commas between, are a sweep: a run for each")
    if setting.usual:
        lines.append(f"usual: {setting.usual.said}")
    if not setting.required:
        default = settings_form.typed(setting, setting.default) or "none"
        lines.append(f"empty for the default: {default}{setting.origin and f', {setting.origin}'}")
    return "\n".join(lines)


async def place(page: Page, document: DraftDocument) -> Path | None:
    """Ask where to save; only a file saved from here is overwritten without confirmation."""
    said = await page.sirt.ask_text(
        "Save to which file?",
        str(document.offered),
        "sirt plan and sirt run take it as it is",
    )
    if not said or not said.strip():
        return None
    path = drafts.file_of(said)
    if path.exists() and not (document.own and path == document.file):
        lost = [str(path.absolute()), "What it holds now is lost, its comments too."]
        if not await page.sirt.confirm("Write over the file?", lost, "Overwrite"):
            return None
    return path


async def agreed(
    page: Page, planned: Planned, summary: Sequence[str], rename: str = ""
) -> bool | None:
    """Ask whether to launch; None to give the experiment another name, if ``rename`` offers it."""
    from sirt_tui.widgets.dialogs import Confirm

    runs = counted(len(planned.plan.runs), "run")
    question = f"Launch {runs} of {planned.resolved.experiment.name}?"
    return await page.app.push_screen_wait(Confirm(question, summary, "Launch", "Not now", rename))


async def gpus_a_phase(page: Page, now: Placement) -> Placement:
    """Ask how many GPUs a training phase gets."""

    def wrong(text: str) -> str:
        is_one = text.isdecimal() and int(text)
        return "" if is_one else f"{text!r} is no number of GPUs: 1, say"

    text = await page.sirt.ask_text("GPUs for one training phase", str(now.each), wrong=wrong)
    return now if text is None else replace(now, each=int(text))
