"""What the command line prints: at 80 columns, with the folder that was named, and what a log's
carriage returns leave."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console

from engine.cli import output
from engine.cli.main import sirt
from engine.commands import drafts
from engine.queries.lineage import lineage
from engine.queries.lineage_tree import draw
from engine.schema.accuracy import NOTHING
from engine.schema.pasted import naming
from engine.schema.sanitize import settled
from engine.store.run import read_run
from engine.tables.terminal import widths
from tests.tui.conftest import recorded, run_of  # noqa: F401

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder
    from engine.tables.table import Table

WIDTH = 80


def said(*words: str) -> str:
    return CliRunner().invoke(sirt, words).output


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 80 columns."""
    paper = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: Console(file=paper, width=WIDTH))
    return paper


def test_no_id_and_no_word_is_broken_at_80_columns(
    recorded: RunsFolder,  # noqa: F811
    narrow: io.StringIO,
) -> None:
    folder = str(recorded.root)
    said("--runs", folder, "status")
    said("--runs", folder, "status", run_of(recorded, "both", "wren-3m"), "--ids")
    text = narrow.getvalue()
    assert max(map(len, text.splitlines())) <= WIDTH
    for run_id in recorded.run_ids():
        assert run_id in text
    for phase in read_run(recorded, run_of(recorded, "both", "wren-3m")).spec.phases:
        assert phase.id in text
    assert "plain prompt, % pocket-compass 93.7 [91.4, 95.4]" in text  # and no "best"
    assert "600/600 questions" in text


def test_no_verbs_table_breaks_a_word_at_80_columns(
    recorded: RunsFolder,  # noqa: F811
    narrow: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables: list[Table] = []
    drawn = output.print_table

    def print_table(table: Table, *more: object, **options: object) -> None:
        tables.append(table)
        drawn(table, *more, **options)

    for module in ("experiments", "results", "status", "system"):
        monkeypatch.setattr(f"engine.cli.{module}.print_table", print_table)
    monkeypatch.setattr(output, "print_table", print_table)
    folder, both = ("--runs", str(recorded.root)), run_of(recorded, "both", "wren-3m")
    for words in (
        ("status",), ("status", both, "--ids"), ("report", both, "--details"),
        ("compare", run_of(recorded, "baseline", None), both), ("quality", both), ("score", both),
        ("plan", "pocket"),
    ):  # fmt: skip
        before = len(tables)
        said(*folder, *words)
        assert len(tables) > before, words
    text = narrow.getvalue()
    assert all(len(line) <= WIDTH or " " not in line.strip() for line in text.splitlines())
    shown = set(text.split())
    for table in tables:
        for row in table.texts:
            assert set(" ".join(row).split()) - {NOTHING} <= shown, row


def test_columns_give_way_only_as_far_as_their_longest_words() -> None:
    rows = [("name", "what it says"), ("pocket-both", "a long line of short words")]
    assert widths(rows, 80) == [11, 26]
    assert widths(rows, 24) == [11, 9]
    assert widths(rows, 19) is None


def test_the_folder_may_be_named_behind_the_verb_and_stands_in_printed_commands(
    recorded: RunsFolder,  # noqa: F811
) -> None:
    baseline = run_of(recorded, "baseline", None)
    for words in (
        ("--runs", str(recorded.root), "pairs", baseline),
        ("pairs", "--runs", str(recorded.root), baseline),
        ("pairs", baseline, f"--runs={recorded.root}"),
    ):
        done = CliRunner().invoke(sirt, words)
        assert "has no pairs" in str(done.exception)
    empty = str(recorded.root.with_name("empty folder"))
    assert f"sirt --runs '{empty}' run pocket" in said("status", "--runs", empty)
    assert naming("look with `sirt status`; or sirt stop a", "r") == (
        "look with `sirt --runs r status`; or sirt --runs r stop a"
    )
    assert naming("the sirt command", "r") == "the sirt command"


def test_of_lines_written_over_the_last_is_left() -> None:
    bar = "  0%|    | 0/3\r 33%|#   | 1/3\r100%|####| 3/3\nSaved.\r\nDone\r"
    assert settled(bar) == "100%|####| 3/3\nSaved.\nDone"


def test_a_phase_at_work_has_not_lost_its_final_event(
    recorded: RunsFolder,  # noqa: F811
) -> None:
    live = run_of(recorded, "both", "otter-3m")
    found = lineage(recorded, live)
    elicit = next(phase for phase in found.phases if phase.kind == "elicit")
    assert elicit.attempts[-1].outcome == elicit.state
    paper = io.StringIO()
    Console(file=paper, width=120).print(draw(found, str))
    assert "no final event" not in paper.getvalue()


def test_a_draft_goes_by_the_name_that_it_has_now(recorded: RunsFolder) -> None:  # noqa: F811
    place = drafts.new_place(recorded, {"name": "first"})
    drafts.keep({"name": "second"}, place)
    nameless = drafts.new_place(recorded, {})
    drafts.keep({"tasks": ["csqa"]}, nameless)
    assert {kept.name for kept in drafts.kept(recorded)} == {"second", ""}


def test_a_run_at_work_is_not_said_to_be_queued_again(recorded: RunsFolder) -> None:  # noqa: F811
    live = run_of(recorded, "both", "otter-3m")
    told = said("--runs", str(recorded.root), "retry", live)
    assert told == f"{live}: running already, nothing to retry\n"
