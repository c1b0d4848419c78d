"""The benchmark of readings says who agrees with the person: ours, and a peer that is at hand."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import extraction
from benchmarks.extraction import Labelled, Reading

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("a spade", "a rake", "a hoe")

ROWS = (
    ("choice", TOOLS, "Digging needs a spade. The answer is (A).", "A", "agreement"),
    ("choice", TOOLS, "The answer is (B).", "C", "disagreement"),  # nobody reads that as C
    ("number", (), "Four rows of six make 24. The answer is 24.", "24", "agreement"),
    ("number", (), "That was never said.", None, "synthetic"),
    ("math", (), r"So it is \boxed{\frac{1}{2}}.", "0.5", "agreement"),
)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    names = ("kind", "options", "text", "truth", "stratum")
    file = tmp_path / "labelled.jsonl"
    rows = (
        {"id": str(place), "question": "What then?", **dict(zip(names, row, strict=True))}
        for place, row in enumerate(ROWS)
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str | Path
) -> list[list[str]]:
    monkeypatch.setattr(sys, "argv", ["extraction", *map(str, given)])
    extraction.main()
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line]


def test_ours_by_stratum_and_kind(
    labelled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    headers, _, ours, *_ = tables(monkeypatch, capsys, "--labelled", labelled)
    shares = dict(zip(headers, (cell.split(" ")[0] for cell in ours), strict=True))
    assert shares[""] == "ours"
    assert shares["all (5)"] == "80.0"
    assert shares["agreement (3)"] == "100.0"
    assert shares["disagreement (1)"] == "0.0"
    assert shares["variant (0)"] == "–"
    assert shares["choice (2)"] == "50.0"
    assert shares["no answer (1)"] == "100.0"


def test_a_peer_reads_in_an_environment_of_its_own(
    labelled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python = tmp_path / "peers" / "math_verify" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    lines = tables(monkeypatch, capsys, "--labelled", labelled, "--peers", tmp_path / "peers")
    theirs = next(line for line in lines if line[0].startswith("math-verify"))
    assert theirs[lines[0].index("math (1)")].startswith("100.0")
    assert theirs[lines[0].index("number (2)")].startswith("100.0")
    assert any(line[1:3] == ["choice", "StringExtractionConfig"] for line in lines)


def row(kind: str, truth: str | None, options: tuple[str, ...] = ()) -> Labelled:
    return Labelled.model_validate(
        {
            "id": "1",
            "kind": kind,
            "question": "",
            "options": options,
            "text": "",
            "truth": truth,
            "stratum": "variant",
        }
    )


@pytest.mark.parametrize(
    ("read", "answer", "equal", "agrees"),
    [
        (row("number", "1200"), "$1,200.", False, True),
        (row("number", "1200"), "twelve hundred", True, True),  # by its own equality
        (row("number", "1200"), "120", False, False),
        (row("number", None), "some crates", False, True),  # no number is no answer
        (row("number", None), "7", False, False),
        (row("choice", None, TOOLS), "D", False, True),  # no letter of the row
        (row("choice", None, TOOLS), "C", False, False),
        (row("choice", "C", TOOLS), None, False, False),
        (row("math", r"\frac{3}{4}"), "0.75", False, True),
    ],
)
def test_what_counts_as_agreement(
    read: Labelled, answer: str | None, equal: bool, agrees: bool
) -> None:
    reading = Reading(id="1", reader="a filter", answer=answer, equal=equal)
    assert extraction.agrees(read, reading) is agrees


def test_the_reader_that_agrees_most_counts_and_a_kind_without_reader_is_a_dash() -> None:
    rows = [row("choice", letter, TOOLS).model_copy(update={"id": letter}) for letter in "ABC"]
    rows.append(row("number", "5"))
    readings = [
        *(Reading(id=letter, reader="first letter", answer="A") for letter in "ABC"),
        *(Reading(id=letter, reader="last letter", answer=letter) for letter in "ABC"),
    ]
    found = extraction.readers("a peer", rows, readings)
    assert [reader.name for reader in found] == ["last letter", "first letter"]
    table = extraction.agreement(rows, found)
    theirs = dict(zip(table.headers, table.rows[0], strict=True))
    assert theirs["choice (3)"].startswith("100.0")
    assert theirs["number (1)"] == theirs["all (4)"] == "–"
