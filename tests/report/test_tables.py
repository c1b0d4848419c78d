"""One table, whoever draws it: Markdown, CSV, LaTeX, the command line and a panel."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.cli.output import print_table
from engine.schema.accuracy import Accuracy, Comparison, Estimate, Share
from engine.schema.evaluation import Evaluation
from engine.tables import accuracies
from engine.tables.table import Table
from sirt_tui.panels.figures import draw_table, figure

RIGHT = Share(8, 10, 0.49, 0.943)
PLAIN = Evaluation("sums", "plain")
TABLE = Table(
    ("task", "right", "gap"),
    (
        ("sums | [bold]x", RIGHT, Estimate(-0.05, -0.1, 0.02, signed=True)),
        ("none", Share(0, 0, 0.0, 1.0), None),
    ),
    slug="right",
)


def painted(console_width: int = 100) -> str:
    console = Console(width=console_width, file=io.StringIO())
    console.print(draw_table(TABLE))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_every_form_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE)
    printed = capsys.readouterr().out
    for text in (*TABLE.files().values(), printed):
        for said in ("80.0 [49.0, 94.3]", "5.0 [", "sums"):
            assert said in text
    assert "80.0 [49.0, 94.3]" in painted()  # where there is little room
    assert TABLE.numeric == (False, True, True)


def test_a_name_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE)
    assert "[bold]x" in capsys.readouterr().out
    assert "[bold]x" in painted()
    assert r"sums \| [bold]x" in TABLE.markdown()


def test_files_have_a_heading_only_with_a_title() -> None:
    assert TABLE.files()["right.md"].startswith("| task |")
    titled = Table(TABLE.headers, TABLE.rows, "right", "Right answers", "Of 50 % all.")
    files = titled.files("A toy.")
    assert files["right.md"].startswith("# Right answers\n\nOf 50 % all.\n\n| task |")
    assert r"% Right answers: Of 50 \% all. A toy." in files["right.tex"].splitlines()
    assert files["right.csv"] == TABLE.csv()


@pytest.mark.parametrize(("p", "starred"), [(0.04, True), (0.06, False)])
def test_only_a_sure_difference_is_starred(p: float, starred: bool) -> None:
    gap = Estimate(0.1, 0.01, 0.2, signed=True)
    found = Comparison(PLAIN, 10, 0.7, 0.8, gap, 2, 1, p, p)
    cell = figure(accuracies.Tested(Accuracy(PLAIN, RIGHT), found, RIGHT.total))
    assert cell.plain == " 80.0 [49.0, 94.3]\n" + f"+10.0 [+1.0, +20.0] p {p}" + "*" * starred
    fewer = Comparison(PLAIN, 9, 0.7, 0.8, gap, 2, 1, p, p)
    partly = figure(accuracies.Tested(Accuracy(PLAIN, RIGHT), fewer, RIGHT.total)).plain
    assert partly.splitlines()[1].startswith("on 9: +10.0")


def test_what_could_not_be_read_stands_beside_an_accuracy() -> None:
    assert figure(Accuracy(PLAIN, RIGHT, unparsed=0.3)).plain.endswith("30.0% unparsed")
    assert "unparsed" not in figure(Accuracy(PLAIN, RIGHT, unparsed=0.01)).plain
