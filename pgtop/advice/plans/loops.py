"""What is done again and again: inner sides of nested loops and sub-plans by the row."""

from __future__ import annotations

from collections.abc import Iterator

from pgtop.advice.plans.context import INDEX_SCANS, SCANS, Context
from pgtop.advice.plans.remedies import Proposal, index_for
from pgtop.advice.thresholds import plans as limit
from pgtop.analysis import units
from pgtop.analysis.plan.conditions import seen_from
from pgtop.model.insight import Insight
from pgtop.model.plan import PlanNode


def _in_subplan(context: Context, node: PlanNode) -> PlanNode | None:
    current: PlanNode | None = node
    while current is not None:
        if current.relationship == "SubPlan":
            return current
        current = context.plan.parent(current)
    return None


def loops(context: Context) -> Iterator[Insight]:
    """LOOPS: a subtree runs thousands of times and holds a good part of the run."""
    for node in context.ran():
        above = context.plan.parent(node)
        count = context.loops(node)
        if (
            above is None
            or count < limit.LOOPS
            or context.loops(above) >= count
            or context.wall_share(node) < limit.LOOPS_SHARE
            or node.relationship == "SubPlan"
        ):
            continue
        share = context.wall_share(node)
        yield context.insight(
            "loops", node, "LOOPS",
            f"{context.label(node)} runs {units.count(count)} times: {context.timing(node)}",
            f"{context.label(node)} runs once for each row of the other side:"
            f" {context.timing(node)}, {units.percent(share)} of the run.",
            score=share,
            no_remedy="fewer rows from the other side, or a join that reads each side once: see the"
            " estimate there. Inside SQL functions this is N+1",
            evidence={"loops": count, "share_fraction": share},
        )  # fmt: skip


def nl_seq_inner(context: Context) -> Iterator[Insight]:
    """NL_SEQ_INNER: a table without a fitting index is read whole for every row."""
    for node in context.ran():
        if node.node_type not in SCANS:
            continue
        read = context.returned(node) + context.removed(node)
        if (
            context.loops(node) <= limit.NL_SEQ_LOOPS * context.processes(node)
            or read < limit.NL_SEQ_ROWS
            or context.share(node) < limit.SEQ_SHARE
        ):
            continue
        conditions = context.about(node)
        above = context.plan.parent(node)
        if not conditions and above is not None:
            own = (node.text("Alias"), node.relation)
            conditions = tuple(
                seen
                for each in context.filter(above, "Join Filter")
                if (seen := seen_from(each, own)) is not None
            )
        proposal = (
            index_for(context, node, conditions)
            if conditions
            else Proposal(None, "no condition joins it: a cross join reads it for every row")
        )
        yield context.insight(
            "nl_seq_inner", node, "LOOPS",
            f"{node.relation} is read whole {units.count(context.loops(node))} times",
            f"{context.label(node)}: {context.timing(node)}, {units.count(read)} rows read."
            f" {proposal.said}".rstrip(),
            score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
            evidence={"loops": context.loops(node), "rows_read": read},
        )  # fmt: skip


def subplan_row(context: Context) -> Iterator[Insight]:
    """SUBPLAN_ROW: a correlated subquery runs for every row."""
    for node in context.ran():
        above = context.plan.parent(node)
        if (
            above is None
            or node.relationship != "SubPlan"
            or context.loops(node) < limit.SUBPLAN_LOOPS * context.processes(node)
            or context.wall_share(node) < limit.LOOPS_SHARE
        ):
            continue
        proposal = Proposal(
            None, "a JOIN, LATERAL or a window function computes it once for all rows"
        )
        scan = next((n for n in context.plan.below(node) if n.node_type in SCANS), None)
        if scan is not None and context.about(scan):
            proposal = index_for(context, scan, context.about(scan))
        yield context.insight(
            "subplan_row", node, "SUBPLAN",
            f"{node.subplan_name} runs {units.count(context.loops(node))} times",
            f"{node.subplan_name} of {context.label(above)} runs once a row:"
            f" {context.timing(node)}."
            f" {proposal.said}".rstrip(),
            score=context.wall_share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


def subplan_hash_off(context: Context) -> Iterator[Insight]:
    """SUBPLAN_HASH_OFF: NOT IN over a list too big to hash."""
    for node in context.ran():
        text = node.text("Filter") or ""
        if "NOT (SubPlan" not in text and not ("NOT (ANY (" in text and "hashed" not in text):
            continue
        sub = next((c for c in context.plan.children(node) if c.relationship == "SubPlan"), None)
        if sub is None or context.loops(sub) < limit.LOOPS:
            continue
        yield context.insight(
            "subplan_hash_off", node, "NOT IN",
            "NOT IN is looked up row by row: its list did not fit work_mem",
            f"{context.label(node)} goes through {sub.subplan_name}"
            f" {units.count(context.loops(sub))} times, as it is too big to hash in work_mem.",
            score=context.wall_share(sub),
            no_remedy="NOT EXISTS instead of NOT IN: it becomes an anti join, and NULLs in the list"
            " no longer make every answer NULL",
        )  # fmt: skip


def idx_searches(context: Context) -> Iterator[Insight]:
    """IDX_SEARCHES: one index scan descends the tree many times (18)."""
    for node in context.ran():
        if "Index Searches" not in node.raw:
            continue
        searches = node.figure("Index Searches") or 0.0
        if (
            searches < limit.SEARCHES
            or searches < limit.SKIP_SEARCHES * context.loops(node)
            or node.node_type not in INDEX_SCANS | {"Bitmap Index Scan"}
        ):
            continue
        lead = tuple(c for c in context.filter(node, "Index Cond") if c.kind == "equal")
        proposal = (
            index_for(context, node, lead) if lead and node.relation else
            Proposal(None, "shorten the list, or join with it as a table: unnest($1)")
        )  # fmt: skip
        yield context.insight(
            "idx_searches", node, "SEARCHES",
            f"{units.count(searches)} descents of {node.text('Index Name')}",
            f"{context.label(node)} searches its index {units.count(searches)} times in"
            f" {units.count(context.loops(node))} loops: a skip scan over a leading column that the"
            " condition does not name, or a long IN list.",
            score=context.share(node), remedy=proposal.remedy, no_remedy=proposal.no_remedy,
        )  # fmt: skip


RULES = (loops, nl_seq_inner, subplan_row, subplan_hash_off, idx_searches)
