"""Rules about plans: pure functions from one plan to what makes it slow.

To add one: write the function in the module of its subject, name it in the tuple at its
foot, write its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pgtop.advice.plans import (
    filters,
    loops,
    memory,
    misestimates,
    planned,
    scans,
    storage,
    whole,
)
from pgtop.advice.plans.context import Context
from pgtop.advice.thresholds.plans import QUICK_MS
from pgtop.model.finding import SEVERITIES
from pgtop.model.insight import Insight, PlanFacts
from pgtop.model.plan import Plan

PlanRule = Callable[[Context], Iterable[Insight]]

RULES: tuple[PlanRule, ...] = (
    *scans.RULES,
    *filters.RULES,
    *loops.RULES,
    *misestimates.RULES,
    *memory.RULES,
    *storage.RULES,
    *whole.RULES,
    *planned.RULES,
)

PRECEDENCE: tuple[str, ...] = tuple(
    f"plan.{name}"
    for name in (
        "limit_sort limit_filter_walk limit_offset func_col cast_col wildcard ilike jsonb or_cond"
        " brin idx_fullscan nl_seq_inner seq_filter idx_filter subplan_row loops"
    ).split()
)
"""Of several findings at one node the first of these names the cause, the others its effect."""


def judge(context: Context) -> tuple[Insight, ...]:
    """All findings, worst first."""
    found = [insight for rule in RULES for insight in rule(context)]
    found = [replace(insight, primary=_is_primary(insight, found)) for insight in found]
    found = [_sober(context, insight) for insight in found]
    return tuple(
        sorted(
            found,
            key=lambda each: (
                SEVERITIES.index(each.severity), not each.primary, -each.score,
                each.rule, each.number,
            ),
        )
    )  # fmt: skip


def _sober(context: Context, insight: Insight) -> Insight:
    """No DDL for a system catalogue, which takes none; no alarm over a plan that was quick."""
    node = context.plan.nodes[insight.number]
    schema = node.text("Schema") or None
    named = (node.relation or "").startswith("pg_")
    if insight.remedy is not None and named and schema in (None, "pg_catalog"):
        why = "a system catalogue: it takes no index of one's own"
        insight = replace(insight, remedy=None, no_remedy=why)
    took = context.metrics.nodes[0].wall_ms  # None where it was not run
    if took is not None and took < QUICK_MS and insight.severity != "notice":
        insight = replace(insight, severity="notice")
    return insight


def insights(plan: Plan, facts: PlanFacts | None = None) -> tuple[Insight, ...]:
    """All findings of a plan, worst first."""
    return judge(Context.of(plan, facts))


def _is_primary(insight: Insight, found: list[Insight]) -> bool:
    if insight.rule not in PRECEDENCE:
        return True
    rank = PRECEDENCE.index(insight.rule)
    return not any(
        other.number == insight.number
        and other.rule in PRECEDENCE
        and PRECEDENCE.index(other.rule) < rank
        for other in found
    )
