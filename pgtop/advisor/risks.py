"""What a plan with a new index rests on that the planner does not price."""

from __future__ import annotations

from collections.abc import Mapping

from pgtop.advice.thresholds import advisor as limit
from pgtop.analysis.plan.conditions import conditions
from pgtop.model.advice import WorkTable
from pgtop.model.plan import Plan, PlanNode

_STOPS = frozenset({"Sort", "Hash", "Aggregate", "Materialize", "WindowAgg", "SetOp", "Unique"})
"""Nodes that read all they are given (or nearly), whatever is above them."""


def walks(plan: Plan) -> tuple[PlanNode, ...]:
    """Index scans under a LIMIT that walk in order while a filter drops rows."""
    found = []
    for node in plan.nodes:
        if node.node_type not in ("Index Scan", "Index Only Scan") or "Filter" not in node.raw:
            continue
        above = plan.parent(node)
        while above is not None and above.node_type not in _STOPS:
            if above.node_type == "Limit":
                found.append(node)
                break
            above = plan.parent(above)
    return tuple(found)


def risky(node: PlanNode, tables: Mapping[tuple[str, str], WorkTable]) -> bool:
    """Whether the walk is short only if the rows wanted lie where it begins."""
    table = tables.get((node.text("Schema") or "", node.relation or ""))
    kept = node.figure("Plan Rows")
    if table is None or not table.rows or kept is None:
        return True
    bound = conditions(node.text("Index Cond") or "")
    if any(condition.kind in ("equal", "in") for condition in bound):
        return False  # the filter is on what the equality brings alone
    return kept / table.rows < limit.RISK_KEPT
