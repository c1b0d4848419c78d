"""vLLM itself, with a pocket model and an adapter: slow, and only where it is installed."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from peft import LoraConfig, get_peft_model

from engine.generation.engines import LocalModel
from engine.generation.vllm import group
from engine.generation.vllm.folder import Server, ServerDir, server_dirs
from engine.interfaces import Devices, Question, Reply, Workplace
from engine.machine.vllm import find
from engine.models.loading import load
from engine.pocket.problems import pool
from engine.pocket.recipes import MODELS
from engine.pocket.tasks import TASKS
from engine.schema.cards import Engine, LocalWeights, ModelCard, Precision, Sampling
from engine.schema.events import Answering
from engine.schema.settings import GenerationSettings
from engine.tasks.prompts import LETTERS, render
from engine.training.merging import merge
from tests.engine.vllm_helpers import wait_until

INSTALLED = find(Path("runs"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(
        INSTALLED is None,
        reason="vLLM is not installed: sirt doctor --install vllm, or name it in SIRT_VLLM",
    ),
]
QUESTIONS = [
    Question(f"q{n}", render(TASKS[p.task].instruction, p.question, p.choices, "cot"), n)
    for n, p in enumerate(pool("pocket-sums", "test", 24))
]


def card(engine: Engine, precision: Precision = "fp32", temperature: float = 0.0) -> ModelCard:
    source = LocalWeights(path=str(MODELS / "otter-3m"), precision=precision, engine=engine)
    sampling = Sampling(temperature=temperature, max_new_tokens=48)
    return ModelCard(name="otter", family="otter", source=source, sampling=sampling)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests, so that they share servers; nothing is left at the end."""
    folder = tmp_path_factory.mktemp("runs")
    os.environ["SIRT_SERVER_IDLE_S"] = "600"
    yield folder
    del os.environ["SIRT_SERVER_IDLE_S"]
    servers = [s for d in server_dirs(folder) if (s := d.living())]
    for one in server_dirs(folder):
        one.stop.touch()
    wait_until(lambda: not any(group.members(s.leader["pid"], s.mark) for s in servers))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights by chance, large enough to be seen in what is said."""
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    model = get_peft_model(load(card("builtin")).model, config)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.5)
    model.save_pretrained(folder)
    return folder


def asked(
    runs: Path, wanted: ModelCard, adapter: Path | None = None
) -> tuple[dict[str, Reply], list[Answering]]:
    told: list[Answering] = []
    model = made(runs, wanted, adapter, told)
    return {q.key: r for batch in model.answer(QUESTIONS) for q, r in batch}, told


def made(
    runs: Path, wanted: ModelCard, adapter: Path | None = None, told: list[Any] | None = None
) -> LocalModel:
    model = LocalModel(wanted, GenerationSettings(), lambda *_: None, adapter=adapter)

    def merged(wanted: ModelCard, adapter: Path, folder: Path) -> None:
        folder.mkdir()
        merge(wanted, adapter, folder, [q.prompt for q in QUESTIONS[:4]], "fp32")

    note = [].append if told is None else told.append
    model.work_at(Workplace(runs, Devices(), note, merged))
    return model


def the_server(runs: Path) -> tuple[ServerDir, Server]:
    ((folder, server),) = [(d, s) for d in server_dirs(runs) if (s := d.living()) is not None]
    return folder, server


def test_both_engines_say_the_same_greedily(runs: Path) -> None:
    ours, _ = asked(runs, card("builtin"))
    theirs, (told,) = asked(runs, card("vllm"))
    assert told.engine == "vllm"
    assert {k: r.text for k, r in theirs.items()} == {k: r.text for k, r in ours.items()}
    assert {k: dataclasses.replace(r, text="") for k, r in theirs.items()} == {
        k: dataclasses.replace(r, text="") for k, r in ours.items()
    }


def test_an_adapter_is_loaded_into_the_running_server_and_answers_as_it_does_here(
    runs: Path, adapter: Path
) -> None:
    bare, _ = asked(runs, card("vllm"))
    before = the_server(runs)[1].mark
    ours, _ = asked(runs, card("builtin"), adapter)
    theirs, (told,) = asked(runs, card("vllm"), adapter)
    assert the_server(runs)[1].mark == before
    assert told.startup_s < 1
    assert {k: r.text for k, r in theirs.items()} == {k: r.text for k, r in ours.items()}
    assert theirs != bare
    assert asked(runs, card("vllm"))[0] == bare


def test_a_seed_says_the_same_again(runs: Path) -> None:
    first, _ = asked(runs, card("vllm", temperature=2.0))
    again, _ = asked(runs, card("vllm", temperature=2.0))
    greedy, _ = asked(runs, card("vllm"))
    assert first == again != greedy


def test_option_letters_are_as_likely_as_here(runs: Path) -> None:
    prompts = [q.prompt for q in QUESTIONS[:6]]
    letters = [LETTERS[:4]] * 6
    ours = made(runs, card("builtin")).option_logprobs(prompts, letters, lambda *_: None)
    theirs = made(runs, card("vllm")).option_logprobs(prompts, letters, lambda *_: None)
    assert torch.allclose(torch.tensor(ours), torch.tensor(theirs), atol=2e-3)


@pytest.mark.parametrize("who", ["leader", "a worker", "keeper"])
def test_it_goes_on_when_a_process_of_the_server_is_killed(runs: Path, who: str) -> None:
    wanted, _ = asked(runs, card("vllm"))
    model = made(runs, card("vllm"))
    replies: dict[str, Reply] = {}
    killed: Server | None = None
    for batch in model.answer(QUESTIONS):
        replies |= {q.key: r for q, r in batch}
        if killed is None and (replies or batch == []):
            folder, server = the_server(runs)
            if server.state != "ready" or not folder.holders():
                continue
            killed = server
            os.kill(victim(server, who), signal.SIGKILL)
    assert killed is not None
    assert replies == wanted
    wait_until(lambda: not group.members(killed.leader["pid"], killed.mark))


def victim(server: Server, who: str) -> int:
    if who != "a worker":
        pid: int = getattr(server, who)["pid"]
        return pid
    leader = psutil.Process(server.leader["pid"])
    return max(leader.children(recursive=True), key=lambda p: p.memory_info().rss).pid


def test_a_base_in_four_bits_answers_as_it_does_here(runs: Path, adapter: Path) -> None:
    """As NF4 with its adapter where the plugin takes layers as small as these, else merged."""
    for folder in server_dirs(runs):
        folder.stop.touch()
    wait_until(lambda: not any(d.living() for d in server_dirs(runs)))
    replies, (told,) = asked(runs, card("vllm", "nf4"), adapter)
    assert len(replies) == len(QUESTIONS)
    assert "NF4 base with its adapter" in told.policy or "merged" in told.policy
    assert told.parity is not None
