"""The line over the Indexes tab: its views, and how much is known."""

from __future__ import annotations

from collections.abc import Mapping

from pgtop.advice.index_facts import IndexFacts
from pgtop.advice.thresholds import indexes as limits
from pgtop.analysis import units
from pgtop.analysis.pending import Pending
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

SHORT = {
    "duplicate": "dup", "bloated": "bloat", "invalid": "inv", "missing": "miss", "tables": "tab",
}  # fmt: skip
"""What stands for a word at 80 columns."""


def head_line(
    found: IndexFacts, view: str, shown: int, width: int, *, sure: bool, wanted: str = ""
) -> Line:
    """The views with their keys, how far bloat is known, how long the counters count. Where not
    all fits, words are short, and at last only the chosen view has one: half a number would be
    another number. `sure` is whether there may be no more than is shown, `wanted` the filter."""
    number = units.count(shown) if sure else f"≥{units.count(shown)}" if shown else "?"
    end = (_progress(found.estimates.pending), _window_words(found))
    filtered: tuple[tuple[str, Tone], ...] = ((f"/{wanted}/  ", "key"),) if wanted else ()
    full = {each: word for each, (_, word) in VIEWS.items()}
    for words, gap in ((full, "  "), (full, " "), ({**full, **SHORT}, " "), ({}, "  ")):
        line = (*_views(view, number, words, gap), *filtered, end[0])
        if sum(len(text) for text, _ in (*line, end[1])) < width:
            break
    return Line(line, (end[1],), urgent=True)


def _views(
    view: str, number: str, words: Mapping[str, str], gap: str
) -> tuple[tuple[str, Tone], ...]:
    parts: list[tuple[str, Tone]] = [(" ", "")]
    for each, (key, word) in VIEWS.items():
        chosen = each == view
        if key:
            parts.append((f"{key} ", "key"))
        if chosen:
            parts.append((f"{word} {number}{gap}", "strong"))
        elif each in words:
            parts.append((f"{words[each]}{gap}", "dim"))
    return tuple(parts)


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
