"""The lines around a pane: the tabs above it, the keys below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from rich.cells import cell_len

from pgtop.advice.verdict import Verdict
from pgtop.model.finding import SEVERITIES, Severity
from pgtop.terminal.glyphs import SEVERITY
from pgtop.ui.header import FULL_WIDTH
from pgtop.ui.lines import Line
from pgtop.ui.panes import PANES
from pgtop.ui.table_columns import Tone


def badges(verdict: Verdict) -> dict[str, tuple[str, Tone]]:
    """Tab's name -> its worst mark and how many findings it explains."""
    severities: dict[str, list[Severity]] = {}
    number: Counter[str] = Counter()
    for found in verdict.found.values():
        for worst in islice(found.findings, 1):
            for name in (tab.NAME for tab in PANES if tab.owns(worst)):
                severities.setdefault(name, []).append(worst.severity)
                number[name] += len(found.ranked)
    worst_of = {name: min(some, key=SEVERITIES.index) for name, some in severities.items()}
    return {name: (f"{SEVERITY[worst]}{number[name]}", worst) for name, worst in worst_of.items()}


def tab_line(chosen: str | None, marks: Mapping[str, tuple[str, Tone]], width: int) -> Line:
    """All tabs with their digits; `marks` by the tab's name. Where their names do not fit, the
    others' digits have to do."""
    if width >= FULL_WIDTH:
        return Line(_tabs(chosen, marks, {pane.NAME: pane.TITLE for pane in PANES}, "  "))
    short = {pane.NAME: pane.SHORT for pane in PANES}
    pieces = _tabs(chosen, marks, short, " ")
    if sum(cell_len(text) for text, _ in pieces) > width:
        pieces = _tabs(chosen, marks, {name: short[name] for name in short if name == chosen}, " ")
    return Line(pieces)


def _tabs(
    chosen: str | None,
    marks: Mapping[str, tuple[str, Tone]],
    titles: Mapping[str, str],
    gap: str,
) -> tuple[tuple[str, Tone], ...]:
    pieces: list[tuple[str, Tone]] = [(" ", "")]
    for pane in PANES:
        name = f"{pane.DIGIT} {titles.get(pane.NAME, '')}".rstrip()
        here = chosen == pane.NAME
        pieces.append((f"[{name}]" if here else name, "key" if here else "dim"))
        if mark := marks.get(pane.NAME):
            pieces.append(mark)
        pieces.append((gap, ""))
    return tuple(pieces)


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
