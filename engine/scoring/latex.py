"""Normalises the LaTeX of answers and parses its structure, without loss.

:func:`read` gives the structure: lists, sets, brackets, unions, relations, matrices; what is left
at the leaves is a *scalar*, with its unit, in LaTeX that a strict parser understands.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.units import split_unit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part(NamedTuple):
    """A piece of an answer.

    ``kind``: ``scalar`` (parts: LaTeX, unit), ``words`` (parts: the words), ``base`` (digits,
    base), ``list``, ``{}``, ``union``, two brackets such as ``(]``, relation signs such as ``<=``,
    or ``matrix 2`` (its rows' length). The parts of all others are parts again, in order.
    """

    kind: str
    parts: tuple[Part, ...] = ()
    text: str = ""
    unit: str = ""


_SYMBOLS: Final = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "×": r"\times ",
        "÷": r"\div ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "*": r"\cdot ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "∞": r"\infty ",
        "∪": r"\cup ",
        "∈": r"\in ",
        "±": r"\pm ",
        "π": r"\pi ",
        "θ": r"\theta ",
        "√": r"\sqrt",
        "°": r"^\circ ",
        "∅": r"\emptyset ",
        "²": "^2",
        "³": "^3",
        "½": r"\frac{1}{2}",
        "\xa0": " ",
        "\n": " ",
        "\t": " ",
    }
)
_REWRITTEN: Final = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"(?<!\\)\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|!)(?![a-zA-Z])", ""),
        (r"(?<=[0-9])\s?\{\s?,\s?\}\s?(?=[0-9]{3})|(?<=[0-9])\\,(?=[0-9]{3}(?![0-9]))", ""),
        (r"(?<!\\)\\(?:[,;: ]|q?quad(?![a-zA-Z]))|~", " "),
        (r"\\(?:operatorname|mathrm|mathbf|mathit|mathsf|mathop|textbf|textit|textrm|textnormal"
         r"|mbox|hbox|rm|bf|boldsymbol)\s*\{", r"\\text{"),
        (r"\\(?:mathrm|mathbf|mathit|rm|bf|boldsymbol)\s*(?=[a-zA-Z](?![a-zA-Z]))", ""),
        (r"\\text\s*\{\s*([a-zA-Z])\s*\}", r" \1"),
        (r"\\text\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])", ","),
        (r",\s*,", ","),
        (r"\\[dtc](frac|binom)", r"\\\1"),
        (r"\\(?:leqslant|leq|le)(?![a-z])", r"\\le "),
        (r"\\(?:geqslant|geq|ge)(?![a-z])", r"\\ge "),
        (r"\\(?:neq|ne)(?![a-z])", r"\\ne "),
        (r"\\lt(?![a-z])|<(?!=)", "<"),
        (r"\\gt(?![a-z])|>(?!=)", ">"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\(?:varnothing|emptyset)", r"\\emptyset "),
        (r"\\mathbb\s?(?:R(?![a-zA-Z])|\{\s?R\s?\})", r"(-\\infty,\\infty)"),
        (r"\\lbrace(?![a-z])", r"\\{"),
        (r"\\rbrace(?![a-z])", r"\\}"),
        (r"\\[lr]?vert(?![a-z])|\\mid(?![a-z])", "|"),
        (r"\\(?:degree|deg)(?![a-z])|\^\s?\{\s?\\circ\s?\}|\^\s?\\circ(?![a-z])", r"\\degree "),
        (r"\\frac\s*([0-9a-zA-Z])\s*([0-9a-zA-Z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s*([0-9a-zA-Z])\s*\{", r"\\frac{\1}{"),
        (r"\\frac\s*(\{[^{}]*\})\s*([0-9a-zA-Z])", r"\\frac\1{\2}"),
        (r"\\frac\s*\{", r"\\frac{"),
        (r"(?<![a-zA-Z\\])(sqrt|ln|log|sin|cos|tan)(?![a-zA-Z])", r"\\\1 "),
        (r"\\sqrt\s*([0-9]+|[a-zA-Z])", r"\\sqrt{\1}"),
        (r"\\sqrt\s*(\\[a-z]+)(?![a-z{])", r"\\sqrt{\1}"),
        (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"\\log_\s*([0-9a-z])", r"\\log_{\1}"),
        (r"\^\s*(-?[0-9]+|-[a-zA-Z])", r"^{\1}"),
        (r"\^\s*(\\frac\{[^{}]*\}\{[^{}]*\})", r"^{\1}"),
        (r"\^\s*\(([^()]*)\)", r"^{\1}"),
        (r"(?<![a-zA-Z\\])(?:infinity|inf)(?![a-z])", r"\\infty "),
        (r"(?<![a-zA-Z\\])pi(?![a-z])", r"\\pi "),
    )
)  # fmt: skip
_THOUSANDS: Final = re.compile(
    r"(?<![0-9,.])[0-9]{1,3}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)(?![0-9/]|,\s?[0-9])"
)
_BASE: Final = re.compile(r"([0-9][0-9A-Fa-f]*)_(?:\{(?:\\text\{)?\s?(\w+)\s?\}{1,2}|(\w))")
_WORDS: Final = re.compile(r"[a-zA-Z][a-zA-Z\s,.'’()-]*")
_COUNTED: Final = re.compile(r"^\\text\s?\{\s?([0-9][0-9.,]*\s[a-zA-Z ]+)\}$")
_RELATION: Final = re.compile(r"\\(?:le|ge|ne|in|approx|equiv|sim)(?![a-z])|(?<![\\!])[=<>]")
_MATRIX: Final = re.compile(r"\\begin\{([pbvBV]?)matrix\}(.*)\\end\{\1matrix\}")
_ARRAY: Final = re.compile(r"[(\[]?\s*\\begin\{array\}\{[lcr|]*\}(.*)\\end\{array\}\s*[)\]]?")
_OPENING: Final = re.compile(r"\\[{}]|\\[a-zA-Z]+|\\.|.", re.DOTALL)
_COMMAS: Final = frozenset({",", ";"})
_UNION: Final = frozenset({r"\cup"})
_SIGNS: Final = {r"\le": "≤", r"\ge": "≥", r"\ne": "≠", r"\in": "∈", r"\approx": "≈"}


def plain_latex(expression: str) -> str:
    """Give equivalent LaTeX one spelling; nothing that has a meaning is left out."""
    text = expression.strip()
    for opening, closing in (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$")):
        if len(text) > 2 and text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : len(text) - len(closing)]
            text = text if opening in inner else inner.strip()
    text = text.translate(_SYMBOLS)
    for pattern, new in _REWRITTEN:
        text = pattern.sub(new, text)
    return re.sub(r"\s+", " ", text).strip().rstrip(" .:")


@lru_cache(maxsize=2_000)
def read(expression: str) -> Part:
    """Parse the structure of an answer; never raises."""
    return _read(plain_latex(expression), 0)


def _read(text: str, depth: int) -> Part:
    text = text.strip()
    if depth > 8:
        return Part("scalar", text=text)
    text = _COUNTED.sub(r"\1", text)
    if words := _words(text):
        return Part("words", text=words)
    if base := _BASE.fullmatch(text):
        return Part("base", text=base[1].lower(), unit=(base[2] or base[3]).lower())
    if depth == 0 and not re.search(r"[(\[]|\\\{", text):
        text = _THOUSANDS.sub(lambda m: re.sub("[, ]", "", m[0]), text)
    for kind, split in (("list", _COMMAS), ("union", _UNION)):
        pieces = list(_pieces(text, split))
        if len(pieces) > 1:
            return Part(kind, tuple(_read(piece, depth + 1) for piece in pieces))
        if kind == "list" and (relation := _relation(text, depth)):
            return relation
    if re.search(r"\\(?:pm|mp)(?![a-z])", text):
        plus = text.replace(r"\pm", "+").replace(r"\mp", "-")
        minus = text.replace(r"\pm", "-").replace(r"\mp", "+")
        return Part("list", tuple(_read(one.lstrip(" +"), depth + 1) for one in (plus, minus)))
    return _matrix(text, depth) or _bracketed(text, depth) or Part("scalar", (), *split_unit(text))


def _words(text: str) -> str | None:
    """An answer in words: ``\\text{even}``, ``Monday``, ``no solution``; not ``xy`` or ``ab``."""
    whole = re.fullmatch(r"\\text\s?\{([^{}]*)\}", text)
    inner = whole[1] if whole else text
    if not whole and not (_WORDS.fullmatch(inner) and re.search(r"[a-zA-Z]{3}", inner)):
        return None
    if not whole and not re.search(r"[aeiouyAEIOUY]", inner):
        return None
    return re.sub(r"[^a-z0-9.]+", " ", inner.casefold()).strip(" .") or None


def _relation(text: str, depth: int) -> Part | None:
    sides, signs, start = [], [], 0
    for at, token in _top_level(text):
        found = _RELATION.match(text, at)
        if found and found[0].startswith(token):
            sides.append(text[start:at])
            signs.append(_SIGNS.get(found[0], found[0]))
            start = found.end()
    if not signs:
        return None
    sides.append(text[start:])
    return Part("".join(signs), tuple(_read(side, depth + 1) for side in sides))


def _matrix(text: str, depth: int) -> Part | None:
    found = _MATRIX.fullmatch(text)
    inner = found[2] if found else array[1] if (array := _ARRAY.fullmatch(text)) else None
    if inner is None:
        return None
    style = "determinant" if found and found[1] in {"v", "V"} else "matrix"
    rows = [row.split("&") for row in re.split(r"\\\\", inner) if row.strip()]
    cells = tuple(_read(cell, depth + 1) for row in rows for cell in row)
    return Part(f"{style} {','.join(str(len(row)) for row in rows)}", cells)


def _bracketed(text: str, depth: int) -> Part | None:
    """An answer in brackets with a comma inside, or in a set's braces."""
    pair = next((p for p in _BRACKETS if text.startswith(p[0]) and text.endswith(p[1])), None)
    if pair is None:
        return None
    inner = text[len(pair[0]) : len(text) - len(pair[1])]
    if not _is_balanced(inner):
        return None
    pieces = list(_pieces(inner, _COMMAS))
    if len(pieces) == 1 and pair[0] != r"\{":
        return None
    parts = tuple(_read(piece, depth + 1) for piece in pieces if piece.strip())
    return Part(pair[2], parts)


_BRACKETS: Final = (
    (r"\{", r"\}", "{}"),
    ("{", "}", "{}"),
    (r"\langle", r"\rangle", "()"),
    *((left, right, left + right) for left in "([" for right in ")]"),
)


def _is_balanced(text: str) -> bool:
    depth = 0
    for token in _OPENING.findall(text):
        depth += (token in _OPENERS) - (token in _CLOSERS)
        if depth < 0:
            return False
    return depth == 0


_OPENERS: Final = frozenset({"(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"})
_CLOSERS: Final = frozenset({")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"})


def _top_level(text: str) -> Iterator[tuple[int, str]]:
    """The position and text of each token outside all brackets."""
    depth = 0
    for match in _OPENING.finditer(text):
        depth += (match[0] in _OPENERS) - (match[0] in _CLOSERS)
        if depth == 0 and match[0] not in _CLOSERS:
            yield match.start(), match[0]


def _pieces(text: str, separators: frozenset[str]) -> Iterator[str]:
    """Split ``text`` at separators outside all brackets."""
    start = 0
    for at, token in _top_level(text):
        if token in separators:
            yield text[start:at]
            start = at + len(token)
    yield text[start:]
