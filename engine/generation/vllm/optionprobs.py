"""Ask a server for log-probabilities of next tokens, without generating."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from engine.generation.vllm.wire import Refused, call
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.generation.optionprobs import Table, Tokens
    from engine.generation.vllm.folder import Server

AT_ONCE: Final = 64
MARK: Final = "token_id:"


def next_logprobs(
    server: Server,
    model: str,
    contexts: Sequence[Tokens],
    wanted: list[int],
    seen: Callable[[int, int], None],
) -> Table:
    """Return for each context the log-probability of each wanted token as its next."""

    def look(context: Tokens) -> dict[int, float]:
        body: dict[str, Any] = {
            "model": model,
            "prompt": list(context),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": 1,
            "logprob_token_ids": wanted,
            "return_tokens_as_token_ids": True,
        }
        return _logprobs(json.loads(call(server, "/v1/completions", body)), wanted)

    table: Table = {}
    seen(0, len(contexts))
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for context, found in zip(contexts, pool.map(look, contexts), strict=True):
                table[context] = found
                seen(len(table), len(contexts))
    except (Refused, ValueError, LookupError, TypeError) as error:
        raise UserError(f"vLLM does not tell log-probabilities: {error}; retry") from None
    return table


def _logprobs(completion: dict[str, Any], wanted: list[int]) -> dict[int, float]:
    (found,) = completion["choices"][0]["logprobs"]["top_logprobs"]
    return {token: float(found[f"{MARK}{token}"]) for token in wanted}
