"""How long something took or will take, for people."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``; at last ``over a year``: nobody waits
    longer, and a figure would only look exact. A clock that was set back makes it 0."""
    if seconds is None:
        return "unknown"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, days = whole // 3600, whole // 86_400
    if hours < 48:
        return f"{hours} h {whole % 3600 // 60} min"
    return f"{days} d {hours % 24} h" if days < 365 else "over a year"
