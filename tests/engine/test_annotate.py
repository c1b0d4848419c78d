"""The annotate phase: against a paid endpoint that fails, stops and is killed, and others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.phases import annotate
from engine.phases.ask import SAMPLES, item_seed
from engine.phases.context import Stopped
from engine.phases.replies import ReplyStore
from engine.schema.cards import (
    Endpoint,
    ImportedAnswers,
    ModelCard,
    Sampling,
)
from engine.schema.errors import UserError
from engine.schema.settings import AnnotateSettings
from engine.schema.specs import AnnotateSpec, EvaluateSpec, TaskRef
from engine.store.eventlog import EventReader
from engine.store.layout import REPLIES, PhaseDir
from engine.store.phase_log import fold_all
from tests.engine.annotating import (
    BOXES,
    ITEMS,
    TeacherLab,
    cost,
    demonstrations,
    progress,
    right,
    spec_of,
    wrong,
)
from tests.engine.misbehaving_server import MisbehavingServer, echo_key, reply, wait_for, when
from tests.engine.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.schema import events as ev

MODELS = Path(annotate.__file__).parents[1] / "pocket" / "models"
KEY = "sk-planted-0123456789"
RUN_ATTEMPT = """
import sys
from pathlib import Path
from engine.store.layout import AttemptDir, PhaseDir
from engine.interfaces import Devices
from engine.scheduling.runner import run_attempt
sys.exit(run_attempt(PhaseDir(Path(sys.argv[1])), AttemptDir(Path(sys.argv[2])), Devices()))
"""


@pytest.fixture
def says() -> Callable[[str], str]:
    return right


def test_demonstrations_come_in_item_order_with_verdict_and_reason(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.script.extend(
        [
            reply("The answer is Z"),
            reply("Think. The ans", finish="length"),
            reply("no", finish="content_filter"),
            reply(""),
        ]
    )
    folder = lab.attempt(spec_of(server, limit=40, concurrency=1, content_retries=0))
    made = demonstrations(folder)
    order = [item.id for item in ITEMS.values()]
    assert [d.id for d in made] == sorted((d.id for d in made), key=order.index)
    groups = [d.group for d in made]
    assert max(map(groups.count, groups)) - min(map(groups.count, groups)) <= 1
    kept = [d for d in made if d.kept]
    assert all(d.output == right(d.prompt) and d.verdict.correct for d in kept)
    assert [d.dropped_because for d in made[:5]] == [
        "unparsed",
        "cut off",
        "filtered",
        "empty",
        None,
    ]
    figures = folder.manifest()["figures"]
    assert figures["kept"] == len(kept) == 36
    assert figures["total"] == 40
    assert figures["dropped"] == {"unparsed": 1, "cut off": 1, "filtered": 1, "empty": 1}
    assert figures["truncated"] == 1
    assert figures["prompt_tokens"] == 400
    assert figures["spent"] == pytest.approx(40 * (10 * 0.001 + 5 * 0.01))


def test_watchers_see_progress_cost_and_about_thirty_samples(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    lab.attempt(spec_of(server, limit=80, concurrency=16))
    view = lab.views[0]
    assert progress(view)[:2] == (80, 80)
    assert cost(view).requests == 80
    assert cost(view).prompt_tokens == 800
    samples = list(view.samples)
    assert SAMPLES / 2 <= len(samples) <= SAMPLES
    assert all(s.verdict is not None and s.verdict.correct for s in samples)
    assert samples[0].prompt in ITEMS
    assert all(s.target for s in samples)  # shown beside an answer that is wrong


def test_keep_all_keeps_what_has_an_answer(lab: TeacherLab, server: MisbehavingServer) -> None:
    server.answer = wrong
    server.script.extend([reply("Think. The ans", finish="length"), reply("")])
    folder = lab.attempt(spec_of(server, keep="all", content_retries=0))
    assert folder.manifest()["figures"]["kept"] == 11
    assert folder.manifest()["figures"]["correct"] == 0


def test_no_demonstration_at_all_is_an_error_that_counts(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.answer = lambda prompt: "well, well"
    with pytest.raises(UserError, match=r"none of 12 .*12 unparsed.*begins 'well, well'"):
        lab.attempt(spec_of(server))


def test_few_demonstrations_are_a_warning(lab: TeacherLab, server: MisbehavingServer) -> None:
    server.answer = wrong
    server.script.extend([lambda h, b: reply(right(b["messages"][0]["content"]))(h, b)])
    lab.attempt(spec_of(server))
    assert [m.code for m in lab.views[0].warnings] == ["kept-low"]


def test_a_retry_after_the_spend_cap_pays_nothing_twice(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    with pytest.raises(UserError, match=r"spend cap of 0\.50 USD reached"):
        lab.attempt(spec_of(server, max_spend=0.5))
    done = len(server.delivered)
    assert 0 < done < 12
    with pytest.raises(UserError, match=f"{done} of 12 answered"):
        lab.attempt(spec_of(server, max_spend=0.5))
    folder = lab.attempt(spec_of(server, max_spend=5.0))
    assert set(server.delivered.values()) == {1}
    first, _, last = lab.views
    assert progress(last)[2] == done
    assert cost(first).spent < cost(last).spent
    assert cost(last).requests == 12
    assert folder.manifest()["figures"]["spent"] == pytest.approx(cost(last).spent)


def test_another_phase_with_the_same_generations_asks_nobody(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    first = lab.attempt(spec_of(server))
    second = lab.attempt(spec_of(server, keep="all", api_key_env="SIRT_NOT_SET"))
    assert second.id != first.id
    assert len(server.requests) == 12
    assert [d.output for d in demonstrations(first)] == [d.output for d in demonstrations(second)]
    assert second.manifest()["figures"]["spent"] == 0
    assert first.id in next(iter(lab.views[1].messages)).text
    lab.attempt(spec_of(server, limit=13))
    assert len(server.requests) == 25


def test_a_teacher_is_measured_on_its_demonstrations_without_asking_again(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    server.script.append(reply("The answer is Z"))
    spec = spec_of(server)
    first = lab.attempt(spec)
    scored = lab.attempt(
        EvaluateSpec(
            model=spec.teacher, task=spec.task, prompt="cot", split="train", limit=12,
            answers=first.id,
        )
    )  # fmt: skip
    assert len(server.requests) == 12
    figures = scored.manifest()["figures"]
    assert (figures["correct"], figures["total"]) == (11, 12)
    assert figures["correct"] == first.manifest()["figures"]["correct"]


def test_a_stop_request_is_heeded_while_the_server_hangs(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    """What is on file stays there; what hangs is waited for no longer than a request may take."""
    never = threading.Event()
    server.script.extend([reply(), reply(), *[when(never)] * 10])
    spec = spec_of(server, timeout_s=1.0)
    watching = threading.Thread(target=_stop_after, args=(lab.runs.phase(spec.id), 2))
    watching.start()
    with pytest.raises(Stopped):
        lab.attempt(spec)
    watching.join()
    assert len(ReplyStore(lab.runs.phase(spec.id).work / REPLIES)) == 2


def _stop_after(folder: PhaseDir, lines: int) -> None:
    wait_for(lambda: count_lines(folder.work / REPLIES) >= lines)
    folder.attempts()[-1].stop.touch()


@pytest.mark.slow
def test_imported_demonstrations_need_not_cover_all(lab: TeacherLab, tmp_path: Path) -> None:
    path = tmp_path / "ready.jsonl"
    rows = [{"id": item.id, "output": right(prompt)} for prompt, item in ITEMS.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    source = ImportedAnswers(kind="imported", path=str(path), revision="1")
    spec = AnnotateSpec(
        teacher=ModelCard(name="ready", family="gpt", source=source),
        task=TaskRef(name="pocket-boxes", source=BOXES.default_source),
        settings=AnnotateSettings(limit=None),
    )
    folder = lab.attempt(spec)
    assert demonstrations(folder)[-1].dropped_because == "no reply"
    assert folder.manifest()["figures"]["kept"] == len(ITEMS) - 1
    assert lab.views[0].cost is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{target}", "20 of 20 demonstrations hold no reasoning, 20 are nothing but their target"),
        ("The answer is {target}.", "20 of 20 demonstrations hold no reasoning: "),
        ("The coin is moved from the red box to the blue box. The answer is {target}.", None),
    ],
)
def test_ready_answers_without_reasoning_are_warned_of(
    lab: TeacherLab, tmp_path: Path, answer: str, words: str | None
) -> None:
    path = tmp_path / "ready.jsonl"
    rows = [{"id": i.id, "output": answer.format(target=i.target)} for i in ITEMS.values()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = ImportedAnswers(kind="imported", path=str(path), revision="1")
    spec = AnnotateSpec(
        teacher=ModelCard(name="ready", family="gpt", source=source),
        task=TaskRef(name="pocket-boxes", source=BOXES.default_source),
        settings=AnnotateSettings(limit=20),
    )
    lab.attempt(spec)
    said = [m.text for m in lab.views[0].warnings if m.code == "no-reasoning"]
    assert len(said) == (words is not None)
    assert all(words is not None and words in text for text in said)


def test_an_items_seed_depends_on_seed_and_id_only() -> None:
    assert item_seed(0, "train-0001") == 11_547_676
    assert item_seed(1, "train-0001") != item_seed(0, "train-0001")
    assert all(0 <= item_seed(0, str(i)) < 2**31 for i in range(1000))


@pytest.mark.slow
def test_kill_9_and_a_torn_tail_then_a_refused_key_then_success(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    """No question is paid twice, and the key is nowhere in the folder."""
    spec = spec_of(server, limit=30, api_key_env="SIRT_TEST_KEY", concurrency=3)
    folder = lab.runs.phase(spec.id)
    folder.create(spec)
    replies = folder.work / REPLIES
    never = threading.Event()
    server.script.extend([reply()] * 10 + [when(never)] * 20)

    process = start(folder)
    wait_for(lambda: count_lines(replies) >= 10)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    wait_for(lambda: server.at_once == 0)
    assert count_lines(replies) == 10
    with replies.open("ab") as file:
        file.write(b'{"key":"train-0007","text":"Thi')

    server.script.clear()
    server.script.extend([echo_key()] * 3)
    assert start(folder).wait(60) == 1
    assert fold_all(last_events(folder)).outcome == "failed"

    assert start(folder).wait(60) == 0
    view = fold_all(last_events(folder))
    assert view.outcome == "done"
    assert progress(view)[2] >= 10
    assert len(server.delivered) == 30
    assert set(server.delivered.values()) == {1}
    assert cost(view).requests == 30
    assert view.figures["kept"] == 30
    written = [path.read_bytes() for path in lab.runs.root.rglob("*") if path.is_file()]
    assert any(b"***" in content for content in written), "the refusal was told, scrubbed"
    assert not any(KEY.encode() in content for content in written)


@pytest.mark.slow
def test_a_real_model_behind_a_real_endpoint(lab: TeacherLab) -> None:
    """What it says doesn't matter here; that text, counts and seeds pass through does."""
    with serving(MODELS / "otter-3m") as url:
        source = Endpoint(
            kind="openai_compatible", base_url=url, model=str(MODELS / "otter-3m"), concurrency=2
        )
        teacher = ModelCard(
            name="otter",
            family="otter",
            source=source,
            sampling=Sampling(temperature=0.7, max_new_tokens=24),
        )
        spec = AnnotateSpec(
            teacher=teacher,
            task=TaskRef(name="pocket-boxes", source=BOXES.default_source),
            settings=AnnotateSettings(limit=6, keep="all"),
        )
        made = demonstrations(lab.attempt(spec))
    view = lab.views[0]
    assert progress(view) == (6, 6, 0)
    assert sum(d.kept for d in made) >= 4
    assert all(d.output.strip() for d in made if d.kept)
    assert cost(view).prompt_tokens > 6 * 10
    assert cost(view).completion_tokens > 6
    assert not list(view.messages), "the server takes seed and max_tokens, and counts tokens"


def start(folder: PhaseDir) -> subprocess.Popen[bytes]:
    attempt = folder.new_attempt()
    with attempt.stderr.open("wb") as stderr, attempt.stdout.open("wb") as stdout:
        return subprocess.Popen(
            [sys.executable, "-c", RUN_ATTEMPT, str(folder.path), str(attempt.path)],
            env=os.environ | {"SIRT_TEST_KEY": KEY, "OMP_NUM_THREADS": "1"},
            stdout=stdout,
            stderr=stderr,
        )


def last_events(folder: PhaseDir) -> list[ev.Event]:
    return EventReader(folder.attempts()[-1].events).read(max_ms=5000)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
