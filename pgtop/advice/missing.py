"""`index.missing`: what a search over the busiest statements brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgtop.advice import Facts, NeedsTime, Rule
from pgtop.analysis import units
from pgtop.analysis.workload import Workload
from pgtop.model.advice import Advice, Advised
from pgtop.model.finding import Finding


def missing(facts: Facts) -> Iterator[Finding]:
    """Every index that was advised and does not stand yet."""
    try:
        found = facts.rows(Advice)
    except NeedsTime:
        raise NeedsTime("the busiest statements were not planned yet") from None
    workload = facts.derived.get(Workload)
    for advice in found:
        for advised in advice.indexes:
            yield replace(advised.finding, title=_title(advised, workload))


def _title(advised: Advised, workload: Workload | None) -> str:
    gain = advised.gains[0]
    text = workload.texts.get(gain.key, "") if workload is not None and gain.key else ""
    said = f"“{' '.join(text.split())[:48]}…”" if text else gain.statement
    more = f" and {len(advised.gains) - 1} more" if len(advised.gains) > 1 else ""
    return (
        f"{advised.table.name} {advised.index.words} is missing: {said}{more} would cost"
        f" {units.significant(advised.cost_after)} instead of"
        f" {units.significant(advised.cost_before)}"
    )


MISSING_RULES = (Rule("index.missing", missing),)
