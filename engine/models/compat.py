"""All code that relies on private parts of bitsandbytes and torch.

Written for the releases in ``CHECKED``; ``tests/training/test_compat.py`` fails when another one is
installed, or when a private part is gone.
"""

from __future__ import annotations

import logging
from typing import Final

import torch

from engine.schema.errors import UserError

CHECKED: Final = {"bitsandbytes": "0.50", "torch": "2.13"}

# On CPUs with AVX512-BF16 bitsandbytes warns, when it is imported, that a kernel isn't installed,
# which :func:`ready_bitsandbytes` would not let it use.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(
    lambda record: "gemm_4bit_forward" not in str(record.msg)
)


def cpu_has_bf16() -> bool:
    """Whether this CPU has bf16 matrix instructions (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def ready_bitsandbytes() -> None:
    """Import bitsandbytes and keep it from repacking weights for AVX512-BF16 in an eval forward,
    after which the next gradient is wrong. ``UserError`` when it isn't installed."""
    try:
        import bitsandbytes.nn.modules as bnb
    except ImportError as error:
        raise UserError(
            f"precision nf4 needs bitsandbytes ({error}); `pip install bitsandbytes`, or use"
            " precision bf16"
        ) from None
    bnb.has_avx512bf16 = lambda: False
