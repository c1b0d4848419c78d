"""How the command line prints: the one place where text leaves it; tables, JSON, durations."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from engine.schema.jsonfile import plain
from engine.schema.sanitize import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from rich.console import Console

    from engine.queries.results import Table

    F = TypeVar("F", bound=Callable[..., Any])

STATE_STYLE = {
    "done": "green",
    "running": "cyan",
    "queued": "blue",
    "waiting": "dim",
    "blocked": "magenta",
    "stopped": "yellow",
    "failed": "bold red",
    "lost": "bold red",
    "unreachable": "bold yellow",
    "pending": "cyan",
}


def echo(text: str, err: bool = False, nl: bool = True) -> None:
    """Print text, whoever wrote it: names, notes, answers and errors may hold anything."""
    # click's own choice of a stream writes UTF-8 to terminals that don't know it
    stream = sys.stderr if err else sys.stdout
    click.echo(visible(text), file=stream, nl=nl)  # noqa: TID251  the one place


def write_over(text: str) -> None:
    """One line of ``stderr``, over the one that stands there."""
    click.echo(f"\r\x1b[K{one_line(text)}", file=sys.stderr, nl=False)  # noqa: TID251


def json_option(function: F) -> F:
    """``--json`` on everything that reports."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    """All but ASCII is escaped: it is the same to a program and obeyed by no terminal."""
    echo(json.dumps(value, default=plain, indent=1).replace("\x7f", "\\u007f"))


def print_table(table: Table, title: str = "", styles: dict[str, str] | None = None) -> None:
    """A table for people."""
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = Text(visible(title)) if title else None
    drawn = RichTable(title=shown, title_justify="left", header_style="bold", box=None)
    for header in table.headers:
        drawn.add_column(Text(one_line(header)), overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(one_line(cell), style=(styles or {}).get(cell, "")) for cell in row))
    console().print(drawn)


def console() -> Console:
    """For what is drawn; plain lines of 240 characters when the output is not a terminal."""
    from rich.console import Console

    found = Console(highlight=False, markup=False)
    if not found.is_terminal:
        found.width = 240
    return found


def tell_passed_over(lines: Iterable[str]) -> None:
    """What is damaged and so not shown, on stderr: the others are shown."""
    for line in lines:
        echo(f"sirt: passed over: {line}", err=True)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
