"""Make one HTML page of the report, with all figures inside: no scripts, no network."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.report.figures import Drawn
    from engine.tables.table import Table

TEMPLATE = Path(__file__).with_suffix(".html.j2")


@dataclass(frozen=True, slots=True)
class Said:
    """One model's answer; ``verdict`` is ``right`` or ``wrong``."""

    name: str
    text: str
    answer: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Item:
    """A question with several answers beside each other."""

    where: str
    question: str
    target: str
    sides: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What the page shows. ``toy``: the caveat for toy models, else empty; ``appendix``: long
    tables that come last; ``warnings``: files that changed after they were made, and whether they
    were left out or accepted."""

    name: str
    description: str
    summary: str
    toy: str
    tables: Sequence[Table]
    figures: Sequence[Drawn]
    samples: Sequence[Item]
    pairs: Sequence[Item]
    appendix: Sequence[Table]
    warnings: Sequence[str] = ()


def page(report: Report) -> str:
    """Make the page. Models' texts are escaped, so that none is read as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATE.parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["b64"] = lambda data: base64.b64encode(data).decode()
    return environment.get_template(TEMPLATE.name).render(report=report)
