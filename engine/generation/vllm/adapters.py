"""Load adapters into a running server, which keeps one of its seats empty."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from engine.generation.vllm.command import SEATS
from engine.generation.vllm.wire import Refused, call
from engine.schema.errors import UserError
from engine.store.locking import Timeout, held

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from engine.generation.vllm.policy import Policy
    from engine.generation.vllm.shared import Lease

POLL_S: Final = 0.5
LOCK_S: Final = 60.0


def load(
    lease: Lease, policy: Policy, doing: Callable[[str], None]
) -> Generator[list[Any], None, str]:
    """Load the policy's adapter into the server once; return its name for requests. Yields an empty
    list every moment while it waits for a seat."""
    assert policy.adapter is not None
    while not _has_seat(lease, policy.name):
        doing("waiting for a seat for its adapter on the server")
        time.sleep(POLL_S)
        yield []
    doing("loading its adapter into the server")
    body = {"lora_name": policy.name, "lora_path": str(policy.adapter.resolve())}
    try:
        with held(lease.folder.lock, LOCK_S):
            call(lease.server, "/v1/load_lora_adapter", body)
    except Refused as error:
        if "already" not in str(error):
            raise UserError(f"{policy.adapter}: vLLM does not take this adapter: {error}") from None
    return policy.name


def unload(lease: Lease, policy: Policy) -> None:
    """Free the adapter's seat unless another phase uses it; call it after giving back the lease."""
    with contextlib.suppress(Refused, Timeout, OSError), held(lease.folder.lock, LOCK_S):
        if lease.lives and not any(h["adapter"] == policy.name for h in lease.folder.holders()):
            call(lease.server, "/v1/unload_lora_adapter", {"lora_name": policy.name})


def _has_seat(lease: Lease, name: str) -> bool:
    others = {holder["adapter"] for holder in lease.folder.holders()} - {"", name}
    return len(others) < SEATS
