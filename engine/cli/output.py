"""Print text, tables and JSON; all output of the command line goes through here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import textwrap
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import click

from engine.schema.jsonfile import plain
from engine.schema.pasted import naming
from engine.schema.sanitize import CUT, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TypeVar

    from rich.console import Console

    from engine.tables.table import Cell, Table

    F = TypeVar("F", bound=Callable[..., Any])

STATE_STYLE = {
    "done": "green",
    "running": "cyan",
    "stopping": "yellow",
    "queued": "blue",
    "waiting": "dim",
    "blocked": "magenta",
    "stopped": "yellow",
    "failed": "bold red",
    "lost": "bold red",
    "unreachable": "bold yellow",
    "pending": "cyan",
}


_FOLDER: ContextVar[str] = ContextVar("the runs folder that was named with --runs", default="")


def name_folder(folder: Path) -> None:
    """Name this runs folder in all commands that are printed from now on."""
    _FOLDER.set(str(folder))


def echo(text: str, err: bool = False, nl: bool = True) -> None:
    """Print text safely: names, notes, answers and errors may hold control characters."""
    text = naming(text, _FOLDER.get()) if _FOLDER.get() else text
    # click's own choice of a stream writes UTF-8 to terminals that don't know it
    stream = sys.stderr if err else sys.stdout
    click.echo(visible(text), file=stream, nl=nl)  # noqa: TID251  the one place


def say(text: str, indent: str = "", err: bool = False) -> None:
    """Print a sentence; on a terminal it is wrapped between words, never within one."""
    stream = sys.stderr if err else sys.stdout
    text = f"{indent}{one_line(text)}"
    if stream.isatty():
        text = naming(text, _FOLDER.get()) if _FOLDER.get() else text
        room = shutil.get_terminal_size().columns
        text = textwrap.fill(
            text, room, subsequent_indent=f"{indent}  ", break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    echo(text, err)


def write_over(text: str) -> None:
    """Replace the last line of ``stderr``."""
    click.echo(f"\r\x1b[K{one_line(text)}", file=sys.stderr, nl=False)  # noqa: TID251


def ring(title: str) -> None:
    """Ring the terminal's bell and set its title, where stderr is one."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        click.echo(f"\a\x1b]2;{one_line(title)}\a", file=sys.stderr, nl=False)  # noqa: TID251


def json_option(function: F) -> F:
    """Add ``--json``, which every reporting verb has."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    """Print JSON in ASCII only, so that a terminal obeys none of its characters."""
    echo(json.dumps(value, default=plain, indent=1).replace("\x7f", "\\u007f"))


def print_table(table: Table, title: str = "", styles: dict[str, str] | None = None) -> None:
    """Print a table for people; ``styles``: the style of cells with exactly this text."""
    from rich.text import Text

    from engine.tables.table import text_of
    from engine.tables.terminal import drawn, lines, stacked, widths

    def draw(cell: Cell) -> Text:
        text = text_of(cell)
        return Text(one_line(text), style=(styles or {}).get(text, ""))

    out, shown = console(), Text(visible(title)) if title else None
    texts = [[one_line(text) for text in row] for row in (table.headers, *table.texts)]
    whole = lines(texts, out.width)
    if whole is not None:
        if shown is not None:
            out.print(shown)
        _print_lines(out, whole, styles or {})
        return
    room = widths(texts, out.width)
    if room is None:
        for line in (
            shown,
            *(stacked(texts[0], [*map(draw, row)], out.width) for row in table.rows),
        ):
            out.print(line) if line is not None else None
        return
    found = drawn(table, draw, {"overflow": "fold"}, title=shown, title_justify="left")
    for column, width in zip(found.columns, room, strict=True):
        column.width = width
    out.print(found)


def _print_lines(out: Console, rows: list[list[str]], styles: dict[str, str]) -> None:
    """Print rows of one width, the header in bold. A style is made into codes once."""

    def coloured(cell: str, style: str) -> str:
        with out.capture() as found:
            out.print(cell, style=style, end="", highlight=False, markup=False, no_wrap=True)
        return found.get()

    header, *body = rows
    cells = {cell for row in body for cell in row if cell.rstrip() in styles}
    codes = {cell: coloured(cell, styles[cell.rstrip()]) for cell in cells}
    shown = [[coloured(cell, "bold") for cell in header]]
    shown += [[codes.get(cell, cell) for cell in row] for row in body]
    out.file.write("".join(f" {'  '.join(row)} \n" for row in shown))


def show_table(table: Table, form: str, title: str = "") -> None:
    """Print a table for people, or as Markdown, LaTeX or CSV to paste."""
    if form == "text":
        print_table(table, title)
        if table.left_out:
            echo(table.left_out)
    else:
        text = {"markdown": table.markdown, "latex": table.latex, "csv": table.csv}[form]()
        echo(text, nl=not text.endswith("\n"))


def console() -> Console:
    """Make a console for drawings; lines have 240 characters when it is not a terminal. With
    ``NO_COLOR`` nothing is coloured, nor dim, which is a grey."""
    from rich.console import Console

    plain_text = bool(os.environ.get("NO_COLOR"))
    found = Console(highlight=False, markup=False, color_system=None if plain_text else "auto")
    if not found.is_terminal:
        found.width = 240
    return found


def tell_passed_over(lines: Iterable[str]) -> None:
    """Say on stderr what is damaged and therefore not shown."""
    for line in lines:
        say(f"sirt: passed over: {line}", err=True)


class Redrawn:
    """A part of the terminal that is drawn again in place; ``live`` where there is a terminal."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._lines: list[str] = []

    @property
    def height(self) -> int:
        return shutil.get_terminal_size().lines

    def show(self, draw: Callable[[], None]) -> None:
        """Replace what was shown by what ``draw`` prints, as far as it fits; the cursor stays below
        it."""
        paper = _Paper()
        with contextlib.redirect_stdout(paper):
            draw()
        width = shutil.get_terminal_size().columns
        lines = [_fitting(line, width) for line in paper.getvalue().splitlines()]
        lines = lines[: self.height - 1]
        if lines != self._lines:
            back = f"\x1b[{len(self._lines)}F" if self._lines else ""
            frame = "".join(f"{line}\x1b[K\n" for line in lines)
            click.echo(f"{back}{frame}\x1b[J", nl=False)  # noqa: TID251  ours; texts came by echo
            self._lines = lines


class _Paper(io.StringIO):
    """A page to draw on that takes the terminal's colours and width."""

    def isatty(self) -> bool:
        return True


def _fitting(line: str, width: int) -> str:
    """Cut a line that would go over into the next; one with colours has been fitted already."""
    return line if "\x1b" in line or len(line) <= width else line[: width - 1] + CUT
