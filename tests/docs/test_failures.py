"""The messages that the page of failures explains are messages of the program."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import CHECKOUT, DOCS, headings

PAGE = DOCS / "faq.md"
VARIES = "…"
MESSAGES = [heading.strip("`") for heading in headings(PAGE) if heading.startswith("`")]


@pytest.fixture(scope="module")
def said() -> str:
    """All texts in the code, a line each, with what varies in them left out."""
    files = [f for top in ("engine", "sirt_tui") for f in sorted((CHECKOUT / top).rglob("*.py"))]
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant):
                found.append(_text(node).replace("\n", " "))
    return "\n".join(found)


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case _:
            return VARIES


def test_failures_are_explained():
    assert len(MESSAGES) > 40
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_program(message, said):
    literal = [part.strip() for part in message.split(VARIES)]
    assert sum(map(len, literal)) >= 8, "too little to find it by"
    pattern = "^" if not message.startswith(VARIES) else ""
    pattern += "[^\n]*".join(map(re.escape, filter(None, literal)))
    assert re.search(pattern, said, re.MULTILINE), "the program says nothing of the kind"
