"""Check that a backend's greedy answers are those of the model, read one prompt at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import log_softmax

from engine.generation.backends import Request, backend, end_ids
from engine.models.tokenizing import prepare_prompt
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.models.loading import Loaded

PROMPTS: Final = (
    "Is water wet? Answer:",
    "Choose the answer to the question only from options A, B.\nQuestion: Which is larger?\n"
    "Choices:\nA) a house\nB) a mouse\nAnswer: Let's think step by step",
    "Answer the following mathematical question with a numerical solution.\n"
    "Question: Mia has 3 pens and finds 4 more. How many pens has she now?\nAnswer:",
    "Answer the following mathematical question with a numerical solution.\n"
    "Question: Leo has 9 pens and loses 4. How many?\nAnswer: Let's think step by step",
    "Write one sentence about a river.",
)
NEW_TOKENS: Final = 24
GREEDY: Final = Sampling(temperature=0.0, max_new_tokens=NEW_TOKENS)
# How far apart two logits may be and still count as a tie that rounding decides.
TIE: Final = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}


def differences(loaded: Loaded, name: str) -> list[str]:
    """List where backend ``name``, with all prompts in a batch, is not greedy.

    One plain forward pass a prompt says of all the tokens at once what greedy decoding would have
    said in their place. A batch rounds otherwise than a single row, so another token counts only
    where the two logits are no tie.
    """
    prompts = [prepare_prompt(loaded.tokenizer, text) for text in PROMPTS]
    ends = end_ids(loaded)
    request = Request(prompts, [NEW_TOKENS] * len(prompts), [0] * len(prompts), ends, GREEDY)
    found = backend(name)(loaded, request)
    wanted = [_greedy(loaded, *pair, ends) for pair in zip(prompts, found, strict=True)]
    return [
        f"{text.splitlines()[0]!r}: {_words(loaded, got)!r} for {_words(loaded, want)!r}"
        for text, got, want in zip(PROMPTS, found, wanted, strict=True)
        if got != want
    ]


def answer_logprobs(model: Any, ids: Sequence[int], start: int) -> Tensor:
    """``[tokens, vocabulary]`` log-probabilities, in fp32 and host memory: what the model finds
    likely in place of each token from ``start`` on."""
    device = model.get_input_embeddings().weight.device
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids], device=device)).logits[0, start - 1 : -1]
    return log_softmax(logits.float(), dim=-1).cpu()


def _greedy(loaded: Loaded, prompt: list[int], said: list[int], ends: tuple[int, ...]) -> list[int]:
    """Return ``said`` up to where greedy decoding differs, then its token instead; all of ``said``
    when it ends as it should."""
    ids = torch.tensor([prompt + said], device=loaded.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids).logits[0, len(prompt) - 1 :]
    best = logits.max(dim=-1)
    tie = TIE.get(logits.dtype, 0.0)
    for at, token in enumerate(said):
        if float(best.values[at] - logits[at, token]) > tie:
            return [*said[:at], int(best.indices[at])]
        if token in ends:
            return said[: at + 1]
    return said if len(said) == NEW_TOKENS else [*said, int(best.indices[len(said)])]


def _words(loaded: Loaded, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def settle(loaded: Loaded, wanted: str, tell: Callable[[str], None]) -> str:
    """Choose the backend: the one asked for; for ``auto`` the fastest, ``compact``, if its greedy
    answers are the model's own, else ``generate``."""
    if wanted != "auto":
        return wanted
    if loaded.backend is None:
        loaded.backend = "compact"
        try:
            wrong = differences(loaded, "compact")
        except Exception as error:  # an architecture may refuse it in any way
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            loaded.backend = "generate"
            tell(f"the fast decode loop doesn't suit this model ({wrong[0]}): using `generate`")
    return loaded.backend


def self_test() -> str:
    """Check every backend on a shipped model; return a line for the doctor, or raise ``UserError``
    if one disagrees."""
    from engine.models.loading import load, release
    from engine.pocket.recipes import MODELS

    folder = MODELS / "wren-1m"
    card = ModelCard(
        name=folder.name,
        family="wren",
        source=LocalWeights(path=str(folder), precision="fp32"),
    )
    loaded = load(card)
    try:
        for name in ("generate", "compact"):
            if wrong := differences(loaded, name):
                raise UserError(f"backend {name!r} differs from the model on {wrong[0]}")
    finally:
        release(loaded)
    return f"generate and compact agree with the model on {len(PROMPTS)} prompts"
