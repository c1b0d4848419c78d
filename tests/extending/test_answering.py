"""A benchmark and a source of models that the program has never heard of, from plan to bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.extending.program import Program

pytestmark = pytest.mark.slow(35)

ARC = '''
"""ARC (Clark et al., 2018): three to five options, whose labels may be letters or numbers."""

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.tasks.benchmark import Benchmark, letter_of, nested_choices
from engine.tasks.prompts import choice_instruction


def _item(row, fallback_id):
    question, labels, texts = nested_choices(row, "question")
    letter = letter_of(row, row.label("answerKey"), labels)
    return Item(row.key("id", fallback_id), question, tuple(texts), letter, letter)


TASK = Benchmark(
    name="arc",
    instruction=choice_instruction(4),
    kind="choice",
    default_source=TaskSource(hub="allenai/ai2_arc", config="ARC-Challenge", revision="main"),
    hub_splits={"train": "train", "test": "test"},
    item=_item,
    sizes=(1119, 1172),
)
'''
COMMAND = '''
"""A program of this machine that reads a prompt and writes an answer."""

import subprocess
from pathlib import Path
from typing import ClassVar, Literal

from engine.interfaces import Provider, Reply
from engine.schema.cards import ModelSource


class Command(ModelSource):
    provider = "engine.generation.command:CommandProvider"
    note = "program"
    files: ClassVar = {"program": "revision"}

    kind: Literal["command"]
    program: str
    revision: str | None = None
    key_variable: str
    cents: float = 0.0

    @property
    def key_variables(self):
        return (self.key_variable,)

    @property
    def bills_in(self):
        return "EUR"

    def price(self, prompt_tokens, completion_tokens):
        return completion_tokens * self.cents / 100


class CommandProvider(Provider):
    def __init__(self, card, generation, tell, spent=0.0):
        self.program = Path(card.source.program)

    def answer(self, questions, done=frozenset()):
        for question in (q for q in questions if q.key not in done):
            said = subprocess.run(
                [self.program], input=question.prompt, capture_output=True, text=True, check=True
            ).stdout
            yield [(question, Reply(said, "stop", 0, len(said.split())))]
'''
LABELS = ("ABC", "1234", "ABCDE")


def rows(count: int) -> str:
    """As ARC's own files have them: the answer is the option that repeats the question's word."""
    lines = []
    for at in range(count):
        labels = LABELS[at % len(LABELS)]
        right = at % len(labels)
        options = [
            {"label": label, "text": f"place {n}" if n == right else f"part {n}"}
            for n, label in enumerate(labels)
        ]
        question = {"stem": f"Which is place {right}?", "choices": options}
        lines.append({"id": f"q{at}", "question": question, "answerKey": labels[right]})
    return "\n".join(map(json.dumps, lines))


EXPERIMENT = """
name: arc
teachers: [asked]
students: [wren-1m]
tasks: [arc]
arms: [teacher, instruct-only]
sources:
  arc: {train: train.jsonl, test: test.jsonl}
cards:
  - name: asked
    family: programs
    source: {kind: command, program: answer.sh, key_variable: ASKED_KEY, cents: 2}
settings:
  annotate: {limit: 8}
  instruct: {epochs: 1, learning_rate: 1e-3, batch_size: 4, max_length: 256}
  evaluate: {limit: 6, prompts: [plain], methods: [match, logprob]}
"""
# finds the option that says what was asked for
ANSWER = """#!/bin/sh
prompt=$(cat)
place=$(echo "$prompt" | sed -n 's/.*Which is \\(place [0-9]\\)?.*/\\1/p')
echo "It says $place. The answer is $(echo "$prompt" | sed -n "s/^\\([A-E]\\)) $place$/\\1/p")."
"""


SECRET = "hush-hush-hush"


@pytest.fixture
def extended(program: Program) -> Program:
    program.add("benchmark", "arc", ARC, '    "arc": "engine.tasks.arc:TASK",')
    line = '    "command": "engine.generation.command:Command",'
    program.add("source of a model", "command", COMMAND, line)
    program.write("train.jsonl", rows(12))
    program.write("test.jsonl", rows(9))
    program.write("answer.sh", ANSWER).chmod(0o755)
    return program


def test_a_benchmark_and_a_source_go_all_the_way(extended: Program) -> None:
    experiment = str(extended.write("arc.yaml", EXPERIMENT))
    plan = extended.sirt("plan", experiment)
    assert "cost of endpoints (rough): about " in plan
    assert " EUR" in plan
    extended.sirt("run", experiment, "--cpu", ASKED_KEY=SECRET)

    runs = {run["arm"]: run["run_id"] for run in extended.json("status")}
    teacher, taught = runs["teacher"], runs["instruct-only"]
    (asked,) = extended.json("show", teacher)["phases"]
    assert asked["score"]["correct"] == asked["score"]["total"] == 6
    assert asked["model"]["source"].endswith("/answer.sh")
    lines = (extended.runs / "phases" / asked["id"] / "out" / "predictions.jsonl").read_text()
    predictions = [json.loads(line) for line in lines.splitlines()]
    assert {len(one["choices"]) for one in predictions} == {3, 4, 5}
    assert {one["target"] for one in predictions} <= set("ABCDE")
    assert "from options A, B, C." in min((one["prompt"] for one in predictions), key=len)

    annotate = next(p for p in extended.json("show", taught)["phases"] if p["kind"] == "annotate")
    assert (annotate["figures"]["kept"], annotate["figures"]["currency"]) == (8, "EUR")
    assert annotate["figures"]["spent"] == annotate["figures"]["completion_tokens"] * 0.02
    for verb in ("status", "show", "quality", "score", "logs"):
        extended.sirt(verb, taught)
    extended.sirt("compare", teacher, taught)
    assert "arc log-prob" in extended.sirt("report", "arc", "--format", "markdown")

    again = extended.sirt("run", experiment, "--cpu", ASKED_KEY=SECRET)
    assert "reused: 2 runs" in again
    leaked = extended.runs / "phases" / asked["id"] / "attempt-001" / "stderr.log"
    extended.sirt("bundle", taught, "taught.sirt.tar.gz", ASKED_KEY=SECRET)
    leaked.write_text(f"key {SECRET}")
    said = extended.sirt("bundle", teacher, "x.sirt.tar.gz", ASKED_KEY=SECRET, code=2)
    assert "holds $ASKED_KEY" in said


def test_a_source_without_weights_is_no_student_and_its_file_is_looked_for(
    extended: Program,
) -> None:
    changed = EXPERIMENT.replace("students: [wren-1m]", "students: [asked]")
    said = extended.sirt("plan", str(extended.write("arc.yaml", changed)), code=2)
    assert "'asked' is command; a student needs local weights" in said
    changed = EXPERIMENT.replace("program: answer.sh", "program: answr.sh")
    said = extended.sirt("plan", str(extended.write("arc.yaml", changed)), code=2)
    assert "did you mean 'answer.sh'" in said
    changed = EXPERIMENT.replace("kind: command", "kind: comand")
    said = extended.sirt("plan", str(extended.write("arc.yaml", changed)), code=2)
    assert "'comand' is not a choice; did you mean 'command'?" in said
