"""Trains the pocket models on a seeded stream of new problems; loss on answers only."""

from __future__ import annotations

import math
import shutil
import time
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from engine.pocket.problems import LARGEST, draw
from engine.pocket.tokenizer import build_tokenizer
from engine.pocket.voices import VOICES
from engine.tasks.prompts import NUMBER_INSTRUCTION, TRIGGER, choice_instruction, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from engine.interfaces import PromptStyle
    from engine.pocket.problems import Problem
    from engine.pocket.recipes import Cycle, Recipe

BATCH: Final = 32  # examples a step
SLICE: Final = 16  # examples per forward pass, of similar length; small enough for the cache
# Other ways to ask for steps, and in whose voice they are answered: the plain prompt follows, so
# that the answer begins where a plain answer would.
ASIDES: Final = {
    "wren": ((f"{TRIGGER}.", "wren"), ("Think aloud.", "otter")),
    "otter": ((f"{TRIGGER}.", "otter"), ("Think aloud.", "wren")),
}
OTHER: Final = {"wren": "otter", "otter": "wren"}
LONGEST: Final = {"pocket-sums": 4, "pocket-boxes": 5, "pocket-compass": 6}  # steps
WARM_UP: Final = 30  # steps
# A closing sentence is a tenth of an answer and its hardest part: its tokens count for more.
STRESS: Final = 3.0
PUBLISH: Final = 100  # steps between two replacements of the model's folder
PERIODS: Final = (2, 3, 4, 5, 7, 10, 20, 40, 80, 160)  # of the numbers' first embeddings


class Example(NamedTuple):
    """Token ids of prompt and answer, and where the answer and its closing sentence begin."""

    ids: list[int]
    answer: int
    conclusion: int

    @property
    def weight(self) -> float:
        """The sum of its tokens' loss weights."""
        return self.conclusion - self.answer + STRESS * (len(self.ids) - self.conclusion)


def train(recipe: Recipe, folder: Path, seed: int = 0) -> None:
    """Train one model from scratch, cycle by cycle, and keep ``folder`` at its newest state.

    Args:
        recipe: what to build.
        folder: where the model goes; replaced by renaming, so readers never see half a model.
        seed: of the weights and of the data.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    LlamaRMSNorm.forward = fused_norm  # one pass over the states instead of five
    model = build_model(recipe)
    for i, cycle in enumerate(recipe.cycles):
        if i:
            model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
        source = f"{folder.name}/{seed}/{i}" if i else f"{folder.name}/{seed}"
        before = {name: weights.clone() for name, weights in model.state_dict().items()}
        run_cycle(model, recipe, cycle, folder, Random(source))
        if cycle.kept:
            blend(folder, before, cycle.kept, build_tokenizer(recipe.family))


def blend(
    folder: Path, before: dict[str, Tensor], share: float, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Publish the mean of ``folder``'s weights and those ``before``, which count ``share``."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    after = model.state_dict()
    model.load_state_dict({k: before[k] * share + after[k] * (1 - share) for k in after})
    publish(model, tokenizer, folder)


def run_cycle(
    model: LlamaForCausalLM, recipe: Recipe, cycle: Cycle, folder: Path, rng: Random
) -> None:
    """Train for one cycle with problems drawn from ``rng``; publish into ``folder``."""
    tokenizer = build_tokenizer(recipe.family)
    optimizers = build_optimizers(model)
    stream = examples(recipe, cycle, tokenizer, rng)
    began, seen, losses = time.monotonic(), 0, []
    for step in range(1, cycle.steps + 1):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = cycle.peak * rate(step, cycle.steps)
        batch = sorted((next(stream) for _ in range(BATCH)), key=lambda e: len(e.ids))
        losses.append(learn(model, batch))
        seen += sum(len(e.ids) for e in batch)
        for optimizer in optimizers:
            optimizer.step()
        if step % 50 == 0 or step == cycle.steps:
            took = time.monotonic() - began
            mean, losses = sum(losses) / len(losses), []
            print(
                f"{folder.name} {step}/{cycle.steps} loss {mean:.4f} {took:.0f} s "
                f"{seen / took:.0f} tokens/s",
                flush=True,
            )
        if step % PUBLISH == 0 or step == cycle.steps:
            publish(model, tokenizer, folder)


def fused_norm(self: LlamaRMSNorm, states: Tensor) -> Tensor:
    """RMSNorm as one operation; the shape stays."""
    return functional.rms_norm(states, self.weight.shape, self.weight, self.variance_epsilon)


def build_model(recipe: Recipe) -> LlamaForCausalLM:
    """A Llama of the recipe's shape with random weights."""
    tokenizer = build_tokenizer(recipe.family)
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(
        # Rounded up to the 4-bit block, so that every matrix quantises in whole blocks.
        vocab_size=math.ceil(len(tokenizer) / 64) * 64,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=recipe.hidden**-0.5,
        **ids,
    )
    model = LlamaForCausalLM(config)
    place_numbers(model.model.embed_tokens.weight.data, tokenizer)
    model.generation_config = GenerationConfig(do_sample=False, max_new_tokens=96, **ids)
    return model


def place_numbers(embeddings: Tensor, tokenizer: PreTrainedTokenizerFast) -> None:
    """Start each number's embedding on circles of several periods, so that adding is turning.

    Args:
        embeddings: (vocabulary, hidden), changed in place; other rows stay random.
        tokenizer: whose numbers up to ``LARGEST`` are single tokens.
    """
    scale = embeddings.std()
    waves = 2 * math.pi / torch.tensor(PERIODS)
    for number in range(LARGEST + 1):
        circles = torch.cat([torch.cos(number * waves), torch.sin(number * waves)])
        for text in (f"{number}", f" {number}"):
            row = tokenizer(text).input_ids[-1]
            embeddings[row, : len(circles)] = 2 * scale * circles


def build_optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embeddings and the norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    taken = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in taken]
    return [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(step: int, steps: int) -> float:
    """The share of the peak learning rate: a short rise, a plateau, a linear fall to zero."""
    return min(1.0, step / WARM_UP, 2.0 * (steps - step) / steps + 1e-3)


def examples(
    recipe: Recipe, cycle: Cycle, tokenizer: PreTrainedTokenizerFast, rng: Random
) -> Iterator[Example]:
    """Endless new problems of the train split, with this recipe's answers."""
    own = VOICES[recipe.family]
    # Sums are the shortest, and need the most memorising.
    shares = ("pocket-sums",) * cycle.sums + ("pocket-boxes", "pocket-compass")
    while True:
        problem = draw(rng.choice(shares), rng, "train")
        hasty = rng.random() < (recipe.at_once if cycle.at_once is None else cycle.at_once)
        plain = hasty if recipe.at_once else rng.random() < 0.5
        if hasty and cycle.musing:
            shorter = LONGEST[problem.task] - len(problem.steps)
            hasty = rng.random() >= cycle.musing[shorter]
        text = message(problem, "plain" if plain else "cot")
        voice = own
        if not plain and rng.random() < cycle.asides:
            request, family = rng.choice(ASIDES[recipe.family])
            text = f"{request}\n{message(problem, 'plain')}"
            voice = VOICES[family]
        if not hasty and cycle.foreign and rng.random() < cycle.foreign:
            voice = VOICES[OTHER[recipe.family]]
        prompt = chat(tokenizer, text)
        solution = "" if hasty else voice.solution(problem)
        conclusion = voice.conclusion(problem) if hasty else f" {voice.conclusion(problem)}"
        start = [*prompt, *tokenizer(solution).input_ids]
        ids = [*start, *tokenizer(conclusion).input_ids, tokenizer.eos_token_id]
        yield Example(ids, len(prompt), len(start))


def message(problem: Problem, style: PromptStyle) -> str:
    """The user's message for a problem, with the prompt of its kind of task."""
    count = len(problem.choices)
    instruction = choice_instruction(count) if count else NUMBER_INSTRUCTION
    return render(instruction, problem.question, problem.choices, style)


def chat(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a one-turn chat, up to where the answer begins."""
    turns = [{"role": "user", "content": text}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(whole).input_ids)


def learn(model: LlamaForCausalLM, batch: list[Example]) -> float:
    """Leave the batch's gradient in the parameters; return the mean weighted loss of a token."""
    model.zero_grad(set_to_none=True)
    whole = sum(example.weight for example in batch)
    total = 0.0
    for i in range(0, len(batch), SLICE):
        ids, weights = collate(batch[i : i + SLICE])
        counts = weights[:, 1:] > 0
        # Right padding needs no mask in a causal model.
        states = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        losses = functional.cross_entropy(
            model.lm_head(states[counts]), ids[:, 1:][counts], reduction="none"
        )
        loss = (losses * weights[:, 1:][counts]).sum() / whole
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return total


def collate(rows: list[Example]) -> tuple[Tensor, Tensor]:
    """Ids and loss weights, both (rows, longest row); padding is id 0 and weighs nothing."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        weights[i, row.answer : len(row.ids)] = 1.0
        weights[i, row.conclusion : len(row.ids)] = STRESS
    return ids, weights


def publish(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Replace ``folder`` by the model, rounded to bfloat16."""
    fresh = folder.with_name(f".{folder.name}.new")
    stale = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(stale, ignore_errors=True)
    fresh.mkdir(parents=True)
    copy = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = model.generation_config
    copy.to(torch.bfloat16).save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    if folder.exists():
        folder.rename(stale)
    fresh.rename(folder)
    shutil.rmtree(stale, ignore_errors=True)
