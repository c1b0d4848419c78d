"""Explain a fault that ends a phase, in one line: what is wrong, where, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.generation.endpoint.faults import Fault, seconds_to_wait
from engine.schema.durations import duration

if TYPE_CHECKING:
    from engine.schema.cards import Endpoint, ModelCard


def explain(fault: Fault, tries: int, card: ModelCard, endpoint: Endpoint) -> str:
    """Explain a fault after so many ``tries`` of the last question; keys are removed already."""
    where, here = f"{endpoint.base_url}: ", f"card {card.name!r}"
    words = fault.words
    counted = f"{tries} tries" if tries != 1 else "1 try"
    match fault.kind:
        case "connection":
            return (
                f"{where}{words}; {counted}; check that the server runs and 'base_url' in {here}, "
                "then retry"
            )
        case "timeout":
            return (
                f"{where}{words} ({counted}); lower 'concurrency' or raise 'timeout_s' in {here}, "
                "then retry"
            )
        case "limit":
            wait = seconds_to_wait(fault.retry_after)
            later = f" after {duration(wait)}" if wait else " later"
            return (
                f"{where}over the server's limit ({words}; {counted}); lower 'concurrency' in "
                f"{here}, or retry{later}"
            )
        case "server":
            wait = seconds_to_wait(fault.retry_after)
            later = f"after {duration(wait)}" if wait else "when it is well"
            return f"{where}the server failed ({words}; {counted}); retry {later}"
        case "reply":
            return (
                f"{where}no reply of the model came back: {words} ({counted}); check 'base_url' in "
                f"{here} (it often ends in /v1), then retry"
            )
        case "size" | "question":
            return f"{where}the server rejects the request ({words}); check {here} and its sampling"
        case "phase":
            return where + _for_good(fault, here, endpoint)


def _for_good(fault: Fault, here: str, endpoint: Endpoint) -> str:
    words = fault.words
    match fault.status:
        case 401 | 403:
            key = endpoint.api_key_env
            advice = f"check the key in {key}" if key else f"name its key: 'api_key_env' in {here}"
            return f"access refused ({words}); {advice}, then retry"
        case 402:
            return f"{words}: top up the account that the key belongs to, then retry"
        case 404:
            return (
                f"no model {endpoint.model!r} there ({words}); check 'model' and 'base_url' (it "
                f"often ends in /v1) in {here}"
            )
        case 301 | 302 | 303 | 307 | 308:
            return (
                f"{words}; prompts are not sent there: if that is right, make it the 'base_url' "
                f"in {here}"
            )
        case status if status >= 300:
            return f"the server rejects the request ({words}); check {here}"
    return (
        f"{words}; it does not keep to max_new_tokens: look at the server and at {here} before a "
        "retry"
    )
