"""The decode loop, which continues a batch of prompts with new token ids.

``generate`` carries every row until the last one ends and copies the whole cache at each step.
Here rows leave when a quarter of them have ended, the cache grows in place, what all prompts
begin with is computed once, and prompts are read a slice at a time, so that what lies between
the layers stays small. That is the whole gain; BENCHMARKS.md has the figures.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from torch import Tensor

SLICE: Final = 2048  # tokens of prompts read at once
ROOM: Final = 64  # positions by which the cache grows
STAY: Final = 0.75  # share of live rows at which the others leave
LOOK: Final = {"cuda": 16}  # steps between looks at which rows have ended: a GPU waits for a look
MOMENT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Moment:
    """The progress of a batch. ``ended``: rows that ended since the last moment, with their new
    tokens; ``read``: prompts read; ``written``: tokens of all rows, on a GPU including those after
    a row's end that was not yet noticed; ``open``: unfinished rows."""

    ended: list[tuple[int, list[int]]] = field(default_factory=list)
    read: int = 0
    written: int = 0
    open: int = 0


class RoomyLayer(DynamicLayer):
    """Keys and values ``[rows, heads, room, size]`` of one layer; ``window`` is in use.

    ``used`` positions are filled; a step writes the next ones in place.
    """

    _layer_type = None  # keeps transformers from taking this class for its own default

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.window, self.used = rows, slice(0, rows), 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append states ``[window, heads, new, size]``; return views of all so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.all_keys, self.all_values = (
                states.new_empty(self.rows, states.shape[1], 0, states.shape[3])
                for states in (key_states, value_states)
            )
        start, self.used = self.used, self.used + key_states.shape[2]
        self.all_keys = _with_room(self.all_keys, self.used)
        self.all_values = _with_room(self.all_values, self.used)
        self.all_keys[self.window, :, start : self.used] = key_states
        self.all_values[self.window, :, start : self.used] = value_states
        self.use(self.window, self.used)
        return self.keys, self.values

    def use(self, window: slice, used: int) -> None:
        """Continue with the rows of this window, of which ``used`` positions are filled."""
        self.window, self.used = window, used
        if self.is_initialized:
            self.keys = self.all_keys[window, :, :used]
            self.values = self.all_values[window, :, :used]

    def share(self) -> None:
        """Copy the first row's states to every row."""
        self.all_keys[1:, :, : self.used] = self.all_keys[:1, :, : self.used]
        self.all_values[1:, :, : self.used] = self.all_values[:1, :, : self.used]

    def batch_select_indices(self, indices: Tensor) -> None:
        indices = indices.to(self.all_keys.device)
        self.all_keys, self.all_values = self.all_keys[indices], self.all_values[indices]
        self.use(slice(0, len(indices)), self.used)


def _with_room(states: Tensor, positions: int) -> Tensor:
    rows, heads, room, size = states.shape
    if positions <= room:
        return states
    larger = states.new_empty(rows, heads, positions + ROOM, size)
    larger[:, :, :room] = states
    return larger


class Decoder:
    """One batch: left-padded prompts, their cache, and the rows that are not finished.

    Args:
        model: any causal language model of transformers, or a ``PeftModel``.
        prompts: token ids of each prompt, none empty.
        device: where inputs go.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self.model = model
        self.cache = DynamicCache(config=model.config)
        plain = all(type(layer) is DynamicLayer for layer in self.cache.layers)
        # A sliding window counts columns, so only full attention bears the gap after a shared
        # beginning; nor can any other kind of layer be filled a slice at a time.
        self.shared = shared_start(prompts) if plain else 0
        self.at_once = SLICE if plain else None
        if plain:
            self.cache.layers = [RoomyLayer(len(prompts)) for _ in self.cache.layers]
        self.ids, mask = left_padded([p[self.shared :] for p in prompts], device)
        self.mask = torch.cat([mask.new_ones(len(prompts), self.shared), mask], dim=-1)
        self.first = torch.tensor([prompts[0][: self.shared]], device=device)

    def read(self) -> Generator[Moment, None, Tensor]:
        """Read the prompts into the cache, a moment for each slice; return logits ``[rows,
        vocabulary]`` of the first new tokens."""
        if self.at_once is None:
            return self._forward(self.ids, self.mask)
        rows, width = self.mask.shape
        if self.shared:
            self._use(slice(0, 1), 0)
            self._forward(self.first, self.mask[:1, : self.shared])
            for layer in self.cache.layers:
                layer.share()
        logits = []
        step = max(1, self.at_once // (width - self.shared))
        for begin in range(0, rows, step):
            window = slice(begin, min(begin + step, rows))
            self._use(window, self.shared)
            logits.append(self._forward(self.ids[window], self.mask[window]))
            yield Moment(read=window.stop, open=rows)
        self._use(slice(0, rows), width)
        return torch.cat(logits)

    def write(self, tokens: Tensor) -> Tensor:
        """Append ``[rows]`` tokens; return the next ones' logits ``[rows, vocabulary]``."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=-1)
        return self._forward(tokens[:, None], self.mask)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def _use(self, window: slice, used: int) -> None:
        for layer in self.cache.layers:
            layer.use(window, used)

    def _forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    ends: Iterable[int],
    choose: Callable[[Tensor, Tensor, int], Tensor],
    device: torch.device,
) -> Iterator[Moment]:
    """Continue each prompt up to and with its end token or up to its limit; yield rows as they end.

    Args:
        model: any causal language model of transformers, or a ``PeftModel``.
        prompts: token ids of each prompt, none empty.
        limits: most new tokens for each prompt, at least 1.
        ends: ids that end a text.
        choose: from logits ``[rows, vocabulary]``, the rows' indices and the step to token ids.
        device: where inputs go.
    """
    decoder = Decoder(model, prompts, device)
    rows = torch.arange(len(prompts), device=device)
    limit, end = torch.tensor(limits, device=device), torch.tensor(list(ends), device=device)
    written = torch.full((len(prompts), max(limits)), -1, dtype=torch.int64, device=device)
    alive = torch.ones_like(rows, dtype=torch.bool)
    waited_for, left, count, told = set(range(len(prompts))), len(prompts), 0, time.monotonic()
    last, look = max(limits), LOOK.get(device.type, 1)
    logits = yield from decoder.read()
    for step in range(last):
        tokens = choose(logits, rows, step)
        written[rows, step] = torch.where(alive, tokens, -1)
        count += left
        alive &= ~torch.isin(tokens, end) & (step + 1 < limit[rows])
        if (step + 1) % look and step + 1 < last:
            logits = decoder.write(tokens)
            continue
        left = int(alive.sum())
        if left == 0:
            break
        if time.monotonic() - told >= MOMENT_S:
            ended = waited_for.difference(rows[alive].tolist())
            waited_for -= ended
            yield Moment(_texts(written, ended), len(prompts), count, left)
            told = time.monotonic()
        if left <= STAY * len(rows):
            stay = alive.nonzero().squeeze(1)
            decoder.keep(stay)
            rows, tokens, alive = rows[stay], tokens[stay], alive[stay]
        logits = decoder.write(tokens)
    yield Moment(_texts(written, waited_for), len(prompts), count)


def _texts(written: Tensor, ended: Iterable[int]) -> list[tuple[int, list[int]]]:
    return [(row, [t for t in written[row].tolist() if t >= 0]) for row in sorted(ended)]


def shared_start(prompts: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts begin with, leaving at least one to each."""
    ordered = sorted(map(tuple, prompts))
    low, high = ordered[0], ordered[-1]  # what these two share, those between share
    most = min(len(p) for p in prompts) - 1
    return next((i for i in range(most) if low[i] != high[i]), most)


def left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ``[rows, longest]`` ids and attention mask; the padding's ids have no effect."""
    width = max(len(p) for p in prompts)
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    return ids, mask
