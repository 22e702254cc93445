"""How far the planner's row estimates are off, and when a mismatch is none.

From src/backend/optimizer/path/costsize.c (get_parallel_divisor, clamp_row_est) and
explain.c of 13..18.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtop.model.plan import GATHERS, Plan, PlanNode

LEADER_SHARE = 0.3
"""Each planned worker takes this much of the leader's time (costsize.c, get_parallel_divisor)."""

_BLOCKING = frozenset({"Sort", "Incremental Sort", "Hash", "Materialize", "Aggregate"})
_NO_ROWS = frozenset({"BitmapAnd", "BitmapOr", "Bitmap Index Scan", "ModifyTable"})
_APPENDS = frozenset({"Append", "Merge Append"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """Planned and actual rows of one node, over all loops and processes."""

    planned: float | None
    actual: float | None
    factor: float | None
    """actual ÷ planned; None where a mismatch would mean nothing."""

    why_none: str = ""
    """Why there is no factor."""


def estimates(plan: Plan) -> tuple[Estimate, ...]:
    """By node number."""
    partial = _partial(plan)
    stoppable, rewound, divisors = _contexts(plan)
    pruned = {
        node.number
        for node in plan.nodes
        if node.node_type in _APPENDS
        and (
            "Subplans Removed" in node.raw
            or any(child.never_executed for child in plan.children(node))
        )
    }
    found: list[Estimate] = []
    for node in plan.nodes:
        planned, actual = _totals(plan, node, partial[node.number], divisors[node.number])
        why = _no_factor(node, planned, actual)
        if not why and planned is not None and actual is not None:
            if actual < planned and stoppable[node.number]:
                why = "it was stopped before its end"
            elif actual > planned and rewound[node.number]:
                why = "a Merge Join rewinds it"
            elif node.parent in pruned:
                why = "partitions were pruned: compare at the Append"
        factor = None
        if not why and planned is not None and actual is not None:
            factor = max(actual, 1.0) / max(planned, 1.0)
        found.append(Estimate(planned, actual, factor, why))
    return tuple(found)


def _totals(
    plan: Plan, node: PlanNode, partial: bool, divisor: float
) -> tuple[float | None, float | None]:
    rows, loops, per_loop = node.figure("Plan Rows"), node.loops, node.figure("Actual Rows")
    actual = per_loop * loops if per_loop is not None and loops is not None else None
    if rows is None:
        return None, actual
    if not loops or loops < 0:
        return rows, actual
    if partial:
        gather = _gather(plan, node)
        return rows * divisor * max(1.0, (gather.loops if gather else 1.0) or 1.0), actual
    return rows * loops, actual


def _no_factor(node: PlanNode, planned: float | None, actual: float | None) -> str:
    if planned is None:
        return "nothing was planned"
    if actual is None:
        return "it was not run"
    if not node.loops or node.loops < 0:
        return "it was never executed"
    if node.node_type in _NO_ROWS:
        return f"a {node.node_type} does not count rows"
    if node.text("Partial Mode") == "Partial":
        return "every process returns its part"
    rows = node.raw.get("Actual Rows")
    if rows == 0 and isinstance(rows, int) and node.loops > 1:
        return f"rounded: up to {node.loops / 2:,.0f} rows are printed as 0 per loop"
    return ""


def _partial(plan: Plan) -> list[bool]:
    """Nodes that every process runs on its own part of the rows."""
    below_gather = [False] * len(plan.nodes)
    for node in plan.nodes:
        above = plan.parent(node)
        if above is not None and not node.is_init_plan:
            below_gather[node.number] = above.node_type in GATHERS or below_gather[above.number]
    partial = [False] * len(plan.nodes)
    for node in reversed(plan.nodes):
        if not below_gather[node.number]:
            continue
        partial[node.number] = bool(node.raw.get("Parallel Aware")) or any(
            partial[child.number]
            for child in plan.children(node)
            if child.relationship in ("Outer", "Subquery", "Member", "child", "children")
        )
    return partial


def _gather(plan: Plan, node: PlanNode) -> PlanNode | None:
    current: PlanNode | None = node
    while current is not None and current.node_type not in GATHERS:
        current = plan.parent(current)
    return current


def _contexts(plan: Plan) -> tuple[list[bool], list[bool], list[float]]:
    """Which nodes may be stopped early, which are rewound, and each one's parallel divisor."""
    size = len(plan.nodes)
    stoppable, rewound, divisors = [False] * size, [False] * size, [1.0] * size
    leader = plan.raw.get("Settings")
    off = isinstance(leader, dict) and leader.get("parallel_leader_participation") == "off"
    read_in_part = {
        f"CTE {node.raw.get('CTE Name')}" for node in plan.nodes if node.node_type == "CTE Scan"
    }
    for node in plan.nodes:
        above = plan.parent(node)
        if above is None:
            continue
        number = node.number
        stoppable[number] = _may_stop(node, above, stoppable[above.number]) or (
            node.is_cte and node.subplan_name in read_in_part
        )
        inner_merge = above.node_type == "Merge Join" and node.relationship == "Inner"
        rewound[number] = inner_merge and node.node_type in ("Sort", "Materialize")
        divisors[number] = divisors[above.number]
        if above.node_type in GATHERS:
            planned = max(0.0, above.figure("Workers Planned") or 0.0)
            share = 0.0 if off else max(0.0, 1 - LEADER_SHARE * planned)
            divisors[number] = max(1.0, planned + share)
    return stoppable, rewound, divisors


def _may_stop(node: PlanNode, above: PlanNode, inherited: bool) -> bool:
    if node.is_init_plan or node.relationship == "SubPlan":
        return True
    blocking = above.node_type in _BLOCKING or (
        above.node_type == "SetOp" and above.text("Strategy") == "Hashed"
    )
    if above.node_type == "Aggregate" and above.text("Strategy") == "Sorted":
        blocking = False
    if above.node_type == "Limit" or above.node_type == "Merge Join":
        return True
    if above.node_type in ("Nested Loop", "Hash Join") and node.relationship == "Inner":
        once = above.text("Join Type") in ("Semi", "Anti") or bool(above.raw.get("Inner Unique"))
        if above.node_type == "Nested Loop" and once:
            return True
    return inherited and not blocking
