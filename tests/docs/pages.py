"""The pages of the documentation: their text, headings, links and blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
README = CHECKOUT / "README.md"
PAGES = (README, *sorted(DOCS.rglob("*.md")))
_FENCE = re.compile(r"^```(?P<kind>\S*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """Code on a page: what kind it is, and on which line it begins."""

    page: Path
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"


@cache
def tables() -> Any:
    """The module that writes the reference pages; mkdocs loads it by its path too."""
    spec = spec_from_file_location("docs_tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def text_of(page: Path) -> str:
    """A page's text, with the tables that are written while the site is built."""
    text: str = tables().on_page_markdown(page.read_text(encoding="utf-8"))
    return text


def blocks(*kinds: str) -> list[Block]:
    return [
        Block(page, text[: found.start()].count("\n") + 1, found["kind"], found["text"])
        for page in PAGES
        for text in (page.read_text(encoding="utf-8"),)
        for found in _FENCE.finditer(text)
        if not kinds or found["kind"] in kinds
    ]


def prose(page: Path) -> str:
    """A page's text without its blocks of code."""
    return _FENCE.sub("", text_of(page))


def spans(page: Path) -> list[str]:
    """What stands in code within the prose."""
    return _CODE.findall(prose(page))


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("", prose(page)))


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What a link to the page may name. Only names that the site and a forge agree on count."""
    found = set()
    for heading in headings(page):
        kept = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        site, forge = re.sub(r"[-\s]+", "-", kept), kept.replace(" ", "-")
        if site == forge:
            found.add(site)
    return found
