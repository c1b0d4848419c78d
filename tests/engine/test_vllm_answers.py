"""A local model asked through vLLM, with a fake in its place."""

import dataclasses
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model

from engine.generation.engines import LocalModel
from engine.generation.vllm import parity
from engine.generation.vllm.folder import server_dirs, servers_of
from engine.interfaces import Begun, Devices, Question, Reply, Workplace
from engine.machine.vllm import VARIABLE
from engine.models.loading import Loaded, load
from engine.models.tokenizing import prepare_prompt
from engine.pocket.recipes import MODELS
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.errors import UserError
from engine.schema.events import Answering
from engine.schema.settings import GenerationSettings
from tests.engine.vllm_helpers import FakeVllm, fake_vllm, truth, wait_until

PLACE = MODELS / "wren-1m"
CARD = ModelCard(
    name="wren",
    family="wren",
    source=LocalWeights(path=str(PLACE), precision="fp32", engine="vllm"),
    sampling=Sampling(temperature=0.7, max_new_tokens=40),
)
QUESTIONS = [Question(f"q{i}", f"What is {i} and {i}?", seed=i) for i in range(12)]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(CARD)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: Loaded) -> Iterator[FakeVllm]:
    prompts = [prepare_prompt(loaded.tokenizer, q.prompt) for q in QUESTIONS[: parity.PROMPTS]]
    words = loaded.tokenizer("The answer is seven or eight", add_special_tokens=False).input_ids
    with fake_vllm(tmp_path, monkeypatch, idle_s=0.1) as made:
        monkeypatch.setenv(VARIABLE, str(made.executable))
        made.knows(truth(loaded, prompts))
        made.says([*words, loaded.tokenizer.eos_token_id])
        yield made


def nothing_to_merge(*_: object) -> None:
    raise AssertionError("nothing is to be merged")


@dataclasses.dataclass
class Desk:
    """Where a test's model works, and what it told."""

    runs: Path
    told: list[Answering] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)
    merging: Callable[[ModelCard, Path, Path], None] | None = None

    def model(self, card: ModelCard = CARD, adapter: Path | None = None) -> LocalModel:
        def tell(line: str, *_: str) -> None:
            self.lines.append(line)

        made = LocalModel(card, GenerationSettings(), tell, adapter=adapter)
        merge = self.merging or nothing_to_merge
        made.work_at(Workplace(self.runs, Devices(), self.told.append, merge))
        return made


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def answers(model: LocalModel, questions: list[Question] = QUESTIONS) -> dict[str, Reply]:
    return {q.key: reply for batch in model.answer(questions) for q, reply in batch}


def test_the_server_is_sent_what_the_builtin_engine_reads(
    fake: FakeVllm, desk: Desk, loaded: Loaded
) -> None:
    replies = answers(desk.model())
    assert set(replies) == {q.key for q in QUESTIONS}
    asked = {note["seed"]: note for note in fake.asked}
    for question in QUESTIONS:
        sent = asked[question.seed]
        assert sent["prompt"] == prepare_prompt(loaded.tokenizer, question.prompt)
        assert sent["max_tokens"] == 40
        assert sent["temperature"] == 0.7
        assert loaded.tokenizer.eos_token_id in sent["stop_token_ids"]
    assert replies["q0"].text == "The answer is seven or eight"
    assert replies["q0"].finish == "stop"
    assert replies["q0"].prompt_tokens == len(asked[0]["prompt"])
    assert len({reply.text for reply in replies.values()}) > 1  # each its own seed


def test_an_answer_that_was_begun_is_gone_on_with(
    fake: FakeVllm, desk: Desk, loaded: Loaded
) -> None:
    begun = dataclasses.replace(QUESTIONS[-1], begun=Begun("Two.", "Therefore, the answer is"))
    answers(desk.model(), [*QUESTIONS[:-1], begun])
    (sent,) = [note for note in fake.asked if note["seed"] == begun.seed]
    assert loaded.tokenizer.decode(sent["prompt"]).endswith("Two.\nTherefore, the answer is")


def test_who_answered_is_told(fake: FakeVllm, desk: Desk) -> None:
    answers(desk.model())
    (told,) = desk.told
    assert told.engine == "vllm"
    assert "fp32 base" in told.policy
    assert told.parity is not None
    assert told.parity < 1e-3


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    config = LoraConfig(r=4, target_modules=["q_proj"])
    get_peft_model(load(CARD).model, config).save_pretrained(folder)
    return folder


def test_an_adapter_has_a_seat_on_the_server_while_it_is_asked(
    fake: FakeVllm, desk: Desk, adapter: Path
) -> None:
    answers(desk.model(adapter=adapter))
    (came,), (went,) = fake.notes("/v1/load_lora_adapter"), fake.notes("/v1/unload_lora_adapter")
    assert came["lora_path"] == str(adapter)
    assert came["lora_name"] == went["lora_name"] == fake.asked[0]["model"]
    (argv,) = [start["argv"] for start in fake.starts]
    assert int(argv[argv.index("--max-loras") + 1]) > 1  # a seat more than adapters
    assert "fp32 base with its adapter" in desk.told[0].policy


def test_an_adapter_that_vllm_does_not_take_is_told(
    fake: FakeVllm, desk: Desk, adapter: Path
) -> None:
    fake.refuses("/v1/load_lora_adapter", "target module not supported")
    with pytest.raises(UserError, match="does not take this adapter: target module"):
        answers(desk.model(adapter=adapter))


def four_bits() -> ModelCard:
    source = CARD.source.model_copy(update={"precision": "nf4"})
    return CARD.model_copy(update={"source": source})


def test_where_it_can_not_quantise_the_merged_model_answers(
    fake: FakeVllm, desk: Desk, adapter: Path, loaded: Loaded
) -> None:
    fake.cannot("--quantization", "ValueError: Unknown quantization method: bitsandbytes\n")
    prompts = [prepare_prompt(loaded.tokenizer, q.prompt) for q in QUESTIONS[: parity.PROMPTS]]
    fake.knows(truth(load(four_bits(), adapter), prompts))
    desk.merging = lambda _card, _adapter, folder: folder.mkdir()
    assert len(answers(desk.model(four_bits(), adapter))) == len(QUESTIONS)
    (start,) = fake.starts
    assert start["argv"][1].endswith("/merged")
    assert not fake.notes("/v1/load_lora_adapter")
    assert "merged" in desk.told[0].policy


def test_a_bare_base_in_four_bits_needs_what_quantises(fake: FakeVllm, desk: Desk) -> None:
    fake.cannot("--quantization", "ValueError: Unknown quantization method: bitsandbytes\n")
    with pytest.raises(UserError, match="can't quantise to NF4"):
        answers(desk.model(four_bits()))


def test_a_model_that_takes_no_adapters_is_served_bare(fake: FakeVllm, desk: Desk) -> None:
    fake.cannot("--enable-lora", "ValueError: Wren does not support LoRA yet.\n")
    assert len(answers(desk.model())) == len(QUESTIONS)
    assert len(fake.starts) == 1


def test_what_is_on_file_is_not_asked(fake: FakeVllm, desk: Desk) -> None:
    done = {q.key for q in QUESTIONS[:9]}
    found = [q.key for batch in desk.model().answer(QUESTIONS, done) for q, _ in batch]
    assert sorted(found) == ["q10", "q11", "q9"]
    assert len(fake.asked) == 3


def test_a_server_that_answers_as_another_model_is_not_asked(fake: FakeVllm, desk: Desk) -> None:
    fake.knows([])
    with pytest.raises(UserError, match="does not answer as the model does"):
        answers(desk.model())
    assert not fake.asked


def test_nobody_asked_for_it_so_the_builtin_engine_takes_its_place(
    fake: FakeVllm, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.knows([])
    monkeypatch.setattr("engine.generation.engines.engine_for", lambda *_, **__: "vllm")
    source = CARD.source.model_copy(update={"engine": "auto"})
    replies = answers(desk.model(CARD.model_copy(update={"source": source})))
    assert len(replies) == len(QUESTIONS)
    assert [told.engine for told in desk.told] == ["builtin"]
    assert any("the builtin engine answers" in line for line in desk.lines)


@pytest.mark.parametrize("who", ["leader", "keeper"])
def test_a_server_that_dies_is_started_again_and_only_what_was_open_is_asked_again(
    fake: FakeVllm, desk: Desk, who: str
) -> None:
    fake.hold(5)
    batches = desk.model().answer(QUESTIONS)
    replies: dict[str, Reply] = {}
    first: set[str] = set()
    for batch in batches:
        replies |= {q.key: reply for q, reply in batch}
        if len(replies) == 5 and not first:
            (folder,) = server_dirs(desk.runs)
            server = folder.living()
            assert server is not None
            first = set(replies)
            os.kill(getattr(server, who)["pid"], signal.SIGKILL)
            wait_until(lambda: not fake.alive())
            fake.go_on()
    assert len(replies) == len(QUESTIONS)
    assert len(fake.starts) == 2
    second = [note for note in fake.asked if note["pid"] == fake.starts[1]["pid"]]
    assert {f"q{note['seed']}" for note in second} == set(replies) - first
    assert any("started again" in line for line in desk.lines)


def test_a_server_that_dies_again_and_again_ends_the_phase(fake: FakeVllm, desk: Desk) -> None:
    fake.hold(0)

    def killed_whenever_it_is_asked() -> None:
        for _ in desk.model().answer(QUESTIONS):
            alive = [start["pid"] for start in fake.starts if start["pid"] in fake.alive()]
            if alive and any(note["pid"] == alive[0] for note in fake.asked):
                os.kill(alive[0], signal.SIGKILL)

    with pytest.raises(UserError, match="12 questions and has ended 3 times"):
        killed_whenever_it_is_asked()


def test_who_is_asked_to_stop_takes_in_what_is_under_way(fake: FakeVllm, desk: Desk) -> None:
    fake.hold(4)
    model = desk.model()
    replies = 0
    for batch in model.answer(QUESTIONS):
        replies += len(batch)
        if replies == 4:
            assert model.land()
            fake.go_on()
    assert replies == len(QUESTIONS)


def test_closing_it_gives_the_server_back(fake: FakeVllm, desk: Desk) -> None:
    fake.start_slowly()
    batches = desk.model().answer(QUESTIONS)
    assert next(iter(batches)) == []
    batches.close()  # type: ignore[attr-defined]
    wait_until(lambda: not fake.alive())


def test_option_letters_are_probed_at_the_server(
    fake: FakeVllm, desk: Desk, loaded: Loaded
) -> None:
    prompts = [q.prompt for q in QUESTIONS[:3]]
    found = desk.model().option_logprobs(prompts, ["AB", "ABC", "AB"], lambda *_: None)
    assert [len(row) for row in found] == [2, 3, 2]
    ids = [loaded.tokenizer(x, add_special_tokens=False).input_ids[-1] for x in "AB"]
    assert (found[0][0] < found[0][1]) == (ids[0] < ids[1])


def test_a_context_that_is_too_short_is_told_before_anything_starts(
    fake: FakeVllm, desk: Desk
) -> None:
    long = Question("long", "word " * 5000, seed=1)
    with pytest.raises(UserError, match="context"):
        answers(desk.model(), [long])
    assert not fake.starts


def test_vllm_that_was_asked_for_and_is_not_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(UserError, match="doctor --install vllm"):
        answers(desk.model())


def test_the_parity_of_a_policy_is_checked_once(fake: FakeVllm, desk: Desk) -> None:
    answers(desk.model(), QUESTIONS[:6])
    probes = [n for n in fake.notes("/v1/completions") if "logprobs" in n]
    answers(desk.model(), QUESTIONS[:6])
    assert [n for n in fake.notes("/v1/completions") if "logprobs" in n] == probes
    assert json.loads(next(servers_of(desk.runs).glob("*/parity/*.json")).read_text())
