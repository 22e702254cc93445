"""What pgtop draws with, and its ASCII stand-ins."""

from __future__ import annotations

from collections.abc import Sequence

ASCII = str.maketrans(
    {
        "–": "-", "—": "-", "×": "x", "÷": "/", "≈": "~", "±": "+-", "≥": ">=", "≤": "<=",
        "·": ".", "…": "...", "‼": "!!", "▼": "v", "▲": "^", "↑": "^", "↓": "v", "→": "->",
        "←": "<-", "▸": ">", "▾": "v", "│": "|", "├": "|", "└": "`", "─": "-", "┌": "+",
        "┐": "+", "┘": "+", "┴": "+", "┬": "+", "┼": "+", "✓": "ok", "✗": "x", "Σ": "sum",
        "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#", "▍": "#", "▎": " ", "▏": " ",
        "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "“": '"',
        "”": '"', "’": "'", "‘": "'", "µ": "u", "∞": "inf", "␛": "^[",
    }
)  # fmt: skip
"""Applied to everything that is drawn where the terminal has ASCII alone."""

SPARKS = " ▁▂▃▄▅▆▇█"

SEVERITY = {"critical": "‼", "warning": "!", "notice": "·"}
"""A glyph first, a colour second."""


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values as eighth blocks, scaled to their maximum; blanks to the left."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return ("▁" * len(shown)).rjust(width)
    if min(shown) == top:  # nothing changes: a line in the middle, not a wall
        return (SPARKS[4] * len(shown)).rjust(width)
    steps = len(SPARKS) - 1
    return "".join(
        SPARKS[max(1, round(value / top * steps))] if value > 0 else SPARKS[1] for value in shown
    ).rjust(width)
