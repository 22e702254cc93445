"""The lines around a pane: the tabs above it, the keys below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pgtop.ui.header import FULL_WIDTH
from pgtop.ui.lines import Line
from pgtop.ui.panes import PANES
from pgtop.ui.table_columns import Tone


def tab_line(chosen: str | None, badges: Mapping[str, tuple[str, Tone] | None], width: int) -> Line:
    """All tabs with their digits; `badges` by the tab's name."""
    pieces: list[tuple[str, Tone]] = [(" ", "")]
    for pane in PANES:
        title = pane.TITLE if width >= FULL_WIDTH else pane.SHORT
        badge = badges.get(pane.NAME)
        name = f"{pane.DIGIT} {title}"
        here = chosen == pane.NAME
        pieces.append((f"[{name}]" if here else name, "key" if here else "dim"))
        if badge is not None:
            pieces.append(badge)
        pieces.append(("  " if width >= FULL_WIDTH else " ", ""))
    return Line(tuple(pieces))


def key_line(shown: Sequence[tuple[str, str]], width: int) -> Line:
    """As many (key, what it does) as there is room for; the way to all of them, and out, always."""
    ways = [each for each in shown if each[1] in ("quit", "help")]
    used = 1 + sum(len(key) + len(description) + 3 for key, description in ways)
    chosen: list[tuple[str, str]] = []
    for each in shown:
        used += 0 if each in ways else len(each[0]) + len(each[1]) + 3
        if used > width:
            break
        if each not in ways:
            chosen.append(each)
    pieces: list[tuple[str, Tone]] = [(" ", "")]
    for key, description in (*chosen, *ways):
        pieces += [(key, "key"), (f" {description}  ", "dim")]
    return Line(tuple(pieces))
