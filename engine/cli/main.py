"""The ``sirt`` command: its verbs, and how it reports a user's errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import zip_longest
from pathlib import Path

import click

from engine.cli import streams
from engine.cli.given import GivenPath
from engine.cli.output import echo, name_folder, say
from engine.cli.verbs import VERBS
from engine.schema.errors import UserError, explain
from engine.store.layout import RunsFolder

USER_ERROR = 2
INTERRUPTED = 130
Interface = Callable[[Path, bool], None]  # runs folder, whether to use the mouse
A_RUN = "RUN is an id, or any part of an id or name that no other run has.\n\n"
COLUMN = 40  # two verbs a line at 80 columns


class _LazyGroup(click.Group):
    """Imports a verb's module only when the verb is used; the help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        verb = VERBS[cmd_name]
        command: click.Command = getattr(import_module(f"engine.cli.{verb.module}"), verb.function)
        if ANYWHERE not in command.params:
            command.params.append(ANYWHERE)
        takes_run = any("RUN" in (param.metavar or "") for param in command.params)
        command.epilog = f"{A_RUN if takes_run else ''}Example: {verb.example}"
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            _check_text(word, "argument")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from engine.schema.errors import nearest

            raise UserError(f"no verb {args[0]!r}: {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all verbs by job, two a line, so that it fits a terminal of 24 lines."""
        lines = ["Usage: sirt [VERB]: teach small models to reason; without a VERB: the interface"]
        for group in dict.fromkeys(verb.group for verb in VERBS.values()):
            lines.append(f"{group}:")
            told = [f"  {name:<11}{v.line}" for name, v in VERBS.items() if v.group == group]
            half = (len(told) + 1) // 2
            for left, right in zip_longest(told[:half], told[half:], fillvalue=""):
                lines.append(f"{left:<{COLUMN}}{right}".rstrip())
        lines.append("More: sirt VERB --help. Options: --runs DIR, --no-mouse, --version.")
        formatter.write("\n".join(lines) + "\n")


def _named(ctx: click.Context, _: click.Parameter, folder: Path | None) -> None:
    """Take the runs folder that is named after the verb; it counts more than one before it."""
    if folder is not None:
        _check_text(str(folder), "runs folder")
        ctx.obj = RunsFolder(folder.absolute())
        name_folder(folder)


ANYWHERE = click.Option(
    ["--runs", "named_folder"],
    type=GivenPath(file_okay=False),
    expose_value=False,
    callback=_named,
    help="The runs folder; $SIRT_RUNS, else ./runs.",
)


@click.group(cls=_LazyGroup, invoke_without_command=True)
@click.option(
    "--runs",
    "folder",
    type=GivenPath(file_okay=False),
    default=lambda: os.environ.get("SIRT_RUNS") or "runs",
    help="The runs folder; $SIRT_RUNS, else ./runs.",
)
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal, in the interface.")
@click.version_option(package_name="sirt")
@click.pass_context
def sirt(ctx: click.Context, folder: Path, no_mouse: bool) -> None:
    """Open the interface on a terminal; elsewhere, list the runs."""
    interface: Interface | None = ctx.obj
    ctx.obj = RunsFolder(Path(folder).absolute())
    _check_text(str(ctx.obj.root), "runs folder")
    if ctx.get_parameter_source("folder") is click.core.ParameterSource.COMMANDLINE:
        name_folder(folder)
    if ctx.invoked_subcommand is not None:
        return
    if interface is not None and sys.stdin.isatty() and sys.stdout.isatty():
        interface(ctx.obj.root, not no_mouse)
    else:
        ctx.invoke(sirt.get_command(ctx, "status"))  # type: ignore[arg-type]


def main(interface: Interface | None = None) -> None:
    """Run the command; a user's errors are printed on stderr, a line each, with exit code 2.

    ``interface`` is what a call without a verb opens on a terminal; it is handed in, since the
    engine does not know the interface.
    """
    streams.prepare()
    try:
        code = _run(interface)
    except OSError:  # nobody is there to be told: stderr is gone as well
        code = USER_ERROR
    streams.settle()
    sys.exit(code)


def _run(interface: Interface | None) -> int:
    try:
        sirt.main(prog_name="sirt", standalone_mode=False, obj=interface)
    except UserError as error:
        for line in str(error).split("\n"):
            say(f"sirt: {line}", err=True)
        return USER_ERROR
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        echo("", err=True)  # the question's line is still open
        return INTERRUPTED
    except click.ClickException as error:
        hint = f" (see sirt {error.ctx.info_name} --help)" if _has_context(error) else ""  # type: ignore[attr-defined]
        say(f"sirt: {error.format_message()}{hint}", err=True)
        return USER_ERROR
    except BrokenPipeError:  # `sirt … | head`
        return 0
    except OSError as error:
        say(f"sirt: {explain(error)}", err=True)
        return USER_ERROR
    return 0


def _has_context(error: click.ClickException) -> bool:
    context = getattr(error, "ctx", None)
    return context is not None and context.info_name != "sirt"


def _check_text(text: str, what: str) -> None:
    """Refuse text that can't be written as UTF-8, which names in files are."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{what} {text!r}: not {sys.getfilesystemencoding()} text; give it in that encoding"
        ) from None
