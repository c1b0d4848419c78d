"""Makes any text safe to show: control sequences become visible marks.

Control characters, escapes and direction marks, and characters without agreed width
(zero-width characters, variation selectors, private use) become a visible character of one
cell, so that text neither colours nor breaks the layout nor moves the cursor. The command line
and the interface both show text through here, and nothing else does it.
"""

from __future__ import annotations

import re
import unicodedata

TAB = "    "
CUT = "…"
_PICTURES = 0x2400  # U+2400.. are pictures of the control characters
_PLAIN = re.compile(r"[\n\x20-\x7e]*\Z")


def visible(text: str, limit: int | None = None) -> str:
    """The text with newlines kept and everything else printable; cut after ``limit``
    characters."""
    cut = limit is not None and len(text) > limit
    text = text[:limit]
    if not _PLAIN.match(text):
        text = text.replace("\r\n", "\n").expandtabs(len(TAB))
        text = "".join(map(_shown, unicodedata.normalize("NFC", text)))
    return text + CUT if cut else text


def one_line(text: str, limit: int | None = None) -> str:
    """As :func:`visible`, with line ends as spaces."""
    return " ".join(visible(text, limit).split("\n"))


def settled(text: str) -> str:
    """The text as a terminal finally shows it: of an overwritten line only the last state."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _shown(char: str) -> str:
    if char == "\n" or " " <= char <= "~":
        return char
    code = ord(char)
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == 0x7F:
        return "\u2421"
    match unicodedata.category(char):
        case "Cc" | "Cf" | "Co" | "Cs" | "Cn" | "Zl" | "Zp":
            return "\u00b7"
        case "Mn" | "Me" | "Mc":
            return "\u00b7"  # a combining mark that stands alone has no cell of its own
        case "Zs":
            return " "
        case _:
            return char
