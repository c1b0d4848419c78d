"""The colours on dark and on light backgrounds; all are distinct and readable (contrast of at least
4.5 to 1)."""

from __future__ import annotations

from rich.terminal_theme import TerminalTheme

ON_DARK = TerminalTheme(
    (18, 18, 18),
    (224, 224, 224),
    [
        (18, 18, 18),
        (255, 107, 104),  # red
        (126, 211, 96),  # green
        (240, 185, 75),  # yellow
        (110, 160, 255),  # blue
        (222, 130, 255),  # magenta
        (88, 209, 235),  # cyan
        (224, 224, 224),
    ],
)
ON_LIGHT = TerminalTheme(
    (224, 224, 224),
    (31, 31, 31),
    [
        (31, 31, 31),
        (176, 30, 30),
        (30, 105, 22),
        (132, 84, 0),
        (30, 78, 190),
        (130, 45, 160),
        (0, 100, 135),
        (31, 31, 31),
    ],
)
