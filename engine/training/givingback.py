"""Memory that a training on a CPU has freed goes back to the system between steps.

glibc keeps what was freed for later. Batches differ in length, so that the next ones don't fit into
it, and the process grows from step to step: a 0.5B model from 8 to 11 GiB in 14 steps.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any, Final

from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

EVERY_S: Final = 20.0  # giving back and asking for it again takes about a second


class GivesBack(TrainerCallback):
    """Asks the C library for it at the end of a step; one without ``malloc_trim`` is left alone."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._trimmed = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._trim and time.monotonic() > self._trimmed + EVERY_S:
            self._trim(0)
            self._trimmed = time.monotonic()
