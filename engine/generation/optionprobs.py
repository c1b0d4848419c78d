"""Score option letters by their log-probability as the answer's start, without generating."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from engine.generation.batching import plan_batches
from engine.generation.decoding import left_padded
from engine.generation.generate import within_memory
from engine.machine import ranks
from engine.models.tokenizing import prepare_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.models.loading import Loaded
    from engine.schema.settings import GenerationSettings

Tokens = tuple[int, ...]
Table = dict[Tokens, dict[int, float]]  # context -> token -> log-probability


def option_logprobs(
    loaded: Loaded,
    prompts: Sequence[str],
    letters: Sequence[Sequence[str]],
    settings: GenerationSettings,
    *,
    tell: Callable[[str], None] = lambda _line: None,
    seen: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[tuple[float, ...]]:
    """Return each option letter's natural log-probability as the text after a chat prompt.

    A letter may be written with or without a leading space (``"A"``, ``" A"``), and each
    spelling may be several tokens: the spellings' probabilities are added, each the product
    over its tokens. Spellings that give the same tokens count once. The probabilities of one
    prompt's letters need not add up to 1.

    Args:
        prompts: user messages, before the chat template.
        letters: the option letters of each prompt.
        settings: batching.
        seen: told how many texts of how many have been looked at.
    """

    def look(contexts: Sequence[Tokens], wanted: list[int]) -> Table:
        return _next_logprobs(loaded, contexts, wanted, settings, tell, seen)

    return letter_logprobs(loaded.tokenizer, prompts, letters, look)


def letter_logprobs(
    tokenizer: Any,
    prompts: Sequence[str],
    letters: Sequence[Sequence[str]],
    look: Callable[[Sequence[Tokens], list[int]], Table],
) -> list[tuple[float, ...]]:
    """Do as :func:`option_logprobs`, where ``look`` returns the log-probabilities of given tokens
    after given contexts."""
    begun = [tuple(prepare_prompt(tokenizer, prompt)) for prompt in prompts]
    spelled = {x: spellings(tokenizer, x) for x in {x for row in letters for x in row}}
    # A spelling of n tokens asks for the next token after the prompt and its first n - 1.
    contexts = sorted(
        {
            start + spelling[:n]
            for start, row in zip(begun, letters, strict=True)
            for letter in row
            for spelling in spelled[letter]
            for n in range(len(spelling))
        }
    )
    wanted = sorted({token for forms in spelled.values() for form in forms for token in form})
    table = look(contexts, wanted)

    def log_p(start: Tokens, letter: str) -> float:
        forms = [
            sum(table[start + form[:n]][token] for n, token in enumerate(form))
            for form in spelled[letter]
        ]
        return float(torch.tensor(forms, dtype=torch.float64).logsumexp(0))

    return [
        tuple(log_p(start, letter) for letter in row)
        for start, row in zip(begun, letters, strict=True)
    ]


def spellings(tokenizer: Any, letter: str) -> list[Tokens]:
    """Return the distinct token sequences of a letter that continues a text.

    Tokenizers of the SentencePiece kind put a space before a text; the second form below is
    what such a letter is after other text: everything that follows a line's end.
    """
    line = tokenizer("\n", add_special_tokens=False).input_ids
    found: list[Tokens] = []
    for text in (letter, f" {letter}"):
        alone = tokenizer(text, add_special_tokens=False).input_ids
        after = tokenizer(f"\n{text}", add_special_tokens=False).input_ids
        found.append(tuple(alone))
        if after[: len(line)] == line:
            found.append(tuple(after[len(line) :]))
    return [form for form in dict.fromkeys(found) if form]


def _next_logprobs(
    loaded: Loaded,
    contexts: Sequence[Tokens],
    wanted: list[int],
    settings: GenerationSettings,
    tell: Callable[[str], None],
    seen: Callable[[int, int], None],
) -> Table:
    """Return for each context the log-probability of each wanted token as its next."""

    def rows(part: Sequence[int]) -> Iterator[Table]:
        ids, mask = left_padded([contexts[i] for i in part], loaded.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = loaded.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1
            ).logits[:, -1]
        values = logits.float().log_softmax(-1)[:, wanted].tolist()
        yield {
            contexts[i]: dict(zip(wanted, row, strict=True))
            for i, row in zip(part, values, strict=True)
        }

    def batches() -> Iterator[Table]:
        most = settings.max_batch
        lengths = [len(context) for context in contexts]
        plan = plan_batches(lengths, 0, settings.token_budget, settings.max_batch)
        for batch in ranks.mine(plan):
            most = yield from within_memory(rows, batch, most, tell)

    table: Table = {}
    seen(0, len(contexts))
    for found in batches():
        table |= found
        seen(min(len(contexts), len(table) * ranks.world()), len(contexts))
    return {context: row for part in ranks.gathered(table) for context, row in part.items()}
