"""Two recorded runs, a judge behind the misbehaving server, and one judge phase in this process."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands.judging import plan_judging
from engine.queries.judgements import Judgement, judgement_of
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.follow_ups import JudgeSpec
from engine.schema.settings import JudgeSettings
from engine.schema.specs import EvaluateSpec
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.engine.training_helpers import Attempt, Lab
from tests.tui.conftest import run_of

if TYPE_CHECKING:
    from tests.engine.misbehaving_server import MisbehavingServer


RECORDED = RunsFolder(Path(__file__).parents[2] / "fixtures" / "runs")
TEACHER, BARE = run_of(RECORDED, "teacher", "wren-3m"), run_of(RECORDED, "baseline")
BLOCKS = re.compile(r"\[Answer A\]\n(.*)\n\[Answer B\]\n(.*)\n\[End\]", re.DOTALL)


def runs_with_answers(root: Path) -> RunsFolder:
    """The teacher's run and the bare student's, with their answers to 24 sums and walks."""
    copy = RunsFolder(root)
    for run_id in (TEACHER, BARE):
        shutil.copytree(RECORDED.run_folder(run_id), copy.run_folder(run_id))
        for spec in read_run(RECORDED, run_id).spec.phases:
            if isinstance(spec, EvaluateSpec):
                shutil.copytree(RECORDED.phase(spec.id).path, copy.phase(spec.id).path)
    return copy


def longer(prompt: str) -> str:
    """Likes what is longer, wherever it stands."""
    found = BLOCKS.search(prompt)
    assert found
    a, b = len(found[1]), len(found[2])
    return f"Let me see.\nVerdict: {'A' if a > b else 'B' if b > a else 'tie'}"


def card(server: MisbehavingServer, **fields: Any) -> ModelCard:
    source = Endpoint(
        kind="openai_compatible",
        base_url=server.url,
        model="m",
        **{"concurrency": 4, "http_retries": 0, "price_in": 1000.0, "price_out": 1000.0}
        | {"patience_s": 0.0}
        | fields,
    )
    return ModelCard(name="gpt", family="gpt", source=source)


def spec_of(
    runs: RunsFolder, judge: ModelCard, a: str = TEACHER, b: str = BARE, **settings: Any
) -> JudgeSpec:
    wanted = plan_judging(runs, a, b, judge, JudgeSettings(**settings), ["pocket-sums"], ["plain"])
    (spec,) = wanted.spec.phases
    assert isinstance(spec, JudgeSpec)
    return spec


def attempt(runs: RunsFolder, spec: JudgeSpec, **how: Any) -> Attempt:
    return Lab(runs).attempt(spec, **how)


def ask(
    runs: RunsFolder, judge: ModelCard, a: str = TEACHER, b: str = BARE, **settings: Any
) -> Judgement:
    """What a finished judgement says; it is made where it isn't there."""
    spec = spec_of(runs, judge, a, b, **settings)
    if not runs.phase(spec.id).done:
        attempt(runs, spec)
    return judgement_of(runs, spec, (a, b))


def card_file(folder: Path, server: MisbehavingServer) -> str:
    file = folder / "judge.yaml"
    file.write_text(
        "name: gpt\nfamily: gpt\nsource:\n  kind: openai_compatible\n"
        f"  base_url: {server.url}\n  model: m\n  concurrency: 1\n  price_in: 1.0\n"
    )
    return str(file)


def call(runs: RunsFolder, *more: str) -> Any:
    options = ("--task", "pocket-sums", "--prompt", "plain")
    return CliRunner().invoke(
        sirt, ["--runs", str(runs.root), "judge", TEACHER, BARE, *options, *more]
    )
