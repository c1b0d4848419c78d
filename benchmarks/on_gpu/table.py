"""What the parts have found, as Markdown: ours beside the peer's, and every part by itself."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")
SIDE_BY_SIDE = (  # what, our part, the peer's side and part
    ("instruct, batch 4, tokens/s", "instruct", ("trl", "sft")),
    ("DPO, batch 128, tokens/s", "refine-128", ("trl", "dpo-128")),
    ("answers, tokens/s, against `generate`, 8 at a time", "answers", ("ours", "generate")),
    ("the same with the weights unpacked", "unpacked", ("ours", "generate")),
)
NOT_SHOWN = {"model", "side", "part", "state", "why", "seconds", "peak_gib", "at", "limit_s"}


def machine(memory_gib: float, tiny: bool) -> dict[str, Any]:
    """What it ran on and with."""
    card = {"card": "none: on the CPU"}
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        card = {"card": f"{about.name}, {about.total_memory / 2**30:.0f} GiB"}
        if memory_gib:
            card["memory"] = f"filled up until {memory_gib:g} GiB were left"
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    size = {"sizes": "tiny: nothing here is a measurement"} if tiny else {}
    return card | size | {"python": platform.python_version()} | libraries


def describe(about: dict[str, Any], records: Sequence[Record]) -> str:
    lines = ["; ".join(f"{name} {value}" for name, value in about.items()), ""]
    lines += [
        "| model | what | ours | peer | ratio | peak, GiB: ours, peer |",
        "|---|---|---|---|---|---|",
    ]
    lines += _compared(records)
    lines += [
        "",
        "| model | side | part | state | seconds | peak, GiB | found |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(record) for record in records]
    return "\n".join(lines) + "\n"


def _compared(records: Sequence[Record]) -> Iterator[str]:
    known = {(r["model"], r["side"], r["part"]): r for r in records}
    for model in dict.fromkeys(r["model"] for r in records):
        for what, part, (side, peers) in SIDE_BY_SIDE:
            ours, peer = known.get((model, "ours", part), {}), known.get((model, side, peers), {})
            speeds = ours.get("tokens_per_s"), peer.get("tokens_per_s")
            ratio = f"{speeds[0] / speeds[1]:.2f}" if all(speeds) else "–"
            peaks = ours.get("peak_gib", "–"), peer.get("peak_gib", "–")
            cells = (model, what, *(f"{s:,.0f}" if s else "–" for s in speeds), ratio)
            yield f"| {' | '.join(cells)} | {peaks[0]}, {peaks[1]} |"


def _row(record: Record) -> str:
    found = [f"{k} {_short(v)}" for k, v in record.items() if k not in NOT_SHOWN]
    said = "; ".join([record["why"]] if "why" in record else []) or ", ".join(found)
    cells = [record[name] for name in ("model", "side", "part", "state")]
    cells += [record.get("seconds", "–"), record.get("peak_gib", "–"), said.replace("|", "/")]
    return f"| {' | '.join(map(str, cells))} |"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
