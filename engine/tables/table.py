"""A table, written as Markdown, LaTeX or CSV; :mod:`.terminal` draws it for a terminal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from engine.schema.accuracy import NOTHING
from engine.tables import latex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIGURE = re.compile(r"[+-]?\d[\d.,;+ ±%\[\]e-]*(n \d+)?$")


class Figure(Protocol):
    """A value with its interval, written by ``text``."""

    @property
    def text(self) -> str: ...


Cell = str | Figure | None
T = TypeVar("T")
Column = tuple[str, Callable[[T], Cell]]  # its header, and the cell of what stands in a line


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts and figures; None is written as a dash. ``slug``: the name of its files;
    ``title``, ``note``: what a reader must know; ``left_out``: how many runs are not in it, said
    wherever it is written."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    slug: str = ""
    title: str = ""
    note: str = ""
    left_out: str = ""

    @classmethod
    def of(
        cls,
        found: Iterable[T],
        columns: Sequence[Column[T]],
        slug: str = "",
        title: str = "",
        note: str = "",
    ) -> Table:
        """Make a table with a row for each thing found."""
        rows = tuple(tuple(cell(one) for _, cell in columns) for one in found)
        return cls(tuple(header for header, _ in columns), rows, slug, title, note)

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(map(text_of, row)) for row in self.rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds only figures, with or without an interval."""
        columns = zip(*self.texts, strict=True) if self.rows else ((),) * len(self.headers)
        return tuple(
            any(cell != NOTHING for cell in column)
            and all(cell == NOTHING or FIGURE.match(cell) for cell in column)
            for column in columns
        )

    def markdown(self) -> str:
        lines = [self.headers, tuple("---" for _ in self.headers), *self.texts]
        said = ["", self.left_out] if self.left_out else []
        rows = ["| " + " | ".join(map(_escaped, row)) + " |" for row in lines]
        return "\n".join([*rows, *said])

    def latex(self, about: str = "") -> str:
        """Write it with booktabs' rules; ``about``: what its caption may say."""
        said = f"{about} {self.left_out}." if self.left_out else about
        return latex.tabular(self.headers, self.texts, self.numeric, said.strip())

    def csv(self) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.headers, *self.texts])
        return out.getvalue() + (f"# {self.left_out}\n" if self.left_out else "")

    def files(self, more: str = "") -> dict[str, str]:
        """Return names and contents; ``more`` is added to the note in LaTeX's caption."""
        heading = f"# {self.title}\n\n{self.note}\n\n" if self.title else ""
        about = f"{self.title}: {self.note} {more}" if self.title else more
        return {
            f"{self.slug}.md": f"{heading}{self.markdown()}\n",
            f"{self.slug}.tex": f"{self.latex(about)}\n",
            f"{self.slug}.csv": self.csv(),
        }


def text_of(cell: Cell) -> str:
    return NOTHING if cell is None else cell if isinstance(cell, str) else cell.text


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
