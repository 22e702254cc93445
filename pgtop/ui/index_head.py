"""The line over the Indexes tab: its views, and how much is known."""

from __future__ import annotations

from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.ui.index_listing import Pending
from pgtop.ui.lines import Line
from pgtop.ui.table_columns import Tone

VIEWS = {
    "all": ("", "all"),
    "unused": ("u", "unused"),
    "duplicate": ("d", "duplicate"),
    "bloated": ("b", "bloated"),
    "invalid": ("i", "invalid"),
    "missing": ("m", "missing"),
    "tables": ("T", "tables"),
}
"""View -> (key, word)."""

WIDE_HEAD = 110
"""From this width on the head names the views; below, their keys alone."""


def head_line(found: IndexFacts, pending: Pending, view: str, shown: int, width: int) -> Line:
    """The views with their keys, how far bloat is known, how long the counters count."""
    left: list[tuple[str, Tone]] = [(" ", "")]
    wide = width >= WIDE_HEAD
    for each, (key, word) in VIEWS.items():
        chosen = each == view
        if key:
            left.append((f"{key} ", "key"))
        blind = each == "unused" and found.blind is not None
        number = f" {'?' if blind else units.count(shown)}" if chosen else ""
        if chosen or wide:
            left.append((f"{word}{number}  ", "strong" if chosen else "dim"))
    left.append(_progress(pending))
    return Line(tuple(left), (_window_words(found),), urgent=True)


def _progress(pending: Pending) -> tuple[str, Tone]:
    total, waiting = pending.total, pending.waiting
    if not waiting:
        return ("", "")
    return (f"bloat of {units.count(total - waiting)} of {units.count(total)}", "notice")


def _window_words(found: IndexFacts) -> tuple[str, Tone]:
    window = found.window_s
    if found.window.in_recovery:
        return ("standby: the primary's scans are not counted here ", "warning")
    if window is None:
        return ("counters since ? ", "warning")
    young = window < limits.UNUSED_WINDOW_S
    text = f"counters {units.age(window)}" + (" (young)" if young else "")
    if found.window.replicas:
        text += f", {units.plural(found.window.replicas, 'replica')}: look there too"
    return (text + " ", "warning" if young or found.window.replicas else "dim")
