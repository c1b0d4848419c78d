"""Generation: batch plans, exact seeded sampling, resuming, memory, and agreement of backends."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import torch
from scipy.stats import chisquare

from engine.generation import backends, decoding, parity
from engine.generation.batching import plan_batches
from engine.generation.generate import generate, within_memory
from engine.generation.local import LocalProvider
from engine.generation.optionprobs import option_logprobs, spellings
from engine.generation.sampling import choose, stream_keys
from engine.interfaces import Question, Reply
from engine.machine import ranks
from engine.models.loading import Loaded
from engine.models.tokenizing import prepare_prompt
from engine.pocket.tokenizer import build_tokenizer
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.errors import UserError
from engine.schema.settings import GenerationSettings
from tests.engine.small_llama import small_llama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

CPU = torch.device("cpu")
DRAW = Sampling(temperature=1.0, max_new_tokens=12)
SMALL = GenerationSettings(max_batch=4, backend="compact")
WORDS = ["the", "red", "box", "holds", "one", "pen", "and", "two", "more"]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """A random model whose logits are far enough apart for rounding not to matter."""
    tokenizer = build_tokenizer("wren")
    model = small_llama(len(tokenizer), max_position_embeddings=96, initializer_range=0.2)
    model.requires_grad_(False)
    # A twentieth of the vocabulary ends a text, so that rows end at different steps.
    model.generation_config.eos_token_id = list(range(300, len(tokenizer), 10))
    return Loaded(model, tokenizer, CPU)


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return [
        Question(f"q{i}", " ".join(WORDS[: 1 + i * 5 % 9]) + f" {i}", seed=1000 + i)
        for i in range(18)
    ]


def answers(
    loaded: Loaded,
    questions: Sequence[Question],
    settings: GenerationSettings = SMALL,
    sampling: Sampling = DRAW,
    **more: Any,
) -> dict[str, Reply]:
    return {
        question.key: reply
        for batch in generate(loaded, questions, sampling, settings, **more)
        for question, reply in batch
    }


# --- the plan


def test_plan_holds_every_prompt_once_within_its_limits() -> None:
    lengths = [7, 50, 3, 7, 20, 100, 8]
    batches = plan_batches(lengths, new_tokens=10, token_budget=90, max_batch=3)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    flat = [lengths[i] for batch in batches for i in batch]
    assert flat == sorted(lengths, reverse=True)
    assert batches[0] == [5]  # over the budget alone
    for batch in batches[1:]:
        assert len(batch) <= 3
        assert len(batch) * (max(lengths[i] for i in batch) + 10) <= 90
    assert plan_batches([], 10, 90, 3) == []


# --- sampling


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.3, 0.8)])
def test_samples_follow_the_softmax(temperature: float, top_p: float) -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -4.0])
    sampling = Sampling(temperature=temperature, top_p=top_p)
    draws = 40_000
    rows = logits.expand(draws // 4, -1)
    keys = stream_keys(range(draws // 4), CPU)
    drawn = torch.cat([choose(rows, keys, step, sampling) for step in range(4)])
    counts = torch.bincount(drawn, minlength=len(logits))
    wanted = (logits / temperature).softmax(-1)
    nucleus = wanted.cumsum(-1) - wanted < top_p
    wanted = torch.where(nucleus, wanted, 0.0)
    wanted = wanted / wanted.sum() * draws
    assert not counts[~nucleus].any()
    assert chisquare(counts[nucleus], wanted[nucleus].double(), sum_check=False).pvalue > 1e-3


def test_draws_of_neighbouring_seeds_steps_and_tokens_are_independent() -> None:
    flat = torch.zeros(4000, 16)
    keys = stream_keys(range(4000), CPU)
    drawn = torch.stack([choose(flat, keys, step, DRAW) for step in range(3)])
    for a, b in [(drawn[0], drawn[1]), (drawn[1], drawn[2]), (drawn[0, 1:], drawn[0, :-1])]:
        joint = torch.bincount(a * 16 + b, minlength=256).double()
        assert chisquare(joint).pvalue > 1e-3


def test_any_integer_is_a_seed_and_temperature_0_is_greedy() -> None:
    logits = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    greedy = choose(logits, stream_keys([0, -1, 2**63, 2**200], CPU), 0, Sampling(temperature=0.0))
    assert torch.equal(greedy, logits.argmax(-1))


# --- backends


@pytest.mark.parametrize(("temperature", "look"), [(0.0, 1), (1.0, 1), (1.0, 5)])
def test_our_loop_says_what_generate_says(
    loaded: Loaded,
    questions: list[Question],
    temperature: float,
    look: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when it looks at who has ended in every fifth step only, as it does on a card."""
    monkeypatch.setitem(decoding.LOOK, "cpu", look)
    monkeypatch.setattr(decoding, "SLICE", 40)  # several slices a batch
    monkeypatch.setattr(decoding, "ROOM", 3)
    sampling = DRAW.model_copy(update={"temperature": temperature})
    found = answers(loaded, questions, GenerationSettings(backend="compact", max_batch=7), sampling)
    plain = GenerationSettings(backend="generate", max_batch=1)
    assert found == answers(loaded, questions, plain, sampling)
    assert len({reply.completion_tokens for reply in found.values()}) > 3


def test_what_an_item_says_does_not_depend_on_its_batch(
    loaded: Loaded, questions: list[Question]
) -> None:
    together = answers(loaded, questions)
    for question in questions[:4]:
        assert answers(loaded, [question]) == {question.key: together[question.key]}
    others = [Question(q.key, q.prompt, q.seed + 1) for q in questions]
    assert answers(loaded, others) != together


def test_backends_that_are_gone_are_read_as_auto() -> None:
    """In files of version 0.1."""
    assert GenerationSettings.model_validate({"backend": "static"}).backend == "auto"


@pytest.mark.parametrize(
    "bent", [lambda row: [7, *row[1:]], lambda row: [*row, 7], lambda row: row[:-1]]
)
def test_parity_finds_a_backend_that_says_something_else(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, bent: Callable[[list[int]], list[int]]
) -> None:
    assert parity.differences(loaded, "generate") == parity.differences(loaded, "compact") == []

    def wrong(loaded: Loaded, request: backends.Request) -> list[list[int]]:
        return [bent(row) for row in backends.generate(loaded, request)]

    monkeypatch.setitem(backends.BACKENDS, "compact", wrong)
    assert len(parity.differences(loaded, "compact")) == len(parity.PROMPTS)
    told: list[str] = []
    monkeypatch.setattr(loaded, "backend", None)
    assert parity.settle(loaded, "auto", told.append) == "generate"
    assert "doesn't suit this model" in told[0]
    assert parity.settle(loaded, "compact", told.append) == "compact"


# --- replies


def test_a_reply_says_why_it_ended_and_counts_its_own_tokens(
    loaded: Loaded, questions: list[Question]
) -> None:
    ends = set(backends.end_ids(loaded))
    assert loaded.tokenizer.eos_token_id in ends
    replies = answers(loaded, questions)
    assert {r.finish for r in replies.values()} >= {"stop", "length"}
    for question in questions:
        reply = replies[question.key]
        assert reply.prompt_tokens == len(prepare_prompt(loaded.tokenizer, question.prompt))
        words = loaded.tokenizer(reply.text, add_special_tokens=False).input_ids
        assert not ends & set(words) or reply.finish == "length"
        if reply.finish == "length":
            assert reply.completion_tokens == DRAW.max_new_tokens
        else:
            assert reply.completion_tokens <= DRAW.max_new_tokens


def test_nothing_but_an_end_token_is_an_empty_reply(
    loaded: Loaded, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = list(range(len(loaded.tokenizer)))
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", everything)
    replies = answers(loaded, questions)
    assert {(r.text, r.finish, r.completion_tokens) for r in replies.values()} == {("", "empty", 1)}


def test_an_answer_ends_with_the_models_context(
    loaded: Loaded, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", None)
    told: list[str] = []
    sampling = DRAW.model_copy(update={"max_new_tokens": 90})
    replies = answers(loaded, questions, SMALL, sampling, tell=told.append)
    assert all(r.prompt_tokens + r.completion_tokens <= 96 for r in replies.values())
    assert "context of 96" in told[0]
    with pytest.raises(UserError, match="question 'long'"):
        answers(loaded, [Question("long", "box " * 100, 0)])


# --- stopping and memory


@pytest.mark.parametrize("known", [3, 4, 6])
def test_resumed_generation_ends_up_the_same(
    loaded: Loaded, questions: list[Question], known: int
) -> None:
    """``known`` replies are on file: whole batches of 4, or one of them torn."""
    undisturbed = answers(loaded, questions)
    first = dict(islice(undisturbed.items(), known))
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 2

    rest = answers(loaded, questions, done=first, stop=stop)
    assert len(calls) == 3
    assert 4 < len(rest) <= 8
    assert not set(rest) & set(first)
    last = answers(loaded, questions, done={**first, **rest})
    assert {**first, **rest, **last} == undisturbed


def test_rows_come_as_they_end_and_a_torn_batch_ends_up_the_same(
    loaded: Loaded, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = answers(loaded, questions)
    monkeypatch.setattr(decoding, "MOMENT_S", 0.0)
    said: list[str] = []
    coming = generate(loaded, questions, DRAW, SMALL, doing=said.append)
    torn: dict[str, Reply] = {}
    while not len(torn) % SMALL.max_batch > 0:
        torn |= {question.key: reply for question, reply in next(coming)}
    coming.close()  # type: ignore[attr-defined]
    assert any(text.startswith("reading prompts: ") for text in said)
    assert " of 4 answers open" in said[-1]
    rest = answers(loaded, questions, done=torn)
    assert not set(rest) & set(torn)
    assert torn | rest == undisturbed


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried", "DefaultCPUAllocator: can't"])
def test_running_out_of_memory_halves_the_batch(text: str) -> None:
    sizes: list[int] = []
    told: list[str] = []

    def answer(part: Sequence[int]) -> Iterator[list[int]]:
        sizes.append(len(part))
        if len(part) > 3:
            raise RuntimeError(text)
        yield [10 * i for i in part]

    def answers() -> Iterator[list[int]]:
        fitted.append((yield from within_memory(answer, range(10), 16, told.append)))

    fitted: list[int] = []
    assert [reply for some in answers() for reply in some] == [10 * i for i in range(10)]
    assert (fitted, sizes) == ([2], [10, 5, 2, 2, 2, 2, 2])
    assert len(told) == 2
    assert "going on with 5" in told[0]


@pytest.mark.slow
def test_a_single_question_that_does_not_fit_is_the_users_to_mend() -> None:
    def full(part: Sequence[int]) -> Iterator[int]:
        raise torch.OutOfMemoryError

    with pytest.raises(UserError, match="max_new_tokens"):
        next(within_memory(full, range(5), 5, lambda _: None))

    def broken(part: Sequence[int]) -> Iterator[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        next(within_memory(broken, range(5), 5, lambda _: None))


def test_generation_goes_on_in_halves(
    loaded: Loaded, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tight(loaded: Loaded, request: backends.Request) -> list[list[int]]:
        if len(request.prompts) > 2:
            raise torch.OutOfMemoryError
        return backends.compact(loaded, request)

    undisturbed = answers(loaded, questions)
    monkeypatch.setitem(backends.BACKENDS, "compact", tight)
    assert answers(loaded, questions) == undisturbed


# --- options


def test_option_logprobs_are_those_of_the_whole_text(loaded: Loaded) -> None:
    """Letters of one token, and one of several, in batches of different lengths."""
    letters = ["A", "B", "qqq"]
    prompts = ["one box", "the red box holds two more"]
    assert max(len(form) for form in spellings(loaded.tokenizer, "qqq")) > 1
    settings = GenerationSettings(max_batch=3)
    found = option_logprobs(loaded, prompts, [letters, letters[:2]], settings)
    assert [len(row) for row in found] == [3, 2]
    for prompt, row in zip(prompts, found, strict=True):
        start = prepare_prompt(loaded.tokenizer, prompt)
        for letter, value in zip(letters, row, strict=False):
            total = 0.0
            for form in spellings(loaded.tokenizer, letter):
                logits = loaded.model(input_ids=torch.tensor([[*start, *form]])).logits[0]
                each = logits.log_softmax(-1)[len(start) - 1 : -1]
                total += math.exp(sum(float(r[t]) for r, t in zip(each, form, strict=True)))
            assert value == pytest.approx(math.log(total), abs=1e-4)


def test_processes_share_the_texts_that_are_looked_at(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, letters = ["one box", "the red box holds two more"], ["AB", "AB"]
    settings = GenerationSettings(max_batch=1)
    alone = option_logprobs(loaded, prompts, letters, settings)
    monkeypatch.setattr(ranks, "world", lambda: 2)
    shares: list[Any] = []
    monkeypatch.setattr(ranks, "gathered", lambda share: shares.append(share) or shares)
    monkeypatch.setattr(ranks, "rank", lambda: 1)
    with pytest.raises(KeyError):  # what the first process looks at is not there yet
        option_logprobs(loaded, prompts, letters, settings)
    monkeypatch.setattr(ranks, "rank", lambda: 0)
    assert option_logprobs(loaded, prompts, letters, settings) == alone
    assert [len(share) for share in shares] == [len(shares[0])] * 2


# --- the teacher


def test_a_teacher_with_nothing_left_to_do_loads_nothing(questions: list[Question]) -> None:
    source = LocalWeights(path="/nowhere/at-all", precision="fp32")
    card = ModelCard(name="gone", family="x", source=source)
    teacher = LocalProvider(card, SMALL, lambda _: None)
    assert list(teacher.answer(questions, done={q.key for q in questions})) == []
    with pytest.raises(UserError, match="no such folder"):
        next(teacher.answer(questions))


@pytest.mark.slow
def test_a_teacher_that_is_to_land_ends_its_batch_and_begins_no_other(
    loaded: Loaded, questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    source = LocalWeights(path=str(tmp_path), precision="fp32")
    card = ModelCard(name="tiny", family="x", source=source, sampling=DRAW)
    monkeypatch.setattr(decoding, "MOMENT_S", 0.0)
    doing: list[str] = []
    teacher = LocalProvider(card, SMALL, lambda _: None)
    teacher.watch(doing.append)
    coming = teacher.answer(questions)
    found, still_open = list[tuple[Question, Reply]](), list[int]()
    for batch in coming:
        found += batch
        still_open.append(teacher.open)
        assert teacher.land()
    assert (SMALL.max_batch in still_open, still_open[-1]) == (True, 0)
    assert len(found) == SMALL.max_batch
    assert doing[0] == "loading weights"
    assert any(text.startswith("loading weights: ") for text in doing)


@pytest.mark.slow
def test_a_teacher_answers_what_is_missing(
    loaded: Loaded, questions: list[Question], tmp_path: Path
) -> None:
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    source = LocalWeights(path=str(tmp_path), precision="fp32")
    card = ModelCard(name="tiny", family="x", source=source, sampling=DRAW)
    replies = LocalProvider(card, SMALL, lambda _: None).answer(questions, done={"q3"})
    found = {question.key: reply for batch in replies for question, reply in batch}
    wanted = answers(loaded, questions)
    assert found == {key: reply for key, reply in wanted.items() if key != "q3"}
