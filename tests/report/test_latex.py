"""What pdflatex would stop at, or show as something else."""

from __future__ import annotations

from engine.tables.latex import PAGEFUL, escaped, figure
from engine.tables.table import Table


def test_no_character_stops_pdflatex() -> None:
    assert escaped("a_b & 5 % <c>") == r"a\_b \& 5 \% \textless{}c\textgreater{}"
    assert escaped("baseline → refined") == r"baseline $\rightarrow$ refined"
    assert escaped("88.0 ± 1.1") == r"88.0 $\pm$ 1.1"


def test_numbers_are_numbers_and_names_are_names() -> None:
    assert escaped("-0.3 [-1.0, +0.1]") == "$-$0.3 [$-$1.0, +0.1]"
    assert escaped("6.9e-47") == r"6.9$\times$10$^{-47}$"
    assert escaped("wren-1m llama-2-7b s0") == "wren-1m llama-2-7b s0"


def test_figures_stand_to_the_right_and_long_tables_break() -> None:
    rows = (("refined", "98.3 [97.0, 99.1]", "–"), ("baseline", "–", "-0.3 [-1.0, +0.1]"))
    short = Table(("method", "plain", "gap"), rows)
    assert short.numeric == (False, True, True)
    assert r"\begin{tabular}{lrr}" in short.latex("100 %\nof it")
    assert "% 100 \\% of it\n" in short.latex("100 %\nof it")
    long = Table(short.headers, rows * PAGEFUL).latex()
    assert r"\begin{longtable}{lrr}" in long
    assert r"\endhead" in long


def test_a_figure_has_its_caption_and_label() -> None:
    made = figure("bars-plain", "95 % intervals", wide=False)
    assert r"[width=\columnwidth]{bars-plain.pdf}" in made
    assert r"\caption{95 \% intervals}" in made
    assert r"\label{fig:bars-plain}" in made
    assert r"\begin{figure*}" in figure("matrix", "", wide=True)
