"""Text on its way into a cell: harmless, and exactly as wide as the cell."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from pgtop.terminal.glyphs import ASCII
from pgtop.terminal.safe import safe


def clean(text: str, *, plain: bool) -> str:
    """Nothing that draws; `plain`: nothing beyond ASCII."""
    if plain:
        return safe(text.translate(ASCII), ascii_only=True, spaces=True)
    return text if text.isprintable() else safe(text, spaces=True)


def fit(text: str, room: int, align: str, *, plain: bool) -> str:
    """`text`, cleaned, in exactly `room` cells."""
    text = clean(text, plain=plain)
    size = cell_len(text)
    if size > room:
        return clip(text, room, plain=plain)
    return text.rjust(len(text) + room - size) if align == "right" else set_cell_size(text, room)


def clip(text: str, room: int, *, plain: bool) -> str:
    """`text` in exactly `room` cells, its end marked; never half of a wide character."""
    if room <= 0:
        return ""
    return set_cell_size(set_cell_size(text, room - 1).rstrip() + ("~" if plain else "…"), room)


def clip_middle(text: str, room: int, *, plain: bool) -> str:
    """`text` in exactly `room` cells, what is left out between its halves marked."""
    if room < 8 or cell_len(text) <= room:
        return fit(text, room, "left", plain=plain)
    end, behind = len(text), room // 2
    while behind > 0 and (size := cell_len(text[end - 1])) <= behind:
        end, behind = end - 1, behind - size
    return set_cell_size(clip(text, room - cell_len(text[end:]), plain=plain) + text[end:], room)
