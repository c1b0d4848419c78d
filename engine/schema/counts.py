"""How many and how much: the one place that writes counts and sizes of files."""

from __future__ import annotations


def count(n: float) -> str:
    """``950``, ``9,999``, ``12.3k``, ``1.2M``."""
    for size, least, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e3, 1e4, "k")):
        if abs(n) >= least:
            return f"{n / size:.1f}{unit}"
    return f"{n:,.0f}"


def counted(number: int, what: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """A size in bytes: ``0 B``, ``950 B``, ``12.3 KiB``, ``4.0 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
