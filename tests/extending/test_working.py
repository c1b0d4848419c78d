"""A kind of phase with an event and a metric of its own, and a verb that asks for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.extending.program import Program

pytestmark = pytest.mark.slow

PHASE = '''
"""How often two evaluations of the same questions give the same answer."""

from typing import Literal

from engine.schema.agreement import Agreement
from engine.schema.phase import PhaseSpec
from engine.schema.records import Prediction
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS
from engine.store.writing import write_json


class AgreeSpec(PhaseSpec):
    recipe = "engine.phases.agree:run"
    told = ("same", "questions")

    kind: Literal["agree"] = "agree"
    one: str
    other: str

    @property
    def inputs(self):
        return self.one, self.other

    @property
    def detail(self):
        return "with another"

    def summary(self, figures):
        return f"{figures['same']} of {figures['questions']} the same"

    def _identity(self):
        return {"phases": sorted(self.inputs)}


def run(ctx, spec):
    read = [read_records(ctx.output(name, PREDICTIONS), Prediction) for name in spec.inputs]
    answers = [{p.id: p.verdict.answer for p in found} for found in read]
    shared = sorted(answers[0].keys() & answers[1].keys())
    same = 0
    for done, key in enumerate(shared, start=1):
        same += answers[0][key] == answers[1][key]
        ctx.metric(done, same_answers=same / done)
        ctx.progress(done, len(shared), "questions")
        ctx.stop_point()
    ctx.emit(Agreement(same=same, questions=len(shared)))
    write_json(ctx.staging / "agreement.json", {"same": same})
    return {"same": same, "questions": len(shared)}
'''
EVENT = '''
"""How often two runs agree."""

from typing import Literal

from engine.schema.events import Event


class Agreement(Event):
    kind: Literal["agreement"] = "agreement"
    same: int
    questions: int

    @property
    def said(self):
        return f"they agree on {self.same} of {self.questions} questions"
'''
VERB = '''
"""Ask for the agreement of two runs."""

import click

from engine.cli.output import echo
from engine.commands.experiments import launch_runs
from engine.phases.agree import AgreeSpec
from engine.queries.evaluations import evaluations
from engine.scheduling.queue import DeviceRequest
from engine.store.run import read_run


@click.command()
@click.argument("a")
@click.argument("b")
@click.pass_obj
def agree(runs, a, b):
    """Queue the comparison of A's and B's first evaluations."""
    one, other = (evaluations(runs, run_id)[0].spec.id for run_id in (a, b))
    spec = read_run(runs, a).spec
    phases = (AgreeSpec(one=one, other=other),)
    spec = spec.model_copy(update={"arm": "agree", "phases": phases})
    echo(launch_runs(runs, [spec], DeviceRequest(cpu=True)).all[0])
'''
EXPERIMENT = """
name: two
teachers: [wren-3m]
students: [wren-1m]
tasks: [pocket-compass]
arms: [teacher, baseline]
settings:
  evaluate: {limit: 24, prompts: [plain]}
"""
WATCH = """
import asyncio, sys
from pathlib import Path
from engine.store.layout import RunsFolder
from sirt_tui.app import SirtApp

async def main(run_id):
    app = SirtApp(RunsFolder(Path(sys.argv[1])))
    async with app.run_test(size=(200, 50)) as pilot:
        app.open_run(run_id)
        for _ in range(400):
            await pilot.pause(0.05)
            strips = (app.screen._compositor.render_strips())
            text = "\\n".join("".join(s.text for s in strip) for strip in strips)
            if "agree with another" in text and "0.5" in text and "they agree on" in text:
                break
        print(text)

asyncio.run(main(sys.argv[2]))
"""


def test_a_phase_an_event_a_metric_and_a_verb(program: Program) -> None:
    program.add("kind of phase", "agree", PHASE, '    "agree": "engine.phases.agree:AgreeSpec",')
    line = '    "agreement": "engine.schema.agreement:Agreement",'
    program.add("kind of event", "agreement", EVENT, line)
    program.name(
        "metric, with its curve",
        '    Metric("same answers, share", ("agree",), {"same_answers": "same"}),',
    )
    line = '    "agree": Verb("agree", "agree", READ, "two runs: same answers?", "sirt agree A B"),'
    program.add("verb", "agree", VERB, line)
    program.sirt("run", str(program.write("two.yaml", EXPERIMENT)), "--cpu")
    runs = {run["arm"]: run["run_id"] for run in program.json("status")}
    assert "agree      two runs: same answers?" in program.sirt("--help")

    run_id = program.sirt("agree", runs["teacher"], runs["baseline"]).strip()
    found = program.finished(run_id)
    phase = found["phases"][-1]  # after those that it comes from
    assert (phase["kind"], phase["figures"]["questions"]) == ("agree", 24)
    told = program.sirt("status", run_id)
    assert f"they agree on {phase['figures']['same']} of 24 questions" in told
    again = program.sirt("agree", runs["baseline"], runs["teacher"]).strip()
    assert program.finished(again)["phases"][-1]["id"] == phase["id"], "one phase, whoever is first"

    for verb in ("show", "logs", "status", "bundle"):
        program.sirt(verb, run_id)
    exported = program.root / "mine"
    program.sirt("export", run_id, str(exported))
    (file,) = exported.iterdir()
    assert json.loads(file.read_text())["same"] == phase["figures"]["same"]
    assert "agree" not in program.sirt("report", "two", "--format", "markdown"), "no cell of tables"

    seen = program.python("-c", WATCH, str(program.runs), run_id)
    assert "agree same answers, share" in seen
    assert "they agree on" in seen
    program.sirt("delete", run_id, "--yes")
