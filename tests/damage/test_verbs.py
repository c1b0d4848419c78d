"""Whatever file rots, in whatever way: every verb says so in a line, or nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands import doctor
from engine.schema.errors import UserError
from tests.damage.folder import KINDS, WAYS, Sample, make

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Said = dict[str, tuple[str, str]]  # verb -> what it printed, what it told on stderr

WHOLE_REPORT = ("half", "a digit", "deleted")  # it takes as long as all other verbs together
MEANT = {  # (kind, way) -> verbs of which that is what is meant
    ("queue.json", "deleted"): ["queue", "doctor"],  # nothing is wanted any more
    # as published again
    ("rescored", "deleted"): ["status RUN", "compare", "show", "bundle", "report again"],
    ("marks", "deleted"): ["bundle"],  # nothing is marked
    ("seals", "deleted"): ["show"],  # not accepted any more: who reads the file says so
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("whole") / "runs")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages and memory stand still, the doctor looks at the folder alone, reports draw nothing."""
    monkeypatch.setattr("engine.cli.status.age", lambda _: 1.0)
    monkeypatch.setattr(doctor, "_presets", lambda: "")
    monkeypatch.setattr(doctor, "_gpus", lambda: doctor.Finding("GPU", "ok", ""))
    monkeypatch.setattr(doctor, "_disk", lambda _: doctor.Finding("disk", "ok", ""))
    monkeypatch.setattr("engine.cli.experiments.memory", lambda: (24_000.0, 16_000.0))
    monkeypatch.setattr("engine.report.figures.draw", lambda *_: [])


def verbs(sample: Sample) -> dict[str, list[str]]:
    out = sample.runs.root.parent / "out"
    both, other = sample.both, sample.other
    return {
        "status": ["status"],
        "status --json": ["status", "--json"],
        "status RUN": ["status", both],
        "logs": ["logs", both],
        "compare": ["compare", other, both],
        "report": ["report", "--format", "markdown"],
        "report, written": ["report", "pocket", "--out", str(out / "report")],
        "pairs": ["pairs", both],
        "pairs --list": ["pairs", both, "--list"],
        "quality": ["quality", both],
        "show": ["show", both],
        "score": ["score", both],
        "export": ["export", both, str(out / "export")],
        "bundle": ["bundle", both, str(out / "bundle.tar")],
        "queue": ["queue"],
        "plan": ["plan", "pocket"],
        "doctor": ["doctor", "--json"],
        "reindex": ["reindex"],
        "status again": ["status"],
        "report again": ["report", "--format", "markdown"],
    }


def all_said(sample: Sample, said_of: Collection[str]) -> Said:
    """Verbs, in this process. A fault that is not a user's error fails the test."""
    said = {}
    for name, arguments in verbs(sample).items():
        if name not in said_of:
            continue
        result = CliRunner().invoke(sirt, ["--runs", str(sample.runs.root), *arguments])
        error = result.exception
        told = result.stderr
        if isinstance(error, UserError | OSError):
            told += str(error)
        elif error is not None and not isinstance(error, SystemExit):
            raise AssertionError(f"sirt {' '.join(arguments)}") from error
        place = str(sample.runs.root.parent)
        said[name] = (result.stdout.replace(place, ""), told.replace(place, ""))
    return said


def check(whole: Sample, before: Said, folder: Path, kind: str, way: str) -> None:
    """No verb prints anything else than before, unless it names the file, its phase or its run, or
    shows that the run is not done any more."""
    sample = whole.copied(folder / "runs")
    path = KINDS[kind](sample)
    WAYS[way](path)
    names = {*path.relative_to(sample.runs.root).parts} - {"phases", "out", "judgements"}
    silent = []
    asked = set(before) if way in WHOLE_REPORT else set(before) - {"report, written"}
    for verb, (printed, told) in all_said(sample, asked).items():
        fresh = set(printed.splitlines()).difference(before[verb][0].splitlines())
        lines = [*told.splitlines(), *fresh]
        named = any(name in line for name in names for line in lines)
        words = (" lost ", " waiting ", "no final event")
        undone = any(word in line for word in words for line in fresh)
        if printed != before[verb][0] and not named and not undone:
            silent.append(verb)
    assert silent == MEANT.get((kind, way), []), f"{kind}, {way}: no word in {silent}"


@pytest.fixture(scope="module")
def before(whole: Sample, tmp_path_factory: pytest.TempPathFactory) -> Said:
    with pytest.MonkeyPatch.context() as patched:
        make_quick(patched)
        sample = whole.copied(tmp_path_factory.mktemp("before") / "runs")
        return all_said(sample, verbs(sample))


SAMPLE = [  # in the fast tests: where a figure or a whole verb is at stake
    ("score", "a digit"),
    ("run.json", "a byte"),
    ("registry", "a digit"),
    ("predictions", "half"),
    ("manifest, evaluate", "folder"),
]
SEALED = (
    "demonstrations",
    "answers",
    "pairs",
    "pair scores",
    "adapter",
    "predictions",
    "verdicts",
    "verdicts, phase",
)
STRANGE = ("list", "deep", "digits", "a byte")  # for the one reader all alike
MOST_READ = ("run.json", "registry", "queue.json", "manifest, evaluate", "score", "rescored")


def cases() -> Iterator[object]:
    for kind in KINDS:
        for way in WAYS:
            if way in STRANGE and kind not in MOST_READ:
                continue
            if kind not in SEALED or way not in ("binary", "object", "not a number"):
                marks = () if (kind, way) in SAMPLE else pytest.mark.slow(0.5)
                yield pytest.param(kind, way, marks=marks, id=f"{kind}-{way}")


@pytest.mark.parametrize(("kind", "way"), cases())
def test_a_rotten_file_is_told_or_has_no_effect(
    whole: Sample, before: Said, tmp_path: Path, kind: str, way: str
) -> None:
    check(whole, before, tmp_path, kind, way)
