"""How the command line prints: tables, JSON, durations."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from engine.results import Table

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
}

# control and direction characters of model text are shown, never obeyed
HIDDEN = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(0x80, 0xA0)) if code != 10}
HIDDEN |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def visible(text: str) -> str:
    """Untrusted text, safe to print."""
    return text.translate(HIDDEN)


def json_option(function: F) -> F:
    """``--json`` on everything that reports."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=1))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def print_table(table: Table, title: str = "", styles: dict[str, str] | None = None) -> None:
    """A table for people; as plain lines when the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(title=title or None, title_justify="left", header_style="bold", box=None)
    for header in table.headers:
        drawn.add_column(header, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 240
    console.print(drawn)


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``; at last ``over a year``: nobody waits
    longer, and a figure would only look exact."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, days = whole // 3600, whole // 86_400
    if hours < 48:
        return f"{hours} h {whole % 3600 // 60} min"
    return f"{days} d {hours % 24} h" if days < 365 else "over a year"


def tell_passed_over(lines: Iterable[str]) -> None:
    """What is damaged and so not shown, on stderr: the others are shown."""
    for line in lines:
        click.echo(f"sirt: passed over: {visible(line)}", err=True)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
