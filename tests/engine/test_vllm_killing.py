"""Kill -9 of a phase, of its server, or of what watches that, at one moment after the other: a
retry goes on, nothing that came back is asked again, and no process is left."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine import catalog
from engine.generation.vllm import parity
from engine.generation.vllm.folder import ServerDir, server_dirs
from engine.interfaces import Devices, Handle
from engine.machine import processes
from engine.machine.vllm import VARIABLE
from engine.models.loading import load
from engine.models.tokenizing import prepare_prompt
from engine.phases.ask import item_seed
from engine.phases.evaluate import _prompts
from engine.pocket.recipes import MODELS
from engine.scheduling.launchers.forked import Forks
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.layout import PREDICTIONS, REPLIES, PhaseDir, RunsFolder
from engine.tasks.sampling import balanced
from tests.engine.vllm_helpers import PATIENCE_S, FakeVllm, fake_vllm, is_alive, truth, wait_until

pytestmark = pytest.mark.slow(40)
QUESTIONS = 40
CARD = ModelCard(
    name="wren",
    family="wren",
    source=LocalWeights(path=str(MODELS / "wren-1m"), precision="fp32", engine="vllm"),
    sampling=Sampling(temperature=0.7, max_new_tokens=24),
)
SPEC = EvaluateSpec(model=CARD, task=TaskRef(name="pocket-sums"), prompt="plain", limit=QUESTIONS)
# (who is killed, after how many replies on file; None: while the server starts)
MOMENTS: tuple[tuple[tuple[str, ...], int | None], ...] = (
    (("phase",), None),
    (("leader",), None),
    (("keeper",), None),
    (("phase",), 0),
    (("leader",), 3),
    (("phase",), 6),
    (("keeper",), 9),
    (("guard",), 12),
    (("phase", "leader"), 15),
    (("keeper", "leader"), 18),
    (("phase", "keeper", "leader"), 21),
    (("guard", "keeper"), 24),
    (("phase",), 30),
    (("leader",), 36),
)


class Trial:
    """A phase that is started again whenever it has ended without an outcome that counts."""

    def __init__(self, runs: RunsFolder, fake: FakeVllm, forks: Forks) -> None:
        self.runs, self.fake, self.forks = runs, fake, forks
        runs.create()
        self.folder: PhaseDir = runs.phase(SPEC.id)
        self.folder.create(SPEC)
        self.handle: Handle | None = None

    def run(self) -> None:
        if not self.folder.done and not self.alive:
            self.handle = self.forks.start(self.folder, self.folder.new_attempt(), Devices())

    @property
    def alive(self) -> bool:
        return self.handle is not None and processes.is_alive(self.handle)

    def join(self) -> None:
        assert self.handle is not None
        assert processes.wait_gone(self.handle, PATIENCE_S)

    def on_file(self) -> set[str]:
        file = self.folder.work / REPLIES
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return {json.loads(line)["key"] for line in lines if line.endswith("\n")}

    def server_dir(self) -> ServerDir | None:
        return next((d for d in server_dirs(self.runs.root) if d.launch.exists()), None)

    def pid(self, who: str) -> int | None:
        """Of a living one."""
        if who == "phase":
            return self.handle["pid"] if self.handle and self.alive else None
        folder = self.server_dir()
        server = folder.living() if folder else None
        if server is None:
            return None
        if who == "guard":
            children = psutil.Process(server.keeper["pid"]).children()
            return next((p.pid for p in children if p.name() == "sh"), None)
        pid: int = getattr(server, who)["pid"]
        return pid if is_alive(pid) else None


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    with fake_vllm(tmp_path, monkeypatch) as made:
        monkeypatch.setenv(VARIABLE, str(made.executable))
        yield made


@pytest.fixture
def forks(fake: FakeVllm, tmp_path: Path) -> Iterator[Forks]:
    """They know the fake; forked, since the imports would take most of each attempt's time."""
    made = Forks(tmp_path / "forks.log")
    made.warm_up()
    assert made._process
    yield made
    made.close()
    made._process.kill()
    made._process.wait()


def test_nothing_is_lost_or_asked_twice_whatever_is_killed(
    fake: FakeVllm, forks: Forks, tmp_path: Path
) -> None:
    teach(fake)
    wait_until(forks.ready)
    undisturbed = Trial(RunsFolder(tmp_path / "quiet"), fake, forks)
    undisturbed.run()
    undisturbed.join()
    assert undisturbed.folder.done

    trial = Trial(RunsFolder(tmp_path / "runs"), fake, forks)
    kept: list[tuple[set[str], int]] = []
    fake.start_slowly()
    fake.hold()
    for victims, replies in MOMENTS:
        if replies is not None:
            fake.start_at_once()
        reach(trial, victims, replies)
        for pid in [trial.pid(who) for who in victims]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid or 0, signal.SIGKILL)
        if "phase" in victims:
            trial.join()
        kept.append((trial.on_file(), len(fake.asked)))
    fake.go_on()

    def finished() -> bool:
        trial.run()
        return trial.folder.done

    wait_until(finished)
    trial.join()
    assert len(trial.on_file()) == QUESTIONS
    same = [(t.folder.path / "out" / PREDICTIONS).read_text() for t in (undisturbed, trial)]
    assert same[0] == same[1]
    key_of = {item_seed(SPEC.seed, key): key for key in trial.on_file()}
    asked = [key_of[note["seed"]] for note in fake.asked]
    assert len(kept) == len(MOMENTS)
    for on_file, before in kept:
        assert not on_file & set(asked[before:])


def reach(trial: Trial, victims: tuple[str, ...], replies: int | None) -> None:
    """Have those alive who are to be killed, and so many replies on file while more are asked
    for."""
    fake = trial.fake

    def there() -> bool:
        trial.run()
        given, on_file = len(fake.notes("answered")), len(trial.on_file())
        fake.hold(given + (on_file < (replies or 0)))
        if not all(trial.pid(who) for who in ("phase", *victims)):
            return False
        if replies is None:
            folder = trial.server_dir()
            server = folder.living() if folder else None
            return server is not None and server.state == "starting"
        return on_file >= replies and len(fake.asked) > given

    wait_until(there)


def teach(fake: FakeVllm) -> None:
    """The fake says what the model says where that is checked, and a few words elsewhere."""
    task = catalog.task(SPEC.task.name)
    items = balanced(task.load(SPEC.task.source, SPEC.split), QUESTIONS, SPEC.data_seed)
    loaded = load(CARD)
    prompts = [prepare_prompt(loaded.tokenizer, p) for p in _prompts(SPEC, task, items)]
    fake.knows(truth(loaded, prompts[: parity.PROMPTS]))
    words = loaded.tokenizer("The answer is seven", add_special_tokens=False).input_ids
    fake.says([*words, loaded.tokenizer.eos_token_id])
