"""The whole report of the recorded runs, and what a browser makes of its page."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from engine.commands import reporting
from engine.schema.errors import UserError
from engine.store.layout import PREDICTIONS, PhaseDir
from engine.store.run import read_run
from engine.store.sealing import accept
from engine.store.writing import write_json
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunsFolder:
    """The recorded runs, in which a model has said something that a browser would obey; the
    baseline was run again."""
    found = copy_recorded(tmp_path_factory.mktemp("recorded") / "runs")
    once = read_run(found, run_of(found, "baseline"))
    later = once.created + timedelta(hours=1)
    again = once.model_copy(update={"run_id": "again", "created": later})
    found.run_folder(again.run_id).mkdir()
    write_json(found.run_file(again.run_id), again.model_dump(mode="json"))
    for file in found.root.glob(f"phases/evaluate-*/out/{PREDICTIONS}"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line["output"] = "<script>document.title='stolen'</script>" + line["output"]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        accept(PhaseDir(file.parents[1]))
    return found


@pytest.fixture(scope="module")
def report(runs: RunsFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return reporting.write(runs, "pocket", runs.run_ids(), folder).folder


@pytest.mark.slow
def test_the_page_names_what_a_later_run_replaces(runs: RunsFolder, report: Path) -> None:
    why = "Left out, since a later or a scored run has the same arm, models, tasks and seed: "
    (replaced,) = (run_id for run_id in runs.run_ids() if "-baseline-" in run_id)
    assert f"{why}{replaced}." in (report / "index.html").read_text()


@pytest.mark.slow
def test_tables_figures_and_page_are_there(report: Path) -> None:
    tables = {file.name for file in (report / "tables").iterdir()}
    for slug in (
        "accuracies",
        "families",
        "domains",
        "differences",
        "gaps",
        "resolution",
        "quality",
    ):
        assert {f"{slug}.md", f"{slug}.tex", f"{slug}.csv"} <= tables
    assert r"\toprule" in (report / "tables" / "accuracies.tex").read_text()
    figures = {file.name for file in (report / "figures").iterdir()}
    assert {"bars-plain.svg", "matrix.png", "curves.svg", "reasoning.png"} <= figures
    floats = (report / "figures" / "figures.tex").read_text()
    for file in (name for name in figures if name.endswith(".pdf")):
        assert f"{{{file}}}" in floats
    assert b"<text" in (report / "figures" / "bars-plain.svg").read_bytes()


@pytest.mark.slow
def test_the_page_needs_no_network_and_obeys_no_model(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "Toy models on toy tasks" in page
    assert "&lt;script&gt;" in page
    for outside in ("<script", "http://", "https://", "@import"):
        assert outside not in page


def test_nothing_measured_is_said(runs: RunsFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing was measured yet"):
        reporting.write(runs, "pocket", [], tmp_path / "report")


@pytest.mark.slow
def test_the_same_runs_make_the_same_bytes(runs: RunsFolder, report: Path, tmp_path: Path) -> None:
    again = reporting.write(runs, "pocket", runs.run_ids(), tmp_path / "again").folder
    for file in (report / "figures").iterdir():
        assert (again / file.relative_to(report)).read_bytes() == file.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to open the page with")
def test_a_browser_shows_it(report: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    options = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,2000",
    )  # fmt: skip
    address = (report / "index.html").as_uri()
    shot = [str(CHROMIUM), *options, f"--screenshot={picture}", address]
    subprocess.run(shot, check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 50_000
    dumped = subprocess.run(
        [str(CHROMIUM), *options, "--dump-dom", address],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "<title>pocket</title>" in dumped.stdout
