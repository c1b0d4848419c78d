"""Write tables and figures as LaTeX that pdflatex accepts: booktabs, numbers flush right, special
characters escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGEFUL = 45  # rows; a longer table has to break across pages
SPECIAL = {"\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}"}
SPECIAL |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    c: f"\\{c}" for c in "&%$#_{}"
}
SPECIAL |= {"–": "--", "…": r"\ldots{}", "→": r"$\rightarrow$", "±": r"$\pm$", "−": "$-$"}
SPECIAL |= {"×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "β": r"$\beta$", "α": r"$\alpha$"}
MINUS = re.compile(r"(?<![\w.)\0-])-(?=\d)")
POWER = re.compile(r"\b(\d+(?:\.\d+)?)e(-?)0*(\d+)\b")


def escaped(text: str) -> str:
    """Escape text such as ``5% -> a_b``, and typeset numbers such as ``-0.3`` and ``6e-47``."""
    numbered = MINUS.sub("−", POWER.sub("\\1×10\0\\2\\3\1", text))
    typeset = "".join(SPECIAL.get(char, char) for char in numbered)
    return typeset.replace("\0", "$^{").replace("\1", "}$")


def tabular(
    headers: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], about: str = ""
) -> str:
    """Write a ``tabular``, or a ``longtable`` if it exceeds a page. ``about`` is written above it
    as a comment, for its caption, with the packages that it needs."""
    head, *body = (" & ".join(map(escaped, row)) + r" \\" for row in (headers, *rows))
    long = len(rows) > PAGEFUL
    kind, packages = ("longtable", "booktabs,longtable") if long else ("tabular", "booktabs")
    columns = "".join("r" if number else "l" for number in numeric)
    return "\n".join(
        [
            rf"% \usepackage{{{packages}}}",
            *([f"% {escaped(' '.join(about.split()))}"] if about else []),
            rf"\begin{{{kind}}}{{{columns}}}",
            *(r"\toprule", head, r"\midrule", *([r"\endhead"] if long else [])),
            *(*body, r"\bottomrule", rf"\end{{{kind}}}"),
        ]
    )


def figure(name: str, caption: str, wide: bool) -> str:
    """Write a float with the file ``name.pdf``; ``wide``: across both columns."""
    kind, width = ("figure*", r"\textwidth") if wide else ("figure", r"\columnwidth")
    return "\n".join(
        [
            rf"\begin{{{kind}}}[t]",
            r"\centering",
            rf"\includegraphics[width={width}]{{{name}.pdf}}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\label{{fig:{name}}}",
            rf"\end{{{kind}}}",
        ]
    )
