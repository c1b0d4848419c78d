"""Explain from the end of a server's log why it did not start, or ended, in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES: Final = 65_536
PORT_TAKEN: Final = "its port was taken by another program; try again"
MEMORY: Final = re.compile(
    r"out of memory|OutOfMemoryError|Available memory on node|No available memory for the cache|"
    r"Free memory on device|can't allocate memory|DefaultCPUAllocator|Cannot allocate memory",
    re.IGNORECASE,
)
LENGTH: Final = re.compile(
    r"max[_ ]model[_ ]len\w*.*(larger|greater|exceed)|larger than the (maximum|available)|"
    r"is larger than the maximum number of tokens",
    re.IGNORECASE,
)
PORT: Final = re.compile(r"address already in use", re.IGNORECASE)
QUANTISATION: Final = re.compile(
    r"Unknown quantization method|quantization.*(not supported|invalid|unrecognized)|"
    r"No module named '(bitsandbytes|vllm_bnb)|install bitsandbytes|"
    r"File \"[^\"]*(bitsandbytes|bnb)",
    re.IGNORECASE,
)
LORA: Final = re.compile(r"does(n't| not) support LoRA|LoRA is not supported", re.IGNORECASE)
ERROR: Final = re.compile(r"^(\w*(?:Error|Exception))\b:?\s*(.*)")
PREFIX: Final = re.compile(r"^\([^)]*\)\s*|^ERROR [\d-]+ [\d:.]+ \S+\s*")
CONSEQUENCE: Final = "Engine core initialization failed"
STAGES: Final = (  # the last one that the log holds is where it is
    ("Starting to load model", "loading weights"),
    ("Loading weights took", "getting ready"),
    ("torch.compile", "compiling"),
    ("GPU KV cache size", "getting ready to answer"),
    ("Capturing CUDA graph", "recording CUDA graphs"),
    ("Starting vLLM server", "opening its port"),
)


def tail(log: Path) -> str:
    """Return the end of a log; empty when there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def why_it_ended(log: Path, code: int) -> str:
    """Explain from the log; the exit ``code`` proves nothing, since crashes end with 0 too."""
    said = tail(log)
    if PORT.search(said):
        return PORT_TAKEN
    last = _first_cause(said)
    if MEMORY.search(said):
        return (
            f"out of memory ({last}); use source.precision: nf4, a smaller model, or engine: "
            "builtin, which needs less"
        )
    if LENGTH.search(said):
        return f"the model's context doesn't hold what is asked ({last}); lower max_new_tokens"
    return f"{last or f'exit code {code}, and its log says nothing'}; its log is {log}"


def lacks(log: Path) -> Literal["", "nf4", "lora"]:
    """Return what this vLLM can't do for the model, if it ended for that reason: quantise to NF4,
    or load adapters."""
    said = tail(log)
    if MEMORY.search(said):
        return ""
    return "nf4" if QUANTISATION.search(said) else "lora" if LORA.search(said) else ""


def stage(log: Path) -> str:
    """Say in a few words what a starting server is doing."""
    said = tail(log)
    found = [(said.rfind(mark), words) for mark, words in STAGES if mark in said]
    return max(found)[1] if found else "importing"


def _first_cause(said: str) -> str:
    """Return the first error that no other error caused; warnings don't count."""
    lines = [PREFIX.sub("", PREFIX.sub("", line)) for line in said.splitlines()]
    errors = [found for line in lines if (found := ERROR.search(line))]
    causes = [found for found in errors if CONSEQUENCE not in found[2]] or errors
    return _short(f"{causes[0][1]}: {causes[0][2]}".rstrip(": ")) if causes else _last_line(said)


def _last_line(said: str) -> str:
    lines = [PREFIX.sub("", line).strip() for line in said.splitlines() if line.strip()]
    return _short(lines[-1]) if lines else ""


def _short(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
