"""Whether a fast way of generating says the same as the plain one: greedy, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from engine.contract.cards import LocalWeights, ModelCard, Sampling
from engine.contract.errors import UserError
from engine.models.backends import Request, backend, end_ids
from engine.models.tokenizing import prepare_prompt

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """What backend ``name`` says otherwise than plain ``generate``; empty when all agree.

    A batch rounds otherwise than a single row, so a first difference counts only where the
    reference's own logits are no tie between the two tokens.
    """
    prompts = [prepare_prompt(loaded.tokenizer, text) for text in PROMPTS]
    ends = end_ids(loaded)

    def request(chosen: list[list[int]]) -> Request:
        return Request(chosen, [NEW_TOKENS] * len(chosen), [0] * len(chosen), ends, GREEDY)

    found = backend(name)(loaded, request(prompts))
    wanted = [backend("generate")(loaded, request([prompt]))[0] for prompt in prompts]
    pairs = zip(PROMPTS, prompts, found, wanted, strict=True)
    return [
        f"{text.splitlines()[0]!r}: {_words(loaded, got)!r} for {_words(loaded, want)!r}"
        for text, prompt, got, want in pairs
        if got != want and not _tied(loaded, prompt, got, want)
    ]


def _tied(loaded: Loaded, prompt: list[int], got: list[int], want: list[int]) -> bool:
    same = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), None)
    if same is None:  # one goes on where the other has ended
        return False
    ids = torch.tensor([prompt + want[:same]], device=loaded.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids).logits[0, -1]
    gap = float(logits[want[same]] - logits[got[same]])
    return abs(gap) <= TIE.get(logits.dtype, 0.0)


def _words(loaded: Loaded, tokens: list[int]) -> str:
    return str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))


def settle(loaded: Loaded, wanted: str, tell: Callable[[str], None]) -> str:
    """The backend to use: what was asked for; for ``auto`` the measured fastest, ``compact``,
    if it says what ``generate`` says on this model, else ``generate``."""
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
    """Check every backend on a shipped model; one line for the doctor, ``UserError`` if one
    disagrees."""
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
        for name in ("compact", "static"):
            if wrong := differences(loaded, name):
                raise UserError(f"backend {name!r} differs from plain generation on {wrong[0]}")
    finally:
        release(loaded)
    return f"compact and static agree with plain generation on {len(PROMPTS)} prompts"
