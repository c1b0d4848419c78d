"""The messages that the page of failures explains are messages of the program."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import CHECKOUT, DOCS, headings

PAGE = DOCS / "faq.md"
VARIES = "…"
JOINT = re.compile(r"""["']\n\s*f?["']""")  # of two strings in a row
MESSAGES = [heading.strip("`") for heading in headings(PAGE) if heading.startswith("`")]


@pytest.fixture(scope="module")
def sources() -> str:
    """The program's text, in which a string that goes on in the next line is whole."""
    files = [f for top in ("engine", "sirt_tui") for f in sorted((CHECKOUT / top).rglob("*.py"))]
    return JOINT.sub("", "\n".join(file.read_text(encoding="utf-8") for file in files))


def test_failures_are_explained():
    assert len(MESSAGES) > 40
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_program(message, sources):
    literal = [part.strip() for part in message.split(VARIES)]
    assert sum(map(len, literal)) >= 8, "too little to find it by"
    pattern = "[^\n]*".join(map(re.escape, filter(None, literal)))
    if not message.startswith(VARIES):
        pattern = f"[\"']{pattern}"
    assert re.search(pattern, sources), "the program says nothing of the kind"
