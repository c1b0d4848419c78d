"""Write a study's report: tables, figures and sample answers of its runs, in one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from sys import intern
from typing import TYPE_CHECKING, TypeVar

from engine.queries import quality
from engine.queries.checking import accepted_of, checked_rows, for_tables
from engine.queries.evaluations import by_evaluation, evaluations_of, predictions
from engine.queries.judgements import judgements
from engine.queries.run_list import Roster
from engine.queries.runs import view_of
from engine.queries.study import TOY, Study
from engine.report import differences, figures, sections
from engine.report.folder import write_folder
from engine.report.page import Item, Report, Said, page
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.metrics import metrics_of
from engine.schema.records import Pair, Prediction
from engine.schema.specs import ElicitSpec, InstructSpec, RefineSpec
from engine.store.jsonlines import read_records
from engine.store.layout import PAIRS, PREDICTIONS
from engine.store.run import read_record, with_phases
from engine.store.scores import scored_again
from engine.store.sealing import verified
from engine.tables import accuracies, answers, latex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from engine.queries.study import Condition, Measurement
    from engine.report.differences import Watch
    from engine.report.figures import Curve
    from engine.schema.records import Verdict
    from engine.schema.specs import EvaluateSpec, PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.run_row import RunRow
    from engine.tables.table import Table

T = TypeVar("T")
SAMPLES = 3  # questions a condition, and pairs a condition
CONDITIONS_SHOWN = 6
GRAPHICS = "% \\usepackage{graphicx}"


@dataclass(frozen=True, slots=True)
class Written:
    """The report's folder and content, the runs that later ones have replaced, and what is left out
    because its files are damaged."""

    folder: Path
    files: tuple[Path, ...]
    tables: tuple[Table, ...]
    replaced: tuple[str, ...]
    passed_over: tuple[str, ...]


def write(
    runs: RunsFolder,
    name: str,
    run_ids: Sequence[str],
    folder: Path,
    watch: Watch = lambda *_: None,
) -> Written:
    """Write tables (Markdown, LaTeX, CSV), figures (SVG, PDF, PNG) and ``index.html``.

    ``watch`` is told what is done, and of how many, while it takes time.
    ``UserError`` when nothing has been measured yet, or when the folder holds something else.
    """
    wanted = set(run_ids)
    listed, out = for_tables(row for row in Roster(runs).look() if row.run_id in wanted)
    rows, passed_over = checked_rows(runs, listed)
    study = Study(name, tuple(rows), _description(rows))
    if not study.accuracies:
        why = f" ({out})" if out else ""
        raise UserError(f"{name}: nothing was measured yet{why}; see: sirt status")
    material = _Material(runs, study)
    study = replace(study, rows=tuple(rows), right=material.right)  # it says which are replaced
    made = [
        *sections.sections(study),
        *(t for t in differences.sections_of(study, material.right, watch) if t.rows),
        *_judgements(runs, study.rows, passed_over),
    ]
    appendix = [accuracies.details(study.rows), *_quality(runs, study.rows, watch, passed_over)]
    made, appendix = ([replace(t, left_out=out) for t in part] for part in (made, appendix))
    drawn = list(figures.draw(study, list(material.curves())))
    samples, pairs = list(material.samples()), list(material.pairs())
    passed_over += material.passed_over
    accepted = accepted_of(runs, (i for row in study.rows for i in row.phase_ids))
    report = Report(
        name=name,
        description=study.description,
        summary=_summary(study, out),
        toy=TOY if study.toy else "",
        tables=made,
        figures=drawn,
        samples=samples,
        pairs=pairs,
        appendix=appendix,
        warnings=[*(f"Left out: {line}" for line in passed_over), *accepted],
    )
    files: dict[str, bytes] = {"index.html": page(report).encode()}
    for table in [*made, *appendix]:
        texts = table.files(report.toy)
        files |= {f"tables/{name}": text.encode() for name, text in texts.items()}
    for figure in drawn:
        files[f"figures/{figure.slug}.svg"] = figure.svg
        files[f"figures/{figure.slug}.pdf"] = figure.pdf
        files[f"figures/{figure.slug}.png"] = figure.png
    floats = [latex.figure(f.slug, f"{f.caption} {report.toy}".strip(), f.wide) for f in drawn]
    if floats:
        files["figures/figures.tex"] = "\n\n".join([GRAPHICS, *floats, ""]).encode()
    replaced = tuple(row.run_id for row in study.replaced)
    written = tuple(write_folder(folder, files))
    return Written(folder, written, (*made, *appendix), replaced, tuple(dict.fromkeys(passed_over)))


def _description(rows: Sequence[RunRow]) -> str:
    names = sorted({row.experiment for row in rows})
    return f"Experiment {', '.join(names)}."


def _summary(study: Study, out: str) -> str:
    done = sum(row.state == "done" for row in study.rows)
    newest = max((row.finished for row in study.rows if row.finished), default=None)
    when = (newest or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    seeds = ", ".join(map(str, study.seeds))
    said = f"{done} of {len(study.rows)} runs are done, seeds {seeds}; the last ended {when}."
    said += f" {out}, by a person." if out else ""
    if study.apart:
        names = ", ".join(study.apart)
        said += (
            f" Runs of the same arm, models and tasks differ in {names}: they are not averaged, "
            "but stand apart in the tables of accuracies, and tables of means leave them out."
        )
    if study.replaced:
        names = ", ".join(row.run_id for row in study.replaced)
        why = "since a later or a scored run has the same arm, models, tasks and seed"
        said += f" Left out, {why}: {names}."
    return said


def _quality(
    runs: RunsFolder, rows: Sequence[RunRow], watch: Watch, passed_over: list[str]
) -> Iterator[Table]:
    done = [row.run_id for row in rows if row.accuracies]
    if done:
        yield answers.quality(quality.measure(runs, done, watch, passed_over.append))


def _judgements(
    runs: RunsFolder, rows: Sequence[RunRow], passed_over: list[str]
) -> Iterator[Table]:
    found = judgements(runs, [row.run_id for row in rows], passed_over.append)
    if found:
        yield answers.judgements(found)


class _Material:
    """Reads files of the study's runs, each once."""

    def __init__(self, runs: RunsFolder, study: Study) -> None:
        self._runs = runs
        self._study = study
        self.passed_over: dict[str, None] = {}
        self._phases = {row.run_id: self._specs(row.run_id) for row in study.rows}
        self._evaluations = {
            run_id: by_evaluation(evaluations_of(runs, phases))
            for run_id, phases in self._phases.items()
        }
        self._right: dict[str, dict[str, bool] | None] = {}

    def _specs(self, run_id: str) -> tuple[PhaseSpec, ...]:
        file, lost = with_phases(self._runs, read_record(self._runs, run_id))
        self.passed_over |= dict.fromkeys(lost.values())
        return file.spec.phases

    def right(self, cell: Measurement, seed: int) -> dict[str, bool] | None:
        """Return which questions were answered right; None where that was not measured."""
        spec = self._evaluation(cell, seed)
        if spec is None:
            return None
        if spec.id not in self._right:
            self._right[spec.id] = self._read(spec, _right_answers)
        return self._right[spec.id]

    def _read(self, spec: PhaseSpec, read: Callable[[PhaseDir], T]) -> T | None:
        """Read an output; if it is not what its phase published, return None and note it once."""
        try:
            return read(self._runs.phase(spec.id))
        except UserError as error:
            self.passed_over[str(error)] = None
            return None

    def _evaluation(self, cell: Measurement, seed: int) -> EvaluateSpec | None:
        condition, task, prompt = cell
        row = self._study.runs.get((condition, seed))
        found = self._evaluations[row.run_id].get(Evaluation(task, prompt)) if row else None
        return found.spec if found else None

    def curves(self) -> Iterator[Curve]:
        """Yield the curves of trainings on all demonstrations, once for each phase."""
        told: set[str] = set()
        for (condition, seed), row in self._study.runs.items():
            if condition.fraction != 100 or condition.curated:
                continue
            for spec in self._phases[row.run_id]:
                if not isinstance(spec, InstructSpec | RefineSpec) or spec.id in told:
                    continue
                told.add(spec.id)
                view = view_of(self._runs.phase(spec.id))
                for name in (n for metric in metrics_of(spec.kind) for n in metric.reported):
                    if points := tuple(view.metrics.get(name, ())):
                        yield figures.Curve(condition, seed, spec.kind, name, points)

    # --- what was said ---

    def _shown(self) -> list[Condition]:
        return [one for one in self._study.of_arm("both") if one.usual][:CONDITIONS_SHOWN]

    def samples(self) -> Iterator[Item]:
        """Yield questions with the plain answers of baseline, instruct-only, both and teacher."""
        seed = self._study.seeds[0]
        for one in self._shown():
            task = one.task or ""
            answers: dict[str, dict[str, Prediction]] = {}
            for name, condition in self._beside(one):
                spec = self._evaluation((condition, task, "plain"), seed)
                if spec is not None:
                    said = self._read(spec, _predictions)
                    answers |= {name: said} if said is not None else {}
            for chosen in _telling(answers):
                first = next(iter(chosen.values()))
                where = f"{task}, {one.student} by {one.teacher}, {first.id}"
                sides = tuple(_said(name, p.output, p.verdict) for name, p in chosen.items())
                yield Item(where, first.prompt, first.target, sides)

    def _beside(self, one: Condition) -> Iterator[tuple[str, Condition]]:
        study = self._study
        instructed = [c for c in study.of_arm("instruct-only") if c.usual]
        same = (
            c
            for c in instructed
            if (c.student, c.teacher, c.task) == (one.student, one.teacher, one.task)
        )
        found = (
            ("baseline", study.baseline_of(one)),
            ("instruct-only", next(same, None)),
            ("both", one),
            ("teacher", study.teacher_of(one)),
        )
        yield from ((name, condition) for name, condition in found if condition is not None)

    def pairs(self) -> Iterator[Item]:
        seed = self._study.seeds[0]
        for one in self._shown():
            row = self._study.runs.get((one, seed))
            for spec in self._phases[row.run_id] if row else ():
                if isinstance(spec, ElicitSpec) and self._runs.phase(spec.id).done:
                    yield from self._pairs_of(spec, one)

    def _pairs_of(self, spec: PhaseSpec, one: Condition) -> Iterator[Item]:
        """Yield the first pairs with a chosen answer of the student, and one with the teacher's."""
        left = {"student": SAMPLES - 1, "teacher": 1}
        for pair in self._read(spec, _pairs) or ():
            if not left[pair.winner]:
                continue
            left[pair.winner] -= 1
            whose = f"chosen: the {pair.winner}'s"
            where = f"{one.task}, {one.student} by {one.teacher}, {pair.id}, {whose}"
            chosen = _said("chosen", pair.chosen, pair.chosen_verdict)
            rejected = _said("rejected", pair.rejected, pair.rejected_verdict)
            yield Item(where, pair.prompt, pair.target, (chosen, rejected))
            if not any(left.values()):
                return


def _right_answers(folder: PhaseDir) -> dict[str, bool]:
    """Read verdicts from a checked file; parsing them as records would take far longer."""
    again = {key: one.correct for key, one in scored_again(folder).items()}
    with verified(folder, PREDICTIONS).open("rb") as lines:
        found = map(json.loads, lines)
        return {intern(x["id"]): bool(x["verdict"]["correct"]) for x in found} | again


def _predictions(folder: PhaseDir) -> dict[str, Prediction]:
    return {p.id: p for p in predictions(folder, scored_again(folder))}


def _pairs(folder: PhaseDir) -> Iterator[Pair]:
    return read_records(verified(folder, PAIRS), Pair)


def _said(name: str, text: str, verdict: Verdict) -> Said:
    return Said(name, text, verdict.answer or "nothing", "right" if verdict.correct else "wrong")


def _telling(answers: dict[str, dict[str, Prediction]]) -> Iterator[dict[str, Prediction]]:
    """Choose questions to show: one gained by refining, one lost, one always right, one wrong."""
    if not {"instruct-only", "both"} <= answers.keys():
        return
    before, after = answers["instruct-only"], answers["both"]
    shared = [key for key in after if all(key in said for said in answers.values())]
    turned = {
        (a, b): [
            k for k in shared if (before[k].verdict.correct, after[k].verdict.correct) == (a, b)
        ]
        for a, b in ((False, True), (True, False), (True, True), (False, False))
    }
    for key in chain.from_iterable(keys[:1] for keys in turned.values()):
        yield {name: said[key] for name, said in answers.items()}
