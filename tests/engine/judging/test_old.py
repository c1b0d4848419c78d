"""Judgements of version 0.1 are shown, and their replies are used again."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from engine.queries.judgements import judgements
from engine.schema.jsonfile import with_seal
from engine.store.judgement_dir import JudgementDir
from engine.store.layout import REPLIES, VERDICTS, RunsFolder, hash_file
from engine.store.writing import write_json
from tests.engine.judging.helpers import (
    BARE,
    TEACHER,
    ask,
    card,
    spec_of,
)

if TYPE_CHECKING:
    from engine.schema.follow_ups import JudgeSpec
    from tests.engine.misbehaving_server import MisbehavingServer


def as_0_1_filed_it(runs: RunsFolder, spec: JudgeSpec) -> JudgementDir:
    """A finished phase's replies and verdicts where version 0.1 kept them, and no phase."""
    phase, folder = runs.phase(spec.id), JudgementDir(runs.judgements / spec.generation_key)
    folder.path.mkdir(parents=True)
    told = {
        "phases": spec.phases,
        "judge": spec.judge.model_dump(mode="json"),
        "method": spec.settings.method,
        "prompt_version": spec.prompt_version,
        "seed": spec.seed,
    }
    folder.spec_file.write_text(json.dumps(told))
    shutil.copy(phase.work / REPLIES, folder.replies)
    shutil.copy(phase.out / VERDICTS, folder.verdicts)
    write_json(folder.seal, with_seal({"sha256": hash_file(folder.verdicts)}))
    shutil.rmtree(phase.path)
    return folder


@pytest.mark.parametrize("method", ["compare", "answer"])
def test_what_0_1_was_told_is_shown_and_used(
    runs: RunsFolder, server: MisbehavingServer, method: str
) -> None:
    if method == "answer":
        server.answer = lambda _: "The answer is 7."
    judge = card(server)
    before = ask(runs, judge, limit=9, method=method)
    as_0_1_filed_it(runs, spec_of(runs, judge, limit=9, method=method))
    assert judgements(runs, [TEACHER, BARE]) == [before]
    asked = len(server.requests)
    assert ask(runs, judge, limit=9, method=method) == before
    assert len(server.requests) == asked
    more = ask(runs, judge, limit=None, method=method)
    assert set(server.delivered.values()) == {1}
    assert judgements(runs, [TEACHER, BARE]) == [more]


def test_a_damaged_judgement_of_0_1_is_named_and_hides_no_other(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    judge = card(server)
    ask(runs, judge)
    folder = as_0_1_filed_it(runs, spec_of(runs, judge))
    folder.verdicts.write_bytes(folder.verdicts.read_bytes().replace(b"first", b"tie", 1))
    told: list[str] = []
    assert judgements(runs, [TEACHER, BARE], told.append) == []
    assert [str(folder.verdicts) in line for line in told] == [True]
    whole = ask(runs, judge)  # of the replies, which are whole
    assert judgements(runs, [TEACHER, BARE]) == [whole]
