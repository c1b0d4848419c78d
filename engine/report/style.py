"""The figures' style: sized for a paper's column, readable in grey, text kept as text."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from engine.schema.run_spec import Arm

COLUMN, PAGE = 3.4, 7.0  # inches: one column of a two-column page, and the page
# Okabe and Ito's colours, told apart by most eyes; the hatches tell them apart in grey
COLOURS: dict[Arm, str] = {
    "teacher": "#000000",
    "baseline": "#999999",
    "instruct-only": "#56B4E9",
    "refine-only": "#E69F00",
    "both": "#009E73",
}
HATCHES: dict[Arm, str] = {
    "baseline": "",
    "instruct-only": "////",
    "refine-only": "....",
    "both": "",
}
INK, SOFT = "#333333", "#CCCCCC"  # where colour says nothing
LIGHT_FROM = 45  # per cent: from there on the heat map's colour asks for black text
MARKERS: dict[Arm, str] = {"instruct-only": "s", "refine-only": "^", "both": "o"}
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "sirt",
    "pdf.fonttype": 42,  # venues refuse type 3 fonts
    "figure.constrained_layout.use": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Use matplotlib without a display and in this style, restoring the old style at the end."""
    import matplotlib as mpl

    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        yield


def files(figure: Figure) -> tuple[bytes, bytes, bytes]:
    """Return the figure as SVG, PDF and PNG; the same figure always gives the same bytes."""
    import matplotlib.pyplot as plt

    vector, document, pixels = io.BytesIO(), io.BytesIO(), io.BytesIO()
    figure.savefig(vector, format="svg", metadata={"Date": None})
    figure.savefig(document, format="pdf", metadata={"CreationDate": None})
    figure.savefig(pixels, format="png", dpi=200, metadata={"Software": None})
    plt.close(figure)
    return vector.getvalue(), document.getvalue(), pixels.getvalue()
