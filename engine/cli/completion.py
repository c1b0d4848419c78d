"""The verb completion, and what the tab key offers for ids, experiments, models and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.output import echo
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets the tab key complete verbs, options, ids, experiments and models.

    Put the line of the example into ~/.bashrc (or ~/.zshrc with zsh); for fish:
    sirt completion fish > ~/.config/fish/completions/sirt.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    echo(made(ctx.find_root().command, {}, "sirt", "_SIRT_COMPLETE").source())


def run_ids(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Offer the runs whose id begins so, else those that contain it."""
    return _fitting(_folder(ctx).run_ids(), typed)


def runs_and_phases(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Offer runs; phases too, once a kind of phase is typed."""
    phases = (folder.id for folder in _folder(ctx).phase_dirs()) if "-" in typed else ()
    return _fitting([*_folder(ctx).run_ids(), *phases], typed)


def experiments(_ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the shipped experiments, else files."""
    from engine.planning.presets import experiments as shipped

    return _or_files(_begin(shipped(), typed), typed)


def cards(_ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the shipped models, else files."""
    from engine.planning.presets import card_names

    return _or_files(_begin(card_names(), typed), typed)


def tasks(_ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Offer the tasks."""
    from engine.catalog import TASKS

    return _begin(TASKS, typed)


def settings(_ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Offer the settings of all kinds of phases."""
    from engine.schema.experiment import Settings

    groups = (field.annotation for field in Settings.model_fields.values())
    return _begin({name for group in groups for name in group.model_fields}, typed)  # type: ignore[union-attr]


def _folder(ctx: click.Context) -> RunsFolder:
    """Return the folder named so far on the line; nothing has been called yet that would say."""
    if isinstance(ctx.obj, RunsFolder):  # named after the verb
        return ctx.obj
    return RunsFolder(ctx.find_root().params["folder"].absolute())


def _begin(names: Iterable[str], typed: str) -> list[str]:
    return [name for name in sorted(names) if name.startswith(typed)]


def _fitting(names: list[str], typed: str) -> list[str]:
    return _begin(names, typed) or [name for name in names if typed in name]


def _or_files(found: list[str], typed: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in found] or [CompletionItem(typed, type="file")]
