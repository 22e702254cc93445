"""What a plan that was not run already shows, by the planner's own figures and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice.plans.context import SCANS, Context
from pgtop.advice.plans.filters import planned_remedy
from pgtop.advice.plans.remedies import index_for
from pgtop.advice.plans.scans import index_columns, wanted_order
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode

_ONCE = frozenset({"Materialize", "Memoize", "CTE Scan", "Hash"})
"""Nodes that answer again from what they kept."""


def _cost_share(context: Context, node: PlanNode, times: float = 1.0) -> float:
    total = context.plan.root.figure("Total Cost")
    cost = node.figure("Total Cost")
    return min(1.0, cost * times / total) if total and cost is not None else 0.0


def seq_filter_planned(context: Context) -> Iterator[Insight]:
    """SEQ_FILTER, planned: a table would be read whole for a few of its rows."""
    if context.plan.analyzed or context.facts is None:
        return
    for node in context.plan.nodes:
        table = context.table(node)
        kept = node.figure("Plan Rows")
        if node.node_type not in SCANS or "Filter" not in node.raw or table is None or kept is None:
            continue
        rows = table.rows or 0.0
        own = context.metrics.nodes[node.number].self_cost or 0.0
        share = min(1.0, own / (context.plan.root.figure("Total Cost") or own or 1.0))
        if (
            rows < limit.READ_FOR_NOTHING
            or kept > (1 - limit.SEQ_DROPPED) * rows
            or share < limit.SEQ_SHARE
        ):
            continue
        proposal = planned_remedy(context, node) or index_for(
            context, node, context.about(node), sort=wanted_order(context, node)
        )
        yield context.insight(
            "seq_filter", node, "SEQ",
            f"{node.relation} would be read whole: ≈ {units.count(rows)} rows"
            f" for ≈ {units.count(kept)}",
            f"{context.label(node)} reads ≈ {units.count(rows)} rows to keep ≈ {units.count(kept)}"
            f" by {node.text('Filter')}: {units.percent(share)} of the plan's cost. The planner's"
            f" figures, it was not run. {proposal.said}".rstrip(),
            score=share * limit.PLANNED_CONFIDENCE,
            remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            evidence={"rows_planned": kept, "table_rows": rows},
        )  # fmt: skip


def idx_filter_planned(context: Context) -> Iterator[Insight]:
    """IDX_FILTER, planned: an index would bring many rows, the filter would drop most of them.

    Only a bitmap tells before a run how many rows its index brings: `Plan Rows` of every
    other scan is what the filter leaves.
    """
    if context.plan.analyzed or context.facts is None:
        return
    for node in context.plan.nodes:
        below = [c for c in context.plan.children(node) if c.node_type == "Bitmap Index Scan"]
        kept = node.figure("Plan Rows")
        if node.node_type != "Bitmap Heap Scan" or "Filter" not in node.raw or kept is None:
            continue
        brought = below[0].figure("Plan Rows") if below else None
        share = _cost_share(context, node)
        if (
            brought is None
            or brought < limit.READ_FOR_NOTHING
            or kept > (1 - limit.SEQ_DROPPED) * brought
            or share < limit.SEQ_SHARE
        ):
            continue
        served = tuple(
            c for c in index_columns(context, node) if c.kind in ("equal", "in", "range")
        )
        own = tuple(c for c in context.about(node) if c.kind in ("equal", "boolean", "null", "in"))
        proposal = planned_remedy(context, node) or index_for(
            context, node, (*own, *served) if own else (*served, *context.about(node))
        )
        yield context.insight(
            "idx_filter", node, "FILTER",
            f"The index on {node.relation} would bring ≈ {units.count(brought)} rows,"
            f" the filter would keep ≈ {units.count(kept)}",
            f"{context.label(node)} would fetch ≈ {units.count(brought)} rows by"
            f" {below[0].text('Index Name')} and keep ≈ {units.count(kept)} by"
            f" {node.text('Filter')}: {units.percent(share)} of the plan's cost. The planner's"
            f" figures, it was not run. {proposal.said}".rstrip(),
            score=share * limit.PLANNED_CONFIDENCE,
            remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            evidence={"rows_planned": kept, "index_rows_planned": brought},
        )  # fmt: skip


def loops_planned(context: Context) -> Iterator[Insight]:
    """LOOPS, planned: the inner side of a nested loop would run thousands of times."""
    if context.plan.analyzed:
        return
    for node in context.plan.nodes:
        if node.node_type != "Nested Loop":
            continue
        sides = {c.relationship: c for c in context.plan.children(node)}
        outer, inner = sides.get("Outer"), sides.get("Inner")
        if outer is None or inner is None or inner.node_type in _ONCE:
            continue
        times = outer.figure("Plan Rows") or 0.0
        share = _cost_share(context, inner, times)
        if times < limit.LOOPS or share < limit.LOOPS_SHARE:
            continue
        yield context.insight(
            "loops", inner, "LOOPS",
            f"{context.label(inner)} would run ≈ {units.count(times)} times",
            f"Once for each of ≈ {units.count(times)} rows of {context.label(outer)}, at a cost of"
            f" {inner.figure('Total Cost') or 0:,.2f} each. The planner's figures, it was not run.",
            score=share * limit.PLANNED_CONFIDENCE,
            no_remedy="fewer rows from the other side, or a join that reads each side once",
            evidence={"loops_planned": times},
        )  # fmt: skip


RULES = (seq_filter_planned, idx_filter_planned, loops_planned)
