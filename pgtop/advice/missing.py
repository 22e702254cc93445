"""`index.missing`: what a search over the busiest statements brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pgtop.advice import Facts, NeedsTime, Rule
from pgtop.analysis import units
from pgtop.analysis.workload import Workload
from pgtop.model.advice import Advice, Advised, Gain
from pgtop.model.finding import Finding
from pgtop.model.statement import StatementKey

WATCHED_S = 6.0
"""What is busy shows after as long."""

MOST = 8
"""Statements at once …"""

LEAST_SHARE = 0.05
"""… each at least this part of all execution time."""


def missing(facts: Facts) -> Iterator[Finding]:
    """Every index that was advised and does not stand yet."""
    try:
        found = facts.rows(Advice)
    except NeedsTime:
        raise NeedsTime("the busiest statements were not planned yet") from None
    workload = facts.derived.get(Workload)
    for advice in found:
        for advised in advice.indexes:
            yield replace(
                advised.finding, title=_title(advised, workload), why=_why(advised, workload)
            )


def _said(gain: Gain, workload: Workload | None) -> str:
    """The statement's beginning, for its number tells nobody anything."""
    text = workload.texts.get(gain.key, "") if workload is not None and gain.key else ""
    return f"“{' '.join(text.split())[:48]}…”" if text else gain.statement


def _why(advised: Advised, workload: Workload | None) -> str:
    why = advised.finding.why
    for gain in advised.gains:
        if gain.key is not None:
            why = why.replace(gain.statement, _said(gain, workload))
    return why


def _title(advised: Advised, workload: Workload | None) -> str:
    said = _said(advised.gains[0], workload)
    more = f" and {len(advised.gains) - 1} more" if len(advised.gains) > 1 else ""
    return (
        f"{advised.table.name} {advised.index.words} is missing: {said}{more} would cost"
        f" {units.significant(advised.cost_after)} instead of"
        f" {units.significant(advised.cost_before)}"
    )


def busiest(workload: Workload) -> frozenset[StatementKey]:
    """The statements that take most of the time since pgtop watches, those worth an index."""
    window = workload.window("mark")
    if window.seconds is None or window.seconds < WATCHED_S:
        return frozenset()
    deltas: Mapping[StatementKey, Any] = window.deltas()
    total = sum(d.exec_ms for d in deltas.values())
    ranked = sorted(deltas, key=lambda key: -deltas[key].exec_ms)[:MOST]
    return frozenset(k for k in ranked if total and deltas[k].exec_ms >= LEAST_SHARE * total)


MISSING_RULES = (Rule("index.missing", missing),)
