"""The ``sirt`` command: its verbs, and how it reports a user's errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click

from engine.cli import streams
from engine.cli.given import GivenPath
from engine.cli.output import echo, name_folder
from engine.schema.errors import UserError, explain
from engine.schema.sanitize import one_line
from engine.store.layout import RunsFolder

USER_ERROR = 2
INTERRUPTED = 130
Interface = Callable[[Path, bool], None]  # runs folder, whether to use the mouse
# verb -> (module of engine.cli, function, group in the help, one line)
VERBS = {
    "plan": ("experiments", "plan", "Show what an experiment needs, what is there, what is left."),
    "run": ("experiments", "run", "Launch an experiment and follow it; ctrl+c leaves it running."),
    "presets": ("experiments", "presets", "List the shipped experiments, models and tasks."),
    "status": ("runs", "status", "Show all runs, or one run with its phases."),
    "logs": ("runs", "logs", "Print what a run's phases said."),
    "stop": ("runs", "stop", "Stop runs; what they have done is kept."),
    "retry": ("runs", "retry", "Go on with failed, lost or stopped runs."),
    "delete": ("runs", "delete", "Delete runs and the phases that no other run needs."),
    "queue": ("runs", "queue", "Show the queue, or move a run in it."),
    "show": ("handover", "show", "Show what a run comes from: models, data, phases, hashes."),
    "tag": ("runs", "tag", "Name, tag or annotate a run."),
    "report": (
        "results",
        "report",
        "Write an experiment's tables, figures and page; print its table.",
    ),
    "compare": ("results", "compare", "Compare two runs, or accuracies by a setting (--by)."),
    "pairs": ("pairs", "pairs", "Read, mark and curate the preference pairs of a run."),
    "score": ("results", "score", "Score kept predictions again, without generating."),
    "judge": ("judging", "judge", "Have a model compare two runs' answers, in both orders."),
    "quality": ("quality", "quality", "Measure answers: steps, length, repetition, arithmetic."),
    "accept": ("system", "accept", "Accept outputs that changed after their phase had ended."),
    "export": ("handover", "export", "Copy what a run has made, or merge and push its model."),
    "bundle": ("handover", "bundle", "Pack a run into one file for a colleague."),
    "import": ("handover", "take", "Take in what a colleague has packed."),
    "devices": ("system", "devices", "Show GPUs, who uses them, CPU and memory."),
    "doctor": ("system", "doctor", "Check this machine and this folder."),
    "reindex": ("system", "reindex", "Rebuild the registry from the folders."),
}


class _LazyGroup(click.Group):
    """Imports a verb's module only when the verb is used; the help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, function, _ = VERBS[cmd_name]
        command: click.Command = getattr(import_module(f"engine.cli.{module}"), function)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            _check_text(word, "argument")
        return super().parse_args(ctx, _folder_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from engine.schema.errors import nearest

            raise UserError(f"no verb {args[0]!r}: {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, _, line) in VERBS.items()])


def _folder_first(args: list[str]) -> list[str]:
    """Move ``--runs DIR`` to the front, since it may also stand after the verb."""
    end = args.index("--") if "--" in args else len(args)
    at = next((n for n, word in enumerate(args[:end]) if word.split("=")[0] == "--runs"), None)
    if at is None:
        return args
    width = 1 if "=" in args[at] else 2
    rest = args[:at] + args[at + width :]
    return [*args[at : at + width], *_folder_first(rest)]


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
    """Self-refine Instruction-tuning: teach small language models to reason.

    A teacher writes step-by-step answers, a student learns from them, answers its own questions
    with and without reasoning, and is moved towards its own good reasoning.

    Without a verb it opens the terminal interface.
    """
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
            echo(f"sirt: {line}", err=True)
        return USER_ERROR
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        echo("", err=True)  # the question's line is still open
        return INTERRUPTED
    except click.ClickException as error:
        hint = f" (see sirt {error.ctx.info_name} --help)" if _has_context(error) else ""  # type: ignore[attr-defined]
        echo(one_line(f"sirt: {error.format_message()}{hint}"), err=True)
        return USER_ERROR
    except BrokenPipeError:  # `sirt … | head`
        return 0
    except OSError as error:
        echo(f"sirt: {explain(error)}", err=True)
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
